"""The figures behind S and R keep their texts apart and on the page, whatever the study's size."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from matplotlib.figure import Figure

from persona_collapse.figures.distances import draw_toxic_distances
from persona_collapse.figures.distributions import draw_rating_distributions
from persona_collapse.figures.fidelity import draw_persona_fidelity
from persona_collapse.figures.ledger import draw_variance_ledger
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.power import draw_power_curves
from persona_collapse.figures.style import save
from persona_collapse.figures.temperature import draw_temperature_curves
from tests.helpers.figures_data import axes_of, box_of, faults_of, look_of, texts_of, words_of
from tests.helpers.figures_meaning_data import (
    diagnostics_of,
    fidelity_of,
    personas_of,
    power_of,
    temperature_of,
    toxic_of,
)

NAMES = ["distributions", "fidelity", "ledger", "distances", "temperature", "power"]
# models, variants, foundations
SIZES = [(1, 1, 1), (1, 3, 3), (2, 3, 5), (4, 3, 5), (4, 6, 8), (12, 3, 5)]


def draw(name: str, models: int, variants: int, foundations: int, look: Look) -> Figure:
    diagnostics = diagnostics_of(models, variants)
    if name == "distributions":
        return draw_rating_distributions(diagnostics, look)
    if name == "fidelity":
        tables = personas_of(models, variants, foundations), fidelity_of(models, variants)
        return draw_persona_fidelity(*tables, diagnostics, look)
    if name == "ledger":
        return draw_variance_ledger(diagnostics, look)
    if name == "distances":
        return draw_toxic_distances(toxic_of(models, variants), look)
    if name == "temperature":
        return draw_temperature_curves(temperature_of(models, variants), look)
    return draw_power_curves(power_of(models, planted=models == 4), (20, 20), look)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_texts_keep_apart_and_inside(name: str, size: tuple[int, int, int]) -> None:
    figure = draw(name, *size, look_of(size[0], size[1]))
    assert faults_of(figure) == []
    width, height = figure.get_size_inches()
    assert width in (3.4, 6.9)
    assert height < 9.6
    frames = [axes.get_window_extent() for axes in figure.axes if axes.get_label() != "paper"]
    for text in texts_of(figure):
        if text.axes is not None and text.axes.get_label() == "paper":
            assert not any(box_of(text).overlaps(frame) for frame in frames), text.get_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_mark_of_origin_stands_on_every_figure(name: str) -> None:
    models = tuple(ModelLook(f"m{n}", f"Model {n} †", "F", mixed_stacks=True) for n in range(2))
    look = Look(models, look_of(2, 3).variants)
    figure = draw(name, 2, 3, 5, look)
    assert {"SIMULATED RESPONDENTS", "† MIXED STACKS"} <= set(words_of(figure))
    assert faults_of(figure) == []


def test_recorded_answers_carry_no_mark_of_simulation() -> None:
    recorded = diagnostics_of(1, 3).with_columns(simulated=pl.lit(False))
    words = words_of(draw_variance_ledger(recorded, look_of(1, 3)))
    assert "SIMULATED RESPONDENTS" not in words


def test_many_points_are_pixels_and_few_are_lines(tmp_path: Path) -> None:
    for models, pixels in ((1, False), (4, True)):
        tables = personas_of(models, 3, 5, 100), fidelity_of(models, 3, 100)
        figure = draw_persona_fidelity(*tables, diagnostics_of(models, 3), look_of(models, 3))
        save(figure, tmp_path / f"{models}")
        assert (b"<image" in (tmp_path / f"{models}.svg").read_bytes()) is pixels
        assert axes_of(figure, "m0 secure scatter").lines[-1].get_rasterized() is pixels
