"""Moments: exact sums, every designed cell, and refusals of answers outside the design."""

from __future__ import annotations

import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.measures.moments import (
    SCHEMA,
    moments_of,
    moments_of_counts,
    moments_of_probabilities,
    temper,
)
from tests.helpers.measures_data import answers, instrument

NAN = float("nan")


def test_every_designed_cell_has_a_row_with_its_moments() -> None:
    ratings = np.array([[[1, 2, 3], [5, 5, 5]], [[NAN, NAN, NAN], [0, NAN, 4]]])
    frame = moments_of(answers(ratings), instrument(), 3)
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame["persona_id"].to_list() == [0, 0, 1, 1, 2, 2]
    assert frame["item_id"].to_list() == [1, 2] * 3
    assert frame["domain"].to_list() == ["Care", "Fairness"] * 3
    assert frame["n"].to_list() == [3, 3, 0, 2, 0, 0]
    assert frame["mean"].to_list() == [2.0, 5.0, None, 2.0, None, None]
    assert frame["sd"].to_list() == [1.0, 0.0, None, 8**0.5, None, None]
    assert frame["counts"].to_list()[:2] == [[0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 3]]
    assert not frame["simulated"].any()
    assert not frame["exact"].any()


def test_one_answer_has_no_spread_and_extra_repetitions_are_used() -> None:
    ratings = np.array([[4], [4]])
    frame = moments_of(answers(ratings), instrument(), None)
    assert frame["sd"].to_list() == [None, None]
    assert frame["persona_id"].to_list() == [None, None]
    surplus = answers(np.array([[0, 2]])).with_columns(pl.col("repetition") + 10)
    frame = moments_of(surplus, instrument(["Care"]), None)
    assert frame["n"].to_list() == [2]


def test_moments_of_probabilities_are_those_of_the_distribution_at_the_temperature() -> None:
    read = [[0.25, 0.25, 0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    given_answers = answers(np.array([[[0, 1]], [[NAN, 0]]])).with_columns(
        rating=pl.lit(None, pl.Int8),
        probabilities=pl.Series([read[0], read[1], None, None], dtype=pl.List(pl.Float64)),
        status=pl.Series(["ok", "ok", "refused", "refused"]),
    )
    of = instrument(["Care"])
    frame = moments_of_probabilities(given_answers, of, 2, 1.0)
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame["n"].to_list() == [1, 0]
    assert frame["mean"].to_list() == [1.25, None]
    assert frame["sd"].to_list() == [pytest.approx(0.6875**0.5), None]
    assert frame["counts"].to_list() == [read[0], [0.0] * 6]
    assert frame["exact"].all()
    assert not frame["simulated"].any()
    assert moments_of_probabilities(given_answers, of, 2, 0.0)["mean"].to_list() == [2.0, None]


def test_simulated_answers_are_marked() -> None:
    frame = moments_of(answers(np.ones((2, 2, 2)), served="simulated"), instrument(), 2)
    assert frame["simulated"].all()


@given(st.lists(st.integers(-3, 9), min_size=2, max_size=30))
def test_mean_and_sd_agree_with_the_standard_library(ratings: list[int]) -> None:
    counts = np.bincount(np.array(ratings) + 3, minlength=13)[None]
    n, mean, sd = moments_of_counts(counts, -3)
    assert n[0] == len(ratings)
    assert mean[0] == pytest.approx(statistics.fmean(ratings), abs=1e-12)
    assert sd[0] == pytest.approx(statistics.stdev(ratings), abs=1e-12)
    if len(set(ratings)) == 1:
        assert sd[0] == 0.0


@given(st.permutations(range(24)))
def test_order_of_rows_changes_nothing(order: list[int]) -> None:
    frame = answers(np.arange(24).reshape(3, 2, 4) % 6)
    expected = moments_of(frame, instrument(), 3)
    assert moments_of(frame[list(order)], instrument(), 3).equals(expected)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("persona_id", 2, "personas 0 to 1"),
        ("persona_id", None, "personas 0 to 1"),
        ("item_id", 3, "no such item"),
        ("repetition", 0, "count from 1"),
        ("repetition", 2, "the slot is there twice"),
        ("rating", 6, "run from 0 to 5"),
        ("status", "fine", "a status is one of"),
        ("status", "refused", "only there"),
    ],
)
def test_answers_outside_the_design_are_refused(column: str, value: object, rule: str) -> None:
    frame = answers(np.ones((2, 2, 2)))
    first = pl.int_range(pl.len()) == 0
    changed = frame.with_columns(
        pl.when(first)
        .then(pl.lit(value).cast(frame.schema[column]))
        .otherwise(column)
        .alias(column)
    )
    with pytest.raises(UserError, match=rule) as caught:
        moments_of(changed, instrument(), 2)
    assert "m / base / roleplay" in str(caught.value)


def test_refused_answer_is_named_where_an_earlier_one_has_no_rating() -> None:
    frame = answers(np.array([[[NAN, 3], [3, 7]]]))
    with pytest.raises(UserError, match="item_id 2, repetition 2, rating 7: ratings run from 0"):
        moments_of(frame, instrument(), 1)


def test_contrasts_refuse_an_unconditioned_probe() -> None:
    with pytest.raises(UserError, match="an unconditioned probe has no personas"):
        moments_of(answers(np.ones((1, 2, 2))), instrument(), None)


def test_two_variants_in_one_frame_are_refused() -> None:
    both = pl.concat([answers(np.ones((1, 2, 2)), variant=name) for name in ("base", "secure")])
    with pytest.raises(UserError, match="exactly one"):
        moments_of(both, instrument(), 1)
    with pytest.raises(UserError, match="exactly one"):
        moments_of(both.clear(), instrument(), 1)


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=6, max_size=6),
    st.floats(0.05, 5.0),
)
def test_temper_is_the_softmax_of_divided_logprobs(weights: list[float], heat: float) -> None:
    total = sum(weights)
    p = [weight / total for weight in weights]
    scaled = [math.log(value) / heat for value in p]
    top = max(scaled)
    expected = [math.exp(value - top) for value in scaled]
    assert temper(p, heat) == pytest.approx([e / sum(expected) for e in expected], abs=1e-12)


def test_temper_at_the_ends() -> None:
    assert temper([0.5, 0.3, 0.2], 1.0) == pytest.approx([0.5, 0.3, 0.2])
    assert temper([0.4, 0.4, 0.2], 0.0) == [0.5, 0.5, 0.0]
    assert temper([0.0, 1.0], 0.1) == [0.0, 1.0]
    assert temper([0.6, 0.4], 1e-4) == [1.0, 0.0]
    with pytest.raises(ValueError, match="temperature"):
        temper([0.5, 0.5], -1)
    with pytest.raises(ValueError, match="positive"):
        temper([0.0, 0.0], 1)
