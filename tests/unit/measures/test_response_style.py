"""Response style: hand-worked shares, style and content separated, undefined parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.measures.response_style import response_style_of
from tests.helpers.measures_data import instrument, moments, simulated_ratings

OF = instrument(("care", "duty") * 2)


def style(frame, name):
    return frame.filter(style=name).row(0, named=True)


def test_shares_of_ends_and_middle_are_counted():
    ratings = np.tile([0, 5, 2, 3, 1, 5, 5, 4], (3, 4, 1))
    rows = response_style_of(moments(ratings, OF), OF, None, 1, 50)
    assert style(rows, "extreme")["share"] == 4 / 8
    assert style(rows, "midpoint")["share"] == 2 / 8
    assert style(rows, "acquiescence")["share"] is None
    assert style(rows, "extreme")["change"] is None


def test_odd_number_of_ratings_has_one_midpoint():
    five = instrument(("care",) * 2, scale=(1, 5))
    ratings = np.tile([1, 2, 3, 3, 5], (3, 2, 1))
    rows = response_style_of(moments(ratings, five), five, None, 1, 50)
    assert style(rows, "midpoint")["share"] == pytest.approx(2 / 5)
    assert style(rows, "extreme")["share"] == pytest.approx(2 / 5)


@pytest.mark.parametrize("scale", [(0, 5), (0, 4)])
def test_stronger_answers_on_the_same_side_are_style(scale):
    of = instrument(("care", "duty") * 2, scale=scale)
    top = scale[1]
    base = moments(np.tile([1, top - 1], (5, 4, 1)), of)
    strong = moments(np.tile([0, top], (5, 4, 1)), of, variant="v")
    row = style(response_style_of(strong, of, base, 1, 50), "extreme")
    assert (row["change"], row["change_style"], row["change_content"]) == (1, 1, 0)


def test_moving_to_the_side_of_stronger_answers_is_content():
    """Below the middle all answers are 1, above it half are 5: only the shares of sides move."""
    base = moments(np.tile([1, 1, 4, 5], (5, 4, 1)), OF)
    moved = moments(np.tile([4, 5, 4, 5], (5, 4, 1)), OF, variant="v")
    row = style(response_style_of(moved, OF, base, 1, 50), "extreme")
    assert (row["change"], row["change_style"], row["change_content"]) == (0.25, 0, 0.25)


@given(st.integers(0, 1000), st.sampled_from([(0, 5), (0, 4), (1, 3)]))
def test_parts_add_up_and_the_reverse_change_has_the_other_sign(seed, scale):
    rng = np.random.default_rng(seed)
    of = instrument(("care", "duty") * 2, scale=scale)
    frames = [
        moments(rng.integers(scale[0], scale[1] + 1, (6, 4, 3)), of, variant=v) for v in ("a", "b")
    ]
    there, back = (
        response_style_of(one, of, other, 1, 20) for one, other in (frames, frames[::-1])
    )
    for name in ("extreme", "midpoint"):
        row, reverse = style(there, name), style(back, name)
        assert row["change_style"] + row["change_content"] == pytest.approx(row["change"])
        assert row["change_style"] == pytest.approx(-reverse["change_style"])


def test_intervals_hold_their_values_and_one_persona_has_none():
    rng = np.random.default_rng(5)
    base, other = (simulated_ratings(rng, (30, 4, 5), spread) for spread in (0.6, 1.5))
    frames = moments(other, OF, variant="v"), OF, moments(base, OF)
    row = style(response_style_of(*frames, 1, 300), "extreme")
    for name in ("share", "change", "change_style", "change_content"):
        assert row[f"{name}_lo"] < row[name] < row[f"{name}_hi"]
    assert row["change_style_lo"] > 0
    alone = response_style_of(moments(other[0], OF, variant="v"), OF, moments(base[0], OF), 1, 50)
    assert style(alone, "extreme")["change"] is not None
    assert style(alone, "extreme")["change_lo"] is None
