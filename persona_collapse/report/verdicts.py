"""The top of the page: per model and target a verdict, three numbers, and a strip for each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.few import LEGEND, with_few
from persona_collapse.report.printed import (
    DASH,
    MEAN,
    OVERALL,
    Row,
    known,
    rows_by,
    write,
    write_interval,
)
from persona_collapse.tables.contracts.influence import FEW_SIGN

Rows = Mapping[tuple[str, str], Row]
MARGIN = 4.0  # percent of a strip left free at both ends


@dataclass(frozen=True)
class Mark:
    """A variant's value on a strip, with its interval; places in percent of the strip's width."""

    variant: str
    at: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Strip:
    """A small plot of one number: marks, and a zero line or a shaded band for reference."""

    marks: tuple[Mark, ...]
    zero: float | None = None
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Number:
    """One number of a verdict as text: label, value, interval and a remark."""

    label: str
    value: str
    interval: str = ""
    remark: str = ""
    strip: Strip | None = None


@dataclass(frozen=True)
class Verdict:
    """A model (or the mean of models) with its verdict and numbers."""

    label: str
    key: str
    sentences: Sequence[str]  # a summary, then further ones
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class _Point:
    """A value with the ends of its interval, None where it has none."""

    variant: str
    value: float
    lo: float | None
    hi: float | None
    replicates: int = 1
    mark: str = ""


@dataclass(frozen=True)
class _Measured:
    """One number of all models: the points of each, and values that the common axis includes."""

    points: dict[str, list[_Point]]
    ends: list[float] = field(default_factory=list)

    def strip(
        self,
        shown: Sequence[_Point],
        zero: bool = False,
        band: tuple[float, float] | None = None,
    ) -> Strip:
        """Place points of one model on the axis that all models share."""
        ends = [end for points in self.points.values() for p in points for end in _span(p)]
        ends += self.ends
        low, high = min(ends), max(ends)
        width = (high - low) or 1.0

        def place(value: float) -> float:
            return round(MARGIN + (100 - 2 * MARGIN) * (value - low) / width, 2)

        marks = (Mark(p.variant, *map(place, (p.value, *_span(p)))) for p in shown)
        shaded = (place(band[0]), place(band[1])) if band else None
        return Strip(tuple(marks), place(0.0) if zero else None, shaded)


def verdicts_of(
    look: Look,
    tables: Mapping[str, pl.DataFrame],
    words: Mapping[tuple[str, str], tuple[str, Sequence[str]]],
    replicates: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
) -> list[Verdict]:
    """Return a verdict per model and target, and last those of the mean of several models.

    ``tables`` are the study's by name, ``metrics`` and perhaps ``contrasts``, ``random_effects``,
    ``influence`` and ``band``; numbers without a table are left out. ``words`` are the label and
    the words of the verdict on each model and target, ``replicates`` each model's replicate
    fine-tunes by variant: S of such a variant is their mean, and its interval spans all of theirs.
    The mean of models has two intervals, for these models and for a population of such models.
    Without targets there is no verdict but S and R of every variant.
    """
    metrics, contrasts, band = tables["metrics"], tables.get("contrasts"), tables.get("band")
    influence, effects = tables.get("influence"), tables.get("random_effects")
    metrics = with_few(metrics, influence)
    if contrasts is not None:
        contrasts = with_few(contrasts, influence)
    levels = _levels(look, metrics, band, replicates or {})
    placed = [] if band is None else band.filter(probe=look.roleplay, metric="S").to_dicts()
    if not look.targets:
        return _described(look, metrics, levels)
    changes = {name: _changes(look, contrasts, name) for name in ("S", "R")}
    labels = {model.key: model.label for model in look.models}
    if contrasts is not None and len(labels) > 1:
        labels[MEAN] = "Mean of models"
    same = {key: dict(names) for key, names in (replicates or {}).items()}

    def of(row: Row, model: str, target: str) -> bool:
        names = same.get(model, {}).get(target, [target])
        return row["model"] == model and row["variant"] in names

    verdicts = []
    for key, label in labels.items():
        for target in look.targets:
            numbers = [
                *(
                    _change(look, changes[name], key, name, target, _population(look, effects, key))
                    for name in changes
                ),
                _level(target, levels, key, [row for row in placed if of(row, key, target)]),
            ]
            known_numbers = tuple(number for number in numbers if number is not None)
            if known_numbers or (key, target) in words:
                heading = f"{label}, {target}" if len(look.targets) > 1 else label
                words_of = words.get((key, target), ("", ()))
                verdicts.append(Verdict(heading, *words_of, known_numbers))
    return verdicts


def _described(look: Look, metrics: pl.DataFrame, levels: _Measured) -> list[Verdict]:
    """Return S and R of each model's variants, where no target is compared."""
    chosen = metrics.filter(probe=look.roleplay, domain=OVERALL)
    robust = rows_by(chosen, "model", "variant")
    found = []
    for model in look.models:
        points = levels.points.get(model.key, [])
        numbers = []
        for point in points:
            value, interval = _plain(point)
            remark = LEGEND[FEW_SIGN] if point.mark else ""
            strip = levels.strip([point])
            numbers.append(Number(f"S of {point.variant}", value, interval, remark, strip))
            row = robust.get((model.key, point.variant))
            if row is not None and known(row["R"]):
                R = _point(point.variant, row, "R")
                numbers.append(Number(f"R of {point.variant}", write(R.value, 2), _ends(R, 2)))
        if numbers:
            found.append(Verdict(model.label, "", (), tuple(numbers)))
    return found


