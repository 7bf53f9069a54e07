"""The first screen: one row per model and target with its changes, or per variant with its values.

Every row has the same two axes, one for S and one for R, so that rows compare by eye.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from persona_collapse.common.notation import (
    DASH,
    PERCENT,
    known,
    write,
    write_change,
    write_interval,
)
from persona_collapse.figures.look import Look
from persona_collapse.report.few import LEGEND, with_few
from persona_collapse.report.printed import MEAN, OVERALL, Row, rows_by
from persona_collapse.report.strips import Axis, Mark, Point
from persona_collapse.tables.contracts.influence import FEW, FEW_SIGN

METRICS = ("S", "R")
POPULATION = 3  # models; fewer say nothing about others
RECOGNISED = "identified_in_base"  # in diagnostics.csv, with an interval


@dataclass(frozen=True)
class Number:
    """A number with its interval, and its marks on the axis of its column."""

    value: str
    interval: str = ""
    marks: Sequence[Mark] = ()
    described: str = ""  # the marks in words


@dataclass(frozen=True)
class Share:
    """The share of personas recognised under a variant."""

    variant: str
    percent: float
    text: str


@dataclass(frozen=True)
class VerdictRow:
    """One row: what is judged, the label, and the numbers behind it."""

    key: str  # of the model
    model: str
    variant: str
    label: str
    reason: str
    numbers: Mapping[str, Number]
    direct: Mapping[str, str]  # change of each metric against the control
    recognised: Sequence[Share]
    details: Sequence[str]  # the numbers in sentences
    limits: Sequence[str]  # what else bears on the verdict


@dataclass(frozen=True)
class Verdicts:
    """All rows, the axis of each metric, and notes that stand below the rows."""

    rows: Sequence[VerdictRow]
    axes: Mapping[str, Axis]
    notes: Sequence[str]


def verdicts_of(
    look: Look, tables: Mapping[str, pl.DataFrame], words: Iterable[Mapping[str, Any]]
) -> Verdicts:
    """Return a row per model and target of ``verdict.csv``.

    ``tables`` are the study's by name; ``words`` are the verdicts of ``headlines.json``. A study
    without targets has a row per model and variant, with S and R themselves.
    """
    verdicts = tables.get("verdict")
    if verdicts is None or verdicts.is_empty():
        return _described(look, tables)
    judged = verdicts.to_dicts()
    points = {name: [_changes(row, name) for row in judged] for name in METRICS}
    margin = next((row["smallest_effect"] for row in judged if row["smallest_effect"]), 0.0)
    axes = {
        name: Axis((p for own in points[name] for p in own), changes=True, margin=margin)
        for name in METRICS
    }
    labels = {model.key: model.label for model in look.models}
    intervals = _recognised(look, tables.get("diagnostics"))
    said = {(row["model"], row["target"]): row for row in words}
    rows = [
        VerdictRow(
            key=row["model"],
            model=labels.get(row["model"], row["model"]),
            variant=row["target"],
            label=row["label"],
            reason=row["reason"],
            numbers={
                name: _number(points[name][place], axes[name], few=_few(row) and name == "S")
                for name in METRICS
            },
            direct={
                name: " ".join(_change(row, f"{name}_direct")).strip()
                for name in METRICS
                if row[f"{name}_direct"] is not None
            },
            recognised=_shares(row, intervals),
            details=said.get((row["model"], row["target"]), {}).get("details", ()),
            limits=said.get((row["model"], row["target"]), {}).get("limits", ()),
        )
        for place, row in enumerate(judged)
    ]
    notes = _means(look, tables)
    if any(_few(row) for row in judged):
        notes.append(LEGEND[FEW_SIGN])
    return Verdicts(rows, axes, notes)


def _changes(row: Row, metric: str) -> list[Point]:
    """Return the changes of control and target against the baseline, the target last."""
    found = []
    for role in ("control", "target"):
        name = f"{metric}_{role}"
        if row[role] is not None and known(row[name]):
            found.append(Point(row[role], row[name], row[f"{name}_lo"], row[f"{name}_hi"]))
    return found


def _number(points: Sequence[Point], axis: Axis, *, few: bool) -> Number:
    """Return the last point as a number, all of them as marks."""
    if not points:
        return Number(DASH)
    written = [write_change(point.value, point.lo, point.hi) for point in points]
    value, interval = written[-1]
    described = "; ".join(
        f"{point.variant} {' '.join(parts)}" for point, parts in zip(points, written, strict=True)
    )
    mark = FEW_SIGN if few else ""
    return Number(value + mark, interval or "(no interval)", axis.marks(points), described)


def _change(row: Row, name: str) -> tuple[str, str]:
    return write_change(row[name], row[f"{name}_lo"], row[f"{name}_hi"])


def _few(row: Row) -> bool:
    """Return whether S of the target rests on few personas."""
    number = row["effective_personas_target"]
    return number is not None and number < FEW


def _recognised(look: Look, diagnostics: pl.DataFrame | None) -> dict[tuple[str, str], Row]:
    if diagnostics is None:
        return {}
    chosen = diagnostics.filter(probe=look.roleplay, domain=OVERALL, measure=RECOGNISED)
    return rows_by(chosen, "model", "variant")


def _shares(row: Row, intervals: Mapping[tuple[str, str], Row]) -> list[Share]:
    """Return the recognised shares of control and target, with intervals where there are some."""
    found = []
    for role in ("control", "target"):
        share = row[f"recognised_{role}"]
        if row[role] is None or share is None:
            continue
        ends = intervals.get((row["model"], row[role]), {})
        lo, hi = (None if ends.get(end) is None else 100 * ends[end] for end in ("lo", "hi"))
        interval = write_interval(lo, hi, 0)
        text = f"{write(100 * share, 0)}{PERCENT} {interval}".strip()
        found.append(Share(row[role], round(100 * share, 1), text))
    return found


def _means(look: Look, tables: Mapping[str, pl.DataFrame]) -> list[str]:
    """Return a sentence per target on the mean of several models, and of such models."""
    contrasts, effects = tables.get("contrasts"), tables.get("random_effects")
    if contrasts is None or len(look.models) < 2:
        return []
    chosen = {"probe": look.roleplay, "domain": OVERALL}
    of_these = rows_by(contrasts.filter(model=MEAN, **chosen), "contrast", "metric")
    of_all = {}
    if effects is not None:
        enough = effects.filter(pl.col("n_models") >= POPULATION, **chosen)
        of_all = rows_by(enough, "contrast", "metric")
    sentences = []
    for target in look.targets:
        keys = [(f"{target}-{look.baseline}", metric) for metric in METRICS]
        here, there = (
            ", ".join(
                f"{key[1]} {' '.join(_change(rows[key], 'percent'))}"
                for key in keys
                if key in rows and known(rows[key]["percent"])
            )
            for rows in (of_these, of_all)
        )
        if here:
            where = f", {target}" if len(look.targets) > 1 else ""
            population = f"; for a population of such models {there}" if there else ""
            sentences.append(f"Mean of these models{where}: {here}{population}.")
    return sentences


def _described(look: Look, tables: Mapping[str, pl.DataFrame]) -> Verdicts:
    """Return S and R of each model's variants, where no target is compared."""
    metrics = with_few(tables["metrics"], tables.get("influence"))
    chosen = metrics.filter(probe=look.roleplay, domain=OVERALL).to_dicts()
    labels = {model.key: model.label for model in look.models}
    points = {
        name: {place: _level(row, name) for place, row in enumerate(chosen)} for name in METRICS
    }
    axes = {
        name: Axis((point for point in own.values() if point), changes=False)
        for name, own in points.items()
    }
    rows = [
        VerdictRow(
            key=row["model"],
            model=labels.get(row["model"], row["model"]),
            variant=row["variant"],
            label="",
            reason="",
            numbers={name: _plain(row, name, points[name][place], axes[name]) for name in METRICS},
            direct={},
            recognised=(),
            details=(),
            limits=(),
        )
        for place, row in enumerate(chosen)
    ]
    notes = [LEGEND[FEW_SIGN]] if any(row.get("few") for row in chosen) else []
    return Verdicts(rows, axes, notes)


def _level(row: Row, metric: str) -> Point | None:
    if row[metric] is None:
        return None
    ends = [row[f"{metric}_{end}"] for end in ("lo", "hi")]
    return Point(row["variant"], row[metric], *ends)


def _plain(row: Row, metric: str, point: Point | None, axis: Axis) -> Number:
    """Return S or R of a variant as a number and a mark."""
    value = write(row[metric], 2)
    if point is None:
        return Number(value)
    interval = write_interval(point.lo, point.hi, 2) or "(no interval)"
    mark = FEW_SIGN if row.get("few") and metric == "S" else ""
    described = f"{row['variant']} {value} {interval}"
    return Number(f"{value}{mark}", interval, axis.marks([point]), described)
