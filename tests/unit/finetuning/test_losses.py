"""The table of losses joins the curves of all fine-tuned variants."""

from pathlib import Path

import polars as pl

from persona_collapse.finetuning.results import LOSS_COLUMNS, losses_of
from persona_collapse.tables.contracts.losses import TABLE


def test_the_table_joins_the_curves_in_the_studys_order(tmp_path: Path) -> None:
    paths = []
    for name in ("b", "a"):
        path = tmp_path / f"{name}.parquet"
        rows = [[1, 1.5, None, False], [2, 1.0, 0.5, False]]
        pl.DataFrame(rows, schema=LOSS_COLUMNS, orient="row").write_parquet(path)
        paths.append(("m", name, path))
    table = losses_of(paths)
    assert table["variant"].to_list() == ["b", "b", "a", "a"]
    assert table.schema == TABLE.schema
    assert losses_of([]).height == 0
