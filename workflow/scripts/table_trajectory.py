"""Follow S, R and saturation over the training steps of checkpoints."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.measures.trajectory import trajectory_of
from persona_collapse.tables import read, write
from persona_collapse.tables.contracts.diagnostics import TABLE as DIAGNOSTICS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.trajectory import TABLE


def table_trajectory(
    metrics: str,
    diagnostics: str,
    steps: list[tuple[str, str, int]],
    probes: list[str],
    mixed: list[str],
    output: str,
) -> None:
    """Write the table; ``probes`` are the role-play and the unconditioned one."""
    measured = read(METRICS, Path(metrics)), read(DIAGNOSTICS, Path(diagnostics))
    write(TABLE, trajectory_of(*measured, steps, *probes), Path(output), mixed)


if __name__ == "__main__":
    run(table_trajectory, snakemake)
