"""Trajectories: S, R and saturation of checkpoints over training steps."""

from collections.abc import Sequence

import polars as pl

from persona_collapse.measures.cells import OVERALL
from persona_collapse.tables.contracts.trajectory import TABLE

_KEYS = ("model", "variant", "domain")


def trajectory_of(
    metrics: pl.DataFrame,
    diagnostics: pl.DataFrame,
    steps: Sequence[tuple[str, str, int]],
    roleplay: str,
    unconditioned: str,
) -> pl.DataFrame:
    """Return the rows of ``trajectory.csv``: checkpoints x domains, in the order of ``steps``.

    ``steps`` are (model, variant, training step). S and R come from the probe ``roleplay`` of
    ``metrics``, saturation from the probe ``unconditioned`` of ``diagnostics``; either may be null.
    """
    moved = metrics.filter(probe=roleplay).select(
        name for name in metrics.columns if name in TABLE.schema and name != "probe"
    )
    near = diagnostics.filter(probe=unconditioned, measure="saturation", domain=OVERALL).select(
        *_KEYS,
        saturation=pl.col("value"),
        saturation_lo=pl.col("lo"),
        saturation_hi=pl.col("hi"),
        drawn=pl.col("simulated"),
    )
    order = {name: place for place, name in enumerate(dict.fromkeys(moved["domain"]))}
    checkpoints = pl.DataFrame(
        list(steps),
        schema={"model": pl.String, "variant": pl.String, "step": pl.Int64},
        orient="row",
    ).with_row_index("place")
    return (
        moved.join(near, on=_KEYS, how="full", coalesce=True)
        .join(checkpoints, on=["model", "variant"])
        .with_columns(
            probe=pl.lit(roleplay),
            simulated=pl.any_horizontal(pl.col("simulated", "drawn").fill_null(value=False)),
            rank=pl.col("domain").replace_strict(order, default=0, return_dtype=pl.Int64),
        )
        .sort("place", "rank")
        .select(pl.col(name).cast(kind) for name, kind in TABLE.schema.items())
    )
