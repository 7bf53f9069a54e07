"""Reduce the answers of one model x variant x probe to moments, and count what failed."""

from pathlib import Path

import polars as pl

from persona_collapse.console import reported
from persona_collapse.instruments import read_instrument
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.quality import quality_of


def measure_moments(
    answers: str,
    instrument: str,
    personas: int | None,
    repetitions: int,
    moments: str,
    quality: str,
) -> None:
    """Write moments (one row per designed cell) and quality (one row) of collected answers."""
    questionnaire = read_instrument(Path(instrument))
    given = pl.read_parquet(answers)
    cells = moments_of(given, questionnaire, personas)
    cells.write_parquet(moments)
    quality_of(given, cells, questionnaire, personas, repetitions).write_parquet(quality)


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        measure_moments(
            answers=snakemake.input.answers,
            instrument=snakemake.input.instrument,
            personas=snakemake.params.design["personas"],
            repetitions=snakemake.params.design["repetitions"],
            moments=snakemake.output.moments,
            quality=snakemake.output.quality,
        )
