"""Decide a verdict per model and target, with the numbers that it rests on."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures.contrasts.pairs import roles_of
from persona_collapse.measures.verdict.table import Tables, verdicts_of
from persona_collapse.tables import read_all, write
from persona_collapse.tables.contracts.verdict import TABLE


def table_verdict(
    inputs: list[str],
    analysis: dict[str, Any],
    replicates: dict[str, dict[str, list[str]]],
    mixed: list[str],
    output: str,
) -> None:
    """Write the table from others of the study, of the role-play probe alone."""
    probe = pl.lit(analysis["roleplay_probe"])
    tables = {
        name: frame.filter(pl.col("probe") == probe) if "probe" in frame.columns else frame
        for name, frame in read_all(inputs).items()
    }
    found = verdicts_of(
        Tables(**tables), roles_of(analysis), analysis["smallest_effect"], replicates
    )
    write(TABLE, found, Path(output), mixed)


if __name__ == "__main__":
    run(table_verdict, snakemake)
