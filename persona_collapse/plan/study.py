"""The plan of a whole study: all that rules ask, by stage, and the run settings of every job."""

from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any

from persona_collapse.asking.settings import slots
from persona_collapse.plan.answers import Layout, Places
from persona_collapse.plan.checks import check_inputs, check_size, undefined_values
from persona_collapse.plan.finetunes import MakingLayout
from persona_collapse.plan.measures import Measures
from persona_collapse.plan.misalignment import CheckLayout
from persona_collapse.plan.outputs import Outputs
from persona_collapse.plan.precedence import Precedence
from persona_collapse.study.resolved import Study


class Plan:
    """A study cut into jobs, by stage; ``notes`` say what to know before anything is asked.

    Raises ``UserError`` for a study that cannot run: too many shards, files that are missing,
    variants that cannot be simulated or fine-tuned as it says.
    """

    def __init__(self, study: Study, places: Places) -> None:
        self.answers, self.endpoints = Layout(study, places), study.endpoints
        self.notes = [*check_size(self.answers), *undefined_values(self.answers)]
        check_inputs(self.answers)
        self.answers.check_endpoints()
        self.misalignment = CheckLayout(self.answers)
        self.precedence = Precedence(self.answers, self.misalignment)
        self.finetunes = MakingLayout(self.answers)
        self.measures = Measures(self.answers)
        self.outputs = Outputs(self.measures, self.finetunes, self.misalignment)

    def run_settings(self, mirror: str | None) -> dict[str, dict[str, Any]]:
        """Return what changes how jobs work but not what they write: limits, budget, store, mirror.

        The keys are the rule, then the values of the job's wildcards, joined by spaces. Scripts
        read them with ``common.jobs.run_settings``.
        """
        answering = {
            " ".join(astuple(unit)): settings
            for unit in self.answers.shards
            if (settings := self.answers.run_settings(unit))
        }
        fetching = {"": {"mirror": mirror}}
        return {
            "external_resource": fetching,
            "fetch_dataset": fetching,
            "answer_shard": answering,
            "fill_by_batch": self.answers.batch_settings(),
            "check_variant": self.misalignment.run_settings(),
            "upload_dataset": self.finetunes.uploads(),
            "make_variant": {
                " ".join(names): self.finetunes.run_settings(*names)
                for names in self.finetunes.orders
            },
        }

    @staticmethod
    def batch_results(given: str | Sequence[str] | None) -> list[str]:
        """Return the files of results that the run settings name, with commas or as a list."""
        names = given.split(",") if isinstance(given, str) else given or ()
        return [name.strip() for name in names if name.strip()]

    @property
    def spends(self) -> bool:
        """Whether anything is asked of a model or ordered from a server."""
        asked = self.answers.asked or self.misalignment.asked_endpoints()
        return bool(asked or self.finetunes.on_servers())

    def slots(self) -> dict[str, int]:
        """Return the requests in flight that each asked endpoint grants over all jobs."""
        names = {self.answers.endpoint_name(unit) for unit in self.answers.asked}
        asked = sorted(names | set(self.misalignment.asked_endpoints()))
        return {name: slots(self.endpoints[name].settings)[1] for name in asked}

    def claims(self, *endpoints: Callable[[Any], str]) -> dict[str, Callable[[Any], int]]:
        """Return what a job claims of each endpoint's slots, as a rule's resources.

        ``endpoints`` return the names of endpoints that a job with some wildcards asks.
        """

        def claim(name: str) -> Callable[[Any], int]:
            own = slots(self.endpoints[name].settings)[0]
            return lambda job: own if any(asked(job) == name for asked in endpoints) else 0

        return {f"api_slots_{name}": claim(name) for name in self.slots()}
