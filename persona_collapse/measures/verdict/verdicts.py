"""A plain verdict per model: does it show the collapse pattern, and what drove it?

The pattern (arXiv 2605.12850): against the baseline the target's S is up and its R is down, with
both 95 % intervals off 0, while the control's S is not up. Anything less is ``partial`` or
``none``; a comparison that cannot be made is ``undetermined``. R is judged by sigma_bar = 1 / R
where an infinite R leaves its percentage undefined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.pairs import Roles

PATTERNS = ("collapse", "partial", "none", "undetermined")
DRIVING = 0.5  # foundations are named until they carry this share of a change
Row = dict[str, Any]
SIGNS = {"S": 1, "R": -1}  # the direction in which the collapse pattern moves


@dataclass(frozen=True)
class Change:
    """One metric of one contrast, overall: percent with its interval, and the sign it proves."""

    metric: str
    percent: float | None
    lo: float | None
    hi: float | None
    sign: int | None  # 1 up, -1 down, 0 no clear change, None not comparable

    def text(self) -> str:
        """Say how the metric moved, ``S rose by 112 % (95 % interval 98 to 127)``."""
        if self.sign is None:
            return f"{self.metric} cannot be compared"
        if self.percent is None or self.lo is None or self.hi is None:
            word = {1: "rose", -1: "fell", 0: "did not clearly change"}[self.sign]
            return f"{self.metric} {word} (by an undefined percentage)"
        if self.sign == 0:
            shown = f"{self.percent:+.0f} %, 95 % interval {self.lo:+.0f} to {self.hi:+.0f}"
            return f"{self.metric} did not clearly change ({shown})"
        word, (near, far) = ("rose", (self.lo, self.hi))
        if self.sign < 0:
            word, (near, far) = "fell", (-self.hi, -self.lo)
        size = f"{abs(self.percent):.0f} %"
        return f"{self.metric} {word} by {size} (95 % interval {near:.0f} to {far:.0f})"


def verdict_of(
    model: str,
    label: str,
    roles: Roles,
    contrasts: pl.DataFrame,
    band: pl.DataFrame,
    metrics: pl.DataFrame,
    replicates: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return one model's verdict: pattern, the facts behind it, drivers, and a text.

    ``contrasts``, ``band`` and ``metrics`` are the rows of ``contrasts_of``, ``band_of`` and
    ``metrics_of``; ``replicates`` names the model's replicate fine-tunes by variant. Facts that
    cannot be told are None.
    """
    own_metrics = metrics.filter(pl.col("model") == model)
    simulated = bool(own_metrics["simulated"].any())
    n_items = _items(metrics)
    own = contrasts.filter(pl.col("model") == model)
    rows: dict[tuple[str, str, str], Row] = {
        (row["contrast"], row["metric"], row["foundation"]): row for row in own.to_dicts()
    }
    target, control, direct = (f"{first}-{second}" for first, second in roles.contrasts)
    changes = {
        name: (change_of(rows, name, "S"), change_of(rows, name, "R"))
        for name in (target, control, direct)
    }
    pattern, reasons = _pattern(changes[target], changes[control], control in _known(rows), roles)
    drivers = {metric: drivers_of(rows, target, metric, n_items) for metric in ("S", "sigma_bar")}
    names = list(replicates.get(roles.target, [roles.target]))
    placed = band.filter((pl.col("model") == model) & pl.col("variant").is_in(names))
    replicated, said = replicates_said(roles, replicates, rows, own_metrics)
    sentences = [f"{label}: {_OPENING[pattern]}."]
    if target in _known(rows):
        S, R = changes[target]
        sentences.append(f"From {roles.baseline} to {roles.target}, {S.text()} and {R.text()}.")
    sentences += reasons
    sentences += said
    sentences += _specific(changes[direct], direct in _known(rows), roles)
    sentences += _driven(changes[target], drivers)
    sentences += banded(placed, roles.target)
    if simulated:
        sentences.append("These are simulated respondents: this says nothing about a real model.")
    return {
        "model": model,
        "label": label,
        "pattern": pattern,
        "S_up": _proved(changes[target][0], 1),
        "R_down": _proved(changes[target][1], -1),
        "control_S_up": _proved(changes[control][0], 1),
        "S_above_control": _proved(changes[direct][0], 1),
        "R_below_control": _proved(changes[direct][1], -1),
        "drivers": {"S": drivers["S"], "1/R": drivers["sigma_bar"]},
        "replicates": replicated,
        "simulated": simulated,
        "text": " ".join(sentences),
    }


_OPENING = {
    "collapse": "the collapse pattern is there",
    "partial": "part of the collapse pattern is there",
    "none": "the collapse pattern is not there",
    "undetermined": "no verdict",
}


