"""Rows of long tables: one per domain and measure, with a bootstrap interval."""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.statistics.bootstrap import persona_weights

SCHEMA: dict[str, pl.DataType] = {
    "domain": pl.String(),
    "measure": pl.String(),
    "value": pl.Float64(),
    "lo": pl.Float64(),
    "hi": pl.Float64(),
}
NO_INTERVAL = (float("nan"), float("nan"))

Row = tuple[str, str, float, float, float]


def frame_of(rows: Iterable[Row]) -> pl.DataFrame:
    """Return rows as a frame with the columns of ``SCHEMA``; NaN becomes null, inf stays."""
    frame = pl.DataFrame(list(rows), schema=dict(SCHEMA), orient="row")
    return frame.with_columns(pl.col("value", "lo", "hi").fill_nan(None))


def interval(draws: Array, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of draws (B,); NaN where fewer than half are defined."""
    defined = draws[~np.isnan(draws)]
    if not draws.size or 2 * defined.size < draws.size:
        return NO_INTERVAL
    tail = (1 - level) / 2
    # "nearest" takes a draw itself, so that an infinite neighbour cannot give inf - inf.
    lo, hi = np.quantile(defined, [tail, 1 - tail], method="nearest")
    return float(lo), float(hi)


def with_ends(name: str, values: Array, level: float = 0.95) -> dict[str, float]:
    """Return ``name``, ``name_lo`` and ``name_hi`` of a measure (1 + B,), see ``interval``."""
    lo, hi = interval(values[1:], level)
    return {name: float(values[0]), f"{name}_lo": lo, f"{name}_hi": hi}


def draws_of_personas(cells: Cells, seed: int, probe: str, draws: int) -> Array:
    """Return persona weights (1 + B, P): the sample itself first, then the bootstrap draws.

    With fewer than two personas there is only the sample.
    """
    personas = cells.persona_ids.size
    sample = np.ones((1, personas))
    if personas < 2:
        return sample
    return np.vstack([sample, *persona_weights(seed, probe, personas, draws)])


def frame_of_draws(values: Mapping[str, Mapping[str, Array]]) -> pl.DataFrame:
    """Return measures by domain and name with percentile intervals, columns of ``SCHEMA``.

    A measure (1 + B,) holds the sample's value first, then those of the bootstrap draws.
    """
    return frame_of(
        (domain, name, float(value[0]), *interval(value[1:]))
        for domain, measures in values.items()
        for name, value in measures.items()
    )


def ratio(above: Array, below: Array) -> Array:
    """Return above / below where ``below`` is positive, NaN elsewhere."""
    above, below = np.broadcast_arrays(above, below)
    quotient: Array = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return quotient
