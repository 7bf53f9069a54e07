"""Verdict per model and target: is the collapse pattern there, and which domains drive it?

The pattern (arXiv 2605.12850): against the baseline, S of the target rises and R falls, both with
95 % intervals that exclude 0, while S of the control does not rise. Part of it is ``partial``,
nothing of it ``none``; without a comparison the verdict is ``undetermined``. Where an infinite R
has no percent change, sigma_bar = 1 / R decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.pairs import Roles
from persona_collapse.measures.verdict.band import band_sentences

PATTERNS = {
    "collapse": "the collapse pattern is there",
    "partial": "part of the collapse pattern is there",
    "none": "the collapse pattern is not there",
    "undetermined": "no verdict",
}
DRIVING = 0.5  # domains are named until they carry this share of a change
SIGNS = {"S": 1, "R": -1}  # the direction in which the collapse pattern moves
Row = dict[str, Any]
Rows = Mapping[tuple[str, str, str], Row]  # by contrast, metric and domain


@dataclass(frozen=True)
class Change:
    """One metric of one contrast, overall: percent change, its interval, and the sign it shows."""

    metric: str
    percent: float | None = None
    lo: float | None = None
    hi: float | None = None
    sign: int | None = None  # 1 up, -1 down, 0 no clear change, None not comparable

    def shows(self, sign: int) -> bool | None:
        """Return whether the interval shows this sign; None where nothing can be compared."""
        return None if self.sign is None else self.sign == sign

    def text(self) -> str:
        """Return the change in words, ``S rose by 112 % (95 % interval 98 to 127)``."""
        if self.sign is None:
            return f"{self.metric} cannot be compared"
        verb = {1: "rose", -1: "fell", 0: "did not clearly change"}[self.sign]
        if self.percent is None or self.lo is None or self.hi is None:
            return f"{self.metric} {verb} (by an undefined percentage)"
        if self.sign == 0:
            shown = f"{self.percent:+.0f} %, 95 % interval {self.lo:+.0f} to {self.hi:+.0f}"
            return f"{self.metric} {verb} ({shown})"
        near, far = (self.lo, self.hi) if self.sign > 0 else (-self.hi, -self.lo)
        size = f"{abs(self.percent):.0f} %"
        return f"{self.metric} {verb} by {size} (95 % interval {near:.0f} to {far:.0f})"


@dataclass(frozen=True)
class _Compared:
    """The variants of one verdict; ``control`` is None where there is none to compare with."""

    target: str
    control: str | None
    baseline: str


def verdict_of(
    model: str,
    label: str,
    target: str,
    roles: Roles,
    contrasts: pl.DataFrame,
    band: pl.DataFrame | None,
    metrics: pl.DataFrame,
    replicates: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return one model's verdict on a target: pattern, facts, drivers and a text.

    ``contrasts``, ``band`` (None without one) and ``metrics`` are the study's tables;
    ``replicates`` lists the model's replicate fine-tunes by variant. Unknown facts are None.
    """
    own_metrics = metrics.filter(model=model)
    simulated = bool(own_metrics["simulated"].any())
    own = contrasts.filter(model=model).to_dicts()
    rows: Rows = {(row["contrast"], row["metric"], row["domain"]): row for row in own}
    known = {contrast for contrast, _, _ in rows}
    control = roles.targets[target]
    main, side = (f"{variant}-{roles.baseline}" for variant in (target, control))
    direct = f"{target}-{control}"
    changes = {
        name: (change_of(rows, name, "S"), change_of(rows, name, "R"))
        for name in (main, side, direct)
    }
    compared = _Compared(target, control if side in known else None, roles.baseline)
    pattern, reasons = _pattern(changes[main], changes[side], compared)
    n_items = _n_items(metrics)
    drivers = {metric: drivers_of(rows, main, metric, n_items) for metric in ("S", "sigma_bar")}
    names = list(replicates.get(target, [target]))
    shown = (target, *([control] if control else []))
    facts, replicate_sentences = replicate_facts(
        roles.baseline, shown, replicates, rows, own_metrics
    )
    sentences = [f"{label}: {PATTERNS[pattern]}."]
    if main in known:
        S, R = changes[main]
        sentences.append(f"From {roles.baseline} to {target}, {S.text()} and {R.text()}.")
    sentences += [*reasons, *replicate_sentences]
    if direct in known:
        sentences.append(_specificity(changes[direct], compared))
    sentences += _driver_sentences(changes[main], drivers)
    if band is not None:
        placed = band.filter((pl.col("model") == model) & pl.col("variant").is_in(names))
        sentences += band_sentences(placed, target)
    if simulated:
        sentences.append("These are simulated respondents: this says nothing about a real model.")
    return {
        "model": model,
        "label": label,
        "target": target,
        "control": control,
        "pattern": pattern,
        "S_up": changes[main][0].shows(1),
        "R_down": changes[main][1].shows(-1),
        "control_S_up": changes[side][0].shows(1),
        "S_above_control": changes[direct][0].shows(1),
        "R_below_control": changes[direct][1].shows(-1),
        "drivers": {"S": drivers["S"], "1/R": drivers["sigma_bar"]},
        "replicates": facts,
        "simulated": simulated,
        "text": " ".join(sentences),
    }


def change_of(rows: Rows, contrast: str, metric: str) -> Change:
    """Return how ``S`` or ``R`` changed overall, with the sign that its interval shows."""
    row = rows.get((contrast, metric, OVERALL))
    if row is None:
        return Change(metric)
    ends = row["percent_lo"], row["percent_hi"]
    if None not in ends:
        return Change(metric, row["percent"], *ends, _sign(*ends))
    # An infinite R has no ratio; the test of exchangeability tells whether it differs.
    if row["p_exchange"] is None or row["p_exchange"] > 0.05:
        return Change(metric)
    return Change(metric, sign=_sign(row["estimate"], row["estimate"]))


