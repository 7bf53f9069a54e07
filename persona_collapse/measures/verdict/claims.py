"""Decide the claims of a paper from the tables of a study that analyses its answers again.

A condition of a claim is about one number per model: it is shown where the number's whole 95 %
interval lies where the claim says, refuted where none of it does, else open.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.csv import read_csv
from persona_collapse.common.errors import UserError
from persona_collapse.materials.claims import Claim, Claims, Condition
from persona_collapse.tables.contracts.claims import TABLE as CLAIMS
from persona_collapse.tables.contracts.printed_numbers import TABLE as NUMBERS

MEAN = "mean"
SHOWN, REFUTED, OPEN, MISSING = "shown", "refuted", "open", "missing"
HOLDS, PART, NOT, UNDECIDABLE = "holds", "holds in part", "does not hold", "not decidable"
NORMAL = 1.96
PLACE = ("variant", "domain", "measure")  # of a printed number
Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, which is the number itself for a plain count."""

    value: float
    lo: float
    hi: float

    def minus(self, other: "Estimate") -> "Estimate":
        """Return the difference, its interval from those of both (MOVER, taken as independent)."""
        value = self.value - other.value
        low = math.hypot(self.value - self.lo, other.hi - other.value)
        high = math.hypot(self.hi - self.value, other.value - other.lo)
        return Estimate(value, value - low, value + high)


def claims_of(claims: Claims, tables: Tables, labels: Mapping[str, str]) -> pl.DataFrame:
    """Return ``claims.csv``: a row per condition and model, with the decision of its claim.

    ``tables`` holds the study's tables by name, those that it has; ``labels`` the label of each of
    its models. A mean over models is known where the study has all models of the paper.
    """
    keys = {label: key for key, label in labels.items()}
    if all(model in keys for model in claims.models) and len(keys) == len(claims.models):
        keys[MEAN] = MEAN
    simulated = bool(tables["metrics"]["simulated"].any())
    rows = []
    for name, claim in claims.claims.items():
        own = [
            {"claim": name, "part": part, "section": claim.section, "text": claim.text, **row}
            for part, condition in enumerate(claim.conditions, start=1)
            for row in _rows(condition, tables, keys)
        ]
        decision, reason = decided(own, claim)
        rows += [{**row, "decision": decision, "reason": reason} for row in own]
    return CLAIMS.frame([{**row, "simulated": simulated} for row in rows])


def _rows(condition: Condition, tables: Tables, keys: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for label, printed in condition.models.items():
        found = _estimate(condition, tables, keys.get(label))
        row: dict[str, Any] = {
            "model": label,
            "quantity": _quantity(condition),
            "unit": condition.unit,
            "printed": printed,
            "limit": _limit(condition),
            "shown": MISSING,
        }
        if found is not None:
            row |= {
                "recomputed": found.value,
                "recomputed_lo": found.lo,
                "recomputed_hi": found.hi,
                "shown": shown(condition, found),
            }
            if printed is not None:
                row["printed_agrees"] = agrees(found.value, printed)
        rows.append(row)
    return rows


def _estimate(condition: Condition, tables: Tables, model: str | None) -> Estimate | None:
    if model is None or condition.table not in tables:
        return None
    table = tables[condition.table]
    first = _read(table, condition, condition.where, model)
    if first is None or condition.minus is None:
        return first
    second = _read(table, condition, condition.minus, model)
    return None if second is None else first.minus(second)


def _read(
    table: pl.DataFrame, condition: Condition, where: Mapping[str, str], model: str
) -> Estimate | None:
    """Return the number of a row; of several rows that a value with * names, the smallest."""
    chosen = pl.lit(True)
    for column, value in {
        **where,
        **({"model": model} if "model" in table.columns else {}),
    }.items():
        if column not in table.columns:
            raise UserError(f"claims: the table {condition.table} has no column {column!r}")
        starts = value.endswith("*")
        chosen &= (
            pl.col(column).str.contains(value[:-1], literal=True)
            if starts
            else pl.col(column) == value
        )
    stem = "" if condition.column == "value" else f"{condition.column}_"
    rows = table.filter(chosen & pl.col(condition.column).is_not_null()).sort(condition.column)
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    number = float(row[condition.column])
    if condition.per is not None:
        number /= row[condition.per]
    if f"{stem}lo" not in table.columns:
        return Estimate(number, number, number)
    lo, hi = row[f"{stem}lo"], row[f"{stem}hi"]
    return None if lo is None or hi is None else Estimate(number, float(lo), float(hi))


def shown(condition: Condition, found: Estimate) -> str:
    """Return whether an interval lies where the condition says: shown, refuted or open."""
    if condition.within is not None:
        low, high = condition.within
        if low <= found.lo and found.hi <= high:
            return SHOWN
        return REFUTED if found.hi < low or found.lo > high else OPEN
    limit, sign = _side(condition)
    if condition.limit_se:
        half = NORMAL * condition.limit_se
        found = found.minus(Estimate(limit, limit - half, limit + half))
        limit = 0.0
    near, far = sorted((sign * (found.lo - limit), sign * (found.hi - limit)))
    if found.lo == found.hi:  # a count, which "at most" includes
        return SHOWN if near >= 0 else REFUTED
    return SHOWN if near > 0 else REFUTED if far < 0 else OPEN


def _side(condition: Condition) -> tuple[float, int]:
    """Return the limit, and 1 where the number has to lie above it, -1 below."""
    if condition.above is not None:
        return condition.above, 1
    assert condition.below is not None
    return condition.below, -1


def agrees(value: float, printed: float) -> bool:
    """Return whether a number is the printed one, up to one in its last digit."""
    digits = digits_of(repr(printed))
    return bool(abs(_units(value, printed, digits)) <= 1)


def _units(value: float, printed: float, digits: int) -> int:
    """Return how far a rounded number is from a printed one, in units of the last digit."""
    units: int = round((round(value, digits) - printed) * 10**digits)
    return units


def digits_of(text: str) -> int:
    """Return the digits after the point of a printed number; 55.0 counts as 55."""
    return len(text.removesuffix(".0").partition(".")[2])


def decided(rows: Sequence[Mapping[str, Any]], claim: Claim) -> tuple[str, str]:
    """Return the decision on a claim, and the reason in words."""
    by: dict[str, list[str]] = {}
    for row in rows:
        by.setdefault(row["shown"], []).append(row["model"])
    differ = [row["model"] for row in rows if row.get("printed_agrees") is False]
    count = {kind: len(by.get(kind, [])) for kind in (SHOWN, REFUTED, OPEN, MISSING)}
    reasons = [
        f"{words} for {_listed(by[kind])}"
        for kind, words in ((SHOWN, "shown"), (REFUTED, "refuted"), (OPEN, "open"))
        if by.get(kind)
    ]
    if by.get(MISSING):
        reasons.append(f"this study has no number for {_listed(by[MISSING])}")
    if differ:
        reasons.append(f"the printed number is not met for {_listed(differ)}")
    if claim.note:
        reasons.append(claim.note)
    reason = "; ".join(reasons)
    if count[REFUTED]:
        return (PART if count[SHOWN] else NOT), reason
    if count[MISSING] or not count[SHOWN]:
        return UNDECIDABLE, reason
    return (PART if count[OPEN] or differ else HOLDS), reason


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys("the mean" if name == MEAN else name for name in names))


