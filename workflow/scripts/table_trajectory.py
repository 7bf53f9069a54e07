"""Follow S, R and saturation over the training steps of checkpoints."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.trajectory import changes_of, trajectory_of
from persona_collapse.tables import read, write
from persona_collapse.tables.contracts.diagnostics import TABLE as DIAGNOSTICS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.trajectory import TABLE


def table_trajectory(
    metrics: str,
    diagnostics: str,
    moments: list[str],
    instrument: str,
    steps: list[tuple[str, str, int]],
    probes: list[str],
    baseline: str,
    seed: int,
    draws: int,
    mixed: list[str],
    output: str,
) -> None:
    """Write the table from metrics, diagnostics and the checkpoints' moments under role-play.

    ``probes`` are the role-play and the unconditioned one.
    """
    frames = (pl.read_parquet(path) for path in moments)
    by_variant = {(frame["model"][0], frame["variant"][0]): frame for frame in frames}
    followed = trajectory_of(
        read(METRICS, Path(metrics)),
        read(DIAGNOSTICS, Path(diagnostics)),
        changes_of(by_variant, read_instrument(Path(instrument)), baseline, seed, draws),
        steps,
        *probes,
    )
    write(TABLE, followed, Path(output), mixed)


if __name__ == "__main__":
    run(table_trajectory, snakemake)
