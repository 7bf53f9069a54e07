"""Radars draw the means and spreads of the profiles table."""

from __future__ import annotations

import math
from dataclasses import replace

import polars as pl
import pytest

from persona_collapse.figures.radars import saturation_radars
from persona_collapse.tables.contracts.diagnostics import TABLE as DIAGNOSTICS
from tests.helpers.figures_data import (
    DOMAINS,
    axes_of,
    faults_of,
    look_of,
    profiles_of,
    words_of,
)

SATURATION = pl.DataFrame(schema=DIAGNOSTICS.schema)


@pytest.mark.parametrize("scale", [(0, 5), (1, 7)])
def test_radar_radius_is_the_mean_above_the_scale_minimum(scale: tuple[int, int]) -> None:
    profiles = profiles_of(2, 3, 5, scale)
    figure = saturation_radars(profiles, SATURATION, look_of(2, 3), scale=scale)
    for model in ("m0", "m1"):
        for variant in ("base", "secure", "insecure"):
            axes = axes_of(figure, f"{model} {variant}")
            lines = {line.get_label(): line for line in axes.lines}
            bands = {patch.get_label(): patch for patch in axes.patches}
            rows = profiles.filter(
                pl.col("domain") != "overall",
                model=model,
                variant=variant,
                probe="unconditioned",
            )
            radii = [math.hypot(*xy) for xy in lines[f"{model} {variant}"].get_xydata()]
            assert radii[:-1] == pytest.approx([m - scale[0] for m in rows["mean"]])
            corners = bands[f"{model} {variant} band"].get_xy()
            reach = [math.hypot(*xy) for xy in corners[:5]]
            outer = rows["mean"] + rows["sd_within"]
            assert reach == pytest.approx([min(x, scale[1]) - scale[0] for x in outer])
            inner = [math.hypot(*xy) for xy in corners[6:12]][::-1][:5]
            low = rows["mean"] - rows["sd_within"]
            assert inner == pytest.approx([max(x, scale[0]) - scale[0] for x in low])


def test_baseline_as_toxic_personas_has_a_radar_where_it_was_asked() -> None:
    profiles = profiles_of(1, 3)
    figure = saturation_radars(profiles, SATURATION, look_of(1, 3), scale=(0, 5))
    axes = axes_of(figure, "m0 base as toxic personas")
    toxic = profiles.filter(pl.col("domain") != "overall", probe="toxic")
    lines = {line.get_label(): line for line in axes.lines}
    radii = [math.hypot(*xy) for xy in lines["m0 base as toxic personas"].get_xydata()][:-1]
    assert radii == pytest.approx(toxic["mean"].to_list())
    kind = profiles.filter(pl.col("probe") != "toxic")
    without = saturation_radars(kind, SATURATION, look_of(1, 3), scale=(0, 5))
    labels = {str(axes.get_label()) for axes in without.axes}
    assert labels == {"paper", "rings", "m0 base", "m0 secure", "m0 insecure"}


def test_baseline_s_profile_is_repeated_in_all_other_radars() -> None:
    figure = saturation_radars(profiles_of(2, 3), SATURATION, look_of(2, 3), scale=(0, 5))
    for model in ("m0", "m1"):
        base = {line.get_label(): line for line in axes_of(figure, f"{model} base").lines}
        assert "outline" not in base
        for name in ("secure", "insecure", "base as toxic personas"):
            lines = {line.get_label(): line for line in axes_of(figure, f"{model} {name}").lines}
            own = base[f"{model} base"].get_xydata()
            assert lines["outline"].get_xydata() == pytest.approx(own)


@pytest.mark.parametrize(("scale", "numbers"), [((0, 5), "1234"), ((1, 7), "35")])
def test_rings_are_numbered_in_a_radar_without_data(scale: tuple[int, int], numbers: str) -> None:
    figure = saturation_radars(profiles_of(1, 3, 5, scale), SATURATION, look_of(1, 3), scale=scale)
    axes = axes_of(figure, "rings")
    assert "".join(text.get_text() for text in axes.texts) == numbers
    for text in axes.texts:
        x, y = text.get_position()
        assert (x, y) == pytest.approx((0, int(text.get_text()) - scale[0]))
    rings = [line for line in axes.lines if str(line.get_label()).startswith("ring")]
    assert len(rings) == scale[1] - scale[0]
    assert len(axes.lines) == len(rings) + 5  # spokes
    panels = [one for one in figure.axes if str(one.get_label()).startswith("m0")]
    assert all(not panel.texts for panel in panels)  # nothing to be overdrawn
    sizes = {round(panel.get_window_extent().width, 3) for panel in panels}
    assert len(sizes) == 1


def test_corners_are_named_in_full_once_and_by_letters_that_differ() -> None:
    words = words_of(
        saturation_radars(profiles_of(1, 2, 8), SATURATION, look_of(1, 2), scale=(0, 5))
    )
    assert {"Harm", "Honesty-\nHumility"} <= set(words)
    # Harm and Honesty begin alike.
    assert {"Ha", "Ho"} <= set(words)
    assert words.count("Ha") == 3


def test_many_variants_take_several_lines() -> None:
    names = [f"v{n}" for n in range(12)]
    one = profiles_of(1, 1).filter(probe="unconditioned")
    profiles = pl.concat(one.with_columns(variant=pl.lit(name)) for name in names)
    look = replace(look_of(1, 3), variants=tuple(names), baseline="v0", targets={})
    figure = saturation_radars(profiles, SATURATION, look, scale=(0, 5))
    assert faults_of(figure) == []
    panels = [axes_of(figure, f"m0 {name}").get_window_extent() for name in names]
    assert len({round(panel.y0) for panel in panels}) == 2
    assert min(panel.width for panel in panels) / figure.dpi > 0.5


def test_missing_profile_is_named_and_two_domains_are_dots() -> None:
    profiles = profiles_of(2, 3, 2).filter(
        ~((pl.col("model") == "m1") & (pl.col("variant") == "secure"))
    )
    figure = saturation_radars(profiles, SATURATION, look_of(2, 3), scale=(0, 5))
    assert "not asked" in words_of(figure)
    axes = axes_of(figure, "m0 insecure")
    drawn = [c for c in axes.containers if c.get_label() == "m0 insecure"]
    expected = profiles.filter(pl.col("domain").is_in(DOMAINS), model="m0", variant="insecure")
    assert [float(c.lines[0].get_xdata()[0]) for c in drawn] == expected["mean"].to_list()
