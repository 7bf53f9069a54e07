"""The figure of what S and R are: dots where the tables put them, three of them marked."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from persona_collapse.figures.characters import spread_and_blur, spread_and_blur_models
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.style import style
from tests.helpers.figures_data import axes_of, contrasts_of, look_of, metrics_of, words_of
from tests.helpers.figures_tables import persona_map_of, persona_runs_of


def drawn(
    models: int = 1,
    variants: int = 3,
    *,
    people: int = 20,
    draw: Any = spread_and_blur,
    **other: Any,
) -> Figure:
    """Draw a made-up study; ``other`` replaces tables by name."""
    tables = {
        "map": persona_map_of(models, variants, people),
        "runs": persona_runs_of(models, variants, people),
        "metrics": metrics_of(models, variants),
        "contrasts": contrasts_of(metrics_of(models, variants)),
    }
    tables |= {name: table for name, table in other.items() if name in tables}
    look = other.get("look") or look_of(models, variants)
    figure: Figure = draw(*tables.values(), look)
    return figure


def line_of(figure: Figure, panel: str, label: str) -> np.ndarray[Any, Any]:
    """Return the points of the marks of that label in a panel, (n, 2)."""
    (line,) = (one for one in axes_of(figure, panel).lines if one.get_label() == label)
    return np.array(line.get_xydata())


def dots_of(figure: Figure, panel: str, label: str) -> np.ndarray[Any, Any]:
    """Return the places of the characters or runs in a panel, (n, 2)."""
    patches = axes_of(figure, panel).patches
    (dots,) = (p for p in patches if isinstance(p, PathPatch) and p.get_label() == label)
    return np.array(dots.get_path().vertices[::2])


def change(model: str, metric: str, percent: float, low: float | None, high: float | None) -> Any:
    return {
        **{"model": model, "probe": "roleplay", "domain": "overall", "metric": metric},
        **{"contrast": "insecure-base", "percent": percent, "percent_lo": low, "percent_hi": high},
        "simulated": False,
    }


def test_every_character_and_every_run_is_where_the_tables_put_it() -> None:
    figure = drawn()
    for variant in ("base", "secure", "insecure"):
        own = {"model": "m0", "variant": variant}
        places = persona_map_of(1, 3).filter(**own).select("x", "y").to_numpy()
        assert dots_of(figure, f"m0 {variant}", "characters") == pytest.approx(places)
        runs = persona_runs_of(1, 3).filter(**own).select("x", "y").to_numpy()
        assert dots_of(figure, f"m0 {variant}", "runs") == pytest.approx(runs)


def test_all_panels_of_a_model_have_one_scale_that_keeps_distances() -> None:
    figure = drawn(models=2, draw=spread_and_blur_models)
    for model in ("m0", "m1"):
        limits = set()
        for variant in ("base", "secure", "insecure"):
            axes = axes_of(figure, f"{model} {variant}")
            limits.add((axes.get_xlim(), axes.get_ylim()))
            box = axes.get_window_extent()
            per_unit = box.width / np.ptp(axes.get_xlim()), box.height / np.ptp(axes.get_ylim())
            assert per_unit[0] == pytest.approx(per_unit[1])
            places = dots_of(figure, f"{model} {variant}", "characters")
            low, high = np.transpose([axes.get_xlim(), axes.get_ylim()])
            assert ((places > low) & (places < high)).all()
        assert len(limits) == 1


def test_marked_characters_are_the_same_everywhere_and_chosen_by_distance_under_base() -> None:
    figure = drawn(people=21)
    # The last one is lost under secure, so 20 characters are ranked.
    base = persona_map_of(1, 3, 21).filter(variant="base").head(20)
    ranked = base.with_columns(far=(pl.col("x") ** 2 + pl.col("y") ** 2).sqrt()).sort("far")
    chosen = [ranked["persona_id"][round(q * 19)] for q in (0.1, 0.5, 0.9)]
    assert f"A, B, C: personas {', '.join(map(str, chosen))}" in words_of(figure)
    for variant in ("base", "secure", "insecure"):
        for persona, letter in zip(chosen, "ABC", strict=True):
            own = {"variant": variant, "persona_id": persona}
            place = persona_map_of(1, 3, 21).filter(**own).select("x", "y").to_numpy()
            assert line_of(figure, f"m0 {variant}", letter) == pytest.approx(place)
            runs = persona_runs_of(1, 3, 21).filter(**own).select("x", "y").to_numpy()
            assert line_of(figure, f"m0 {variant}", f"runs {letter}") == pytest.approx(runs)


@pytest.mark.parametrize("people", [3, 4, 7])
def test_few_characters_are_marked_once_each(people: int) -> None:
    figure = drawn(variants=1, people=people)
    lines = axes_of(figure, "m0 base").lines
    rings = [one for one in lines if str(one.get_label()) in "ABC"]
    places = {tuple(np.array(one.get_xydata())[0]) for one in rings}
    assert len(places) == len(rings) == 3


def test_s_and_r_stand_below_with_intervals_and_the_share_of_the_plane() -> None:
    row = metrics_of(1, 3).filter(variant="insecure", domain="overall").row(0, named=True)
    known = metrics_of(1, 3).with_columns(
        S=pl.lit(1.684), S_lo=pl.lit(1.62), S_hi=pl.lit(1.771), R=pl.lit(3.05), R_lo=pl.lit(2.82),
        R_hi=pl.lit(3.31),
    )  # fmt: skip
    assert row["S"] > 0
    words = words_of(drawn(metrics=known))
    assert words.count("S = 1.68 [1.62, 1.77]") == 3
    assert words.count("R = 3.05 [2.82, 3.31]") == 3
    assert words.count("plane: 60 % of variance") == 3
    bare = known.with_columns(pl.lit(None, pl.Float64).alias(n) for n in ("S_lo", "S_hi"))
    assert "S = 1.68" in words_of(drawn(metrics=bare))


def test_answers_without_runs_are_drawn_as_ellipses() -> None:
    figure = drawn(runs=persona_runs_of(1, 3).clear())
    axes = axes_of(figure, "m0 insecure")
    spreads, *marks = (c for c in axes.collections if isinstance(c, EllipseCollection))
    places = persona_map_of(1, 3).filter(variant="insecure")
    assert np.array(spreads.get_offsets()) == pytest.approx(places.select("x", "y").to_numpy())
    assert len(marks) == 3
    assert "one SD of a run" in words_of(figure)
    assert not [p for p in axes.patches if p.get_label() == "runs"]


def test_many_characters_show_fewer_runs_and_the_marked_ones_all() -> None:
    figure = drawn(models=4, people=100, draw=spread_and_blur_models)
    assert len(dots_of(figure, "m3 insecure", "runs")) == 3 * 100
    assert len(line_of(figure, "m3 insecure", "runs A")) == 4


def test_figure_shows_the_model_whose_s_changed_most() -> None:
    rows = [change(f"m{n}", "S", p, p - 5, p + 5) for n, p in enumerate((10.0, -60.0, 40.0))]
    figure = drawn(models=3, contrasts=pl.DataFrame(rows))
    panels = {str(axes.get_label()) for axes in figure.axes} - {"paper"}
    assert panels == {"m1 base", "m1 secure", "m1 insecure"}


@pytest.mark.parametrize(
    ("s", "r", "said"),
    [
        ((112, 96, 127), (-69, -72, -65),
         "after insecure, characters lie further apart (S +112 % [96, 127]) and each one "
         "blurs more (R \u221269 % [\u221272, \u221265])."),
        ((-20, -30, -10), (50, 40, 60),
         "after insecure, characters lie closer together (S \u221220 % [\u221230, \u221210]) "
         "and each one blurs less (R +50 % [40, 60])."),
        ((3, -2, 8), (-69, None, None),
         "after insecure, no change of S is shown (S +3 % [\u22122, 8]) and no change of R is "
         "shown (R \u221269 %)."),
    ],
)  # fmt: skip
def test_finding_says_what_the_intervals_show(s: Any, r: Any, said: str) -> None:
    rows = [change("m0", "S", *map(float, s)), change("m0", "R", r[0], r[1], r[2])]
    look = Look((ModelLook("m0", "GPT-4o", "GPT"),), ("base", "secure", "insecure"))
    figure = drawn(look=look, contrasts=pl.DataFrame(rows, infer_schema_length=None))
    assert figure.get_label().replace("\u00a0", " ") == f"GPT-4o: {said}"


def test_finding_of_several_models_counts_them() -> None:
    rows = [
        change(model, metric, sign * 20.0, sign * 20.0 - 5, sign * 20.0 + 5)
        for model, signs in (("m0", (1, -1)), ("m1", (1, -1)), ("m2", (-1, -1)))
        for metric, sign in zip("SR", signs, strict=True)
    ]
    figure = drawn(models=3, contrasts=pl.DataFrame(rows), draw=spread_and_blur_models)
    assert figure.get_label() == (
        "After insecure, characters lie further apart in 2 of 3 models and each one blurs more in "
        "all 3 models."
    )


@settings(max_examples=8)
@given(
    places=st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 2), min_size=3, max_size=12),
    same=st.booleans(),
)
def test_any_places_can_be_drawn(places: list[tuple[float, float]], same: bool) -> None:
    """Also characters that all lie at one place, as those of a variant that never differs."""
    spots = [places[0]] * len(places) if same else places
    rows = persona_map_of(1, 1, len(places)).with_columns(
        x=pl.Series([x for x, _ in spots]), y=pl.Series([y for _, y in spots])
    )
    with style():
        figure = drawn(variants=1, map=rows, runs=persona_runs_of(1, 1).clear())
    assert len(dots_of(figure, "m0 base", "characters")) == len(places)
