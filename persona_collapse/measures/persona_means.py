"""Each persona's mean rating per foundation: what the page's persona explorer shows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def persona_means_of(moments: pl.DataFrame, descriptions: Sequence[str] | None) -> pl.DataFrame:
    """Return one row per persona x foundation of one model x variant x probe.

    ``moments`` has the columns of ``moments.SCHEMA``; ``descriptions[i]`` describes persona ``i``,
    None for an unconditioned probe (whose ``persona_id`` and ``description`` are null). A persona
    with an item that has no valid rating is left out, as it is for S and R.
    """
    people = pl.DataFrame(
        {"persona_id": range(len(descriptions or ())), "description": list(descriptions or ())},
        schema={"persona_id": pl.Int32, "description": pl.String},
    )
    names = ["model", "variant", "probe", "persona_id", "foundation"]
    complete = (pl.col("n") > 0).all().over("persona_id")
    return (
        moments.filter(complete)
        .group_by(names, maintain_order=True)
        .agg(pl.col("mean").mean(), pl.col("simulated").first())
        .join(people, on="persona_id", how="left", maintain_order="left")
        .select(*names, "mean", "description", "simulated")
        .cast({"persona_id": pl.Int64})
    )
