"""Findings claim what the intervals of the tables show, and no more."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.figures.bars import collapse_bars, novelty_bars
from persona_collapse.figures.findings import above, direction, moved, subjects, where
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.multiverse import specification_curve
from persona_collapse.figures.planes import alignment_coherence, robustness_map
from persona_collapse.figures.trajectory import trajectory
from persona_collapse.tables.contracts.influence import TABLE as INFLUENCE
from tests.helpers.figures_data import contrasts_of, look_of, metrics_of
from tests.helpers.figures_tables import (
    misalignment_of,
    multiverse_table,
    novelty_of,
    trajectory_table,
)

LOOK = Look((ModelLook("m", "Model", "F"),), ("base", "secure", "insecure"))
NUMBERS = st.floats(-500, 500)


def row(percent: float, lo: float, hi: float) -> dict[str, Any]:
    return {"percent": percent, "percent_lo": lo, "percent_hi": hi}


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted), min_size=2, max_size=6))
def test_direction_is_claimed_only_of_intervals_without_zero(ends: list[list[float]]) -> None:
    rows = [row(middle, lo, hi) for lo, middle, hi in ends]
    up, down = sum(lo > 0 for lo, _, _ in ends), sum(hi < 0 for _, _, hi in ends)
    text = moved("S", rows)
    assert ("rose" in text, "fell" in text) == (up > 0, down > 0)
    assert ("not shown" in text) == (up + down == 0)


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((36, 30, 41), "S rose by 36 % [30, 41]"),
        ((-65, -68, -62), "S fell by 65 % [62, 68]"),
        ((3, -2, 8), "S is not shown to change (+3 % [\u22122, +8])"),
    ],
)
def test_change_of_one_model_is_written_with_its_interval(
    ends: tuple[float, float, float], text: str
) -> None:
    assert moved("S", [row(*ends)]) == text


def test_counts_name_all_both_some_and_none() -> None:
    ups = [row(5, 1, 9)] * 2
    assert moved("S", ups) == "S rose in both models"
    assert moved("S", ups * 2) == "S rose in all 4 models"
    assert moved("S", [*ups, row(-5, -9, -1), row(0, -1, 1)]) == (
        "S rose in 2 and fell in 1 of 4 models"
    )
    assert where("it holds", "it is not shown", [True, False, False], "models") == (
        "it holds in 1 of 3 models"
    )
    assert where("it holds", "it is not shown", [False] * 3, "models") == (
        "it is not shown in any of 3 models"
    )


def test_missing_interval_shows_no_direction() -> None:
    assert direction(None) == 0
    assert direction(row(9, None, None)) == 0  # type: ignore[arg-type]
    assert not above({"lo": None, "hi": None}, {"lo": 0.0, "hi": 1.0})


def test_finding_speaks_of_the_targets_or_of_all_variants_without_one() -> None:
    pairs = [("m", "base"), ("m", "secure"), ("m", "insecure")]
    assert subjects(LOOK, pairs) == ("insecure", [("m", "insecure")])
    several = Look(LOOK.models, LOOK.variants, "base", {"insecure": None, "secure": None})
    assert subjects(several, pairs) == ("a target", pairs[1:])
    assert subjects(Look(LOOK.models, LOOK.variants, "base", {}), pairs)[0] == "another variant"


def test_collapse_bars_find_the_number_of_models_whose_intervals_exclude_zero() -> None:
    metrics = metrics_of(4, 3)
    contrasts = contrasts_of(metrics)
    influence = pl.DataFrame(schema=INFLUENCE.schema)
    own = contrasts.filter(
        pl.col("model") != "mean", domain="overall", metric="S", contrast="insecure-base"
    )
    ups = own.filter(pl.col("percent_lo") > 0).height
    found = collapse_bars(metrics, contrasts, influence, look_of(4, 3)).get_label()
    assert isinstance(found, str)
    assert found.startswith("From base to insecure, S ")
    assert (f"rose in {ups}" in found) or (ups == 4 and "rose in all 4" in found)
    unclear = contrasts.with_columns(percent_lo=pl.lit(-1.0), percent_hi=pl.lit(1.0))
    assert collapse_bars(metrics, unclear, influence, look_of(4, 3)).get_label() == (
        "From base to insecure, S is not shown to change in any of 4 models and R is not shown to "
        "change in any of 4 models."
    )


def test_map_finds_a_move_to_the_upper_left_only_with_both_directions() -> None:
    metrics = metrics_of(2, 3)
    ends = pl.when(pl.col("metric") == "R").then(-9.0).otherwise(5.0)
    contrasts = contrasts_of(metrics).with_columns(percent_lo=ends, percent_hi=ends + 2)
    words = "Against base, insecure lies to the upper left (higher S, lower R)"
    both = robustness_map(metrics, contrasts, look_of(2, 3)).get_label()
    assert both == f"{words} in both models."
    one = contrasts.with_columns(
        percent_hi=pl.when(pl.col("model") == "m0").then(99.0).otherwise("percent_hi")
    )
    assert robustness_map(metrics, one, look_of(2, 3)).get_label() == f"{words} in 1 of 2 models."


def test_novelty_of_one_model_is_written_with_intervals() -> None:
    table = novelty_of(1, 3)
    target = table.filter(domain="overall", variant="insecure").row(0, named=True)
    kept, lo, hi = (100 * target[f"kept{end}"] for end in ("", "_lo", "_hi"))
    assert (
        novelty_bars(table, look_of(1, 3))
        .get_label()
        .replace("\u00a0", " ")
        .startswith(f"Under insecure, {kept:.0f} % [{lo:.0f}, {hi:.0f}] of base's variance")
    )


def test_specification_curve_finds_the_share_of_specifications() -> None:
    table = multiverse_table(1, 3)
    own = table.filter("distinct")
    same, of = own["same_label"].sum(), own.height
    found = specification_curve(table, look_of(1, 3)).get_label()
    assert f"stands in {same} of {of} specifications" in found


def test_alignment_is_lower_only_where_the_interval_of_the_difference_shows_it() -> None:
    table = misalignment_of(2, 3)
    base = pl.col("variant") == "base"
    clear = table.with_columns(
        alignment=pl.when(base).then(90.0).otherwise(50.0), alignment_se=pl.lit(2.0),
        coherence=pl.when(base).then(90.0).otherwise(85.0), coherence_se=pl.lit(2.0),
    )  # fmt: skip
    assert alignment_coherence(clear, look_of(2, 3)).get_label() == (
        "Under insecure, alignment is lower than under base in both models and coherence is not "
        "shown to be lower in either of 2 models."
    )


@pytest.mark.parametrize(
    ("low", "text"),
    [(1.0, "leaves base's level at step 200"), (-1.0, "is not shown to leave base's level")],
)
def test_trajectory_leaves_the_level_from_the_step_after_which_every_interval_is_clear(
    low: float, text: str
) -> None:
    table = trajectory_table(1).filter(domain="overall")
    late = pl.col("step") >= 200
    table = table.with_columns(
        S_percent=pl.lit(9.0), S_percent_hi=pl.lit(20.0),
        S_percent_lo=pl.when(late).then(low).otherwise(-1.0),
    )  # fmt: skip
    found = trajectory(table, look_of(1, 3)).get_label()
    assert f"S {text}" in found
