"""The distribution of a rating from the log-probabilities of a first token."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.logprobs import LEAST_MASS, UnusableError, rating_distribution
from persona_collapse.materials.instruments import Scale

SCALE = Scale(0, 5)
FULL = {"0": 0.1, "1": 0.1, "2": 0.2, "3": 0.3, "4": 0.2, "5": 0.1}

Pairs = tuple[tuple[str, float | None], ...]


def alternatives(weights: dict[str, float], sampled: str) -> Pairs:
    logs = {token: math.log(weight) for token, weight in weights.items()}
    return ((sampled, logs[sampled]), *logs.items())


def test_probabilities_are_the_softmax_of_rating_digits() -> None:
    found = rating_distribution(alternatives(FULL, "3"), SCALE)
    assert found.probabilities == pytest.approx(list(FULL.values()))
    assert found.mass == pytest.approx(1.0)


def test_tokens_with_leading_space_are_summed() -> None:
    weights = FULL | {"3": 0.1, " 3": 0.15, "\u01203": 0.05}
    found = rating_distribution(alternatives(weights, "3"), SCALE)
    assert found.probabilities == pytest.approx(list(FULL.values()))


def test_missing_digit_gets_smallest_value() -> None:
    weights = {"3": 0.6, "4": 0.3, "I": 0.05, "As": 0.02}
    found = rating_distribution(alternatives(weights, "I"), SCALE)
    expected = [0.02, 0.02, 0.02, 0.6, 0.3, 0.02]
    assert found.probabilities == pytest.approx([value / sum(expected) for value in expected])
    assert found.mass == pytest.approx(0.9)


def test_digit_outside_top_twenty_is_missing() -> None:
    pairs = (*alternatives({"3": 0.6, "4": 0.3, "I": 0.1}, "3"), ("5", -9999.0))
    expected = [0.1, 0.1, 0.1, 0.6, 0.3, 0.1]
    found = rating_distribution(pairs, SCALE)
    assert found.probabilities == pytest.approx([value / sum(expected) for value in expected])


@pytest.mark.parametrize("impossible", [None, -math.inf])
def test_token_that_cannot_be_drawn_has_probability_zero(impossible: float | None) -> None:
    pairs = (*alternatives({"3": 0.6, "4": 0.3, "I": 0.1}, "3"), ("5", impossible), ("A", None))
    expected = [0.1, 0.1, 0.1, 0.6, 0.3, 0.0]
    found = rating_distribution(pairs, SCALE)
    assert found.probabilities == pytest.approx([value / sum(expected) for value in expected])


def test_sampled_token_without_a_value_takes_that_of_its_alternative() -> None:
    known = alternatives(FULL, "3")
    assert rating_distribution((("3", None), *known[1:]), SCALE) == rating_distribution(
        known, SCALE
    )


def test_certain_reply_is_usable() -> None:
    found = rating_distribution((("5", 0.0), ("5", 0.0), ("4", -25.0)), SCALE)
    assert found.probabilities is not None
    assert found.probabilities[5] == pytest.approx(1.0)


@given(st.floats(0.001, 0.999))
def test_ratings_below_a_quarter_of_the_first_token_are_unreadable(share: float) -> None:
    weights = {token: share * weight for token, weight in FULL.items()} | {"Sure": 1 - share}
    found = rating_distribution(alternatives(weights, "Sure"), SCALE)
    assert found.mass == pytest.approx(share)
    if found.mass >= LEAST_MASS:
        assert found.probabilities == pytest.approx(list(FULL.values()))
        assert found.reason is None
    else:
        assert found.probabilities is None
        assert found.reason == f"ratings hold {found.mass:.2f} of the first token's probability"


@pytest.mark.parametrize("tokens", [("I", "As"), ("10", "-1", "\uff13")])
def test_alternatives_without_a_rating_have_no_mass(tokens: tuple[str, ...]) -> None:
    found = rating_distribution(tuple((token, -0.5) for token in tokens), SCALE)
    assert (found.probabilities, found.mass) == (None, 0.0)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (None, "no log-probabilities"),
        ((), "no log-probabilities"),
        ((("3", None), ("4", -1.0)), "sampled token '3' is null"),
        ((("3", None), ("3", None), ("4", -1.0)), "sampled token '3' is null"),
        ((("3", float("nan")),), "is nan"),
        ((("3", 2.0),), "is 2.0"),
        ((("3", -9999.0), ("4", -1.0)), "outside its own alternatives"),
        ((("3", -math.inf), ("4", -1.0)), "sampled token '3' is null"),
    ],
)
def test_unusable_logprobs_raise_with_reason(pairs: Pairs | None, reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        rating_distribution(pairs, SCALE)
