"""Hold replicate fine-tunes against each other and against the baseline."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.contrasts.replicates import replicates_table
from persona_collapse.tables import write
from persona_collapse.tables.contracts.replicates import TABLE


def table_replicates(
    moments: list[str],
    instruments: list[str],
    baseline: str,
    replicates: dict[str, dict[str, list[str]]],
    mixed: list[str],
    output: str,
) -> None:
    """Write the table, probe by probe; ``moments`` and ``instruments`` go together."""
    probes: dict[str, tuple[str, list[pl.DataFrame]]] = {}
    for path, instrument in zip(moments, instruments, strict=True):
        cells = pl.read_parquet(path)
        probes.setdefault(cells["probe"][0], (instrument, []))[1].append(cells)
    parts = [
        replicates_table(frames, read_instrument(Path(instrument)), baseline, replicates)
        for instrument, frames in probes.values()
    ]
    write(TABLE, pl.concat([pl.DataFrame(schema=TABLE.schema), *parts]), Path(output), mixed)


if __name__ == "__main__":
    run(table_replicates, snakemake)
