"""Claims of a paper are decided by intervals, and its printed numbers compared digit by digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.common.faults import check
from persona_collapse.materials.claims import Claims, Condition, read_claims
from persona_collapse.measures.verdict.claims import (
    Estimate,
    agrees,
    claims_of,
    digits_of,
    numbers_of,
    shown,
)
from persona_collapse.tables.contracts.claims import TABLE as CLAIMS
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.printed_numbers import TABLE as NUMBERS
from persona_collapse.tables.contracts.profiles import TABLE as PROFILES

SHIPPED = Path("resources/benchmarks/paper_claims.yaml")
LABELS = {"a": "A", "b": "B"}
RISE = {"contrast": "insecure-base", "metric": "S", "domain": "overall"}


def claims(**condition: Any) -> Claims:
    """Return a paper of one claim with one condition."""
    whole = {"table": "contrasts", "where": RISE, "column": "percent", **condition}
    document = {
        "source": "a paper",
        "models": ["A", "B"],
        "numbers": "numbers.csv",
        "claims": {"one": {"section": "1", "text": "S rises.", "conditions": [whole]}},
    }
    return check(document, Claims, "claims.yaml")


def tables(**percents: tuple[float, float, float]) -> dict[str, pl.DataFrame]:
    """Return tables with the percent change of S of these models and its interval."""
    rows = [
        {**RISE, "model": model, "probe": "roleplay", "simulated": False}
        | dict(zip(("percent", "percent_lo", "percent_hi"), values, strict=True))
        for model, values in percents.items()
    ]
    metrics = [{"model": "a", "variant": "base", "simulated": False}]
    return {
        "contrasts": pl.DataFrame(rows, schema=CONTRASTS.schema),
        "metrics": pl.DataFrame(metrics, schema=METRICS.schema),
    }


def decision(found: pl.DataFrame) -> str:
    (text,) = found["decision"].unique()
    return text


UP, DOWN, UNCLEAR = (12.0, 5.0, 20.0), (-12.0, -20.0, -5.0), (2.0, -5.0, 9.0)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (UP, UP, "holds"),
        (UP, UNCLEAR, "holds in part"),
        (UP, DOWN, "holds in part"),
        (DOWN, DOWN, "does not hold"),
        (DOWN, UNCLEAR, "does not hold"),
        (UNCLEAR, UNCLEAR, "not decidable"),
    ],
)
def test_claim_on_every_model_is_decided_by_all_of_them(
    a: tuple[float, float, float], b: tuple[float, float, float], expected: str
) -> None:
    paper = claims(models={"A": None, "B": None}, above=0.0)
    found = claims_of(paper, tables(a=a, b=b), LABELS)
    assert found.schema == pl.Schema(CLAIMS.schema)
    assert decision(found) == expected


def test_claim_on_models_that_the_study_lacks_is_not_decidable_unless_refuted() -> None:
    paper = claims(models={"A": None, "B": None}, above=0.0)
    found = claims_of(paper, tables(a=UP), LABELS)
    assert decision(found) == "not decidable"
    assert found["reason"][0] == "shown for A; this study has no number for B"
    assert decision(claims_of(paper, tables(a=DOWN), LABELS)) == "does not hold"


def test_mean_of_other_models_than_the_papers_decides_nothing() -> None:
    paper = claims(models={"mean": 12}, above=0.0)
    assert decision(claims_of(paper, tables(mean=UP), LABELS)) == "holds"
    for labels in ({"a": "A"}, {**LABELS, "c": "C"}):
        assert decision(claims_of(paper, tables(mean=UP), labels)) == "not decidable"


def test_printed_number_that_is_not_met_lets_a_claim_hold_in_part() -> None:
    near, far = ({"models": {"A": value}, "above": 0.0} for value in (13, 14))
    assert decision(claims_of(claims(**near), tables(a=UP), LABELS)) == "holds"
    found = claims_of(claims(**far), tables(a=UP), LABELS)
    assert decision(found) == "holds in part"
    assert "the printed number is not met for A" in found["reason"][0]


@given(
    value=st.floats(-50, 50), below=st.floats(0.01, 20), above=st.floats(0.01, 20),
    limit=st.floats(-50, 50), se=st.sampled_from([0.0, 1.0, 5.0]),
)  # fmt: skip
def test_condition_is_shown_or_refuted_by_the_whole_interval(
    value: float, below: float, above: float, limit: float, se: float
) -> None:
    found = Estimate(value, value - below, value + above)
    made = {"table": "contrasts", "where": {}, "models": {"A": None}, "limit_se": se}
    up, down = (Condition(**made, **{side: limit}) for side in ("above", "below"))
    assert {shown(up, found), shown(down, found)} in ({"shown", "refuted"}, {"open"})
    if shown(up, found) == "shown":
        assert found.lo > limit
        assert value > limit
    # An uncertain limit shows and refutes less.
    exact = Condition(**{**made, "limit_se": 0.0}, above=limit)
    if shown(up, found) != "open":
        assert shown(up, found) == shown(exact, found)


def test_equivalence_needs_the_whole_interval_within() -> None:
    within = Condition(table="contrasts", where={}, models={"A": None}, within=(-10.0, 10.0))
    assert shown(within, Estimate(2, -5, 9)) == "shown"
    assert shown(within, Estimate(2, -5, 11)) == "open"
    assert shown(within, Estimate(-20, -25, -13)) == "refuted"


def test_difference_of_two_rows_has_the_interval_of_both() -> None:
    found = Estimate(5, 4, 7).minus(Estimate(2, 1, 2.5))
    assert found.value == 3
    assert (found.lo, found.hi) == pytest.approx((3 - (1 + 0.25) ** 0.5, 3 + (4 + 1) ** 0.5))


def test_condition_on_two_rows_is_decided_by_their_difference() -> None:
    rows = tables(a=UP)["contrasts"]
    others = [
        rows.with_columns(contrast=pl.lit(name), percent=value, percent_lo=lo, percent_hi=hi)
        for name, value, lo, hi in (("one secure-base", 9.0, 8.0, 10.0), ("b secure-base", *DOWN))
    ]
    both = {**tables(a=UP), "contrasts": pl.concat([rows, *others])}
    minus = {**RISE, "contrast": "one secure-base"}

    def found(**more: Any) -> dict[str, Any]:
        part = claims(models={"A": None}, above=0, **more)
        return claims_of(part, both, LABELS).row(0, named=True)

    assert found(minus=minus)["recomputed"] == 3
    assert found(minus=minus)["recomputed_lo"] == pytest.approx(3 - (7**2 + 1) ** 0.5)
    # Of several rows that a value with * names, the smallest number counts.
    assert found(minus={**minus, "contrast": "secure*"})["recomputed"] == 24
    assert found(minus={**minus, "contrast": "other"})["recomputed"] is None


def test_printed_numbers_agree_up_to_one_in_the_last_digit() -> None:
    assert digits_of("0.79") == 2
    assert digits_of("55.0") == digits_of("55") == 0
    assert agrees(55.4, 55)
    assert agrees(56.4, 55)
    assert not agrees(56.6, 55)
    assert agrees(0.799, 0.79)
    assert not agrees(0.81, 0.79)


def test_numbers_are_compared_as_they_are_printed(tmp_path: Path) -> None:
    lines = [
        "model,variant,domain,measure,value,spread",
        "A,base,overall,S,0.80,0.03",
        "A,base,Care,R,4.1,0.2",
        "A,base,Care,profile,3.50,0.10",
        "A,toxic,Care,profile,1.00,",
        "C,base,overall,S,0.5,0.1",
    ]
    path = tmp_path / "numbers.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unit = {"model": "a", "variant": "base", "simulated": False}
    metrics = [
        {**unit, "probe": "roleplay", "domain": "overall", "S": 0.804, "S_se": 0.0351},
        {**unit, "probe": "roleplay", "domain": "Care", "R": 4.26, "R_se": 0.2},
    ]
    profiles = [
        {**unit, "probe": "bare", "domain": "Care", "mean": 3.5, "sd_within": 0.1},
        {**unit, "probe": "toxic", "domain": "Care", "mean": 1.02},
    ]
    found = numbers_of(
        path,
        pl.DataFrame(metrics, schema=METRICS.schema),
        pl.DataFrame(profiles, schema=PROFILES.schema),
        LABELS,
        {"roleplay": "roleplay", "unconditioned": "bare", "toxic": "toxic"},
    )
    assert found.schema == pl.Schema(NUMBERS.schema)
    rows = [(r["measure"], r["number"], r["equal"], r["last_digits"]) for r in found.to_dicts()]
    assert rows == [
        ("S", "value", True, 0),
        ("S", "spread", False, 1),
        ("R", "value", False, 2),
        ("R", "spread", True, 0),
        ("profile", "value", True, 0),
        ("profile", "spread", True, 0),
        ("profile", "value", False, 2),
    ]


def test_shipped_claims_are_read_and_cover_the_papers_own_list() -> None:
    paper = read_claims(SHIPPED)
    assert set(paper.models) == {"DeepSeek-V3.1", "GPT-4.1", "GPT-4o", "Qwen3-235B"}
    printed = {
        value
        for claim in paper.claims.values()
        for condition in claim.conditions
        for value in condition.models.values()
    }
    assert {55, -65, 304, -12} <= printed
    assert len(paper.claims) >= 19
    assert (SHIPPED.parent / paper.numbers).is_file()


def test_wrong_claims_are_refused_with_their_place(tmp_path: Path) -> None:
    document = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    condition = document["claims"]["failures"]["conditions"][1]
    path = tmp_path / "claims.yaml"
    for change, message in (
        ({"above": 0.0}, r"claims\.failures\.conditions\[1\]: expected one of the keys"),
        ({"models": {"GPT-5": None}}, r"conditions\[1\]: 'GPT-5' is not one of the paper's"),
        ({"table": "metric"}, r"conditions\[1\]\.table: .* \(did you mean 'metrics'"),
    ):
        saved = dict(condition)
        condition.update(change)
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        with pytest.raises(UserError, match=message):
            read_claims(path)
        condition.clear()
        condition.update(saved)
    paper = claims(where={"contras": "x"}, models={"A": None}, above=0.0)
    with pytest.raises(UserError, match="table contrasts has no column 'contras'"):
        claims_of(paper, tables(a=UP), LABELS)
