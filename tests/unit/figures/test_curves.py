"""Curves over temperature, personas and training steps draw their tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from persona_collapse.figures.curves import (
    identification_curves,
    loss_curves,
    power_curves,
    temperature_curves,
)
from tests.helpers.figures_data import axes_of, box_of, faults_of, look_of, words_of
from tests.helpers.figures_tables import (
    GRID,
    identification_of,
    losses_of,
    power_of,
    temperature_of,
)


def test_temperature_curves_fall_back_to_another_probe_and_name_it() -> None:
    """A study that holds log-probabilities against repeats reads them under a probe beside."""
    table = temperature_of(1, 2).with_columns(probe=pl.lit("exact"))
    figure = temperature_curves(table, look_of(1, 2))
    assert axes_of(figure, "m0 S").lines
    assert "Probe: exact." in " ".join(words_of(figure))
    own = temperature_curves(temperature_of(1, 2), look_of(1, 2))
    assert "Probe:" not in " ".join(words_of(own))


def test_temperature_curves_and_bands_are_those_of_the_table() -> None:
    table = temperature_of(2, 3)
    figure = temperature_curves(table, look_of(2, 3))
    for (model, variant), rows in table.group_by("model", "variant", maintain_order=True):
        for metric in ("S", "R"):
            axes = axes_of(figure, f"{model} {metric}")
            name = f"{model} {variant} {metric}"
            lines = {line.get_label(): line for line in axes.lines}
            known = rows.filter(pl.col(metric).is_finite(), domain="overall")
            drawn = lines[name].get_xydata().tolist()
            assert drawn == [list(row) for row in known.select("temperature", metric).iter_rows()]
            (band,) = (c for c in axes.collections if c.get_label() == f"{name} band")
            corners = band.get_paths()[0].vertices
            for end in (f"{metric}_lo", f"{metric}_hi"):
                for value in known[end].drop_nulls():
                    assert np.isclose(corners[:, 1], value).any()
    assert axes_of(figure, "m0 R").get_yscale() == "log"
    endless = {line.get_label(): line for line in axes_of(figure, "m0 R").lines}
    point = endless["m0 base R infinite"]
    assert point.get_xdata()[0] == GRID[0]
    assert point.get_ydata()[0] == axes_of(figure, "m0 R").get_ylim()[1]
    assert any("R = ∞" in word for word in words_of(figure))


def test_identification_curves_are_those_of_the_table_beside_the_baselines_own() -> None:
    table = identification_of(2, 3)
    figure = identification_curves(table, look_of(2, 3))
    curves = table.filter(classifier="nearest_mean")
    for profiles in ("own", "baseline"):
        lines = {line.get_label(): line for line in axes_of(figure, f"m0 {profiles}").lines}
        assert lines["chance"].get_ydata()[0] == 1.0
        for variant in ("base", "secure", "insecure"):
            by = "own" if variant == "base" else profiles
            rows = curves.filter(model="m0", variant=variant, profiles=by)
            drawn = lines[f"m0 {variant} {profiles}"].get_xydata()
            percent = rows.select("answers", 100 * pl.col("recognised")).to_numpy()
            assert drawn == pytest.approx(percent)
    undefined = {line.get_label(): line for line in axes_of(figure, "m1 own").lines}
    assert undefined["m1 secure own"].get_xydata().size == 0


def names_of(figure: Figure) -> dict[str, Text]:
    """The texts that name variants in a panel."""
    return {
        text.get_text(): text
        for axes in figure.axes
        for text in axes.texts
        if str(text.get_label()).startswith("name of ")
    }


@pytest.mark.parametrize("models", [1, 4])
def test_curves_are_named_in_place_in_their_colours(models: int) -> None:
    look = look_of(models, 3)
    apart = pl.when(variant="insecure").then(0.5).otherwise(0.2)
    losses = losses_of(models, 20).with_columns(pl.col("train_loss") + apart)
    for figure in (
        identification_curves(identification_of(models, 3), look),
        temperature_curves(temperature_of(models, 3), look),
        loss_curves(losses, look),
    ):
        found = names_of(figure)
        assert set(found) >= {"secure", "insecure"}
        for name, text in found.items():
            assert text.get_color() == look.paint(name).colour
            assert words_of(figure).count(name) == 1  # no key beside it
        assert faults_of(figure) == []


def test_name_is_nearer_to_its_own_curve_than_to_any_other() -> None:
    figure = identification_curves(identification_of(1, 3), look_of(1, 3))
    for name, text in names_of(figure).items():
        box, axes = box_of(text), text.axes
        assert axes is not None
        far = {}
        for line in axes.lines:
            label = str(line.get_label())
            if label.startswith("m0"):
                ends = axes.transData.transform(line.get_xydata())
                steps = np.linspace(0, 1, 200)[:, None]
                path = np.vstack([a + steps * (b - a) for a, b in pairwise(ends)])
                nearest = np.clip(path, (box.x0, box.y0), (box.x1, box.y1))
                far[label.split()[1]] = np.hypot(*(path - nearest).T).min()
        assert min(far, key=lambda one: far[one]) == name


def test_curves_that_leave_no_room_for_names_have_a_key() -> None:
    names = tuple(f"variant-{n}" for n in range(12))
    look = replace(look_of(1, 3), variants=names, baseline=names[0], targets={})
    base = identification_of(1, 2).filter(variant="secure", profiles="own")
    table = pl.concat(
        base.with_columns(variant=pl.lit(name), recognised=pl.col("recognised") + 0.001 * n)
        for n, name in enumerate(names)
    )
    figure = identification_curves(table, look)
    assert names_of(figure) == {}
    paper = [text.get_text() for text in axes_of(figure, "paper").texts]
    assert set(paper) >= set(names)
    assert faults_of(figure) == []


def test_identification_figure_without_rows_says_why() -> None:
    figure = identification_curves(identification_of(2, 3).clear(), look_of(2, 3))
    assert "No recognition" in " ".join(words_of(figure))


def test_power_curves_draw_the_detectable_changes_and_the_study_s_own_design() -> None:
    power = power_of(2, planted=True)
    figure = power_curves(power, look_of(2, 3), aims=(20, 30), design=(100, 10))
    for model in ("m0", "m1", "planted"):
        for metric, aim in (("S", 20), ("R", 30)):
            axes = axes_of(figure, f"{model} {metric}")
            lines = {str(line.get_label()): line for line in axes.lines}
            assert lines["aim"].get_ydata()[0] == aim
            assert lines["study"].get_xdata()[0] == 100
            own = power.filter(model=model, repetitions=10, personas=100)
            column = f"{metric}_detectable_percent"
            assert lines["design"].get_ydata()[0] == own[column][0]
            curves = {
                name.rpartition(" ")[2]: line.get_xydata().tolist()
                for name, line in lines.items()
                if name.startswith(f"{model} {metric} ")
            }
            # S does not depend on repetitions here: its curves coincide and are drawn once.
            groups = {"S": ["1\u201320"], "R": ["2", "3", "5", "10", "20"]}[metric]
            assert [*curves] == groups
            assert [text.get_text().strip() for text in axes.texts][::-1] == groups
            for name, drawn in curves.items():
                n = int(name.rpartition("\u2013")[2])
                rows = power.filter(model=model, repetitions=n)
                assert drawn == [list(row) for row in rows.select("personas", column).iter_rows()]
            below = model == "m0"  # another block
            assert axes.get_xlabel() == ("" if below else "personas")
    found = figure.get_label()
    assert found.startswith("100 personas with 10 repetitions can show a rise of S of ")


def test_design_that_was_not_planned_has_a_line_and_no_star() -> None:
    figure = power_curves(power_of(1), look_of(1, 3), aims=(20, 30), design=(60, 10))
    labels = [line.get_label() for line in axes_of(figure, "m0 S").lines]
    assert "study" in labels
    assert "design" not in labels
    assert figure.get_label() == ""


def test_loss_curves_are_those_of_the_table() -> None:
    table = losses_of(2, 100)
    figure = loss_curves(table, look_of(2, 3))
    for (model, variant), rows in table.group_by("model", "variant", maintain_order=True):
        for measure in ("train_loss", "train_accuracy"):
            lines = {line.get_label(): line for line in axes_of(figure, f"{model} {measure}").lines}
            reported = lines[f"{model} {variant} {measure} reported"].get_xydata().tolist()
            assert reported == [list(row) for row in rows.select("step", measure).iter_rows()]
            mean = lines[f"{model} {variant} {measure}"].get_ydata()
            assert mean[50] == pytest.approx(rows[measure][48:53].mean())
    assert (
        axes_of(figure, "m0 train_loss").get_ylim() == axes_of(figure, "m1 train_loss").get_ylim()
    )
    assert any("SIMULATED" in word for word in words_of(figure))


def test_accuracy_panel_is_absent_when_no_accuracy_was_reported() -> None:
    figure = loss_curves(losses_of(1, 20, accuracy=False), look_of(1, 3))
    labels = [axes.get_label() for axes in figure.axes]
    assert "m0 train_loss" in labels
    assert "m0 train_accuracy" not in labels


@pytest.mark.parametrize("models", [1, 2, 4, 12])
@pytest.mark.parametrize("points", [0, 1, pytest.param(1500, marks=pytest.mark.slow)])
def test_texts_of_loss_curves_do_not_overlap(models: int, points: int) -> None:
    assert faults_of(loss_curves(losses_of(models, points), look_of(models, 3))) == []
