"""Reduce judged replies, or printed numbers, to the tables of the misalignment check."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures.misalignment import scores as misalignment
from persona_collapse.tables import write_table


def table_misalignment(
    judged: list[str],
    pairs: list[tuple[str, str]],
    labels: dict[str, str],
    mixed: list[str],
    variants: str,
    questions: str,
    printed: str | None = None,
) -> None:
    """Write both tables; ``labels`` are what a table of printed numbers calls the models."""
    if printed:
        rows = misalignment.printed_of(Path(printed), labels, [(m, v) for m, v in pairs])
        parts = pl.DataFrame(schema=misalignment.QUESTIONS_SCHEMA)
    else:
        replies = [pl.read_parquet(path) for path in judged]
        rows = pl.concat([misalignment.misalignment_of(part) for part in replies])
        parts = pl.concat([misalignment.by_question(part) for part in replies])
    write_table(rows, Path(variants), mixed)
    write_table(parts, Path(questions), mixed)


if __name__ == "__main__":
    run(table_misalignment, snakemake)
