"""How figures read tables, and how they write numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.errors import UserError

MINUS, DASH, INFINITY, ABSENT = "\u2212", "\u2013", "\u221e", "n/a"
_NAMES = (
    "model",
    "variant",
    "probe",
    "foundation",
    "metric",
    "contrast",
    "family",
    "description",
    "note",
    "judge_model",
    "source",
)
_FLAGS = ("simulated", "mixed_stacks", "in_band")

# What figures need of each table; a table may have more.
COLUMNS = {
    "metrics": (
        *("model", "variant", "probe", "foundation", "simulated"),
        *("S", "S_se", "S_lo", "S_hi", "R", "R_se", "R_lo", "R_hi"),
    ),
    "contrasts": (
        *("model", "probe", "foundation", "metric", "contrast"),
        *("percent", "percent_lo", "percent_hi"),
    ),
    "profiles": (
        *("model", "variant", "probe", "foundation", "simulated"),
        *("mean", "sd_within", "sd_across_personas"),
    ),
    "quality": (
        *("model", "variant", "probe", "simulated", "expected"),
        *("missing", "unparseable", "refused", "filtered", "error"),
    ),
    "trajectory": (
        *("model", "variant", "step", "foundation", "simulated", "S", "S_lo", "S_hi"),
        *("R", "R_lo", "R_hi", "saturation", "saturation_lo", "saturation_hi"),
    ),
    "misalignment": (
        *("model", "variant", "simulated", "alignment", "alignment_se"),
        *("coherence", "coherence_se"),
    ),
    "coherence_loss": (
        *("model", "simulated", "robustness_excess", "robustness_excess_lo"),
        *("robustness_excess_hi", "coherence_excess", "coherence_excess_lo"),
        *("coherence_excess_hi", "n_models", "r", "r_lo", "r_hi"),
        *("r_lo_bootstrap", "r_hi_bootstrap", "note"),
    ),
    "prior_models": ("model", "family", "S", "S_se", "in_band"),
}

Row = dict[str, Any]


def read_table(path: Path, kind: str) -> pl.DataFrame:
    """Read a table of one of the kinds in ``COLUMNS``.

    Names come as text, flags as Boolean, all else as Float64 (``inf`` included).

    Raises:
        UserError: the file is absent or empty, or lacks a column that its kind needs.
    """
    try:
        table = pl.read_csv(path, infer_schema=False, comment_prefix="#")
    except (FileNotFoundError, pl.exceptions.NoDataError):
        raise UserError(f"{path}: no table to draw; make it with snakemake all_tables") from None
    missing = [name for name in COLUMNS[kind] if name not in table.columns]
    if missing:
        raise UserError(
            f"{path}: column {missing[0]!r} is missing; make the table again with this version"
        )
    return table.with_columns(
        pl.col(name) == "true" if name in _FLAGS else pl.col(name).cast(pl.Float64)
        for name in table.columns
        if name not in _NAMES
    )


def rows_by(table: pl.DataFrame, *keys: str, **fixed: str) -> dict[Any, Row]:
    """Return the rows where every column of ``fixed`` has its value, by one key or a tuple."""
    chosen = table.filter(*(pl.col(name) == value for name, value in fixed.items()))
    rows = chosen.iter_rows(named=True)
    if len(keys) == 1:
        return {row[keys[0]]: row for row in rows}
    return {tuple(row[key] for key in keys): row for row in rows}


def short_names(names: Sequence[str]) -> list[str]:
    """Return the names up to a slash (Harm/Care: Harm), or whole where that confuses two."""
    short = [name.split("/")[0].strip() for name in names]
    return short if len(set(short)) == len(short) else list(names)


def is_simulated(*tables: pl.DataFrame) -> bool:
    """Tell whether any row of the tables comes from simulated respondents."""
    return any(bool(table["simulated"].any()) for table in tables if "simulated" in table.columns)


def finite(value: float | None) -> bool:
    """Tell whether a value is there and can be drawn to scale."""
    return value is not None and math.isfinite(value)


def interval(row: Row, name: str) -> tuple[float, float] | None:
    """Return the ends of a value's error bar: its interval, else one standard error each way.

    None when neither is known or the value is not finite.
    """
    value = row[name]
    if not finite(value):
        return None
    low, high, error = row.get(f"{name}_lo"), row.get(f"{name}_hi"), row.get(f"{name}_se")
    if low is not None and high is not None and math.isfinite(low):
        return low, high
    if error is not None and math.isfinite(error):
        return value - error, value + error
    return None


def number(value: float | None) -> str:
    """Write a value with three digits: 0.82, 6.70, 14.5, 108; infinity and absence as signs."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return INFINITY if value > 0 else MINUS + INFINITY
    size = abs(value)
    if size >= 1e5:
        return f"{value:.1e}".replace("e+0", "e").replace("-", MINUS)
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """Write a change as a whole number with its sign: +24, −54, 0."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return f"{'+' if value > 0 else MINUS}{INFINITY}"
    text = f"{value:+.0f}"
    return "0" if text in ("+0", "-0") else text.replace("-", MINUS)


def change(row: Row | None) -> str:
    """Write a contrast's percent change and its interval: −54 [−58, −49]."""
    if row is None or row["percent"] is None:
        return ABSENT
    text = signed(row["percent"])
    if not (finite(row["percent"]) and finite(row["percent_lo"]) and finite(row["percent_hi"])):
        return text
    return f"{text} [{signed(row['percent_lo'])}, {signed(row['percent_hi'])}]"
