"""Compare each target's excess loss of robustness with its excess loss of coherence."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.measures.misalignment.coherence_loss import coherence_loss_of
from persona_collapse.tables import read_all, write
from persona_collapse.tables.contracts.coherence_loss import TABLE


def table_coherence_loss(
    inputs: list[str],
    analysis: dict[str, Any],
    seed: int,
    draws: int,
    mixed: list[str],
    output: str,
) -> None:
    """Write the table from misalignment, contrasts and summary, with ``draws`` bootstrap draws."""
    found = coherence_loss_of(*read_all(inputs).values(), analysis, seed, draws)
    write(TABLE, found, Path(output), mixed)


if __name__ == "__main__":
    run(table_coherence_loss, snakemake)
