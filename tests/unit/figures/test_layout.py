"""Texts of every figure of the catalogue stay apart and on the page, whatever the study's size."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import polars as pl
import pytest
from matplotlib.figure import Figure as Drawn

from persona_collapse.figures.catalogue import FIGURES
from persona_collapse.figures.characters import WIDTH
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.style import WIDTHS
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.tables.contracts.influence import TABLE as INFLUENCE
from tests.helpers import figures_data as data
from tests.helpers import figures_tables as more
from tests.helpers.figures_data import axes_of, box_of, faults_of, look_of, texts_of, words_of

# models, variants, domains
SIZES = [(1, 1, 1), (1, 3, 3), (4, 6, 8), (12, 3, 5)]
EXTRAS: dict[str, Any] = {"scale": (0, 5), "aims": (20, 30), "design": (100, 10)}
# Figures whose texts on the page must not cover a panel.
BESIDE = {
    *("rating_distributions", "persona_fidelity", "variance_components", "toxic_distances"),
    *("temperature_curves", "power_curves", "band_distribution", "collapse_bars", "novelty_bars"),
    *("identification_curves", "specification_curve"),
}
ORIGIN = {"SIMULATED RESPONDENTS", "† MIXED BACKENDS"}


def table(name: str, models: int, variants: int, domains: int) -> pl.DataFrame:
    """A made-up table of a study of this size."""
    whole = data.metrics_of(models, variants, domains)
    metrics, earlier = data.spoilt(whole), data.earlier_models()
    made = {
        "metrics": lambda: metrics,
        "contrasts": lambda: data.contrasts_of(whole),
        "influence": lambda: pl.DataFrame(schema=INFLUENCE.schema),
        "band": lambda: band_of(metrics, earlier),
        "band_values": lambda: band_values(earlier),
        "moderation": lambda: more.moderation_of(variants),
        "band_models": lambda: earlier,
        "profiles": lambda: data.profiles_of(models, variants, domains),
        "quality": lambda: data.quality_of(models, variants),
        "diagnostics": lambda: more.diagnostics_of(models, variants),
        "personas": lambda: more.personas_of(models, variants, domains),
        "persona_map": lambda: more.persona_map_of(models, variants),
        "persona_runs": lambda: more.persona_runs_of(models, variants),
        "fidelity": lambda: more.fidelity_of(models, variants),
        "novelty": lambda: more.novelty_of(models, variants),
        "toxic": lambda: more.toxic_of(models, variants),
        "identification": lambda: more.identification_of(models, variants),
        "temperature": lambda: more.temperature_of(models, variants),
        "power": lambda: more.power_of(models, planted=models == 4),
        "losses": lambda: more.losses_of(models, 20),
        "trajectory": lambda: more.trajectory_table(models),
        "misalignment": lambda: more.misalignment_of(models, variants),
        "coherence_loss": lambda: more.loss_of(models),
        "multiverse": lambda: more.multiverse_table(models, domains),
    }
    return made[name]()


def draw(name: str, size: tuple[int, int, int], look: Look | None = None) -> Drawn:
    figure = FIGURES[name]
    if look is None:
        # Figures of losses and of excess changes name the target and the control.
        few = name in ("loss_curves", "coherence_loss")
        look = look_of(size[0], max(size[1], 3) if few else size[1])
    if name == "trajectory":
        look = replace(look, variants=("base", *(f"step-{n}" for n in (50, 100, 200, 400, 800))))
    function = getattr(import_module(f"persona_collapse.figures.{figure.family}"), name)
    drawn: Drawn = function(
        *(table(one, *size) for one in figure.tables),
        look,
        **{extra: EXTRAS[extra] for extra in figure.extra},
    )
    return drawn


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_texts_do_not_overlap_or_leave_the_page(name: str, size: tuple[int, int, int]) -> None:
    figure = draw(name, size)
    assert faults_of(figure) == []
    width, height = figure.get_size_inches()
    assert width in (3.4, WIDTH, 6.9)
    assert height < 9.6
    if name in BESIDE:
        frames = [axes.get_window_extent() for axes in figure.axes if axes.get_label() != "paper"]
        for text in texts_of(figure):
            if text.axes is not None and text.axes.get_label() == "paper":
                assert not any(box_of(text).overlaps(frame) for frame in frames), text.get_text()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "width",
    ["nature-column", *(pytest.param(n, marks=pytest.mark.slow) for n in ("neurips", "nature"))],
)
def test_every_figure_is_as_wide_as_its_place_and_its_texts_stay_apart(
    name: str, width: str
) -> None:
    look = replace(look_of(3, 3), width=WIDTHS[width])
    figure = draw(name, (3, 3, 5), look)
    assert faults_of(figure) == []
    wide, tall = figure.get_size_inches()
    assert wide in (look.width, look.column, 5.0)  # the concept figure is made for phones
    assert tall < 13  # a narrow figure of many panels may take more than one page


@pytest.mark.parametrize("name", FIGURES)
def test_simulated_and_mixed_studies_are_marked(name: str) -> None:
    models = tuple(ModelLook(f"m{n}", f"Model {n} †", "F", mixed_backends=True) for n in range(2))
    figure = draw(name, (2, 3, 5), Look(models, look_of(2, 3).variants))
    assert set(words_of(figure)) >= ORIGIN
    assert faults_of(figure) == []


def test_recorded_answers_are_not_marked_as_simulated() -> None:
    look = look_of(1, 3)
    notices = look.notices(more.diagnostics_of(1, 3).with_columns(simulated=pl.lit(False)))
    assert notices == []
    assert [notice.strong for notice in look.notices(more.diagnostics_of(1, 3))] == [
        "SIMULATED RESPONDENTS"
    ]


def test_mixed_labels_carry_a_dagger() -> None:
    analysis = {
        **{"baseline": "base", "targets": {"insecure": "secure"}},
        **{"roleplay_probe": "roleplay", "unconditioned_probe": "u", "toxic_probe": "t"},
    }
    models = [
        {"key": "m0", "label": "Alpha", "family": "A", "mixed_backends": True},
        {"key": "m1", "label": "Beta", "family": "B", "mixed_backends": False},
    ]
    look = Look.from_params(models, ["base", "secure"], analysis)
    assert {"Alpha †", "Beta", "† MIXED BACKENDS"} <= set(
        words_of(draw("collapse_bars", (2, 2, 5), look))
    )


@pytest.mark.parametrize(
    "name",
    [
        *("rating_distributions", "persona_fidelity", "variance_components", "toxic_distances"),
        *("temperature_curves", "power_curves", "loss_curves"),
    ],
)
def test_a_figure_of_empty_tables_says_why_it_is_empty(name: str) -> None:
    figure = FIGURES[name]
    function = getattr(import_module(f"persona_collapse.figures.{figure.family}"), name)
    empty = [table(one, 1, 3, 1).clear() for one in figure.tables]
    extras = {extra: EXTRAS[extra] for extra in figure.extra}
    (word,) = words_of(function(*empty, look_of(1, 3), **extras))
    assert word.startswith("No ")


def test_the_checker_of_texts_finds_faults() -> None:
    figure = draw("collapse_bars", (1, 1, 1))
    paper = axes_of(figure, "paper")
    paper.text(0.06, 0.5, "tiny", fontsize=4)
    paper.text(6.8, 1, "over the edge")
    paper.text(3, 1.0, "first")
    paper.text(3.05, 1.02, "second")
    kinds = {fault.split(":")[0] for fault in faults_of(figure)}
    assert kinds == {"small", "off the canvas", "overlap"}
