"""Radars draw the means and spreads of the profiles table."""

from __future__ import annotations

import math

import polars as pl
import pytest

from persona_collapse.figures.radars import saturation_radars
from persona_collapse.tables.contracts.diagnostics import TABLE as DIAGNOSTICS
from tests.helpers.figures_data import DOMAINS, axes_of, look_of, profiles_of, words_of

SATURATION = pl.DataFrame(schema=DIAGNOSTICS.schema)


@pytest.mark.parametrize("scale", [(0, 5), (1, 7)])
def test_radar_radius_is_the_mean_above_the_scale_minimum(scale: tuple[int, int]) -> None:
    profiles = profiles_of(2, 3, 5, scale)
    figure = saturation_radars(profiles, SATURATION, look_of(2, 3), scale=scale)
    for model in ("m0", "m1"):
        axes = axes_of(figure, model)
        lines = {line.get_label(): line for line in axes.lines}
        bands = {patch.get_label(): patch for patch in axes.patches}
        for variant in ("base", "secure", "insecure"):
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


def test_baseline_as_toxic_personas_is_drawn_where_it_was_asked() -> None:
    profiles = profiles_of(1, 3)
    axes = axes_of(saturation_radars(profiles, SATURATION, look_of(1, 3), scale=(0, 5)), "m0")
    toxic = profiles.filter(pl.col("domain") != "overall", probe="toxic")
    lines = {line.get_label(): line for line in axes.lines}
    radii = [math.hypot(*xy) for xy in lines["m0 base as toxic personas"].get_xydata()][:-1]
    assert radii == pytest.approx(toxic["mean"].to_list())
    assert {"m0 base", "m0 secure", "m0 insecure"} <= set(lines)
    kind = profiles.filter(pl.col("probe") != "toxic")
    without = axes_of(saturation_radars(kind, SATURATION, look_of(1, 3), scale=(0, 5)), "m0")
    assert "m0 base as toxic personas" not in {line.get_label() for line in without.lines}


@pytest.mark.parametrize(("scale", "numbers"), [((0, 5), "1234"), ((1, 7), "23456")])
def test_rings_are_numbered_with_the_ratings_that_they_stand_for(
    scale: tuple[int, int], numbers: str
) -> None:
    figure = saturation_radars(profiles_of(1, 3, 5, scale), SATURATION, look_of(1, 3), scale=scale)
    texts = axes_of(figure, "m0").texts
    assert "".join(text.get_text() for text in texts) == numbers
    for text in texts:
        away = math.hypot(*text.get_position()) / math.cos(math.pi / 5)
        assert away == pytest.approx(int(text.get_text()) - scale[0])


def test_missing_profile_is_named_and_two_domains_are_dots() -> None:
    profiles = profiles_of(2, 3, 2).filter(
        ~((pl.col("model") == "m1") & (pl.col("variant") == "secure"))
    )
    figure = saturation_radars(profiles, SATURATION, look_of(2, 3), scale=(0, 5))
    assert "no secure" in words_of(figure)
    axes = axes_of(figure, "m0")
    drawn = [c for c in axes.containers if c.get_label() == "m0 insecure"]
    expected = profiles.filter(pl.col("domain").is_in(DOMAINS), model="m0", variant="insecure")
    assert [float(c.lines[0].get_xdata()[0]) for c in drawn] == expected["mean"].to_list()
