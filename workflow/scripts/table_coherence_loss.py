"""Hold the target's excess loss of robustness against its excess loss of coherence."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures.contrasts import summary as contrasts_summary
from persona_collapse.measures.contrasts import table as inference
from persona_collapse.measures.misalignment import scores
from persona_collapse.measures.misalignment.coherence_loss import coherence_loss_of
from persona_collapse.tables import write_table


def table_coherence_loss(
    misalignment: str,
    contrasts: str,
    summary: str,
    analysis: dict[str, str],
    seed: int,
    draws: int,
    mixed: list[str],
    output: str,
) -> None:
    """Write the table; ``draws`` is the number of bootstrap draws."""
    schemas = (scores.SCHEMA, inference.SCHEMA, contrasts_summary.SUMMARY_SCHEMA)
    frames = [
        pl.read_csv(path, schema_overrides=schema)
        for path, schema in zip((misalignment, contrasts, summary), schemas, strict=True)
    ]
    found = coherence_loss_of(frames[0], frames[1], frames[2], analysis, seed, draws)
    write_table(found, Path(output), mixed)


if __name__ == "__main__":
    run(table_coherence_loss, snakemake)
