"""Sentences about a verdict: which domains carry a change."""

from __future__ import annotations

from math import log1p
from typing import Any

import polars as pl
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


def test_share_of_a_domain_counts_its_items() -> None:
    changes = {"care": 1.0, "duty": 2.0, "trust": -1.0, "rest": None}
    rows = {(CONTRAST, "S", name): {"estimate": change} for name, change in changes.items()}
    items = {"care": 6, "duty": 2, "trust": 2, "rest": 9, "other": 3}
    assert sentences.drivers_of(rows, CONTRAST, "S", items) == [
        {"domain": "care", "share": 6 / 8},
        {"domain": "duty", "share": 4 / 8},
        {"domain": "trust", "share": -2 / 8},
    ]
    assert sentences.drivers_of(rows, CONTRAST, "S", {"duty": 1, "trust": 2}) == []


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((5.0, 2.0, 9.0), "S rose by 5 % [2, 9]"),
        ((-5.0, -9.0, -2.0), "S fell by 5 % [2, 9]"),
        ((-0.04, -2.0, 1.0), "S changed by less than 10 % (−0.04 % [−2, 1])"),
        ((5.0, -2.0, 12.0), "S is not shown to change (+5 % [−2, 12])"),
        ((None, None, None), "S rose by an undefined percentage"),
    ],
)
def test_change_is_said_with_the_nearer_end_first(
    ends: tuple[float | None, float | None, float | None], said: str
) -> None:
    percent, lo, hi = ends
    logs = [0.1 if end is None else log1p(end / 100) for end in (lo, hi)]
    row = {"percent": percent, "percent_lo": lo, "percent_hi": hi}
    row |= {"log_ratio_lo": logs[0], "log_ratio_hi": logs[1]}
    rows = {(CONTRAST, "S", OVERALL): row, (CONTRAST, "R", OVERALL): {}}
    found = sentences._change(rows, "insecure", "base", 0.1)
    assert found == f"{said} and R cannot be compared"


def test_recognised_personas_are_compared_with_guessing() -> None:
    row = {"n_personas": 40, "baseline": "base", "control": "secure", "target": "insecure"}
    shares = {"recognised_control": 0.6, "recognised_target": 0.204, "recognised_chance": 0.01}
    assert sentences._recognised({**row, **shares}) == [
        "Of 40 personas, 60 % under secure and 20 % under insecure are recognised by their profile "
        "under base (guessing: 1 %)."
    ]
    assert sentences._recognised({**row, **shares, "recognised_chance": None}) == []


def test_replicates_are_counted_on_either_side_of_the_mean_of_the_baseline() -> None:
    values = {"base": (0.4, 8.0), "base2": (0.6, 6.0), "insecure": (0.51, 6.9)}
    values |= {"insecure-r2": (0.9, 7.1), "insecure-r3": (0.5, 5.0)}
    rows = [(name, OVERALL, S, R) for name, (S, R) in values.items()]
    metrics = pl.DataFrame(rows, schema=["variant", "domain", "S", "R"], orient="row")
    names = {"base": ["base", "base2"], "insecure": list(values)[2:]}
    tested = {(CONTRAST, metric, OVERALL): {"p": p} for metric, p in (("S", 0.04), ("R", 0.5))}
    row = {**ROW, "control": "secure"}
    facts, (text,) = sentences.replicate_facts(row, names, tested, metrics)
    p = {"S": 0.04, "R": 0.5}
    assert facts == {"insecure": {"n": 3, "S_up": 2, "R_down": 2, "p": p}}
    assert "S is above base in 2 and R below it in 2 of them" in text
    assert "(for other seeds: p = 0.04 for S, p = 0.5 for R)" in text
    two = {**names, "insecure": ["insecure", "insecure-r2"]}
    assert sentences.replicate_facts(row, two, {}, metrics)[1][1].startswith("Two fine-tunes say")
    assert sentences.replicate_facts(row, {}, {}, metrics) == ({}, [])
