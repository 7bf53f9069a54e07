"""The band's figures draw what the band's tables hold."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy import stats

from persona_collapse.figures.band import Prediction, band_distribution, prior_band, probability
from persona_collapse.figures.marks import round_values
from persona_collapse.measures.verdict.band import band_of, band_values
from tests.helpers.figures_data import (
    axes_of,
    box_of,
    earlier_models,
    faults_of,
    look_of,
    metrics_of,
    spoilt,
    texts_of,
    whiskers_of,
    words_of,
)


def overall(table: pl.DataFrame) -> list[dict[str, object]]:
    return list(table.filter(pl.col("domain") == "overall").iter_rows(named=True))


@pytest.fixture(scope="module")
def metrics() -> pl.DataFrame:
    return metrics_of(4, 3)


Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]


def tables_of(metrics: pl.DataFrame, earlier: pl.DataFrame | None = None) -> Tables:
    """Metrics, their place against the band, the band, and the earlier models."""
    earlier = earlier_models() if earlier is None else earlier
    return metrics, band_of(metrics, earlier), band_values(earlier), earlier


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_of(spoilt(metrics_of(4, 3)))


@pytest.fixture(scope="module")
def panels(tables: Tables) -> dict[str, Axes]:
    figure = band_distribution(*tables, look_of(4, 3))
    return {metric: axes_of(figure, metric) for metric in ("S", "R")}


def row_of(values: pl.DataFrame, metric: str) -> dict[str, float]:
    return values.row(by_predicate=pl.col("metric") == metric, named=True)


def test_shaded_band_is_the_range_of_the_included_models(metrics: pl.DataFrame) -> None:
    prior = earlier_models()
    figure = prior_band(metrics, band_values(prior), prior, look_of(4, 3))
    axes = axes_of(figure, "S")
    (shade,) = (p for p in axes.patches if p.get_label() == "band")
    assert isinstance(shade, Rectangle)
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((0.663, 0.827))
    assert "Band of 13 models: 0.663–0.827" in words_of(figure)
    points = {c.get_label(): c.lines[0] for c in axes.containers}
    assert len([name for name in points if name.startswith("prior ")]) == 15
    for row in prior.iter_rows(named=True):
        line = points[f"prior {row['model']}"]
        assert line.get_xdata()[0] == row["S"]
        assert (line.get_markerfacecolor() == "#ffffff") is not row["in_band"]
        ((low, _, high, _),) = whiskers_of(axes, f"prior {row['model']}")
        assert (high - low) / 2 == pytest.approx(1.96 * row["S_se"])
    for row in overall(metrics):
        name = f"{row['model']} {row['variant']} S"
        assert points[name].get_xdata()[0] == row["S"]
        ((low, _, high, _),) = whiskers_of(axes, name)
        assert (low, high) == pytest.approx((row["S_lo"], row["S_hi"]))


@pytest.mark.parametrize("metric", ["S", "R"])
def test_curve_is_the_t_distribution_of_the_table(
    tables: Tables, panels: dict[str, Axes], metric: str
) -> None:
    row = row_of(tables[2], metric)
    to = np.log if metric == "R" else np.asarray
    half = (to(row["prediction_hi"]) - to(row["prediction_lo"])) / 2
    law = stats.t(12, to(row["centre"]), half / stats.t.ppf(0.975, 12))
    axes = panels[metric]
    assert axes.get_xscale() == ("log" if metric == "R" else "linear")
    lines = {line.get_label(): line for line in axes.lines}
    x, y = (np.asarray(part) for part in lines[f"{metric} density"].get_data())
    floor = lines[f"{metric} lo"].get_ydata()[0]
    expected = law.pdf(to(x)) / law.pdf(to(row["centre"]))
    assert (floor - y) / floor == pytest.approx(expected, abs=1e-9)
    shades = {found.get_label(): found for found in axes.collections}
    for level, ends in ((50, law.ppf([0.25, 0.75])), (95, law.ppf([0.025, 0.975]))):
        drawn = shades[f"{metric} {level} %"].get_paths()[0].vertices[:, 0]
        ends = np.exp(ends) if metric == "R" else ends
        assert (drawn.min(), drawn.max()) == pytest.approx(tuple(ends))
    ends = shades[f"{metric} 95 %"].get_paths()[0].vertices[:, 0]
    assert ends.min() == pytest.approx(row["prediction_lo"])
    for end in ("lo", "hi"):
        assert lines[f"{metric} {end}"].get_xdata()[0] == row[end]


@pytest.mark.parametrize("metric", ["S", "R"])
def test_every_earlier_model_has_a_tick(panels: dict[str, Axes], metric: str) -> None:
    prior = earlier_models()
    ticks = {found.get_label(): found for found in panels[metric].collections}
    for name, counts in ((f"{metric} earlier", True), (f"{metric} others", False)):
        drawn = sorted(segment[0][0] for segment in ticks[name].get_segments())
        assert drawn == sorted(prior.filter(in_band=counts)[metric])


@pytest.mark.parametrize("metric", ["S", "R"])
def test_variants_are_drawn_at_their_values_with_intervals(
    tables: Tables, panels: dict[str, Axes], metric: str
) -> None:
    axes = panels[metric]
    points = {c.get_label(): c.lines[0] for c in axes.containers}
    rows = tables[0].filter(domain="overall").rows(named=True)
    finite = [row for row in rows if row[metric] is not None and math.isfinite(row[metric])]
    assert len(points) == len(finite) == (11 if metric == "S" else 9)
    for row in finite:
        name = f"{row['model']} {row['variant']} {metric}"
        assert points[name].get_xdata()[0] == row[metric]
        ((low, _, high, _),) = whiskers_of(axes, name)
        assert (low, high) == pytest.approx((row[f"{metric}_lo"], row[f"{metric}_hi"]))
        left, right = axes.get_xlim()
        assert left < low < high < right


def test_infinite_r_is_an_arrow_at_the_end_of_the_axis(
    tables: Tables, panels: dict[str, Axes]
) -> None:
    (arrow,) = (line for line in panels["R"].lines if "infinite" in str(line.get_label()))
    assert arrow.get_label() == "m2 insecure R infinite"
    assert arrow.get_xdata()[0] == panels["R"].get_xlim()[1]
    words = words_of(band_distribution(*tables, look_of(4, 3)))
    assert words.count("n/a") == 4  # both probabilities of an infinite and of an unknown R


def test_both_probabilities_are_printed_beside_their_variant(tables: Tables) -> None:
    figure = band_distribution(*tables, look_of(4, 3))
    texts = {}
    for text in texts_of(figure):
        if text.axes is axes_of(figure, "paper"):
            box = box_of(text)
            texts.setdefault(text.get_text(), []).append((box.x0, (box.y0 + box.y1) / 2))
    for metric in ("S", "R"):
        axes = axes_of(figure, metric)
        points = {c.get_label(): c.lines[0] for c in axes.containers}
        for row in tables[1].filter(metric=metric, model="m0").rows(named=True):
            (x,), (y,) = points[f"m0 {row['variant']} {metric}"].get_data()
            middle = axes.transData.transform((x, y))[1]
            edge = axes.get_window_extent().x1
            beside = [
                (left, name)
                for name, places in texts.items()
                for left, height in places
                if left > edge and abs(height - middle) < 4
            ]
            names = [name for _, name in sorted(beside)][:2]
            assert names == [probability(row["p_outside"]), probability(row["p_base"])]


def test_range_and_prediction_are_printed(tables: Tables) -> None:
    words = words_of(band_distribution(*tables, look_of(4, 3)))
    assert "13 earlier models: 0.66–0.83" in words
    assert "95 % of base models: 0.65–0.85" in words
    assert "13 earlier models: 3.27–108" in words
    assert "left out" in words


def test_every_model_can_count_for_the_band() -> None:
    everyone = earlier_models().with_columns(in_band=pl.lit(True))
    figure = band_distribution(*tables_of(metrics_of(1, 3), everyone), look_of(1, 3))
    ticks = {found.get_label(): found for found in axes_of(figure, "S").collections}
    assert len(ticks["S earlier"].get_segments()) == 15
    words = words_of(figure)
    assert "15 earlier models: 0.66–1.04" in words
    assert "left out" not in words


def test_band_without_r_is_drawn_of_s_alone() -> None:
    no_r = earlier_models().with_columns(R=pl.lit(None, pl.Float64))
    figure = band_distribution(*tables_of(metrics_of(1, 3), no_r), look_of(1, 3))
    assert faults_of(figure) == []
    assert [axes.get_label() for axes in figure.axes if axes.get_label() in ("S", "R")] == ["S"]


def test_band_is_drawn_without_answers() -> None:
    figure = band_distribution(*tables_of(metrics_of(1, 1).clear()), look_of(1, 3))
    assert faults_of(figure) == []
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        "No comparison with earlier models: no variant has an S or R."
    ]


def test_middle_95_percent_of_a_prediction_is_the_interval_of_the_table() -> None:
    row = {"metric": "R", "n_models": 13.0, "centre": 10.0, "prediction_lo": 1.0}
    found = Prediction.of({**row, "prediction_hi": 100.0})
    assert found.middle(0.95) == pytest.approx((1.0, 100.0))
    assert found.density(np.array([10.0, 1.0, 100.0])) == pytest.approx(
        [1.0, *[stats.t.pdf(stats.t.ppf(0.975, 12), 12) / stats.t.pdf(0, 12)] * 2]
    )


def test_probabilities_and_log_ticks_are_rounded() -> None:
    values = (0.0, 0.0123, 0.0996, 0.29, 0.996, 1.0, None, math.nan)
    texts = ["<0.001", "0.012", "0.10", "0.29", "0.996", ">0.999", "n/a", "n/a"]
    assert [probability(value) for value in values] == texts
    assert round_values(0.7, 200, 5) == [1, 3, 10, 30, 100]
    assert round_values(2.5, 12, 5) == [3, 5, 7, 10]
    assert round_values(0.07, 2e4, 5) == [0.1, 1, 10, 100, 1000, 10000]
