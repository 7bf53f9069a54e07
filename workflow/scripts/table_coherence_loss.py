"""Hold the target's excess loss of robustness against its excess loss of coherence."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.measures.misalignment.coherence_loss import coherence_loss_of
from persona_collapse.tables import read, write
from persona_collapse.tables.contracts.coherence_loss import TABLE
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.misalignment import TABLE as MISALIGNMENT
from persona_collapse.tables.contracts.summary import TABLE as SUMMARY


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
    paths = (misalignment, contrasts, summary)
    kinds = (MISALIGNMENT, CONTRASTS, SUMMARY)
    frames = [read(kind, Path(path)) for kind, path in zip(kinds, paths, strict=True)]
    found = coherence_loss_of(frames[0], frames[1], frames[2], analysis, seed, draws)
    write(TABLE, found, Path(output), mixed)


if __name__ == "__main__":
    run(table_coherence_loss, snakemake)
