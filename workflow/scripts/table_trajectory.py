"""Follow S, R and saturation over the training steps of checkpoints."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.measures.trajectory import trajectory_of
from persona_collapse.tables import read_all, write
from persona_collapse.tables.contracts.trajectory import TABLE


def table_trajectory(
    inputs: list[str],
    steps: list[tuple[str, str, int]],
    probes: list[str],
    mixed: list[str],
    output: str,
) -> None:
    """Write the table from metrics and diagnostics.

    ``probes`` are the role-play and the unconditioned one.
    """
    followed = trajectory_of(*read_all(inputs).values(), steps, *probes)
    write(TABLE, followed, Path(output), mixed)


if __name__ == "__main__":
    run(table_trajectory, snakemake)
