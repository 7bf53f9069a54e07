"""Join per-variant Parquet files into one CSV table of the study."""

from pathlib import Path

import polars as pl

from persona_collapse.console import reported


def join_table(parts: list[str], output: str) -> None:
    """Write the rows of all parts, in the parts' order."""
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    pl.concat([pl.read_parquet(part) for part in parts]).write_csv(output)


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        join_table(list(snakemake.input), snakemake.output[0])
