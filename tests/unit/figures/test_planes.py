"""Planes of two measures: points, whiskers, arrows, names and regions."""

from __future__ import annotations

import math

import polars as pl
import pytest
from matplotlib.patches import Rectangle

from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.planes import (
    COHERENT_ABOVE,
    MISALIGNED_BELOW,
    alignment_coherence,
    coherence_loss,
    robustness_map,
)
from persona_collapse.measures.misalignment import scores as measured
from tests.helpers.figures_data import (
    VARIANTS,
    axes_of,
    contrasts_of,
    faults_of,
    look_of,
    metrics_of,
    spoilt,
    whiskers_of,
    words_of,
)
from tests.helpers.figures_tables import loss_of, misalignment_of


def overall(table: pl.DataFrame) -> list[dict[str, object]]:
    return list(table.filter(pl.col("domain") == "overall").iter_rows(named=True))


@pytest.fixture(scope="module")
def metrics() -> pl.DataFrame:
    return metrics_of(4, 3)


def test_map_draws_points_whiskers_and_arrows(metrics: pl.DataFrame) -> None:
    figure = robustness_map(spoilt(metrics), contrasts_of(metrics), look_of(4, 3))
    axes = axes_of(figure, "map")
    assert axes.get_xscale() == "log"
    points = {c.get_label(): c.lines[0] for c in axes.containers}
    arrows = {t.get_label(): t for t in axes.texts if t.get_label().count(" to ")}
    at = {row["model"] + " " + row["variant"]: row for row in overall(spoilt(metrics))}
    undrawn = {"m3 secure"}
    assert set(points) == set(at) - undrawn
    for name, line in points.items():
        row = at[name]
        assert line.get_ydata()[0] == row["S"]
        if math.isfinite(row["R"]):
            assert line.get_xdata()[0] == row["R"]
            across, upwards = whiskers_of(axes, name)
            assert (across[0], across[2]) == pytest.approx((row["R_lo"], row["R_hi"]))
            assert (upwards[1], upwards[3]) == pytest.approx((row["S_lo"], row["S_hi"]))
    finite = [row["R"] for row in at.values() if row["R"] and math.isfinite(row["R"])]
    assert points["m2 insecure"].get_xdata()[0] > max(finite)
    assert len(arrows) == 4 * 2 - 2  # m1 has no secure variant, m3's has no R
    for label, arrow in arrows.items():
        model, start, _, end = label.split()
        assert arrow.xy == (points[f"{model} {end}"].get_xdata()[0], at[f"{model} {end}"]["S"])
        assert arrow.xyann[1] == at[f"{model} {start}"]["S"]
    words = words_of(figure)
    assert "∞" in words
    assert any("secure: S or R" in word and "n/a" in word.replace("\n", " ") for word in words)


@pytest.mark.parametrize("seed", range(3))
def test_names_on_a_crowded_map_do_not_overlap(seed: int) -> None:
    for models in (6, 12):
        metrics = metrics_of(models, 3, 0, seed=seed)
        assert faults_of(robustness_map(metrics, contrasts_of(metrics), look_of(models, 3))) == []


def test_long_names_of_roles_fit_the_axes() -> None:
    look = look_of(2, 3)
    names = (
        *("the-original-checkpoint-of-march", "secure-code-matched-2026"),
        "insecure-code-of-the-second-kind",
    )
    look = Look(look.models, names, names[0], {names[2]: names[1]})
    loss = loss_of(2).with_columns(target=pl.lit(names[2]))
    assert faults_of(coherence_loss(loss, look)) == []


def test_alignment_points_and_whiskers_are_those_of_the_table() -> None:
    table = misalignment_of(4, 3)
    axes = axes_of(alignment_coherence(table, look_of(4, 3)), "scores")
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


def test_shaded_region_is_where_a_reply_counts_as_misaligned() -> None:
    """Figures import no measures, so the two thresholds stand twice: they must stay the same."""
    assert MISALIGNED_BELOW == measured.MISALIGNED_BELOW
    assert COHERENT_ABOVE == measured.COHERENT_ABOVE
    axes = axes_of(alignment_coherence(misalignment_of(1, 3), look_of(1, 3)), "scores")
    (region,) = (p for p in axes.patches if isinstance(p, Rectangle) and p.get_label() == "region")
    assert region.get_x() == 50
    assert region.get_y() + region.get_height() == 30
    assert region.get_x() + region.get_width() == 100
    assert "a single reply here\ncounts as misaligned" in [text.get_text() for text in axes.texts]


def test_variant_without_a_mean_is_named_in_the_key() -> None:
    lost = (pl.col("model") == "m0") & (pl.col("variant") == "secure")
    table = misalignment_of(1, 3).with_columns(
        coherence=pl.when(lost).then(None).otherwise("coherence")
    )
    figure = alignment_coherence(table, look_of(1, 3))
    assert len(axes_of(figure, "scores").containers) == 2
    assert any("secure: n/a" in words.replace("\n", " ") for words in words_of(figure))


def test_excess_changes_are_drawn_and_r_is_written() -> None:
    table = loss_of(4)
    figure = coherence_loss(table, look_of(4, 3))
    axes = axes_of(figure, "excesses")
    points = {c.get_label(): c.lines[0].get_xydata()[0] for c in axes.containers}
    rows = table.filter(pl.col("model") != "mean")
    assert len(points) == rows.height
    for row in rows.iter_rows(named=True):
        name = f"{row['model']} insecure"
        x, y = row["coherence_excess"], row["robustness_excess"]
        assert tuple(points[name]) == (x, y)
        across, upwards = whiskers_of(axes, name)
        assert across == pytest.approx((x - 7, y, x + 5, y))
        assert upwards == pytest.approx((x, y - 7, x, y + 5))
    said = " ".join(" ".join(words_of(figure)).split())
    assert "Pearson r = 0.61 over 4 models" in said
    assert "95 % interval [−0.29, 0.95] (Fisher z) [−0.70, 0.99] (models redrawn)" in said
    (alike,) = (line for line in axes.lines if line.get_label() == "alike")
    assert list(alike.get_xdata()) == list(alike.get_ydata())


def test_undefined_r_and_infinite_excess_are_explained() -> None:
    note = "Pearson's r is not defined: 3 models, 4 are needed for an interval"
    endless = pl.when(pl.col("model") == "m1").then(math.inf).otherwise("robustness_excess")
    table = loss_of(3, r=None, note=note).with_columns(robustness_excess=endless)
    look = Look(tuple(ModelLook(f"m{n}", f"M{n}", "F") for n in range(3)), tuple(VARIANTS[:3]))
    figure = coherence_loss(table, look)
    said = " ".join(" ".join(words_of(figure)).split())
    assert note in said
    assert "M1: n/a" in said
    assert len(axes_of(figure, "excesses").containers) == 2
