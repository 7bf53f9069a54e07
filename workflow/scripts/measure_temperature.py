"""Compute S and R over a grid of temperatures from log-probabilities."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.collapse import temperature_curves_of
from persona_collapse.measures.statistics.bootstrap import Draws


def measure_temperature(
    answers: str,
    instrument: str,
    design: dict[str, Any],
    grid: list[float],
    seed: int,
    draws: int,
    output: str,
) -> None:
    """Write the metrics at every temperature, with intervals from ``draws`` draws of personas."""
    temperature_curves_of(
        pl.read_parquet(answers),
        read_instrument(Path(instrument)),
        design["personas"],
        grid,
        seed,
        Draws(personas=draws, reruns=2),
    ).write_parquet(output)


if __name__ == "__main__":
    run(measure_temperature, snakemake)
