"""S and R over sampling temperature, from log-probabilities that were asked for once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.moments_exact import moments_of_probabilities
from persona_collapse.measures.statistics.bootstrap import Draws


def temperature_curves_of(
    answers: pl.DataFrame,
    instrument: Instrument,
    personas: int,
    grid: Sequence[float],
    seed: int,
    draws: Draws,
) -> pl.DataFrame:
    """Return the metrics of one model x variant x probe at each temperature of ``grid``.

    The columns of ``tables/metrics.csv`` behind ``temperature``. ``answers`` holds probabilities at
    T = 1; those at T are p_k ** (1 / T), normalised. Sampling noise at T is exact, so intervals
    speak of the personas alone. The draws of personas are the same at every temperature.
    """
    curves = []
    for temperature in sorted(grid):
        cells = moments_of_probabilities(answers, instrument, personas, temperature)
        metrics = metrics_of(cells, instrument, seed, draws)
        curves.append(metrics.select(pl.lit(float(temperature)).alias("temperature"), pl.all()))
    names = ["model", "variant", "probe", "foundation"]
    return pl.concat(curves).select(*names, "temperature", pl.exclude(*names, "temperature"))
