"""What the workflow's rules ask of the variants that a study makes: data, uploads, how jobs run."""

from __future__ import annotations

from typing import Any

from persona_collapse.finetuning.data import Dataset
from persona_collapse.finetuning.planned import POLL_S, SETTLE_S, TIMEOUT_S, datasets_of
from persona_collapse.plan.answers import Layout


class MakingLayout:
    """The made variants of a study: ``orders`` by model and variant, ``datasets`` by name.

    Raises ``UserError`` for a variant that cannot be made as it says.
    """

    def __init__(self, layout: Layout) -> None:
        self.study, self.orders = layout.study, layout.made
        self.datasets: dict[str, Dataset] = datasets_of(self.study, self.orders)

    def endpoint(self, model: str, variant: str) -> str:
        """Return the name of the endpoint that a variant is made on."""
        return self.study.models[model].variants[variant].endpoint.name

    @property
    def endpoints(self) -> list[str]:
        """The endpoints that something is made on, sorted."""
        return sorted({self.endpoint(*names) for names in self.orders})

    def uploads(self, settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return one order for each upload, with its settings, by endpoint and dataset.

        ``settings`` are those of the method ``settings`` by endpoint.
        """
        found: dict[str, dict[str, Any]] = {}
        for names, order in self.orders.items():
            endpoint = self.endpoint(*names)
            use = {"order": order, "settings": settings[endpoint]}
            found.setdefault(f"{endpoint} {order['dataset']}", use)
        return found

    def settings(self, endpoint: str) -> dict[str, Any]:
        """Return how jobs of an endpoint are run, which changes no model that comes out."""
        given = self.study.endpoints[endpoint].settings
        return {
            "api_key_env": given.get("api_key_env", "OPENAI_API_KEY"),
            "timeout_s": given.get("timeout_s", TIMEOUT_S),
            "poll_s": given.get("poll_s", POLL_S),
            "settle_s": given.get("settle_s", SETTLE_S),
            "budget": self.study.budget or None,
            "scope": self.study.name,
        }
