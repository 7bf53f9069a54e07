"""How the report reads the CSV tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from persona_collapse.common.errors import UserError

# Texts that read as numbers but name something.
NAMES = ("model", "variant", "probe", "foundation", "metric", "contrast", "measure", "reference")
NEEDED = {
    "metrics": ("model", "variant", "probe", "foundation", "S", "S_se", "R", "R_se", "sigma_bar"),
    "contrasts": ("model", "probe", "foundation", "metric", "contrast", "percent", "p_adjusted"),
    "profiles": ("model", "variant", "probe", "foundation", "mean", "sd_within"),
    "quality": ("model", "variant", "probe", "expected", "answered", "retried_share"),
    "band": (
        "model",
        "variant",
        "probe",
        "metric",
        "value",
        "se",
        "band_lo",
        "band_hi",
        "position",
    ),
    "diagnostics": ("model", "variant", "probe", "foundation", "measure", "value", "lo", "hi"),
}


def read_table(path: Path) -> pl.DataFrame:
    """Read a CSV table: numbers as Float64 (``inf`` included), names as text, empty as null.

    A file of no bytes is a table without rows, unless its form needs columns.

    Raises:
        UserError: the file is absent or empty, or lacks a column that its form needs.
    """
    if path.stem not in NEEDED and path.is_file() and not path.stat().st_size:
        return pl.DataFrame()
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (FileNotFoundError, pl.exceptions.PolarsError) as fault:
        raise UserError(f"{path}: not a readable table ({fault}); make it again") from None
    for name in NEEDED.get(path.stem, ()):
        if name not in table.columns:
            raise UserError(f"{path}: column {name!r} is missing; make the table again")
    numbers = [
        name
        for name in table.columns
        if name not in NAMES
        and table[name].cast(pl.Float64, strict=False).null_count() == table[name].null_count()
    ]
    return table.with_columns(pl.col(numbers).cast(pl.Float64))
