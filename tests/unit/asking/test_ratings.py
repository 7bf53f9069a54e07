"""Reading a rating, or the probabilities of ratings, out of a reply."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.ratings import UnusableError, parse_rating, rating_probabilities
from persona_collapse.materials.instruments import Scale

RELEASED = Path(__file__).parents[4] / "shared" / "published" / "responses"
SCALE = Scale(0, 5)
FULL = {"0": 0.1, "1": 0.1, "2": 0.2, "3": 0.3, "4": 0.2, "5": 0.1}


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("4", 4),
        ("0", 0),
        ("  5.", 5),
        ("5. Absolutely.", 5),
        ("**3** because", 3),
        ("Rating: 2", 2),
        ("Rating:2", 2),
        ("5/5", 5),
        ("4-ish", 4),
        ("(1)", 1),
        ("7, no: 3", 3),
        ("I would say 10 or 3", 3),
        ("3\n4", 3),
        ("my 1st choice is 2", 2),
        (None, None),
        ("", None),
        ("None", None),
        ("6", None),
        ("10", None),
        ("-1", None),
        ("−1", None),
        ("3.5", None),
        ("0.5", None),
        ("four", None),
        ("4th", None),
        ("_4_", None),
        ("٤", None),
        ("４", None),
        ("5²", None),
    ],
)
def test_rating_is_first_standalone_integer_of_the_scale(reply, rating):
    assert parse_rating(reply, SCALE) == rating


@given(st.integers(0, 4), st.integers(5, 9), st.integers(0, 9))
def test_integers_outside_the_scale_are_ignored(low, high, digit):
    expected = digit if low <= digit <= high else None
    assert parse_rating(f"I answer {digit}, gladly.", Scale(low, high)) == expected


@given(st.text())
def test_rating_equals_published_rule_except_signs_and_fractions(reply):
    found, published = parse_rating(reply, SCALE), re.search(r"\b[0-5]\b", reply)
    if found is None:
        assert published is None or re.search(r"[-−][0-5]|\d\.[0-5]|[0-5]\.\d", reply)
    else:
        assert published is not None
        assert str(found) in re.findall(r"\b[0-5]\b", reply)


@pytest.mark.skipif(not RELEASED.is_dir(), reason="the released answers are not here")
def test_ratings_equal_those_of_released_unconditioned_answers():
    compared = 0
    for path in sorted(RELEASED.glob("*/*_self.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                rating = int(row["rating"])
                assert parse_rating(row["response"], SCALE) == (rating if rating >= 0 else None)
                compared += 1
    assert compared >= 1800


def alternatives(weights: dict[str, float], sampled: str) -> tuple[tuple[str, float | None], ...]:
    logs = {token: math.log(weight) for token, weight in weights.items()}
    return ((sampled, logs[sampled]), *logs.items())


def test_probabilities_are_the_softmax_of_rating_digits() -> None:
    assert rating_probabilities(alternatives(FULL, "3"), SCALE) == pytest.approx(
        list(FULL.values())
    )


def test_tokens_with_leading_space_are_summed() -> None:
    weights = FULL | {"3": 0.1, " 3": 0.15, "\u01203": 0.05}
    assert rating_probabilities(alternatives(weights, "3"), SCALE) == pytest.approx(
        list(FULL.values())
    )


def test_missing_digit_gets_smallest_value() -> None:
    weights = {"3": 0.6, "4": 0.3, "I": 0.05, "As": 0.02}
    found = rating_probabilities(alternatives(weights, "I"), SCALE)
    expected = [0.02, 0.02, 0.02, 0.6, 0.3, 0.02]
    assert found == pytest.approx([value / sum(expected) for value in expected])


def test_digit_outside_top_twenty_is_missing() -> None:
    pairs = (*alternatives({"3": 0.6, "4": 0.3, "I": 0.1}, "3"), ("5", -9999.0))
    expected = [0.1, 0.1, 0.1, 0.6, 0.3, 0.1]
    assert rating_probabilities(pairs, SCALE) == pytest.approx(
        [value / sum(expected) for value in expected]
    )


def test_certain_reply_is_usable() -> None:
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
def test_unusable_logprobs_raise_with_reason(
    pairs: tuple[tuple[str, float | None], ...], reason: str
) -> None:
    with pytest.raises(UnusableError, match=reason):
        rating_probabilities(pairs, SCALE)