def _changes(look: Look, contrasts: pl.DataFrame | None, metric: str) -> _Measured:
    """Return percent changes of targets and controls against the baseline, by model."""
    if contrasts is None:
        return _Measured({})
    chosen = contrasts.filter(probe=look.roleplay, domain=OVERALL, metric=metric)
    rows = rows_by(chosen, "model", "contrast")
    points: dict[str, list[_Point]] = {}
    for variant in (*look.controls, *look.targets):
        for (model, contrast), row in rows.items():
            if contrast == f"{variant}-{look.baseline}" and known(row["percent"]):
                points.setdefault(model, []).append(_point(variant, row, "percent"))
    return _Measured(points, [0.0])


def _levels(
    look: Look,
    metrics: pl.DataFrame,
    band: pl.DataFrame | None,
    replicates: Mapping[str, Mapping[str, Sequence[str]]],
) -> _Measured:
    """Return S of each variant by model, on an axis with the band."""
    chosen = metrics.filter(probe=look.roleplay, domain=OVERALL)
    points: dict[str, list[_Point]] = {}
    for row in chosen.iter_rows(named=True):
        if known(row["S"]):
            points.setdefault(row["model"], []).append(_point(row["variant"], row, "S"))
    points = {
        model: _mean_of_replicates(own, replicates.get(model, {})) for model, own in points.items()
    }
    ends = [] if band is None else band.filter(metric="S").select("band_lo", "band_hi").rows()
    return _Measured(points, list(ends[0]) if ends else [])


def _point(variant: str, row: Row, name: str) -> _Point:
    value = row[name]
    ends = [row.get(f"{name}_{end}") for end in ("lo", "hi")]
    lo, hi = (float(end) if end is not None and known(end) else None for end in ends)
    return _Point(variant, value, lo, hi, mark=FEW_SIGN if row.get("few") else "")


def _mean_of_replicates(
    points: list[_Point], replicates: Mapping[str, Sequence[str]]
) -> list[_Point]:
    """Return one point per variant: the mean of its replicates where it has some."""
    of = {name: variant for variant, names in replicates.items() for name in names}
    groups: dict[str, list[_Point]] = {}
    for point in points:
        groups.setdefault(of.get(point.variant, point.variant), []).append(point)
    return [
        _Point(
            variant,
            sum(point.value for point in group) / len(group),
            min((point.lo for point in group if point.lo is not None), default=None),
            max((point.hi for point in group if point.hi is not None), default=None),
            len(group),
            next((point.mark for point in group if point.mark), ""),
        )
        for variant, group in groups.items()
    ]


