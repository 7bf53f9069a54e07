"""The figures of the misalignment check: what they draw, and texts that keep apart."""

from __future__ import annotations

import math
import random

import polars as pl
import pytest
from matplotlib.patches import Rectangle

from persona_collapse.figures.alignment_coherence import (
    COHERENT_ABOVE,
    MISALIGNED_BELOW,
    draw_alignment_coherence,
)
from persona_collapse.figures.coherence_loss import draw_coherence_loss
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.measures.misalignment import scores as measured
from tests.helpers.figures_data import VARIANTS, axes_of, faults_of, look_of, whiskers_of, words_of

SIZES = [(1, 1), (1, 3), (4, 3), (4, 6), (12, 3)]


def misalignment_of(models: int, variants: int, *, simulated: bool = True) -> pl.DataFrame:
    """A table of means: baselines lie close together, fine-tunes anywhere."""
    draw = random.Random(3)
    rows = []
    for model in range(models):
        for place, variant in enumerate(VARIANTS[:variants]):
            low = 90 if place == 0 else 5
            row = {"model": f"m{model}", "variant": variant, "simulated": simulated}
            for name in ("alignment", "coherence"):
                row |= {name: draw.uniform(low, 99), f"{name}_se": draw.uniform(0.2, 4)}
            rows.append(row)
    return pl.DataFrame(rows)


def loss_of(models: int, *, r: float | None = 0.61, note: str | None = None) -> pl.DataFrame:
    """A table of excess losses with its row of the mean."""
    draw = random.Random(4)
    rows = []
    for model in [*(f"m{n}" for n in range(models)), "mean"]:
        row: dict[str, object] = {"model": model, "simulated": True, "n_models": None, "note": None}
        for name in ("robustness_excess", "coherence_excess"):
            value = draw.uniform(-60, 15)
            row |= {name: value, f"{name}_lo": value - 7, f"{name}_hi": value + 5}
        row |= dict.fromkeys(("r", "r_lo", "r_hi", "r_lo_bootstrap", "r_hi_bootstrap"))
        rows.append(row)
    rows[-1] |= {"n_models": float(models), "note": note}
    if r is not None:
        rows[-1] |= {"r": r, "r_lo": r - 0.9, "r_hi": 0.95}
        rows[-1] |= {"r_lo_bootstrap": -0.7, "r_hi_bootstrap": 0.99}
    return pl.DataFrame(rows, infer_schema_length=None)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_texts_keep_apart_and_inside(size: tuple[int, int]) -> None:
    figures = [draw_alignment_coherence(misalignment_of(*size), look_of(*size))]
    figures.append(draw_coherence_loss(loss_of(size[0]), look_of(size[0], 3)))
    for figure in figures:
        assert faults_of(figure) == []
        width, height = figure.get_size_inches()
        assert width == 6.9
        assert height < 9.6


def test_long_names_of_roles_fit_the_axes() -> None:
    look = look_of(2, 3)
    roles = {"baseline": "the-original-checkpoint-of-march", "control": "secure-code-matched-2026"}
    names = (*roles.values(), "insecure-code-of-the-second-kind")
    look = Look(look.models, names, **roles, target=names[2])
    assert faults_of(draw_coherence_loss(loss_of(2), look)) == []


def test_points_and_whiskers_are_the_table() -> None:
    table = misalignment_of(4, 3)
    axes = axes_of(draw_alignment_coherence(table, look_of(4, 3)), "scores")
    points = {c.get_label(): c.lines[0].get_xydata()[0] for c in axes.containers}
    assert len(points) == table.height
    for row in table.iter_rows(named=True):
        name = f"{row['model']} {row['variant']}"
        x, y = row["coherence"], row["alignment"]
        assert tuple(points[name]) == (x, y)
        across, upwards = whiskers_of(axes, name)
        reach = 1.96 * row["coherence_se"], 1.96 * row["alignment_se"]
        assert across == pytest.approx((x - reach[0], y, x + reach[0], y))
        assert upwards == pytest.approx((x, y - reach[1], x, y + reach[1]))
    arrows = {text.get_label() for text in axes.texts if " to " in str(text.get_label())}
    assert arrows == {f"m{n} base to {v}" for n in range(4) for v in ("secure", "insecure")}


