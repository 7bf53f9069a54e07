"""Verdict per model and target, with the numbers that it rests on: ``verdict.csv``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log1p
from typing import Any

import polars as pl

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.pairs import Replicates, Roles
from persona_collapse.measures.verdict.rule import (
    Comparison,
    Evidence,
    Interval,
    Names,
    control_state,
    decide,
)
from persona_collapse.tables.contracts.verdict import TABLE

METRICS = ("S", "R")
Z = 1.96  # half a 95 % interval in standard errors
MISSED = 0.05  # probability with which a kind of persona of the unseen share is missing
Row = Mapping[str, Any]
Rows = Mapping[tuple[str, str, str], Row]  # by contrast, metric and domain


@dataclass(frozen=True)
class Tables:
    """The tables that verdicts are computed from, of the role-play probe alone.

    ``misalignment`` is None in a study without the check.
    """

    metrics: pl.DataFrame
    contrasts: pl.DataFrame
    influence: pl.DataFrame
    identification: pl.DataFrame
    misalignment: pl.DataFrame | None = None


def verdicts_of(
    tables: Tables, roles: Roles, smallest_effect: float, replicates: Replicates
) -> pl.DataFrame:
    """Return ``verdict.csv``: a row for every target of every model that was measured under it.

    Numbers of a variant with replicate fine-tunes are means over them, and the smallest effective
    number of personas. ``replicates`` lists them by model and variant.
    """
    rows = []
    for model in tables.metrics["model"].unique(maintain_order=True):
        rows += [
            _Verdict(tables, roles.baseline, smallest_effect, replicates.get(model, {}), model).row(
                target, control
            )
            for target, control in roles.targets.items()
            if target in tables.metrics.filter(model=model)["variant"]
        ]
    return TABLE.frame(rows)


def rows_of(contrasts: pl.DataFrame, model: str) -> Rows:
    """Return a model's rows of ``contrasts.csv`` by contrast, metric and domain."""
    rows = contrasts.filter(model=model).to_dicts()
    return {(row["contrast"], row["metric"], row["domain"]): row for row in rows}


def interval_of(rows: Rows, contrast: str, metric: str) -> Interval | None:
    """Return the interval of the log ratio of S or R over all items; None where it is undefined.

    Where one of two variants never varied its answers, R is infinite and the ratio has no interval.
    Then the difference of sigma_bar decides: if it exceeds 1.96 standard errors, the ratio of R is
    0 or infinite, whatever personas are drawn.
    """
    row = rows.get((contrast, metric, OVERALL), {})
    low, high = row.get("log_ratio_lo"), row.get("log_ratio_hi")
    if low is not None and high is not None:
        return Interval(low, high)
    other = rows.get((contrast, "sigma_bar", OVERALL), {})
    difference, error = other.get("estimate"), other.get("estimate_se")
    if metric != "R" or difference is None or error is None:
        return None
    if difference == error == 0:
        return Interval(0, 0)
    if abs(difference) <= Z * error:
        return None
    return Interval(-inf, -inf) if difference > 0 else Interval(inf, inf)


def unseen_share(personas: int) -> float:
    """Return the share of a population that a sample of so many may never have met.

    A kind of persona with this share is missing from the sample with probability 0.05: the exact
    form of the rule of three (Hanley and Lippman-Hand 1983), about 3 / personas.
    """
    return float(1 - MISSED ** (1 / personas))


@dataclass(frozen=True)
class _Verdict:
    """The verdicts of one model."""

    tables: Tables
    baseline: str
    smallest_effect: float
    replicates: Mapping[str, Sequence[str]]
    model: str

    def row(self, target: str, control: str | None) -> dict[str, Any]:
        rows = rows_of(self.tables.contrasts, self.model)
        variants = self.tables.metrics.filter(model=self.model)["variant"]
        measured = control if control in variants else None
        contrasts = {"target": f"{target}-{self.baseline}"}
        if measured is not None:
            contrasts["direct"] = f"{target}-{measured}"
            contrasts["control"] = f"{measured}-{self.baseline}"
        shown = {
            name: Comparison(*(interval_of(rows, contrast, metric) for metric in METRICS))
            for name, contrast in contrasts.items()
        }
        decision = decide(
            Evidence(shown["target"], shown.get("direct"), shown.get("control")),
            self.smallest_effect,
            Names(self.baseline, target, control),
        )
        found: dict[str, Any] = {
            "model": self.model,
            "target": target,
            "control": measured,
            "baseline": self.baseline,
            "label": decision.label,
            "reason": decision.reason,
            "smallest_effect": self.smallest_effect,
        }
        for name, contrast in contrasts.items():
            for metric in METRICS:
                row = rows.get((contrast, metric, OVERALL), {})
                for end in ("", "_lo", "_hi"):
                    found[f"{metric}_{name}{end}"] = row.get(f"percent{end}")
        if measured is not None:
            margin = log1p(self.smallest_effect)
            found["control_state"] = control_state(shown["control"].S, self.smallest_effect)
            for metric in METRICS:
                interval = getattr(shown["control"], metric)
                found[f"{metric}_control_equivalent"] = interval and interval.within(margin)
        main = rows.get((contrasts["target"], "S", OVERALL), {})
        personas = main.get("n_personas")
        if personas is None:
            alone = self._of(self.tables.influence, target, quantity="S")["n_personas"]
            personas = min(alone.to_list(), default=None)
        found["n_personas"] = personas
        found["n_replicates"] = main.get("n_replicates")
        found["unseen_share"] = unseen_share(personas) if personas else None
        for role, variant in (("target", target), ("control", measured)):
            found |= {f"{name}_{role}": value for name, value in self._about(variant).items()}
        recognised = self._recognised(target)
        found["recognised_chance"] = recognised["chance"].mean() if recognised.height else None
        mine = self.tables.metrics.filter(model=self.model)
        judged = pl.col("variant").is_in(
            [name for v in (self.baseline, target, measured) for name in self._members(v)]
        )
        return found | {"simulated": bool(mine.filter(judged)["simulated"].any())}

    def _members(self, variant: str | None) -> Sequence[str]:
        """Return a variant's replicates, itself without any; none for None."""
        return [] if variant is None else self.replicates.get(variant, [variant])

    def _of(self, table: pl.DataFrame, variant: str | None, **constraints: Any) -> pl.DataFrame:
        members = pl.col("variant").is_in(self._members(variant))
        return table.filter(members, model=self.model, **constraints)

    def _recognised(self, variant: str | None) -> pl.DataFrame:
        """Return how often personas are recognised from all answers by their baseline profile."""
        return self._of(
            self.tables.identification, variant, profiles="baseline", classifier="correlation"
        )

    def _about(self, variant: str | None) -> dict[str, Any]:
        """Return what else is known of target or control."""
        influence = self._of(self.tables.influence, variant, quantity="S")
        recognised = self._recognised(variant)["recognised"]
        checked = self.tables.misalignment
        coherence = None if checked is None else self._of(checked, variant)["coherence"]
        return {
            "effective_personas": influence["effective_personas"].min(),
            "recognised": recognised.mean(),
            "coherence": None if coherence is None else coherence.mean(),
        }
