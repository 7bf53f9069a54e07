"""Profiles: the published numbers and hand-worked cases."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.profiles import persona_means_of, profiles_of
from persona_collapse.tables.contracts.profiles import TABLE as PROFILES
from tests.helpers.measures_data import (
    PUBLISHED,
    RECORDED,
    instrument,
    moments,
    published_instrument,
    recorded_answers,
)

NAN = float("nan")


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published answers are not here")
def test_published_answers_give_the_published_profiles() -> None:
    expected = pl.read_csv(PUBLISHED / "expected_profiles.csv").rename({"foundation": "domain"})
    of = published_instrument()
    found = pl.concat(
        profiles_of(moments_of(recorded_answers(*key, unconditioned=True), of, None), of)
        for key in RECORDED
    )
    both = found.join(expected, on=["model", "variant", "domain"], suffix="_expected")
    assert both.height == 30
    for column in ("mean", "sd_within"):
        assert both[column].to_numpy() == pytest.approx(
            both[f"{column}_expected"].to_numpy(), abs=1e-9
        )


def test_profile_with_personas_matches_values_computed_by_hand() -> None:
    of = instrument(["a", "a", "b"])
    ratings = np.array([[[1, 1], [3, 5], [0, 0]], [[5, 5], [5, 5], [2, 2]]])
    frame = profiles_of(moments(ratings, of, probe="toxic"), of)
    assert frame.schema == pl.Schema(PROFILES.schema)
    assert frame["domain"].to_list() == ["overall", "a", "b"]
    assert frame["mean"].to_list() == pytest.approx([17 / 6, 3.75, 1])
    within = math.sqrt(2) / 4
    assert frame["sd_within"].to_list() == pytest.approx([within * 2 / 3, within, 0])
    # Persona means over a: 2.5 and 5; over b: 0 and 2; over all: 5/3 and 4.
    across = [(4 - 5 / 3) / math.sqrt(2), 2.5 / math.sqrt(2), math.sqrt(2)]
    assert frame["sd_across_personas"].to_list() == pytest.approx(across)
    assert frame["n_items"].to_list() == [3, 2, 1]
    assert frame["n_answers"].to_list() == [12, 8, 4]


def test_unconditioned_item_without_answers_is_left_out() -> None:
    of = instrument(["a", "a", "b"])
    ratings = np.array([[1, 2], [NAN, NAN], [NAN, NAN]])
    frame = profiles_of(moments(ratings, of), of)
    assert frame["mean"].to_list() == [1.5, 1.5, None]
    assert frame["n_items"].to_list() == [1, 1, 0]
    assert frame["sd_across_personas"].null_count() == 3


def test_profile_without_answers_is_null() -> None:
    of = instrument()
    ratings = np.full((2, 2, 2), 3.0)
    ratings[:, 0] = NAN
    frame = profiles_of(moments(ratings, of), of)
    assert frame["mean"].null_count() == frame["sd_across_personas"].null_count() == 3
    assert frame["n_answers"].to_list() == [0, 0, 0]
    empty = profiles_of(moments(np.full((2, 2), NAN), of), of)
    assert empty["mean"].null_count() == 3


def test_means_of_personas_keep_the_order_of_their_answers_and_leave_out_incomplete_ones() -> None:
    of = instrument(["b", "a", "b"])
    ratings = np.random.default_rng(1).integers(0, 6, size=(12, 3, 2)).astype(float)
    ratings[4, 1] = NAN
    frame = persona_means_of(moments(ratings, of), [f"person {place}" for place in range(12)])
    kept = [place for place in range(12) if place != 4]
    assert frame["persona_id"].to_list() == [place for place in kept for _ in "ba"]
    assert frame["domain"].to_list() == ["b", "a"] * 11
    assert frame["description"].to_list() == [f"person {place}" for place in kept for _ in "ba"]
    expected = [[ratings[place, [0, 2]].mean(), ratings[place, 1].mean()] for place in kept]
    assert frame["mean"].to_list() == pytest.approx(np.ravel(expected).tolist())
