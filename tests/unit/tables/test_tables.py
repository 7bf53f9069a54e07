"""Every table says of its rows whether servers of several kinds stand behind them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from persona_collapse.tables import write_table


@pytest.mark.parametrize(
    ("table", "mixed", "marks"),
    [
        ({"model": ["a", "b", "mean"]}, ["a"], [True, False, True]),
        ({"model": ["a", "b", "mean"]}, [], [False, False, False]),
        ({"left_out": ["a", "b"]}, ["a"], [False, True]),
        ({"left_out": ["a", "b"]}, ["a", "b"], [True, True]),
        ({"left_out": ["a", "b"]}, [], [False, False]),
        ({"n_models": [4]}, ["a"], [True]),
        ({"n_models": [4]}, [], [False]),
    ],
)
def test_rows_on_mixed_stacks_are_marked(
    table: dict[str, list[object]], mixed: list[str], marks: list[bool], tmp_path: Path
) -> None:
    path = tmp_path / "tables" / "table.csv"
    write_table(pl.DataFrame(table), path, mixed)
    assert pl.read_csv(path)["mixed_stacks"].to_list() == marks
