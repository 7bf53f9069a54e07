"""Writing the study's tables as CSV, with what to know of each row in the last columns."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl


def write_table(frame: pl.DataFrame, path: Path, mixed: Collection[str]) -> None:
    """Write a table and mark the rows of models whose variants different servers answered.

    ``mixed`` names those models; a row that stands on several models counts as mixed if one of
    them does. A table without the column ``model`` stands on all, but for those ``left_out``.
    """
    mark = pl.lit(bool(mixed))
    if "model" in frame.columns:
        mark = pl.col("model").is_in(list(mixed)) | ((pl.col("model") == "mean") & mark)
    elif "left_out" in frame.columns and mixed:
        mark = pl.any_horizontal(pl.col("left_out") != model for model in mixed)
    frame = frame.with_columns(mixed_stacks=mark)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path)
