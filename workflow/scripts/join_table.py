"""Join per-variant Parquet files into one CSV table of the study."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import reported
from persona_collapse.tables import write_table


def join_table(parts: list[str], mixed: list[str], output: str) -> None:
    """Write the rows of all parts, in the parts' order, those of ``mixed`` models marked."""
    write_table(pl.concat([pl.read_parquet(part) for part in parts]), Path(output), mixed)


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        join_table(list(snakemake.input), snakemake.params.mixed, snakemake.output[0])