def _sign(low: float, high: float) -> int:
    return 1 if low > 0 else -1 if high < 0 else 0


def drivers_of(
    rows: Rows, contrast: str, metric: str, n_items: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the domains' shares of a change of S or sigma_bar, largest first.

    Both are means over items, so the change is the sum of the domains' changes weighted by
    their numbers of items. A share is negative where a domain moved in the other direction.
    """
    parts = {
        domain: rows[contrast, metric, domain]["estimate"] * items
        for domain, items in n_items.items()
        if (contrast, metric, domain) in rows
        and rows[contrast, metric, domain]["estimate"] is not None
    }
    total = sum(parts.values())
    if not total:
        return []
    ordered = sorted(parts.items(), key=lambda part: -part[1] / total)
    return [{"domain": name, "share": part / total} for name, part in ordered]


def _n_items(metrics: pl.DataFrame) -> dict[str, int]:
    items = metrics.filter(pl.col("domain") != OVERALL)
    return dict(items.select("domain", "n_items").unique(maintain_order=True).iter_rows())


def _pattern(
    target: tuple[Change, Change], control: tuple[Change, Change], roles: _Compared
) -> tuple[str, list[str]]:
    """Return the pattern, and sentences that give the reason."""
    S, R = target
    if S.sign is None or R.sign is None:
        return "undetermined", [
            f"{roles.target} and {roles.baseline} cannot be compared: one of them is missing, or "
            "too few personas answered in both."
        ]
    reasons = []
    if roles.control:
        reasons.append(
            f"In the {roles.control} control, {control[0].text()} and {control[1].text()}."
        )
    if S.sign <= 0 and R.sign >= 0:
        return "none", reasons
    if S.sign <= 0 or R.sign >= 0:
        return "partial", reasons
    if not roles.control:
        reason = "There is no control, so any fine-tune might have this effect."
        return "partial", [reason]
    if control[0].sign is None:
        return "partial", reasons
    if control[0].sign > 0:
        reason = (
            f"S also rose in the {roles.control} control, so the training content alone does not "
            "explain it."
        )
        return "partial", [*reasons, reason]
    return "collapse", reasons


def _specificity(direct: tuple[Change, Change], roles: _Compared) -> str:
    shared = [c.metric for c in direct if c.sign is not None and c.sign != SIGNS[c.metric]]
    if not shared:
        return f"Both changes are larger in {roles.target} than in {roles.control}."
    return (
        f"The change of {' and '.join(shared)} is not larger in {roles.target} than in "
        f"{roles.control}, so it is not specific to {roles.target}."
    )


def replicate_facts(
    baseline: str,
    variants: Sequence[str],
    names: Mapping[str, Sequence[str]],
    rows: Rows,
    metrics: pl.DataFrame,
) -> tuple[dict[str, Any], list[str]]:
    """Return facts and sentences about the replicates of variants; both are empty without any.

    ``names`` lists the model's replicates by variant, ``metrics`` holds its rows of
    ``metrics.csv``. Facts per variant: ``n``, the number of replicates with S above and with R
    below the baseline's mean, and ``p`` of both.
    """
    own = metrics.filter(domain=OVERALL)
    base = own.filter(pl.col("variant").is_in(list(names.get(baseline, [baseline]))))
    facts: dict[str, Any] = {}
    sentences = []
    for variant in variants:
        listed = own.filter(pl.col("variant").is_in(list(names.get(variant, ()))))
        if listed.height < 2:
            continue
        fact: dict[str, Any] = {"n": listed.height, "p": {}}
        for metric, name in (("S", "S_up"), ("R", "R_down")):
            fact[name] = _count_moved(listed[metric], base[metric], SIGNS[metric])
            row = rows.get((f"{variant}-{baseline}", metric, OVERALL), {})
            fact["p"][metric] = row.get("p")
        facts[variant] = fact
        sentences.append(_replicate_sentence(variant, baseline, fact))
    if any(fact["n"] == 2 for fact in facts.values()):
        sentences.append("Two fine-tunes say little about a third, so intervals are wide.")
    return facts, sentences


def _count_moved(values: pl.Series, base: pl.Series, sign: int) -> int | None:
    """Return how many replicates lie on this side of the baseline's mean; None without one."""
    middle = base.mean()
    return int((sign * (values - middle) > 0).sum()) if isinstance(middle, float) else None


def _replicate_sentence(variant: str, baseline: str, fact: Mapping[str, Any]) -> str:
    text = (
        f"{variant} has {fact['n']} replicate fine-tunes: its numbers are means over them, and "
        "intervals include their spread"
    )
    if fact["S_up"] is None:
        return f"{text}."
    text += f"; S is above {baseline} in {fact['S_up']} and R below it in {fact['R_down']} of them"
    tested = [f"p = {p:.2g} for {metric}" for metric, p in fact["p"].items() if p]
    return f"{text} (for other seeds: {', '.join(tested)})." if tested else f"{text}."


def _driver_sentences(
    target: tuple[Change, Change], drivers: Mapping[str, list[dict[str, Any]]]
) -> list[str]:
    sentences = []
    for change, key in zip(target, ("S", "sigma_bar"), strict=True):
        if change.sign in (None, 0) or not drivers[key]:
            continue
        named, carried = [], 0.0
        for driver in drivers[key]:
            named.append(f"{driver['domain']} ({100 * driver['share']:.0f} %)")
            carried += driver["share"]
            if carried >= DRIVING:
                break
        listed = " and ".join(part for part in (", ".join(named[:-1]), named[-1]) if part)
        sentences.append(f"The change of {change.metric} comes mostly from {listed}.")
    return sentences
