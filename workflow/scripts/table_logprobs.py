"""Hold log-probabilities against repeated answers, and against themselves when asked again."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.cells import cells_from_moments, labelled
from persona_collapse.measures.diagnostics.noise import agreement, jitter_floor
from persona_collapse.measures.moments import moments_of_probabilities
from persona_collapse.tables import write
from persona_collapse.tables.contracts.logprobs import TABLE


def table_logprobs(units: list[dict[str, Any]], mixed: list[str], output: str) -> None:
    """Write agreement and jitter, one row per measure, in the form of ``diagnostics.csv``.

    Each unit names its ``answers`` and ``moments``, its ``instrument``, ``personas`` and
    ``temperature``, and in ``repeats`` the moments of the same cells from repeated answers, None
    where they were not asked.
    """
    parts = []
    for unit in units:
        read = pl.read_parquet(unit["moments"])
        found = [_jitter(unit)]
        if unit["repeats"]:
            found.append(agreement(pl.read_parquet(unit["repeats"]), read))
        parts.append(labelled(pl.concat(found), read))
    write(TABLE, pl.concat(parts), Path(output), mixed)


def _jitter(unit: dict[str, Any]) -> pl.DataFrame:
    instrument = read_instrument(Path(unit["instrument"]))
    answers = pl.read_parquet(unit["answers"])
    readings = [
        moments_of_probabilities(part, instrument, unit["personas"], unit["temperature"])
        for part in answers.partition_by("repetition")
    ]
    return jitter_floor([cells_from_moments(part, instrument) for part in readings])


if __name__ == "__main__":
    run(table_logprobs, snakemake)