def change_of(rows: Mapping[tuple[str, str, str], Row], contrast: str, metric: str) -> Change:
    """Return how ``S`` or ``R`` moved overall, with the sign that its interval proves."""
    row = rows.get((contrast, metric, OVERALL))
    if row is None:
        return Change(metric, None, None, None, None)
    ends = row["percent_lo"], row["percent_hi"]
    if None not in ends:
        return Change(metric, row["percent"], *ends, _sign(*ends))
    # An infinite R has no percentage, but sigma_bar's difference is always there.
    other = rows[contrast, "sigma_bar" if metric == "R" else metric, OVERALL]
    ends = other["estimate_lo"], other["estimate_hi"]
    if None in ends:
        return Change(metric, None, None, None, None)
    return Change(metric, None, None, None, _sign(*ends) * (-1 if metric == "R" else 1))


def drivers_of(
    rows: Mapping[tuple[str, str, str], Row],
    contrast: str,
    metric: str,
    n_items: Mapping[str, int],
) -> list[dict[str, Any]]:
    """Return the foundations' shares of a change of S or sigma_bar, largest first.

    Both are means over items, so the change is exactly the sum of the foundations' changes, each
    weighted by its items. A share is negative where a foundation moved the other way.
    """
    parts = {
        foundation: rows[contrast, metric, foundation]["estimate"] * items
        for foundation, items in n_items.items()
        if (contrast, metric, foundation) in rows
        and rows[contrast, metric, foundation]["estimate"] is not None
    }
    total = sum(parts.values())
    if not total:
        return []
    ordered = sorted(parts.items(), key=lambda part: -part[1] / total)
    return [{"foundation": name, "share": part / total} for name, part in ordered]


def _items(metrics: pl.DataFrame) -> dict[str, int]:
    """Return the items per foundation, which weigh the foundations' changes."""
    items = metrics.filter(pl.col("foundation") != OVERALL)
    return dict(items.select("foundation", "n_items").unique(maintain_order=True).iter_rows())


def _sign(low: float, high: float) -> int:
    return 1 if low > 0 else -1 if high < 0 else 0


def _proved(change: Change, sign: int) -> bool | None:
    return None if change.sign is None else change.sign == sign


def _known(rows: Mapping[tuple[str, str, str], Row]) -> set[str]:
    return {contrast for contrast, _, _ in rows}


def _pattern(
    target: tuple[Change, Change], control: tuple[Change, Change], controlled: bool, roles: Roles
) -> tuple[str, list[str]]:
    S, R = target
    if S.sign is None or R.sign is None:
        return "undetermined", [
            f"{roles.target} and {roles.baseline} cannot be compared: one of them is missing, or "
            "too few personas answered in both."
        ]
    reasons = []
    if controlled:
        reasons.append(
            f"In the {roles.control} control, {control[0].text()} and {control[1].text()}."
        )
    if S.sign <= 0 and R.sign >= 0:
        return "none", reasons
    if S.sign <= 0 or R.sign >= 0:
        return "partial", reasons
    if not controlled:
        return "partial", [f"There is no {roles.control} control, so any fine-tune might do this."]
    if control[0].sign is None or control[0].sign > 0:
        return "partial", [
            *reasons,
            f"S is not left alone by {roles.control} either, so its rise "
            "cannot be laid to the training content alone.",
        ]
    return "collapse", reasons


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


def _specific(direct: tuple[Change, Change], known: bool, roles: Roles) -> list[str]:
    if not known:
        return []
    shared = [
        change.metric
        for change, sign in zip(direct, (1, -1), strict=True)
        if change.sign is not None and change.sign != sign
    ]
    if not shared:
        return [f"Both go further in {roles.target} than in {roles.control}."]
    names = " and ".join(shared)
    return [
        f"{roles.target} goes no further than {roles.control} in {names}: that part is not "
        "specific to it."
    ]


def _driven(
    target: tuple[Change, Change], drivers: Mapping[str, list[dict[str, Any]]]
) -> list[str]:
    sentences = []
    said = ((target[0], "S", "The change of S"), (target[1], "sigma_bar", "That of R"))
    for change, key, opening in said:
        if change.sign in (None, 0) or not drivers[key]:
            continue
        named, carried = [], 0.0
        for driver in drivers[key]:
            named.append(f"{driver['foundation']} ({100 * driver['share']:.0f} %)")
            carried += driver["share"]
            if carried >= DRIVING:
                break
        listed = " and ".join(part for part in (", ".join(named[:-1]), named[-1]) if part)
        sentences.append(f"{opening} comes mostly from {listed}.")
    return sentences
