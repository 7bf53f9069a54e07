"""Writing the study's tables as CSV, with what to know of each row in the last columns."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl


def write_table(frame: pl.DataFrame, path: Path, mixed: Collection[str]) -> None:
    """Write a table and mark the rows of models whose variants different servers answered.

    ``mixed`` names those models; a row that averages over models counts as mixed if there is one.
    """
    if "model" in frame.columns:
        one = pl.col("model").is_in(list(mixed))
        several = (pl.col("model") == "mean") & bool(mixed)
        frame = frame.with_columns(mixed_stacks=one | several)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path)
