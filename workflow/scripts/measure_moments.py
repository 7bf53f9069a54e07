"""Reduce the answers of one model x variant x probe to moments, and count what failed."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.moments import moments_of, moments_of_probabilities
from persona_collapse.measures.quality import quality_of


def measure_moments(
    answers: str, instrument: str, design: dict[str, Any], moments: str, quality: str
) -> None:
    """Write moments (one row per designed cell) and quality (one row) of collected answers.

    ``design`` holds the numbers of personas and repetitions, the sampling method and the study's
    temperature, at which log-probabilities are read.
    """
    questionnaire = read_instrument(Path(instrument))
    given = pl.read_parquet(answers)
    personas = design["personas"]
    if design["method"] == "logprobs":
        cells = moments_of_probabilities(given, questionnaire, personas, design["temperature"])
    else:
        cells = moments_of(given, questionnaire, personas)
    cells.write_parquet(moments)
    counted = quality_of(given, cells, questionnaire, personas, design["repetitions"])
    counted.write_parquet(quality)


if __name__ == "__main__":
    run(measure_moments, snakemake)