def _find(points: Iterable[_Point], variant: str | None) -> _Point | None:
    return next((point for point in points if point.variant == variant), None)


def _span(point: _Point) -> tuple[float, float]:
    """Return what a mark covers; where an end is missing, it ends at the value."""
    lo = point.value if point.lo is None else point.lo
    return lo, point.value if point.hi is None else point.hi


def _ends(point: _Point, decimals: int, *, signed: bool = False) -> str:
    return write_interval(point.lo, point.hi, decimals, signed=signed) or "(no interval)"


def _plain(point: _Point) -> tuple[str, str]:
    """Return a value of S and its interval."""
    return f"{write(point.value, 2)}{point.mark}", _ends(point, 2)


def _percent(point: _Point) -> tuple[str, str]:
    """Return a change and its interval as whole numbers, as the figures write them."""
    return f"{write(point.value, 0, signed=True)}%{point.mark}", _ends(point, 0, signed=True)


def _population(look: Look, effects: pl.DataFrame | None, key: str) -> Rows:
    """Return the rows of ``random_effects.csv`` by contrast and metric; none for a single model."""
    if effects is None or key != MEAN:
        return {}
    return rows_by(effects.filter(probe=look.roleplay, domain=OVERALL), "contrast", "metric")


def _change(
    look: Look, measured: _Measured, model: str, metric: str, target: str, population: Rows
) -> Number | None:
    control = look.targets[target]
    shown = [p for p in measured.points.get(model, []) if p.variant in (target, control)]
    changed, beside = (_find(shown, name) for name in (target, control))
    if changed is None:
        return None
    value, interval = _percent(changed)
    remarks = [f"{control}: {' '.join(_percent(beside))}"] if beside else []
    if FEW_SIGN in value + "".join(remarks):
        remarks.append(LEGEND[FEW_SIGN])
    label = f"Change of {metric}, {target} against {look.baseline}"
    row = population.get((f"{target}-{look.baseline}", metric))
    if row is not None and known(row["percent"]):
        interval += ", these models alone"
        of_all = " ".join(_percent(_point(target, row, "percent")))
        remarks.insert(0, f"population of such models: {of_all}")
    return Number(label, value, interval, "; ".join(remarks), measured.strip(shown, zero=True))


def _level(variant: str, measured: _Measured, model: str, placed: Sequence[Row]) -> Number | None:
    """Return S of a variant; ``placed`` are the rows of ``band.csv`` of its replicates."""
    points = measured.points.get(model, [])
    target = _find(points, variant)
    if target is None:
        return None
    value, interval = _plain(target)
    marked = [LEGEND[FEW_SIGN]] if target.mark else []
    name = f"S of {variant}"
    if target.replicates > 1:
        name += (
            f", mean of {target.replicates} fine-tunes with the outermost ends of their intervals"
        )
    if not placed:
        return Number(name, value, interval, "".join(marked), measured.strip(points))
    limits = placed[0]["band_lo"], placed[0]["band_hi"]
    label = f"{name}, against the range of {placed[0]['n_prior']} earlier models"
    strip = measured.strip(points, band=limits)
    remark = "; ".join([_place(target.value, placed), *marked])
    return Number(label, value, interval, remark, strip)


def _place(value: float, placed: Sequence[Row]) -> str:
    """Return where S lies: its distance from the range with an interval, and the range."""
    low, high = placed[0]["band_lo"], placed[0]["band_hi"]
    where = "inside the range"
    if value < low or value > high:
        distance, side = (low - value, "below") if value < low else (value - high, "above")
        ends = [row[end] for row in placed for end in ("beyond_lo", "beyond_hi") if known(row[end])]
        interval = f" {write_interval(min(ends), max(ends), 2)}" if ends else ""
        where = f"{write(distance, 2)}{interval} {side} the range"
    predicted = DASH.join(write(placed[0][f"prediction_{end}"], 2) for end in ("lo", "hi"))
    limits = DASH.join(write(end, 2) for end in (low, high))
    return f"{where} {limits}; 95% of new base models: {predicted}"
