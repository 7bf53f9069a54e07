"""Follow S, R and saturation over the training steps of checkpoints."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures import collapse
from persona_collapse.measures.diagnostics import rows as tidy
from persona_collapse.measures.trajectory import trajectory_of
from persona_collapse.tables import write_table


def table_trajectory(
    metrics: str,
    diagnostics: str,
    steps: list[tuple[str, str, int]],
    probes: list[str],
    mixed: list[str],
    output: str,
) -> None:
    """Write the table; ``probes`` are the role-play and the unconditioned one."""
    names = dict.fromkeys(("model", "variant", "probe"), pl.String())
    found = trajectory_of(
        pl.read_csv(metrics, schema_overrides=collapse.SCHEMA),
        pl.read_csv(
            diagnostics, schema_overrides={**names, **tidy.SCHEMA, "simulated": pl.Boolean()}
        ),
        steps,
        *probes,
    )
    write_table(found, Path(output), mixed)


if __name__ == "__main__":
    run(table_trajectory, snakemake)