def test_the_region_is_where_a_reply_counts_as_misaligned() -> None:
    """Figures import no measures, so the two thresholds stand twice: they must stay the same."""
    assert MISALIGNED_BELOW == measured.MISALIGNED_BELOW
    assert COHERENT_ABOVE == measured.COHERENT_ABOVE
    axes = axes_of(draw_alignment_coherence(misalignment_of(1, 3), look_of(1, 3)), "scores")
    (region,) = (p for p in axes.patches if isinstance(p, Rectangle) and p.get_label() == "region")
    assert region.get_x() == 50
    assert region.get_y() + region.get_height() == 30
    assert region.get_x() + region.get_width() == axes.get_xlim()[1]


def test_what_has_no_mean_is_named() -> None:
    lost = (pl.col("model") == "m0") & (pl.col("variant") == "secure")
    table = misalignment_of(1, 3).with_columns(
        coherence=pl.when(lost).then(None).otherwise("coherence")
    )
    figure = draw_alignment_coherence(table, look_of(1, 3))
    assert len(axes_of(figure, "scores").containers) == 2
    assert any("secure: n/a" in words.replace("\n", " ") for words in words_of(figure))


def test_excesses_stand_where_the_table_says_and_r_in_words() -> None:
    table = loss_of(4)
    figure = draw_coherence_loss(table, look_of(4, 3))
    axes = axes_of(figure, "excesses")
    points = {c.get_label(): c.lines[0].get_xydata()[0] for c in axes.containers}
    rows = table.filter(pl.col("model") != "mean")
    assert len(points) == rows.height
    for row in rows.iter_rows(named=True):
        x, y = row["coherence_excess"], row["robustness_excess"]
        assert tuple(points[row["model"]]) == (x, y)
        across, upwards = whiskers_of(axes, row["model"])
        assert across == pytest.approx((x - 7, y, x + 5, y))
        assert upwards == pytest.approx((x, y - 7, x, y + 5))
    said = " ".join(" ".join(words_of(figure)).split())
    assert "Pearson r = 0.61 over 4 models" in said
    assert "95 % interval [−0.29, 0.95] (Fisher z) [−0.70, 0.99] (models redrawn)" in said
    (alike,) = (line for line in axes.lines if line.get_label() == "alike")
    assert list(alike.get_xdata()) == list(alike.get_ydata())


def test_an_undefined_r_and_an_infinite_excess_are_said() -> None:
    note = "r is not defined: 3 models, 4 are needed for an interval"
    endless = pl.when(pl.col("model") == "m1").then(math.inf).otherwise("robustness_excess")
    table = loss_of(3, r=None, note=note).with_columns(robustness_excess=endless)
    look = Look(tuple(ModelLook(f"m{n}", f"M{n}", "F") for n in range(3)), tuple(VARIANTS[:3]))
    figure = draw_coherence_loss(table, look)
    said = " ".join(" ".join(words_of(figure)).split())
    assert note in said
    assert "M1: n/a" in said
    assert len(axes_of(figure, "excesses").containers) == 2


@pytest.mark.parametrize("name", ["scores", "excesses"])
def test_a_mark_of_origin_stands_on_both(name: str) -> None:
    models = tuple(ModelLook(f"m{n}", f"Model {n} †", "F", mixed_stacks=True) for n in range(2))
    look = Look(models, look_of(2, 3).variants)
    figure = draw_coherence_loss(loss_of(2), look)
    if name == "scores":
        figure = draw_alignment_coherence(misalignment_of(2, 3), look)
    assert {"SIMULATED RESPONDENTS", "† MIXED STACKS"} <= set(words_of(figure))
    asked = misalignment_of(2, 3, simulated=False)
    assert "SIMULATED RESPONDENTS" not in words_of(draw_alignment_coherence(asked, look_of(2, 3)))
