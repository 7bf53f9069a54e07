"""What a study writes: its tables, figures and page, and the files that its numbers depend on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.figures.catalogue import FIGURES, Figure, rules
from persona_collapse.figures.look import Look
from persona_collapse.materials.claims import TABLES as CLAIM_TABLES
from persona_collapse.materials.claims import Claims, read_claims
from persona_collapse.plan.band import band_of_study
from persona_collapse.plan.finetunes import MakingLayout
from persona_collapse.plan.measures import Measures
from persona_collapse.plan.misalignment import CheckLayout
from persona_collapse.tables import Table
from persona_collapse.tables.index import all_tables

FORMATS = ("svg", "pdf", "png")
PRINTED = (
    *("verdict", "metrics", "contrasts", "profiles", "quality"),
    *("misalignment", "coherence_loss"),
)


class Outputs:
    """The tables and figures that a study has the data for, and the files that they need."""

    def __init__(self, measures: Measures, finetunes: MakingLayout, check: CheckLayout) -> None:
        self.measures, self.finetunes, self.check = measures, finetunes, check
        self.study, self.results = measures.study, measures.layout.results
        self.band = band_of_study(measures.layout)
        self.claims, self.printed_numbers = _claims(self.study.analysis["claims"])
        # See ``tables.CONDITIONS``.
        self.conditions = {
            None: True,
            "unconditioned": bool(measures.bare_units),
            "toxic": any(measures.toxic),
            "logprobs": bool(measures.logprob_units),
            "steps": bool(self.study.steps()),
            "replicates": bool(measures.replicates),
            "misalignment": check.exists,
            "coherence_loss": check.has_loss,
            # A model is one point; fewer say next to nothing of a relation.
            "coherence_models": check.has_loss and len(self.study.models) >= 6,
            "models": len(self.study.models) > 1,
            "made": bool(finetunes.orders),
            "targets": bool(measures.analysis["targets"]),
            # Fewer models give one sentence in the table.
            "moderation": bool(measures.analysis["targets"]) and len(self.study.models) >= 5,
            "band": bool(self.band.rows),
            "claims": self.claims is not None,
        }
        found = all_tables().values()
        self.tables = [table.name for table in found if self.conditions[table.condition]]
        self.figures = [f for f in FIGURES.values() if self.conditions[f.condition]]

    def table_files(self) -> list[str]:
        """Return the CSV files of all tables."""
        return self.made(self.tables)

    def made(self, names: Sequence[str]) -> list[str]:
        """Return the CSV files of those of these tables that the study has."""
        return [f"{self.results}/tables/{name}.csv" for name in names if name in self.tables]

    def claim_inputs(self) -> list[str]:
        """Return the tables that the conditions of claims read, those that the study has."""
        return self.made(sorted({*CLAIM_TABLES, "metrics", "profiles"})) if self.claims else []

    def printed_files(self) -> list[str]:
        """Return the tables that are printed as Markdown and LaTeX."""
        names = [name for name in PRINTED if name in self.tables]
        return [f"{self.results}/tables/{name}.{form}" for name in names for form in ("md", "tex")]

    def figure_files(self) -> list[str]:
        """Return the files of all figures, in every format."""
        names = [figure.name for figure in self.figures]
        return [f"{self.results}/figures/{name}.{form}" for name in names for form in FORMATS]

    @property
    def look(self) -> dict[str, Any]:
        """What figures, printed tables and page show of the study (see ``Look.from_params``)."""
        analysis, shown = self.measures.analysis, ("key", "label", "family", "mixed_backends")
        instrument = self.measures.layout.instruments[analysis["roleplay_probe"]]
        return {
            "models": [{k: getattr(m, k) for k in shown} for m in self.study.models.values()],
            "variants": self.study.variant_names,
            "analysis": analysis,
            **instrument.words(),
        }

    @property
    def labels(self) -> dict[str, str]:
        """The label of each model."""
        return {model.key: model.label for model in self.study.models.values()}

    def page_figures(self) -> list[dict[str, Any]]:
        """Return what the page shows of the figures, in its order."""
        look = Look.from_params(**self.look)
        return [
            {
                "stem": f"{self.results}/figures/{figure.name}",
                "section": figure.section,
                "evidence": figure.evidence,
                "tables": list(figure.tables),
                "title": figure.title,
                "alt": look.worded(figure.alt),
                "caption": look.worded(figure.caption),
            }
            for figure in self.figures
        ]

    def captions(self) -> dict[str, list[list[str]]]:
        """Return the captions of ``snakemake --report``, by table and by rule of figures."""
        look = Look.from_params(**self.look)
        texts = {name: [(table.title, table.note)] for name, table in all_tables().items()}
        for rule, figures in rules(self.figures).items():
            texts[rule] = [(figure.title, figure.caption) for figure in figures]
        return {
            name: [[look.worded(text) for text in pair] for pair in pairs]
            for name, pairs in texts.items()
        }

    def in_report(self, table: str) -> dict[str, Any]:
        """Return how ``snakemake --report`` shows a table: under its title, if it has one."""
        [(title, _)] = self.captions().get(table, [[table, ""]])
        return {"caption": "../report/table.rst", "category": "Tables", "labels": {"table": title}}

    def unit_tables(self) -> dict[str, list[Table]]:
        """Return the tables computed from one unit at a time, by the module of ``measures/``."""
        found: dict[str, list[Table]] = {}
        for table in (all_tables()[name] for name in self.tables):
            if table.function:
                found.setdefault(table.function.rpartition(".")[0], []).append(table)
        return found

    def figure_tables(self, figures: Sequence[Figure]) -> list[str]:
        """Return the CSV files of the tables that figures are drawn from, each once."""
        names = dict.fromkeys(name for figure in figures for name in figure.tables)
        return [f"{self.results}/tables/{name}.csv" for name in names]

    def figure_arguments(self, figures: Sequence[Figure]) -> dict[str, dict[str, Any]]:
        """Return what each figure's function takes: names of tables, and extras with values."""
        power, measures = self.study.analysis["power"], self.measures
        scales = [measures.layout.instruments[unit.probe].scale() for unit in measures.bare_units]
        extras = {
            "scale": list(scales[0]) if scales else [],
            "aims": [power["S_percent"], power["R_percent"]],
            "design": [
                measures.layout.persona_count(measures.analysis["roleplay_probe"]),
                self.study.probes[measures.analysis["roleplay_probe"]].repetitions,
            ],
        }
        return {
            figure.name: {
                "tables": list(figure.tables),
                "extra": {name: extras[name] for name in figure.extra},
            }
            for figure in figures
        }

    def sources(self) -> list[str]:
        """Return every file that the study's numbers depend on, sorted."""
        layout, study = self.measures.layout, self.study
        planted = [endpoint.settings.get("planted") for endpoint in study.endpoints.values()]
        named = [
            study.path,
            *self.measures.instrument_files,
            *self.measures.persona_files,
            *self.band.files,
            *(path for unit in self.measures.units for path in layout.endpoint_files(unit)),
            *self.finetunes.made_files(),
            *(data.path for data in self.finetunes.datasets.values()),
            *planted,
            study.analysis["toxic_printed"],
            study.analysis["claims"],
            self.printed_numbers,
            *self.check.files(),
        ]
        return sorted({str(path) for path in named if path})


def _claims(path: str | None) -> tuple[Claims | None, str | None]:
    """Return a file of claims and the CSV of printed numbers that it names; both checked."""
    if path is None:
        return None, None
    claims = read_claims(Path(path))
    numbers = Path(path).parent / claims.numbers
    if not numbers.is_file():
        raise UserError(f"{path}: numbers: there is no file {numbers}")
    return claims, str(numbers)
