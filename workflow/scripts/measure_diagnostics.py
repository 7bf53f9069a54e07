"""Say what stands behind S and R of one model x variant x probe."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import reported
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.diagnostics.table import diagnostics_of


def measure_diagnostics(
    moments: str, base: str | None, instrument: str, seed: int, draws: int, output: str
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
    with reported(snakemake.log[0]):
        measure_diagnostics(
            moments=snakemake.input.moments,
            base=snakemake.input.get("base") or None,
            instrument=snakemake.input.instrument,
            seed=snakemake.params.seed,
            draws=snakemake.params.draws,
            output=snakemake.output[0],
        )
