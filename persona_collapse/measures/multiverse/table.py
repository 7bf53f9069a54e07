"""S, R and the verdict of every model and target under each specification of the analysis."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import OVERALL, cells_from_moments
from persona_collapse.measures.contrasts.pairs import Contrast, Replicates
from persona_collapse.measures.contrasts.table import contrast_name
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.multiverse.changes import Change, Variants, variants_of
from persona_collapse.measures.multiverse.definitions import DEFINITIONS
from persona_collapse.measures.verdict.rule import Comparison, Evidence, Interval, decide
from persona_collapse.measures.verdict.table import METRICS, Rows, interval_of, rows_of
from persona_collapse.tables.contracts.multiverse import TABLE

Specification = tuple[str, str, str, str]  # definition, items, personas, failures
REPORTED: Specification = ("published", "all", "all", "dropped")
# Crossed with all personas and items. Failures are handled in other ways, and ddof is 0, for the
# published definition alone.
CROSSED = tuple(name for name in DEFINITIONS if name != "ddof_0")
PERSONAS = ("all", "without_influential", "without_failed", "first_half", "second_half")


def multiverse_of(
    moments: Sequence[pl.DataFrame],
    repetitions: Sequence[int],
    without_fallback: Sequence[pl.DataFrame | None],
    instrument: Instrument,
    contrasts: pl.DataFrame,
    analysis: Mapping[str, Any],
    replicates: Replicates | None = None,
) -> pl.DataFrame:
    """Return the rows of ``multiverse.csv`` for the models and targets of one probe.

    ``moments`` holds one frame per model x variant. Parallel to it, ``repetitions`` are the answers
    asked for per cell, and ``without_fallback`` the moments without the answers that were read from
    a longer reply, None where there are none. ``contrasts`` gives the reported intervals.

    An interval has the distances of the reported one from its value, times the ratio of both
    standard errors (delta method), and of the t quantiles where the numbers of personas differ.
    """
    if not moments:
        return TABLE.frame()
    groups = cells_from_moments(moments[0], instrument).groups()
    every = groups.pop(OVERALL)
    items = {"all": every}
    for name, own in groups.items():
        if own.size < every.size:
            items[f"without {name}"] = np.setdiff1d(every, own)
    by_model: dict[str, list[int]] = {}
    for place, frame in enumerate(moments):
        by_model.setdefault(frame["model"][0], []).append(place)
    rows: list[dict[str, object]] = []
    for model, places in by_model.items():
        units = [(moments[i], repetitions[i], without_fallback[i]) for i in places]
        named = (replicates or {}).get(model, {})
        variants = variants_of(units, instrument, named, list(items.values()))
        names = {
            "model": model,
            "probe": moments[0]["probe"][0],
            "simulated": any(bool(moments[i]["simulated"].any()) for i in places),
        }
        reported = rows_of(contrasts.filter(probe=names["probe"]), model)
        for target, control in analysis["targets"].items():
            pairs = _pairs(target, control, analysis["baseline"])
            found = _rows(variants, pairs, list(items), reported, analysis)
            rows += [{**names, "target": target, "control": control, **row} for row in found]
    return TABLE.frame(rows)


def moments_without_fallback(
    answers: pl.DataFrame, instrument: Instrument, personas: int
) -> pl.DataFrame | None:
    """Return the moments without answers read from a longer reply, None where none was."""
    fallback = pl.col("fallback").fill_null(value=False)
    if not answers.select(fallback.any()).item():
        return None
    failed = answers.with_columns(
        rating=pl.when(~fallback).then(pl.col("rating")),
        status=pl.when(fallback).then(pl.lit("unparseable")).otherwise(pl.col("status")),
    )
    return moments_of(failed, instrument, personas)


def _pairs(target: str, control: str | None, baseline: str) -> dict[str, Contrast]:
    pairs = {"target": (target, baseline)}
    if control is not None:
        pairs |= {"direct": (target, control), "control": (control, baseline)}
    return pairs


def _specifications(items: Sequence[str]) -> Iterator[Specification]:
    """Yield the reported specification first, then the others, each once."""
    yield from dict.fromkeys(
        [
            REPORTED,
            *((name, "all", who, "dropped") for name in CROSSED for who in PERSONAS),
            *((name, part, "all", "dropped") for name in CROSSED for part in items),
            ("ddof_0", "all", "all", "dropped"),
            *(("published", "all", "all", how) for how in ("missing", "no_fallback")),
        ]
    )


def _rows(
    variants: Variants,
    pairs: Mapping[str, Contrast],
    items: Sequence[str],
    reported: Rows,
    analysis: Mapping[str, Any],
) -> list[dict[str, object]]:
    """Return the rows of one target, the reported specification first."""

    @cache
    def changes_of(definition: str, personas: str, failures: str) -> dict[str, Change | None]:
        return {
            name: variants.change(pair, definition, personas, failures)
            for name, pair in pairs.items()
        }

    first = changes_of("published", "all", "dropped")
    rows: list[dict[str, object]] = []
    seen: set[tuple[object, ...]] = set()
    if first["target"] is None:
        return rows
    for definition, part, personas, failures in _specifications(items):
        changes = changes_of(definition, personas, failures)
        if any(changes[name] is None for name, change in first.items() if change is not None):
            continue
        row: dict[str, object] = {
            **{"definition": definition, "items": part},
            **{"personas": personas, "failures": failures},
            "n_personas": min(change.personas for change in changes.values() if change),
        }
        compared: dict[str, Comparison] = {}
        for name, change in changes.items():
            if change is not None and (start := first[name]) is not None:
                contrast = contrast_name(pairs[name])
                known = [interval_of(reported, contrast, metric) for metric in METRICS]
                values, ends = _with_intervals(change, start, items.index(part), known)
                row |= {f"{metric}_{name}{end}": x for (metric, end), x in values.items()}
                compared[name] = Comparison(*ends)
        evidence = Evidence(compared["target"], compared.get("direct"), compared.get("control"))
        row["label"] = decide(evidence, analysis["smallest_effect"]).label
        row["same_label"] = row["label"] == (rows[0] if rows else row)["label"]
        numbers = tuple(round(value, 2) for value in row.values() if isinstance(value, float))
        row["distinct"] = numbers not in seen
        seen.add(numbers)
        rows.append(row)
    return rows


def _with_intervals(
    change: Change,
    start: Change,
    place: int,
    known: Sequence[Interval | None],
) -> tuple[dict[tuple[str, str], float | None], list[Interval | None]]:
    """Return percent changes by metric and end, and the intervals of the log ratios.

    ``start`` is the change under the reported specification, ``known`` its intervals.
    """
    from scipy.special import stdtrit

    values: dict[tuple[str, str], float | None] = {}
    intervals: list[Interval | None] = []
    for m, (metric, ends) in enumerate(zip(METRICS, known, strict=True)):
        value = float(change.value[m, place])
        reach = np.full(2, stdtrit(change.personas - 1, 0.975) * change.error[m, place])
        if np.isinf(value):  # one side never varies: decided as in the reported specification
            intervals.append(ends if ends is not None and ends.lo == ends.hi == value else None)
            values |= {(metric, ""): _percent(value), (metric, "_lo"): None, (metric, "_hi"): None}
            continue
        if ends is not None and start.error[m, 0] > 0:
            student = stdtrit(start.personas - 1, 0.975) * start.error[m, 0]
            reach *= np.abs(np.array([ends.lo, ends.hi]) - start.value[m, 0]) / student
        lo, hi = value - float(reach[0]), value + float(reach[1])
        defined = np.isfinite(value) and np.isfinite(reach).all()
        intervals.append(Interval(lo, hi) if defined else None)
        for end, part in (("", value), ("_lo", lo), ("_hi", hi)):
            values[metric, end] = _percent(part)
    return values, intervals


def _percent(log_ratio: float) -> float | None:
    percent = 100 * np.expm1(log_ratio)
    return float(percent) if np.isfinite(percent) else None
