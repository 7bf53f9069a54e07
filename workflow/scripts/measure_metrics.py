"""Compute S, R and sigma_bar of one model x variant x probe with standard errors and intervals."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.statistics.bootstrap import Draws


def measure_metrics(
    moments: str, instrument: str, seed: int, draws: dict[str, int], output: str
) -> None:
    """Write the metrics, overall and per foundation, from ``draws`` of personas and of reruns."""
    questionnaire = read_instrument(Path(instrument))
    metrics_of(pl.read_parquet(moments), questionnaire, seed, Draws(**draws)).write_parquet(output)


if __name__ == "__main__":
    run(measure_metrics, snakemake)
