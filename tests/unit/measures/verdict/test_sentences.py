"""Sentences about a verdict: which domains carry a change."""

from __future__ import annotations

from typing import Any

import pytest

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.verdict import sentences

CONTRAST = "insecure-base"
ROW: dict[str, Any] = {"target": "insecure", "baseline": "base"}


def said(*shares: float, key: str = "S") -> list[str]:
    names = ("care", "duty", "trust", "rest")
    drivers = [{"domain": n, "share": s} for n, s in zip(names, shares, strict=False)]
    metric = "S" if key == "S" else "R"
    rows = {(CONTRAST, metric, OVERALL): {"log_ratio_lo": 0.1, "log_ratio_hi": 0.9}}
    return sentences._drivers(ROW, rows, {key: drivers})


@pytest.mark.parametrize(
    ("shares", "listed"),
    [
        ((0.9, 0.1), "care (90 %)"),
        ((0.4, 0.35, 0.25), "care (40 %) and duty (35 %)"),
        ((0.26, 0.23, 0.22, 0.2), "care (26 %), duty (23 %) and trust (22 %)"),
    ],
)
def test_domains_are_named_until_they_carry_the_change(
    shares: tuple[float, ...], listed: str
) -> None:
    assert said(*shares) == [f"The measured change of S lies mostly in {listed}."]


def test_change_of_noise_is_said_as_one_of_its_inverse() -> None:
    assert said(0.9, 0.1, key="sigma_bar") == [
        "The measured change of 1/R lies mostly in care (90 %)."
    ]


def test_single_domain_and_unclear_change_are_not_explained() -> None:
    assert said(1.0) == []
    two = {"S": [{"domain": "care", "share": 1.0}, {"domain": "duty", "share": 0.0}]}
    assert sentences._drivers(ROW, {}, two) == []
    unclear = {(CONTRAST, "S", OVERALL): {"log_ratio_lo": -0.1, "log_ratio_hi": 0.9}}
    assert sentences._drivers(ROW, unclear, two) == []
