"""The loss curves of all made variants as one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

SCHEMA: dict[str, Any] = {
    "model": pl.String,
    "variant": pl.String,
    "step": pl.Int64,
    "train_loss": pl.Float64,
    "train_accuracy": pl.Float64,
    "simulated": pl.Boolean,
}


def losses_of(curves: Sequence[tuple[str, str, Path]]) -> pl.DataFrame:
    """Return one row per training step that a server told of, in the order of the curves.

    ``curves`` are model, variant and the Parquet file beside the made model. ``train_loss`` is in
    nats per token, ``train_accuracy`` the share of tokens predicted, null where it was not told.
    """
    frames = [
        pl.read_parquet(path).select(
            pl.lit(model).alias("model"), pl.lit(variant).alias("variant"), pl.all()
        )
        for model, variant, path in curves
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *frames])
