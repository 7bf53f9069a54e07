"""The figure of loss curves draws what the table says, marked, its texts apart."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from persona_collapse.figures.losses import draw_loss_curves
from persona_collapse.figures.meaning import read_measured
from persona_collapse.finetuning.results import LOSS_COLUMNS, losses_of
from persona_collapse.tables.contracts.losses import TABLE
from tests.helpers.figures_data import axes_of, faults_of, look_of, words_of

VARIANTS = ("secure", "insecure")


def table_of(models: int, points: int, *, accuracy: bool = True) -> pl.DataFrame:
    rows = [
        {
            "model": f"m{model}",
            "variant": variant,
            "step": float(step),
            "train_loss": 1.5 / step + 0.1 * place,
            "train_accuracy": 0.5 + 0.4 * step / (points + 1) if accuracy else None,
            "simulated": True,
        }
        for model in range(models)
        for place, variant in enumerate(VARIANTS)
        for step in range(1, points + 1)
    ]
    return pl.DataFrame(rows, schema={**TABLE.schema, "step": pl.Float64})


def test_the_curves_are_the_tables() -> None:
    table = table_of(2, 100)
    figure = draw_loss_curves(table, look_of(2, 3))
    for (model, variant), rows in table.group_by("model", "variant", maintain_order=True):
        for measure in ("train_loss", "train_accuracy"):
            lines = {line.get_label(): line for line in axes_of(figure, f"{model} {measure}").lines}
            told = lines[f"{model} {variant} {measure} told"].get_xydata().tolist()
            assert told == [list(row) for row in rows.select("step", measure).iter_rows()]
            mean = lines[f"{model} {variant} {measure}"].get_ydata()
            assert mean[50] == pytest.approx(rows[measure][48:53].mean())
    assert (
        axes_of(figure, "m0 train_loss").get_ylim() == axes_of(figure, "m1 train_loss").get_ylim()
    )
    assert any("SIMULATED" in word for word in words_of(figure))


def test_a_server_that_tells_no_accuracy_has_no_panel_for_it() -> None:
    figure = draw_loss_curves(table_of(1, 20, accuracy=False), look_of(1, 3))
    labels = [axes.get_label() for axes in figure.axes]
    assert "m0 train_loss" in labels
    assert "m0 train_accuracy" not in labels


@pytest.mark.parametrize("models", [1, 2, 4, 12])
@pytest.mark.parametrize("points", [0, 1, 1500])
def test_texts_keep_apart(models: int, points: int) -> None:
    assert faults_of(draw_loss_curves(table_of(models, points), look_of(models, 3))) == []


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
    table.write_csv(tmp_path / "losses.csv")
    assert read_measured(tmp_path / "losses.csv", "losses")["train_loss"].to_list() == [
        1.5,
        1,
        1.5,
        1,
    ]
