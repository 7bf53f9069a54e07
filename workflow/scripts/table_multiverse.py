"""Compute S, R and the verdict under other choices of definition, items, personas and handling."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.multiverse.table import moments_without_fallback, multiverse_of
from persona_collapse.tables import read, write
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.multiverse import TABLE


def table_multiverse(
    moments: list[str],
    answers: list[str],
    instrument: str,
    contrasts: str,
    designs: list[dict[str, Any]],
    analysis: dict[str, Any],
    replicates: dict[str, dict[str, list[str]]],
    mixed: list[str],
    output: str,
) -> None:
    """Write the table for the role-play probe.

    ``moments``, ``answers`` and ``designs`` go together, one entry per model x variant.
    """
    questionnaire = read_instrument(Path(instrument))
    frames = [pl.read_parquet(path) for path in moments]
    without = [
        None
        if design["method"] == "logprobs"
        else moments_without_fallback(pl.read_parquet(path), questionnaire, design["personas"])
        for path, design in zip(answers, designs, strict=True)
    ]
    rows = multiverse_of(
        frames,
        [design["repetitions"] for design in designs],
        without,
        questionnaire,
        read(CONTRASTS, Path(contrasts)),
        analysis,
        replicates,
    )
    write(TABLE, rows, Path(output), mixed)


if __name__ == "__main__":
    run(table_multiverse, snakemake)
