"""Axes of the verdict's rows: places keep the order of values, and ticks do not crowd."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.report.strips import APART, Axis, Point

CHANGE = st.floats(min_value=-99.9, max_value=1e5)


@given(st.lists(CHANGE, min_size=1, max_size=12), st.floats(min_value=0, max_value=0.5))
def test_places_of_changes_keep_their_order_and_lie_on_the_strip(
    values: list[float], margin: float
) -> None:
    axis = Axis([Point("v", value) for value in values], changes=True, margin=margin)
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert axis.band is not None
    assert axis.band[0] <= axis.place(0) <= axis.band[1]


@given(st.lists(CHANGE, min_size=1, max_size=12))
def test_ticks_of_changes_include_zero_and_do_not_crowd(values: list[float]) -> None:
    ticks = Axis([Point("v", value) for value in values], changes=True, margin=0.1).ticks()
    assert "0" in [tick.text for tick in ticks]
    assert all(after.at - before.at >= APART - 1e-6 for before, after in pairwise(ticks))


def test_halving_and_doubling_are_equally_far_from_no_change() -> None:
    axis = Axis([Point("v", 100), Point("v", -50)], changes=True, margin=0.1)
    middle = axis.place(0)
    assert axis.place(100) - middle == pytest.approx(middle - axis.place(-50), abs=0.02)


def test_ticks_have_signs_and_units() -> None:
    ticks = Axis([Point("v", 150), Point("v", -60)], changes=True, margin=0.1).ticks()
    texts = [tick.text for tick in ticks]
    assert {"−50 %", "0", "+100 %"} <= set(texts)
    levels = Axis([Point("v", 0.5), Point("v", 20)], changes=False).ticks()
    assert {"1", "10"} <= {tick.text for tick in levels}


@pytest.mark.parametrize("value", [-100.0, math.inf, -math.inf, math.nan])
def test_a_value_without_a_place_has_no_mark(value: float) -> None:
    points = [Point("v", 20, 10, 30), Point("w", value)]
    axis = Axis(points, changes=True, margin=0.1)
    assert [mark.variant for mark in axis.marks(points)] == ["v"]


def test_an_interval_without_end_reaches_the_edge_on_its_side() -> None:
    points = [Point("v", 50, 20, 90), Point("w", -40, -100, math.inf)]
    (_, mark) = Axis(points, changes=True, margin=0.1).marks(points)
    assert mark.lo < mark.at < mark.hi


def test_an_axis_without_values_has_no_marks() -> None:
    axis = Axis([], changes=False)
    assert axis.marks([]) == []
    assert axis.band is None
