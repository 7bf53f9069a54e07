"""What the terminal says of a run: its study, its files, its command, and how it learns more."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from persona_collapse import __version__
from persona_collapse.asking.budget import Budget
from persona_collapse.figures.look import Look
from persona_collapse.plan.study import Plan
from persona_collapse.study.resolved import Study
from persona_collapse.terminal.ending import verdict_lines
from persona_collapse.terminal.work import Job, Planned, work_of

PAGE = "report_page"  # the rule that writes the page


@dataclass(frozen=True)
class About:
    """A run of a study.

    ``planned`` returns its jobs, those included whose files are there; ``dry`` whether it only
    looks what there is to do. ``argv`` is how it was called.
    """

    plan: Plan
    argv: Sequence[str]
    planned: Callable[[], Iterable[Planned]]
    dry: Callable[[], bool]

    @property
    def study(self) -> Study:
        """The study."""
        return self.plan.answers.study

    @property
    def results(self) -> Path:
        """The folder of the study's results."""
        return Path(self.plan.answers.results)

    @property
    def notes(self) -> Path | None:
        """The folder of the notes that jobs leave for each other and for the terminal."""
        stops = self.plan.answers.places.stops
        return Path(stops) if stops else None

    @property
    def log(self) -> Path:
        """The file with all that Snakemake and jobs say."""
        return self.results / "logs" / "run.log"

    @property
    def page(self) -> Path:
        """The study's page."""
        return self.results / "report" / "index.html"

    @property
    def title(self) -> list[str]:
        """What a first line says of the study, in parts."""
        study = self.study
        models, variants = len(study.models), len(study.variant_names)
        endpoints = [self.plan.answers.endpoint(unit) for unit in self.plan.answers.shards]
        simulated = [endpoint.simulated for endpoint in endpoints]
        parts = [
            f"persona-collapse {__version__}",
            f"study {study.name}",
            f"{models} model{'s' * (models > 1)} x {variants} variant{'s' * (variants > 1)}",
        ]
        if any(simulated):
            parts.append("simulated respondents" if all(simulated) else "some are simulated")
        elif not any(endpoint.sends_requests for endpoint in endpoints):
            parts.append("recorded answers")
        return parts

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        program = Path(self.argv[0])
        name = "snakemake" if program.name == "__main__.py" else self.argv[0]
        if program.is_absolute():
            name = program.name if program.name != "__main__.py" else "snakemake"
        return shlex.join([name, *self.argv[1:]])

    def jobs(self) -> list[Job]:
        """Return the jobs of the run."""
        return [work_of(self.plan, planned) for planned in self.planned()]

    def spent(self) -> str:
        """Return what the study has spent of its budget, "" where it has none."""
        study, places = self.study, self.plan.answers.places
        if not study.budget:
            return ""
        budget = Budget(Path(places.store), study.name, study.budget, 1)
        requests, usd = budget.spent()
        if budget.max_usd is not None:
            return f"${usd:,.2f} of ${budget.max_usd:,.2f}"
        return f"{requests:,} of {budget.max_requests:,} requests"

    def verdicts(self) -> list[str]:
        """Return the last lines of a run that makes the page, none of another."""
        if not any(planned.rule == PAGE for planned in self.planned()):
            return []
        return verdict_lines(self.results, Look.from_params(**self.plan.outputs.look))
