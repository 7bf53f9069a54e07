"""Collect and measure the answers of one model x variant x probe."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.answers import collect_answers
from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.diagnostics.table import diagnostics_of
from persona_collapse.measures.moments import moments_of, moments_of_probabilities
from persona_collapse.measures.quality import quality_of
from persona_collapse.measures.statistics.bootstrap import Draws


def measure_unit(
    shards: list[str],
    instrument: str,
    design: dict[str, Any],
    seed: int,
    draws: dict[str, int],
    answers: str,
    moments: str,
    quality: str,
    metrics: str,
    diagnostics: str,
    base: str | None = None,
) -> None:
    """Write answers (one row per slot), moments (per designed cell), quality and measures.

    ``design`` holds the numbers of personas and repetitions, the sampling method and the study's
    temperature, at which log-probabilities are read. ``draws`` are the bootstrap draws of personas,
    of reruns and of diagnostics. ``base`` are the baseline's moments, None for the baseline itself.
    Metrics are empty where answers were given without personas.
    """
    questionnaire = read_instrument(Path(instrument))
    collect_answers([Path(shard) for shard in shards], Path(answers))
    given, personas = pl.read_parquet(answers), design["personas"]
    if design["method"] == "logprobs":
        cells = moments_of_probabilities(given, questionnaire, personas, design["temperature"])
    else:
        cells = moments_of(given, questionnaire, personas)
    cells.write_parquet(moments)
    counted = quality_of(given, cells, questionnaire, personas, design["repetitions"])
    counted.write_parquet(quality)
    # The bootstrap needs the memory, and what follows needs nothing but the moments.
    del given
    resampled = Draws(personas=draws["personas"], reruns=draws["reruns"])
    measured = metrics_of(cells, questionnaire, seed, resampled) if personas else pl.DataFrame()
    measured.write_parquet(metrics)
    diagnostics_of(
        cells, questionnaire, seed, draws["diagnostics"], pl.read_parquet(base) if base else None
    ).write_parquet(diagnostics)


if __name__ == "__main__":
    run(measure_unit, snakemake)
