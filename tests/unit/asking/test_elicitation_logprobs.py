"""The six probabilities of a cell, and the replies that cannot be used."""

from __future__ import annotations

import math

import pytest

from persona_collapse.asking.ratings import UnusableError, rating_probabilities
from persona_collapse.materials.instruments import Scale

SCALE = Scale(0, 5)
FULL = {"0": 0.1, "1": 0.1, "2": 0.2, "3": 0.3, "4": 0.2, "5": 0.1}


def alternatives(weights: dict[str, float], sampled: str) -> tuple[tuple[str, float | None], ...]:
    logs = {token: math.log(weight) for token, weight in weights.items()}
    return ((sampled, logs[sampled]), *logs.items())


def test_probabilities_of_a_full_reply() -> None:
    assert rating_probabilities(alternatives(FULL, "3"), SCALE) == pytest.approx(
        list(FULL.values())
    )


def test_variants_with_a_leading_space_are_summed() -> None:
    weights = FULL | {"3": 0.1, " 3": 0.15, "\u01203": 0.05}
    assert rating_probabilities(alternatives(weights, "3"), SCALE) == pytest.approx(
        list(FULL.values())
    )


def test_missing_digits_take_the_smallest_value_returned() -> None:
    weights = {"3": 0.6, "4": 0.3, "I": 0.05, "As": 0.02}
    found = rating_probabilities(alternatives(weights, "I"), SCALE)
    expected = [0.02, 0.02, 0.02, 0.6, 0.3, 0.02]
    assert found == pytest.approx([value / sum(expected) for value in expected])


def test_a_digit_outside_the_top_twenty_is_missing() -> None:
    pairs = (*alternatives({"3": 0.6, "4": 0.3, "I": 0.1}, "3"), ("5", -9999.0))
    expected = [0.1, 0.1, 0.1, 0.6, 0.3, 0.1]
    assert rating_probabilities(pairs, SCALE) == pytest.approx(
        [value / sum(expected) for value in expected]
    )


def test_certainty_is_usable() -> None:
    found = rating_probabilities((("5", 0.0), ("5", 0.0), ("4", -25.0)), SCALE)
    assert found[5] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (None, "no log-probabilities"),
        ((), "no log-probabilities"),
        ((("3", None), ("4", -1.0)), "of '3' is None"),
        ((("3", float("nan")),), "is nan"),
        ((("3", 2.0),), "is 2.0"),
        ((("3", -9999.0), ("4", -1.0)), "outside its own alternatives"),
        ((("3", -math.inf), ("4", -1.0)), "outside its own alternatives"),
        ((("I", -0.1), ("As", -2.0)), "no rating"),
        ((("10", -0.1), ("-1", -2.0), ("\uff13", -3.0)), "no rating"),
    ],
)
def test_unusable_replies(pairs: tuple[tuple[str, float | None], ...], reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        rating_probabilities(pairs, SCALE)
