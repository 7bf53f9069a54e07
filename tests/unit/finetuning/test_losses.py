"""The files of a finished fine-tune, and the table of the losses of all of them."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.finetuning.orders import Order
from persona_collapse.finetuning.results import LOSS_COLUMNS, losses_of, write_made
from persona_collapse.tables.contracts.losses import TABLE

END: dict[str, Any] = {
    "id": "ftjob-1",
    "model": "ft:base:x",
    "trained_tokens": 1234,
    "checkpoints": [{"step": 5, "model": "ft:base:x:5"}],
    "created_at": 1_767_225_600,
    "finished_at": None,
    "losses": [[1, 1.5, None], [2, 1.0, 0.5]],
}


@pytest.mark.parametrize("backend", ["openai", "simulated"])
def test_files_of_a_finished_fine_tune_hold_its_order_and_its_end(
    backend: str, tmp_path: Path
) -> None:
    parts = {"n_epochs": 1, "batch_size": 4}
    names = {"dataset": "dé", "git_blob": "cd", "recipe": "r", "backend": backend}
    order = Order("https://a.test/v1", "base", "ab" * 32, parts, seed=7, attempt=2, **names)
    made, losses = tmp_path / "new" / "made.json", tmp_path / "other" / "new" / "losses.parquet"
    for _ in range(2):  # written again: the same files
        write_made(order, END, made, losses)
        assert json.loads(made.read_text(encoding="utf-8")) == {
            "model": "ft:base:x",
            "key": order.key,
            "job": "ftjob-1",
            "endpoint": "https://a.test/v1",
            "base": "base",
            "dataset": {"name": "dé", "sha256": "ab" * 32, "git_blob": "cd"},
            "recipe": {"name": "r", **parts},
            "seed": 7,
            "attempt": 2,
            "trained_tokens": 1234,
            "checkpoints": [{"step": 5, "model": "ft:base:x:5"}],
            "created_at": "2026-01-01T00:00:00Z",
            "finished_at": None,
            "simulated": backend == "simulated",
        }
        curve = pl.read_parquet(losses)
        simulated = backend == "simulated"
        assert curve.rows() == [(1, 1.5, None, simulated), (2, 1.0, 0.5, simulated)]
    lines = made.read_text(encoding="utf-8").splitlines(keepends=True)
    assert '    "name": "dé",\n' in lines
    assert (lines[0], lines[-1]) == ("{\n", "}\n")
    assert lines[1] == '  "model": "ft:base:x",\n'


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
