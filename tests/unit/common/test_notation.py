"""How numbers are written wherever people read them."""

from __future__ import annotations

import math

import pytest

from persona_collapse.common.notation import (
    decimals_for,
    keep_together,
    write,
    write_change,
    write_interval,
    write_p,
)


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "written"),
    [
        (0.8249, 3, False, "0.825"),
        (-0.0004, 2, True, "0.00"),
        (-54.4, 0, True, "−54"),
        (55.2, 0, True, "+55"),
        (-3.0, 1, False, "−3.0"),
        (30000.0, 0, False, "30\u2009000"),
        (math.inf, 2, False, "∞"),
        (-math.inf, 2, True, "−∞"),
        (math.nan, 2, False, "–"),
        (None, 2, True, "–"),
    ],
)
def test_numbers_have_typographic_signs(
    value: float | None, decimals: int, signed: bool, written: str
) -> None:
    assert write(value, decimals, signed=signed) == written


def test_decimals_follow_the_uncertainty() -> None:
    assert decimals_for([0.82, 1.68], [0.037, 0.034]) == 3
    assert decimals_for([14.5], [0.82]) == 2
    assert decimals_for([107.7], [15.1]) == 0
    assert decimals_for([0.5], [0.00001]) == 3  # no more than a reader can use
    assert decimals_for([100, 99], [None]) == 0
    assert decimals_for([0.5, 12.25], []) == 1
    assert decimals_for([None, math.inf], [math.nan, math.inf]) == 0


def test_p_values_and_intervals() -> None:
    assert [write_p(p) for p in (0.0004, 0.0123, None)] == ["< 0.001", "0.012", "–"]
    assert write_interval(-1.5, math.inf, 1) == "[−1.5, ∞]"
    assert write_interval(None, None, 1) == ""


@pytest.mark.parametrize(
    ("change", "written"),
    [
        ((115.4, 107.9, 122.2), "+115 % [108, 122]"),
        ((-67.9, -70.8, -64.9), "−68 % [−71, −65]"),
        ((1.0, -2.4, 3.6), "+1 % [−2, 4]"),
        ((0.2, None, None), "0 % "),
        ((math.inf, 20.0, math.inf), "+∞ % [20, ∞]"),
        ((None, None, None), "– "),
    ],
)
def test_changes_have_a_sign_and_their_intervals_minus_signs_only(
    change: tuple[float | None, float | None, float | None], written: str
) -> None:
    assert " ".join(write_change(*change)).replace("\u00a0", " ") == written


def test_numbers_stay_with_their_units_symbols_and_intervals_on_a_line() -> None:
    text = "S rose (S +115 % [108, 122]) in 3 of 4 models: r = −0.53 [−0.99, 0.88], p < 0.05."
    together = "S rose (S_+115_%_[108,_122]) in 3 of 4 models: r_=_−0.53_[−0.99,_0.88], p_<_0.05."
    assert keep_together(text) == together.replace("_", "\u00a0")
