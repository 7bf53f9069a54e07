"""The specification curve draws the distinct specifications of its table."""

import polars as pl

from persona_collapse.figures.multiverse import specification_curve
from tests.helpers.figures_data import axes_of, faults_of, look_of, words_of
from tests.helpers.figures_tables import multiverse_table


def drawn(axes, kind):
    """Return the values of one kind of marks from left to right."""
    lines = {line.get_label(): line for line in axes.lines}
    return lines[kind].get_ydata().tolist()


def test_values_are_sorted_and_filled_where_the_verdict_is_the_same() -> None:
    table = multiverse_table(3)
    figure = specification_curve(table, look_of(3, 3))
    name = look_of(3, 3).models[0].label
    axes = axes_of(figure, f"{name} insecure S")
    own = table.filter("distinct", model="m0").sort("S_target")
    for same in (True, False):
        values = own.filter(same_label=same)["S_target"].to_list()
        assert drawn(axes, f"values {same}") == values
    assert drawn(axes, "reported")[0] == table["S_target"][0]
    assert f"collapse in {own['same_label'].sum()} of {own.height}" in " ".join(
        words_of(figure)
    ).replace("\n", " ")


def test_choices_stand_below_one_or_two_curves_alone() -> None:
    for models, shown in ((1, True), (2, True), (3, False)):
        figure = specification_curve(multiverse_table(models), look_of(models, 3))
        below = [axes for axes in figure.axes if str(axes.get_label()).endswith("choices")]
        assert len(below) == (2 * models if shown else 0)
        assert ("without Harm" in words_of(figure)) == shown


def test_marks_of_a_choice_lie_below_its_specifications() -> None:
    table = multiverse_table(1)
    figure = specification_curve(table, look_of(1, 3))
    ranked = table.filter("distinct").sort("S_target").with_row_index("place")
    axes = axes_of(figure, f"{look_of(1, 3).models[0].label} insecure S choices")
    marks = {line.get_label(): line.get_xdata() for line in axes.lines}
    found = [*marks["first_half True"], *marks["first_half False"]]
    assert found == ranked.filter(personas="first_half")["place"].to_list()


def test_several_targets_have_a_row_each_and_are_named() -> None:
    figure = specification_curve(multiverse_table(2, targets=2), look_of(2, 4))
    assert len({axes.get_label() for axes in figure.axes} - {"paper"}) == 2 * 4
    assert any("educational" in word for word in words_of(figure))
    assert faults_of(figure) == []


def test_a_metric_without_values_leaves_its_panel_empty() -> None:
    table = multiverse_table(1).with_columns(R_target=pl.lit(None, pl.Float64))
    axes = axes_of(
        specification_curve(table, look_of(1, 3)), f"{look_of(1, 3).models[0].label} insecure R"
    )
    assert drawn(axes, "values True") == []


def test_figure_without_targets_says_why() -> None:
    figure = specification_curve(multiverse_table(1).clear(), look_of(1, 3))
    assert "no target" in " ".join(words_of(figure))
