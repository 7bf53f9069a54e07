"""Trajectories over training steps draw their table."""

from __future__ import annotations

import math

import polars as pl
import pytest
from matplotlib.figure import Figure

from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.trajectory import trajectory
from tests.helpers.figures_data import LABELS, axes_of, faults_of, whiskers_of, words_of
from tests.helpers.figures_tables import trajectory_table


def look_of(models: int) -> Look:
    named = tuple(ModelLook(f"m{n}", label, "F") for n, label in enumerate(LABELS[:models]))
    variants = ("base", *(f"step-{step}" for step in (50, 100, 200, 400, 800)))
    return Look(named, variants, targets={"step-800": None})


def spoilt(table: pl.DataFrame) -> pl.DataFrame:
    """The table with an infinite R at step 50 of m0 and nothing known at step 200."""
    own = (pl.col("model") == "m0") & (pl.col("domain") == "overall")
    endless, unknown = own & (pl.col("step") == 50), own & (pl.col("step") == 200)
    ends = [
        pl.when(endless | unknown).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("R_percent_lo", "R_percent_hi")
    ]
    value = pl.when(endless).then(math.inf).when(unknown).then(None).otherwise(pl.col("R_percent"))
    return table.with_columns(*ends, R_percent=value)


@pytest.mark.parametrize("models", [1, 4, 12])
@pytest.mark.parametrize("unit", [1, 1000])
def test_texts_do_not_overlap_at_any_size(models: int, unit: int) -> None:
    figure = trajectory(spoilt(trajectory_table(models, unit)), look_of(models))
    assert faults_of(figure) == []
    width, height = figure.get_size_inches()
    assert width == 6.9
    assert height < 9.6


def points(figure: Figure, panel: str) -> dict[str, tuple[float, float]]:
    axes = axes_of(figure, panel)
    return {
        c.get_label(): (c.lines[0].get_xdata()[0], c.lines[0].get_ydata()[0])
        for c in axes.containers
    }


def test_trajectory_points_and_whiskers_are_those_of_the_table() -> None:
    table = trajectory_table(2)
    figure = trajectory(table, look_of(2))
    for row in table.filter(pl.col("domain") == "overall").iter_rows(named=True):
        for name in ("S_percent", "R_percent", "saturation"):
            panel, label = f"{row['model']} {name}", f"{row['model']} {row['variant']} {name}"
            assert points(figure, panel)[label] == (row["step"], row[name])
            ((_, low, _, high),) = whiskers_of(axes_of(figure, panel), label)
            assert (low, high) == pytest.approx((row[f"{name}_lo"], row[f"{name}_hi"]))
    limits = [axes_of(figure, f"{model} S_percent").get_ylim() for model in ("m0", "m1")]
    assert limits[0] == limits[1]
    assert any("n = 35–40" in word.replace("\n", " ") for word in words_of(figure))
    assert "SIMULATED RESPONDENTS" in words_of(figure)


def test_infinite_r_is_at_the_edge_and_unknown_r_a_gap() -> None:
    figure = trajectory(spoilt(trajectory_table(1)), look_of(1))
    axes, found = axes_of(figure, "m0 R_percent"), points(figure, "m0 R_percent")
    finite = [y for label, (_, y) in found.items() if "step-50 " not in label]
    assert max(finite) < found["m0 step-50 R_percent"][1] < axes.get_ylim()[1]
    assert "∞" in words_of(figure)
    assert "m0 step-200 R_percent" not in found
    (line,) = (line for line in axes.lines if line.get_label() == "m0 R_percent")
    assert [math.isnan(y) for y in line.get_ydata()] == [False, False, False, True, False, False]


def test_unmeasured_saturation_has_no_panel() -> None:
    figure = trajectory(trajectory_table(1, saturated=False), look_of(1))
    labels = {axes.get_label() for axes in figure.axes}
    assert labels == {"paper", "m0 S_percent", "m0 R_percent"}
    assert "Saturation" not in words_of(figure)


def test_model_without_checkpoints_has_no_row() -> None:
    figure = trajectory(trajectory_table(1), look_of(2))
    assert not any(axes.get_label().startswith("m1") for axes in figure.axes)