def _quantity(condition: Condition) -> str:
    def row(where: Mapping[str, str]) -> str:
        return ", ".join(f"{name} {value}" for name, value in where.items())

    text = f"{condition.table}.csv, {condition.column}: {row(condition.where)}"
    text += f" / {condition.per}" if condition.per else ""
    return f"{text}; minus: {row(condition.minus)}" if condition.minus else text


def _limit(condition: Condition) -> str:
    if condition.within is not None:
        return "{:g} to {:g}".format(*condition.within)
    limit, sign = _side(condition)
    error = f" ± {condition.limit_se:g}" if condition.limit_se else ""
    return f"{'above' if sign > 0 else 'below'} {limit:g}{error}"


def numbers_of(
    path: Path, metrics: pl.DataFrame, profiles: pl.DataFrame, labels: Mapping[str, str],
    probes: Mapping[str, str],
) -> pl.DataFrame:  # fmt: skip
    """Return ``printed_numbers.csv``: every printed number beside the recomputed one.

    ``path`` is a CSV like ``resources/benchmarks/paper_tables.csv``, read as text, since the digits
    count; ``probes`` names the probes of the roles ``roleplay``, ``unconditioned`` and ``toxic``.
    Numbers that the study does not have are left out.
    """
    keys = {label: key for key, label in labels.items()}
    found: dict[tuple[str, ...], tuple[float, float | None]] = {}
    for row in metrics.filter(probe=probes["roleplay"]).to_dicts():
        for name in ("S", "R"):
            if row[name] is not None:
                at = row["model"], row["variant"], row["domain"], name
                found[at] = row[name], row[f"{name}_se"]
    for row in profiles.to_dicts():
        toxic = row["probe"] == probes["toxic"]
        if row["probe"] in (probes["unconditioned"], probes["toxic"]) and row["mean"] is not None:
            variant = "toxic" if toxic else row["variant"]
            spread = row["sd_across_personas" if toxic else "sd_within"]
            found[row["model"], variant, row["domain"], "profile"] = row["mean"], spread
    simulated = bool(metrics["simulated"].any())
    rows = []
    for printed in read_csv(path, ("model", *PLACE, "value", "spread")):
        place = [printed[name] for name in PLACE]
        known = found.get((keys.get(printed["model"], ""), *place))
        for number, value in zip(("value", "spread"), known or (), strict=False):
            if value is not None and math.isfinite(value) and printed[number]:
                names = {"model": printed["model"], "number": number, "simulated": simulated}
                names |= dict(zip(PLACE, place, strict=True))
                rows.append({**names, **_compared(printed[number], value)})
    return NUMBERS.frame(rows)


def _compared(text: str, value: float) -> dict[str, Any]:
    printed, digits = float(text), len(text.partition(".")[2])
    units = _units(value, printed, digits)
    return {
        "printed": printed,
        "digits": digits,
        "recomputed": value,
        "difference": value - printed,
        "equal": units == 0,
        "last_digits": float(units),
    }
