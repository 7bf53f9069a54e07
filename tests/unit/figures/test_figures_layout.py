"""No text of a figure is small, leaves the canvas or covers another, whatever the study's size."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from persona_collapse.figures.band import draw_prior_band
from persona_collapse.figures.bars import draw_collapse_bars
from persona_collapse.figures.change import draw_noise_change
from persona_collapse.figures.map import draw_robustness_map
from persona_collapse.figures.quality import draw_quality_bars
from persona_collapse.figures.radars import draw_saturation_radars, draw_toxic_radars
from persona_collapse.figures.sheet import extent, wrap
from persona_collapse.figures.shifts import draw_foundation_dots, draw_foundation_heatmap
from persona_collapse.figures.tables import read_table
from tests.helpers.figures_data import (
    axes_of,
    box_of,
    contrasts_of,
    faults_of,
    look_of,
    metrics_of,
    profiles_of,
    quality_of,
    spoilt,
    texts_of,
)

PRIOR = Path("resources/benchmarks/prior_models.csv")
SHIFTS = {
    "change": draw_noise_change,
    "heatmap": draw_foundation_heatmap,
    "dots": draw_foundation_dots,
}
NAMES = ["bars", "band", "map", "saturation", "toxic", "quality", *SHIFTS]
# models, variants, foundations
SIZES = [(1, 1, 1), (1, 3, 3), (4, 3, 5), (4, 6, 8), (12, 3, 5)]


def draw(name: str, models: int, variants: int, foundations: int) -> Figure:
    look = look_of(models, variants)
    if name in ("saturation", "toxic"):
        profiles = profiles_of(models, variants, foundations)
        radars = draw_saturation_radars if name == "saturation" else draw_toxic_radars
        return radars(profiles, look, (0, 5))
    whole = metrics_of(models, variants, foundations)
    metrics = spoilt(whole)
    if name == "quality":
        return draw_quality_bars(quality_of(models, variants), look)
    if name in SHIFTS:
        return SHIFTS[name](contrasts_of(whole), look)
    if name == "bars":
        return draw_collapse_bars(metrics, contrasts_of(whole), look)
    if name == "band":
        return draw_prior_band(metrics, read_table(PRIOR, "prior_models"), look)
    return draw_robustness_map(metrics, look)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_texts_keep_apart_and_inside(name: str, size: tuple[int, int, int]) -> None:
    figure = draw(name, *size)
    assert faults_of(figure) == []
    width, height = figure.get_size_inches()
    assert width in (3.4, 6.9)
    assert height < 9.6


@pytest.mark.parametrize("seed", range(3))
def test_the_names_on_a_crowded_map_keep_apart(seed: int) -> None:
    for models in (6, 12):
        metrics = metrics_of(models, 3, 0, seed=seed)
        assert faults_of(draw_robustness_map(metrics, look_of(models, 3))) == []


def test_columns_of_numbers_do_not_cover_bars() -> None:
    figure = draw("bars", 12, 3, 5)
    frames = [axes_of(figure, metric).get_window_extent() for metric in ("S", "R")]
    own = {id(text) for metric in ("S", "R") for text in axes_of(figure, metric).texts}
    for text in texts_of(figure):
        if text.axes is not None and text.axes.get_label() == "paper" and id(text) not in own:
            assert not any(box_of(text).overlaps(frame) for frame in frames), text.get_text()


def test_the_checker_sees_faults() -> None:
    figure = draw("bars", 1, 1, 1)
    paper = axes_of(figure, "paper")
    paper.text(0.06, 0.5, "tiny", fontsize=4)
    paper.text(6.8, 1, "over the edge")
    paper.text(3, 1.0, "first")
    paper.text(3.05, 1.02, "second")
    kinds = {fault.split(":")[0] for fault in faults_of(figure)}
    assert kinds == {"small", "off the canvas", "overlap"}


@pytest.mark.parametrize(
    "text", ["Mixtral-8x22B-Instruct-v0.1-XL", "Anunbrokennameofthirtylettersx", "a b", ""]
)
def test_wrapped_texts_fit_and_lose_no_letter(text: str) -> None:
    lines = wrap(text, 0.8)
    assert extent(lines)[0] <= 0.8
    assert lines.replace("\n", "").replace(" ", "") == text.replace(" ", "")


def test_a_date_stays_whole() -> None:
    assert wrap("GPT-4.1 (2025-04-14)", 1.0) == "GPT-4.1\n(2025-04-14)"
