"""Join per-variant Parquet files into one CSV table of the study."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.tables import contract, write


def join_table(inputs: list[str], mixed: list[str], output: str) -> None:
    """Write the rows of all parts in the parts' order; the file's name is the table's."""
    table = contract(Path(output).stem)
    write(table, pl.concat([pl.read_parquet(part) for part in inputs]), Path(output), mixed)


if __name__ == "__main__":
    run(join_table, snakemake)
