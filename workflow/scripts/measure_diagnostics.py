"""Say what stands behind S and R of one model x variant x probe."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.diagnostics.table import diagnostics_of


def measure_diagnostics(
    moments: str, instrument: str, seed: int, draws: int, output: str, base: str | None = None
) -> None:
    """Write the diagnostics; ``base`` is the baseline's moments, None for the baseline itself."""
    diagnostics_of(
        pl.read_parquet(moments),
        read_instrument(Path(instrument)),
        seed,
        draws,
        pl.read_parquet(base) if base else None,
    ).write_parquet(output)


if __name__ == "__main__":
    run(measure_diagnostics, snakemake)
