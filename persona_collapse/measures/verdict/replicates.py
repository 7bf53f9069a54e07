"""What a verdict says of replicate fine-tunes: how many, do they agree, could it be the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.pairs import Roles

Row = dict[str, Any]
SIGNS = {"S": 1, "R": -1}  # the way in which the collapse pattern moves


def replicates_said(
    roles: Roles,
    names: Mapping[str, Sequence[str]],
    rows: Mapping[tuple[str, str, str], Row],
    metrics: pl.DataFrame,
) -> tuple[dict[str, Any], list[str]]:
    """Return the facts and the sentences on a model's replicates; both are empty without any.

    ``names`` gives the model's variants with their replicates, ``rows`` its contrasts by contrast,
    metric and foundation, ``metrics`` its rows of ``tables/metrics.csv``. Facts per variant: ``n``,
    in how many of them S is above and R below the baseline's mean, and ``p_replicates`` of both.
    """
    own = metrics.filter(pl.col("foundation") == OVERALL)
    facts: dict[str, Any] = {}
    sentences = []
    for variant in (roles.target, roles.control):
        listed = own.filter(pl.col("variant").is_in(list(names.get(variant, ()))))
        if listed.height < 2:
            continue
        base = own.filter(
            pl.col("variant").is_in(list(names.get(roles.baseline, [roles.baseline])))
        )
        contrast = f"{variant}-{roles.baseline}"
        found: dict[str, Any] = {"n": listed.height, "p_replicates": {}}
        for metric, word in (("S", "S_up"), ("R", "R_down")):
            found[word] = _moved(listed[metric], base[metric], SIGNS[metric])
            row = rows.get((contrast, metric, OVERALL), {})
            found["p_replicates"][metric] = row.get("p_replicates")
        facts[variant] = found
        sentences.append(_sentence(variant, roles.baseline, found))
    if any(found["n"] == 2 for found in facts.values()):
        sentences.append("Two fine-tunes say little of a third, so intervals are wide.")
    return facts, sentences


def _moved(values: pl.Series, base: pl.Series, sign: int) -> int | None:
    """Count the replicates that lie on this side of the baseline's mean; None without one."""
    middle = base.mean()
    if not isinstance(middle, float):
        return None
    return int((sign * (values - middle) > 0).sum())


def _sentence(variant: str, baseline: str, found: Mapping[str, Any]) -> str:
    count = found["n"]
    text = (
        f"{variant} stands for {count} replicate fine-tunes: its numbers are means over them, and "
        "intervals carry their spread"
    )
    if found["S_up"] is None:
        return f"{text}."
    text += (
        f"; S is above {baseline} in {found['S_up']} and R below it in {found['R_down']} of them"
    )
    tested = [
        f"p = {p:.2g} for {metric}" for metric, p in found["p_replicates"].items() if p is not None
    ]
    if not tested:
        return f"{text}."
    return f"{text} (were other seeds drawn: {', '.join(tested)})."


def banded(rows: pl.DataFrame, variant: str) -> list[str]:
    """Say where S of a variant lies against the band; ``rows`` are those of its replicates."""
    rows = rows.filter(pl.col("metric") == "S")
    if rows.is_empty():
        return []
    low, high, models = rows.select("band_lo", "band_hi", "n_prior").row(0)
    band = f"the range {low:.2f} to {high:.2f} of {models} models"
    value = float(rows["value"].to_numpy().mean())
    several = f" on average over {rows.height} replicates" if rows.height > 1 else ""
    start = f"With S = {value:.2f}{several}, {variant}"
    if low <= value <= high:
        return [f"{start} stays inside {band}."]
    if value < low:
        return [f"{start} lies {low - value:.2f} below {band}."]
    return [f"{start} lies {value - high:.2f} above {band}."]
