"""Compute S, R and sigma_bar of one model x variant x probe with standard errors and intervals."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import reported
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.statistics.bootstrap import Draws


def measure_metrics(
    moments: str, instrument: str, seed: int, personas: int, reruns: int, output: str
) -> None:
    """Write the metrics, overall and per foundation, from ``personas`` and ``reruns`` draws."""
    questionnaire = read_instrument(Path(instrument))
    draws = Draws(personas=personas, reruns=reruns)
    metrics_of(pl.read_parquet(moments), questionnaire, seed, draws).write_parquet(output)


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        measure_metrics(
            moments=snakemake.input.moments,
            instrument=snakemake.input.instrument,
            seed=snakemake.params.seed,
            personas=snakemake.params.draws["personas"],
            reruns=snakemake.params.draws["reruns"],
            output=snakemake.output[0],
        )
