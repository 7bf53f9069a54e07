"""Show what the answer store holds, by model, and what it cost."""

from pathlib import Path

import polars as pl

from persona_collapse.commands.store import store_contents
from persona_collapse.common.jobs import reported


def show_store(store: str, prices: str) -> None:
    """Print one row per endpoint and model."""
    frame = store_contents(Path(store), Path(prices))
    if frame.is_empty():
        print(f"{store}: no answers yet")
        return
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=1000,
        fmt_str_lengths=80,
    ):
        print(frame)


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        show_store(store=snakemake.params.store, prices=snakemake.params.prices)
