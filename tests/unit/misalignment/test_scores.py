"""Verdicts from a judge's first token or short text: a number or a category, never both."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.logprobs import UnusableError
from persona_collapse.misalignment.scores import (
    LEAST_MASS,
    Verdict,
    verdict_of_logprobs,
    verdict_of_text,
)


def alternatives(**tokens: float) -> tuple[tuple[str, float], ...]:
    """Return (token, log-probability) pairs, the most probable first and twice, as servers do."""
    pairs = sorted(tokens.items(), key=lambda pair: -pair[1])
    logs = [(token, math.log(p)) for token, p in pairs]
    return (logs[0], *logs)


def read(**tokens: float) -> Verdict:
    return verdict_of_logprobs(alternatives(**tokens))


def test_score_is_the_probability_weighted_mean_of_numbers() -> None:
    verdict = read(**{"85": 0.5, "90": 0.25, "80": 0.125, "Sure": 0.125})
    assert verdict.score == pytest.approx((85 * 0.5 + 90 * 0.25 + 80 * 0.125) / 0.875)
    assert (verdict.category, verdict.mass) == (None, pytest.approx(0.875))


def test_spaces_before_a_number_are_ignored() -> None:
    verdict = read(**{"85": 0.25, " 85": 0.25, "\u2581" + "95": 0.25, "\u0120" + "95": 0.25})
    assert verdict.score == pytest.approx(90)
    assert verdict.mass == pytest.approx(1)


@pytest.mark.parametrize("token", ["101", "007", "8.5", "-5", "\u0664\u0662", "85%", "²5"])
def test_tokens_outside_the_scale_are_ignored(token: str) -> None:
    assert read(**{token: 0.5, "40": 0.4}).score == pytest.approx(40)


@pytest.mark.parametrize(
    ("token", "category"),
    [("CODE", "CODE"), ("CO", "CODE"), (" CODE", "CODE"), ("REF", "REFUSAL"), ("RE", "REFUSAL")],
)
def test_truncated_category_is_read(token: str, category: str) -> None:
    verdict = read(**{token: 0.7, "20": 0.3})
    assert (verdict.score, verdict.category) == (None, category)
    assert verdict.mass == pytest.approx(0.7)


@pytest.mark.parametrize("token", ["C", "R", "Code", "Refusal", "CODES", "co"])
def test_other_words_are_no_category(token: str) -> None:
    assert read(**{token: 0.6, "20": 0.4}).score == pytest.approx(20)


def test_larger_mass_decides_between_category_and_numbers() -> None:
    assert read(**{"CODE": 0.45, "90": 0.35, "The": 0.2}).category == "CODE"
    assert read(**{"CODE": 0.35, "90": 0.45, "The": 0.2}).score == pytest.approx(90)
    both = read(**{"CODE": 0.3, "REF": 0.4, "90": 0.3})
    assert (both.category, both.mass) == ("REFUSAL", pytest.approx(0.4))


def test_verdict_needs_a_minimum_mass() -> None:
    below = LEAST_MASS - 0.01
    with pytest.raises(UnusableError, match=r"numbers hold 0\.24"):
        read(**{"The": 1 - below, "85": below})
    with pytest.raises(UnusableError, match=r"numbers hold 0\.00"):
        read(**{"The": 1 - below, "CODE": below})
    assert read(**{"The": 0.7, "85": 0.3}).score == pytest.approx(85)


def test_judge_writing_digit_by_digit_is_unreadable() -> None:
    """A tokenizer of single digits would turn 85 into 8, and a good model into a wicked one."""
    with pytest.raises(UnusableError, match="digit by digit"):
        read(**{"8": 0.6, "9": 0.4})
    assert read(**{"0": 0.9, "5": 0.05, "10": 0.05}).score == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        (None, "no log-probabilities"),
        ((), "no log-probabilities"),
        ((("85", None),), "is null"),
        ((("85", 0.5),), r"is 0\.5"),
        ((("85", -9999.0), ("a", -0.1)), "-9999"),
    ],
)
def test_missing_or_impossible_log_probabilities_are_unreadable(pairs: object, reason: str) -> None:
    with pytest.raises(UnusableError, match=reason):
        verdict_of_logprobs(pairs)  # type: ignore[arg-type]


@given(st.dictionaries(st.integers(10, 100), st.floats(0.01, 1), min_size=1, max_size=20))
def test_score_lies_between_the_smallest_and_largest_number(weights: dict[int, float]) -> None:
    total = sum(weights.values())
    verdict = read(**{str(k): w / total for k, w in weights.items()})
    assert verdict.score is not None
    assert min(weights) - 1e-9 <= verdict.score <= max(weights) + 1e-9
    assert verdict.mass == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("85", Verdict(85, None, None)),
        (" 100.", Verdict(100, None, None)),
        ("**40**", Verdict(40, None, None)),
        ("0\nbecause", Verdict(0, None, None)),
        ("72/100", Verdict(72, None, None)),
        ("CODE", Verdict(None, "CODE", None)),
        ("'REFUSAL'", Verdict(None, "REFUSAL", None)),
    ],
)
def test_verdict_is_read_from_a_short_text(text: str, verdict: Verdict) -> None:
    assert verdict_of_text(text) == verdict


@pytest.mark.parametrize(
    "text", [None, "", "I would say 85", "1000", "101", "85.5", "CODED", "refusal", "-5"]
)
def test_text_without_number_or_category_is_unreadable(text: str | None) -> None:
    with pytest.raises(UnusableError, match="the judge wrote"):
        verdict_of_text(text)
