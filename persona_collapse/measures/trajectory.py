"""Trajectories: S, R and saturation of checkpoints, and their changes against the baseline."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.log_ratios import log_ratio_of
from persona_collapse.measures.contrasts.table import percent_ends
from persona_collapse.measures.pairs import pair_of
from persona_collapse.measures.statistics.bootstrap import averages
from persona_collapse.tables.contracts.trajectory import TABLE

_KEYS = ("model", "variant", "domain")
Moments = Mapping[tuple[str, str], pl.DataFrame]  # by model and variant


def trajectory_of(
    metrics: pl.DataFrame,
    diagnostics: pl.DataFrame,
    changes: pl.DataFrame,
    steps: Sequence[tuple[str, str, int]],
    roleplay: str,
    unconditioned: str,
) -> pl.DataFrame:
    """Return the rows of ``trajectory.csv``: checkpoints x domains, in the order of ``steps``.

    ``steps`` are (model, variant, training step). S and R come from the probe ``roleplay`` of
    ``metrics``, saturation from the probe ``unconditioned`` of ``diagnostics``; either may be null.
    ``changes`` are those of ``changes_of``.
    """
    moved = metrics.filter(probe=roleplay).select(
        name
        for name in metrics.columns
        if name in TABLE.schema and name not in ("probe", "n_personas")
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
        .join(changes, on=_KEYS, how="left")
        .join(checkpoints, on=["model", "variant"])
        .with_columns(
            probe=pl.lit(roleplay),
            simulated=pl.any_horizontal(pl.col("simulated", "drawn").fill_null(value=False)),
            rank=pl.col("domain").replace_strict(order, default=0, return_dtype=pl.Int64),
        )
        .sort("place", "rank")
        .select(pl.col(name).cast(kind) for name, kind in TABLE.schema.items())
    )


def changes_of(
    moments: Moments, instrument: Instrument, baseline: str, seed: int, draws: int
) -> pl.DataFrame:
    """Return percent changes of S and R against the model's baseline, on common personas.

    Intervals are bootstrap-t intervals of the log ratio, as in ``contrasts.csv``, with the same
    draws of personas for every checkpoint. A checkpoint that shares fewer than three personas with
    its baseline has no row, nor has a model without one.
    """
    columns = [f"{metric}_percent{end}" for metric in "SR" for end in ("", "_lo", "_hi")]
    found = []
    for (model, variant), frame in moments.items():
        pair = pair_of(frame, moments.get((model, baseline)), instrument, seed, draws)
        if pair is None:
            continue
        groups = pair.base.groups()
        values = np.zeros((2, 3, len(groups)))  # metric, value and ends
        if variant == baseline:
            values[:, 1:] = np.nan
        else:
            by_group = averages(groups, pair.base.item_ids.size)
            change = log_ratio_of(pair.other, pair.base, by_group, pair.weights)
            with np.errstate(over="ignore"):
                percent = 100 * np.expm1(change.value)
            values = np.stack([percent, *percent_ends(change)], axis=1)[:2]
        found.append(
            pl.DataFrame(
                {
                    **{"model": model, "variant": variant, "domain": list(groups)},
                    **dict(zip(columns, values.reshape(6, -1), strict=True)),
                    "n_personas": pair.personas,
                },
                nan_to_null=True,
            )
        )
    empty = pl.DataFrame(schema={k: TABLE.schema[k] for k in (*_KEYS, *columns, "n_personas")})
    return pl.concat([empty, *found], how="vertical_relaxed")
