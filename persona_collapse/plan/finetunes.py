"""What rules ask about fine-tunes: orders, data, uploads, and how their jobs are run."""

from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.data import Dataset
from persona_collapse.finetuning.planned import POLL_S, SETTLE_S, TIMEOUT_S, datasets_of
from persona_collapse.plan.answers import Layout
from persona_collapse.study.resolved import Endpoint


class MakingLayout:
    """The fine-tunes of a study: ``orders`` by model and variant, ``datasets`` by name.

    Raises ``UserError`` for a fine-tune that cannot be ordered.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout, self.study, self.orders = layout, layout.study, layout.made
        self.datasets: dict[str, Dataset] = datasets_of(self.study, self.orders)

    def order(self, wildcards: Any) -> dict[str, Any]:
        """Return what is ordered for a variant, as plain values."""
        return self.orders[wildcards.model, wildcards.variant]

    def data(self, wildcards: Any) -> str:
        """Return the training data of a variant."""
        return str(self.datasets[self.order(wildcards)["dataset"]].path)

    def upload(self, wildcards: Any) -> str:
        """Return the file that says under which id a variant's data lie on its server."""
        endpoint = self.endpoint(wildcards.model, wildcards.variant).name
        dataset = self.order(wildcards)["dataset"]
        return f"{self.layout.results}/finetune/uploads/{endpoint}/{dataset}.json"

    def dataset(self, wildcards: Any) -> str:
        """Return the file of a dataset."""
        return str(self.datasets[wildcards.dataset].path)

    def partner(self, wildcards: Any) -> list[str] | str:
        """Return the dataset that must have the same prompts as a dataset, none where none must."""
        return self._partner(wildcards.dataset) or []

    def _partner(self, dataset: str) -> str | None:
        name = self.datasets[dataset].matched_with
        return None if name is None else str(self.datasets[name].path)

    def fetched(self, wildcards: Any) -> dict[str, Any]:
        """Return name, addresses and content id of a dataset that is fetched to a file."""
        path = f"resources/external/datasets/{wildcards.file}.jsonl"
        for data in self.datasets.values():
            if str(data.path) == path:
                return {"name": data.name, "urls": list(data.urls), "git_blob": data.git_blob}
        raise UserError(f"the study {self.study.name!r} names no dataset {wildcards.file}")

    def endpoint(self, model: str, variant: str) -> Endpoint:
        """Return the endpoint that trains a variant."""
        return self.study.models[model].variants[variant].endpoint

    def made_files(self) -> list[str]:
        """Return the files that name the fine-tuned models."""
        return [f"{self.layout.results}/{self.layout.made_file(*names)}" for names in self.orders]

    def curves(self) -> list[list[str]]:
        """Return model, variant and file of the loss curve of every fine-tune."""
        root = f"{self.layout.results}/finetune"
        return [
            [model, variant, f"{root}/{model}/{variant}.parquet"] for model, variant in self.orders
        ]

    def on_servers(self) -> list[dict[str, Any]]:
        """Return what costs, preflight and cancelling need of every fine-tune on a server."""
        return [
            {
                "order": order,
                "data": str(self.datasets[order["dataset"]].path),
                "partner": self._partner(order["dataset"]),
                "expected": self.datasets[order["dataset"]].expected,
                "made": f"{self.layout.results}/{self.layout.made_file(model, variant)}",
                "settings": self.run_settings(model, variant),
            }
            for (model, variant), order in self.orders.items()
            if not self.endpoint(model, variant).behaviour.simulated
        ]

    def uploads(self) -> dict[str, dict[str, Any]]:
        """Return one order for each upload, with its run settings, by endpoint and dataset."""
        found: dict[str, dict[str, Any]] = {}
        for names, order in self.orders.items():
            use = {"order": order, "settings": self.run_settings(*names)}
            found.setdefault(f"{self.endpoint(*names).name} {order['dataset']}", use)
        return found

    def run_settings(self, model: str, variant: str) -> dict[str, Any]:
        """Return how the job of a variant is run, which changes no model that comes out.

        A simulated job is not paid for: its journal is kept with the results, not in the store.
        """
        endpoint = self.endpoint(model, variant)
        given, places = endpoint.settings, self.layout.places
        simulated = f"{self.layout.results}/finetune/simulated"
        return {
            "api_key_env": given.get("api_key_env", "OPENAI_API_KEY"),
            "timeout_s": given.get("timeout_s", TIMEOUT_S),
            "poll_s": given.get("poll_s", POLL_S),
            "settle_s": given.get("settle_s", SETTLE_S),
            "budget": self.study.budget or None,
            "scope": self.study.name,
            "store": simulated if endpoint.behaviour.simulated else places.store,
            "prices": places.prices,
        }
