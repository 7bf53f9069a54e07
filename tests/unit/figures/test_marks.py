"""Written numbers, whiskers and ticks."""

from __future__ import annotations

import math

import pytest

from persona_collapse.figures.marks import number, signed, with_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.821, "0.82"), (6.7, "6.70"), (9.996, "10.0"), (14.48, "14.5"), (107.7, "108"),
     (1.2e6, "1.2e6"), (-0.5, "−0.50"), (math.inf, "∞"), (None, "n/a")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(24.4, "+24"), (-54.2, "−54"), (-0.3, "0"), (math.inf, "+∞"), (None, "n/a")]
)
def test_changes_have_a_sign(value: float | None, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(
    ("values", "percent", "text"),
    [
        ((0.617, 0.566, 0.664), False, "0.62 [0.57, 0.66]"),
        ((0.617, 0.566, 0.664), True, "62 [57, 66]"),
        ((0.02, -0.004, 0.1), True, "2 [0, 10]"),
        ((0.4, None, None), True, "40"),
        ((None, None, None), False, "n/a"),
        ((math.nan, 0, 1), False, "n/a"),
    ],
)
def test_values_are_written_with_their_interval(
    values: tuple[float | None, ...], percent: bool, text: str
) -> None:
    assert (
        with_interval(dict(zip(("value", "lo", "hi"), values, strict=True)), percent=percent)
        == text
    )
