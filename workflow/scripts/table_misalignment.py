"""Reduce judged replies, or printed numbers, to the tables of the misalignment check."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures.misalignment import scores as misalignment
from persona_collapse.misalignment.recorded import judged_of
from persona_collapse.tables import write
from persona_collapse.tables.contracts.misalignment import TABLE as MISALIGNMENT
from persona_collapse.tables.contracts.misalignment_questions import TABLE as QUESTIONS


def table_misalignment(
    judged: list[str],
    pairs: list[tuple[str, str]],
    labels: dict[str, str],
    mixed: list[str],
    variants: str,
    questions: str,
    recorded: dict[str, Any] | None = None,
    printed: str | None = None,
) -> None:
    """Write both tables; ``labels`` are what a table of printed numbers calls the models.

    ``judged``, ``pairs`` and ``recorded`` are those of ``misalignment.recorded.judged_of``.
    """
    if printed:
        rows = misalignment.printed_of(Path(printed), labels, [(m, v) for m, v in pairs])
        parts = QUESTIONS.frame()
    else:
        replies = judged_of(judged, pairs, recorded)
        rows = pl.concat([misalignment.misalignment_of(part) for part in replies])
        parts = pl.concat([misalignment.by_question(part) for part in replies])
    write(MISALIGNMENT, rows, Path(variants), mixed)
    write(QUESTIONS, parts, Path(questions), mixed)


if __name__ == "__main__":
    run(table_misalignment, snakemake)
