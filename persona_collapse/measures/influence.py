"""Influence: how many personas carry S, or a contrast of S, and which ones."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells, cells_from_moments, unit_of
from persona_collapse.measures.collapse import ROUNDING
from persona_collapse.measures.pairs import pair_of
from persona_collapse.measures.statistics.bootstrap import spread_influences
from persona_collapse.tables.contracts.influence import TABLE

MOST = 5  # personas that are named and left out


def influence_of(
    moments: pl.DataFrame,
    instrument: Instrument,
    baseline: pl.DataFrame | None,
    control: pl.DataFrame | None,
) -> pl.DataFrame:
    """Return the rows of ``influence.csv`` of one model x variant x probe.

    One row for S, one each for the contrasts of log S with baseline and control, on common
    personas. No row without personas.
    """
    if moments["persona_id"].is_null().any():
        return TABLE.frame()
    cells = cells_from_moments(moments, instrument)
    names = unit_of(moments)
    rows = [{**names, "quantity": "S", **influential([cells])}] if cells.persona_ids.size else []
    for other in (baseline, control):
        pair = pair_of(moments, other, instrument)
        if pair is not None and other is not None:
            quantity = f"{names['variant']}-{other['variant'][0]}"
            found = influential([pair.other, pair.base])
            rows.append({**pair.names, "quantity": quantity, **found})
    return TABLE.frame(rows)


def influential(sides: Sequence[Cells]) -> dict[str, float | int | str]:
    """Return what carries S of one variant, or the contrast of log S of two (first - second).

    ``sides`` hold the same personas. With l the personas' influences (delta method), the effective
    number is (sum of l^2)^2 / sum of l^4: k if k personas count the same and the others not at all.
    Undefined values are NaN, with an empty list of personas.
    """
    means = [cells.mean for cells in sides]
    personas = means[0].shape[0]
    row: dict[str, float | int | str] = {"n_personas": personas, "value": _value(means)}
    row |= dict.fromkeys(("effective_personas", "top_share", "value_without"), float("nan"))
    row["personas"] = ""
    if personas < 3 or not all(np.ptp(part, axis=0).any() for part in means):
        return row
    relative = [spread_influences(part) / part.std(axis=0).mean() for part in means]
    squared = (relative[0] - relative[1] if len(sides) == 2 else relative[0]) ** 2
    if squared.sum() <= ROUNDING:
        return row
    order = np.argsort(-squared, kind="stable")
    top = order[:MOST]
    row["effective_personas"] = float(squared.sum() ** 2 / (squared**2).sum())
    row["top_share"] = float(squared[top].sum() / squared.sum())
    row["value_without"] = _value([np.delete(part, top, axis=0) for part in means])
    row["personas"] = " ".join(str(sides[0].persona_ids[place]) for place in top)
    return row


def _value(means: Sequence[Array]) -> float:
    """Return S of one variant, or the percent change from the second to the first."""
    if means[0].shape[0] < 2:
        return float("nan")
    first, *second = (float(part.std(axis=0, ddof=1).mean()) for part in means)
    if not second:
        return first
    return 100 * (first / second[0] - 1) if second[0] > 0 and first > 0 else float("nan")
