"""Figures of percent changes draw the contrasts."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from persona_collapse.figures.changes import domain_heatmap
from persona_collapse.figures.marks import signed
from tests.helpers.figures_data import (
    DOMAINS,
    axes_of,
    contrasts_of,
    look_of,
    metrics_of,
    words_of,
)


@pytest.fixture(scope="module")
def contrasts() -> pl.DataFrame:
    return contrasts_of(metrics_of(3, 4))


def of(table: pl.DataFrame, **fixed: str) -> list[dict[str, Any]]:
    return list(table.filter(**fixed).iter_rows(named=True))


@pytest.mark.parametrize("metric", ["S", "R"])
def test_heat_map_prints_target_and_control(contrasts: pl.DataFrame, metric: str) -> None:
    figure = domain_heatmap(contrasts, look_of(3, 4))
    panels = [axes.get_label() for axes in figure.axes]
    assert f"{metric} educational" not in panels
    for variant in ("secure", "insecure"):
        axes = axes_of(figure, f"{metric} {variant}")
        rows = {
            (row["model"], row["domain"]): row
            for row in of(contrasts, metric=metric, contrast=f"{variant}-base")
        }
        expected = [
            printed_in_a_cell(rows[model, domain])
            for model in ("m0", "m1", "m2", "mean")
            for domain in DOMAINS[:5]
        ]
        assert [text.get_text() for text in axes.texts] == expected


def printed_in_a_cell(row: dict[str, Any]) -> str:
    text = signed(row["percent"])
    return f"({text})" if row["percent_lo"] <= 0 <= row["percent_hi"] else text


def test_heat_map_brackets_intervals_that_include_zero_and_labels_the_colour_limit() -> None:
    table = contrasts_of(metrics_of(1, 3))
    chosen = (pl.col("metric") == "S") & (pl.col("contrast") == "insecure-base")
    ends = {"percent": 174.0, "percent_lo": 120.0, "percent_hi": 230.0}
    clear = table.with_columns(pl.lit(value).alias(name) for name, value in ends.items())
    unclear = clear.with_columns(
        percent_lo=pl.when(chosen).then(-3.0).otherwise("percent_lo"),
    )
    figures = [domain_heatmap(one, look_of(1, 3)) for one in (clear, unclear)]
    for figure, cell in zip(figures, ("+174", "(+174)"), strict=True):
        assert {text.get_text() for text in axes_of(figure, "S insecure").texts} == {cell}
        ticks = [tick.get_text() for tick in axes_of(figure, "colours").get_xticklabels()]
        assert ticks == ["≥ 100 %", "0", "≥ 100 %"]
    explained = [any("in brackets" in word for word in words_of(figure)) for figure in figures]
    assert explained == [False, True]


def test_heat_map_colours_differ_for_rise_fall_infinite_and_undefined() -> None:
    table = contrasts_of(metrics_of(1, 3))
    values = dict(zip(DOMAINS[:5], [60.0, -60.0, math.inf, None, 0.0], strict=True))
    chosen = (pl.col("metric") == "S") & (pl.col("contrast") == "insecure-base")
    replaced = pl.col("domain").replace_strict(values, default=1.0, return_dtype=pl.Float64)
    spoilt = table.with_columns(percent=pl.when(chosen).then(replaced).otherwise("percent"))
    axes = axes_of(domain_heatmap(spoilt, look_of(1, 3)), "S insecure")
    assert [text.get_text() for text in axes.texts] == ["+60", "−60", "+∞", "n/a", "0"]
    rise, fall, endless, absent, none = (patch.get_facecolor() for patch in axes.patches)
    assert rise[0] > rise[2]
    assert fall[2] > fall[1]
    assert len({rise, fall, endless, absent, none}) == 5
    assert absent[3] == 0


def test_colour_of_a_cell_is_that_of_collapse_for_a_rise_of_s_and_a_fall_of_r() -> None:
    table = contrasts_of(metrics_of(1, 3))
    figure = domain_heatmap(table.with_columns(percent=pl.lit(60.0)), look_of(1, 3))
    rise, other = (axes_of(figure, f"{m} insecure").patches[0].get_facecolor() for m in "SR")
    assert rise[0] > rise[2]  # towards collapse
    assert other[2] > other[1]  # away from it
    fallen = domain_heatmap(table.with_columns(percent=pl.lit(-60.0)), look_of(1, 3))
    assert axes_of(fallen, "R insecure").patches[0].get_facecolor() == rise
