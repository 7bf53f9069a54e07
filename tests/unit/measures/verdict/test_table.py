"""Intervals of a verdict, also where R is infinite, and the share of unseen personas."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.verdict.rule import Interval
from persona_collapse.measures.verdict.table import interval_of, unseen_share


def found(metric: str, ratio: dict[str, Any], noise: dict[str, Any]) -> Interval | None:
    rows = {("c", metric, OVERALL): ratio, ("c", "sigma_bar", OVERALL): noise}
    return interval_of(rows, "c", metric)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (1.97, Interval(-inf, -inf)),  # noise where there was none: R fell from infinity
        (-1.97, Interval(inf, inf)),
        (1.95, None),
        (-1.95, None),
        (0.0, None),
    ],
)
def test_infinite_robustness_is_decided_by_the_difference_of_noise(
    difference: float, expected: Interval | None
) -> None:
    undefined = {"log_ratio_lo": None, "log_ratio_hi": None}
    noise = {"estimate": difference, "estimate_se": 1.0}
    assert found("R", undefined, noise) == expected
    assert found("S", undefined, noise) is None
    assert found("R", undefined, {"estimate": difference}) is None
    assert found("R", undefined, {}) is None


def test_noise_that_is_zero_in_both_variants_leaves_robustness_as_it_was() -> None:
    assert found("R", {}, {"estimate": 0.0, "estimate_se": 0.0}) == Interval(0, 0)
    assert found("R", {}, {"estimate": 0.5, "estimate_se": 0.0}) == Interval(-inf, -inf)


def test_interval_of_the_ratio_comes_before_that_of_the_noise() -> None:
    ratio = {"log_ratio_lo": 0.0, "log_ratio_hi": 0.2}
    assert found("R", ratio, {"estimate": 9.0, "estimate_se": 1.0}) == Interval(0.0, 0.2)


def test_share_that_is_missed_by_all_personas_has_one_chance_in_twenty() -> None:
    assert unseen_share(1) == pytest.approx(0.95)
    assert (1 - unseen_share(100)) ** 100 == pytest.approx(0.05)
