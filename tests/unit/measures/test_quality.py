"""The quality table accounts for every designed slot."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.quality import quality_of
from persona_collapse.tables.contracts.quality import TABLE as QUALITY
from tests.helpers.measures_data import answers, instrument

NAN = float("nan")


def test_every_designed_slot_is_accounted_for() -> None:
    ratings = np.array([[[1, NAN, 3], [5, 5, 5]], [[NAN, NAN, NAN], [0, NAN, 4]]])
    frame = answers(ratings).filter((pl.col("persona_id") != 0) | (pl.col("item_id") != 2))
    found = quality_of(frame, moments_of(frame, instrument(), 4), instrument(), 4, 2)
    assert found.schema == pl.Schema(QUALITY.schema)
    row = found.row(0, named=True)
    assert row["expected"] == 16
    assert row["answered"] == 2
    assert row["refused"] == 4
    assert row["missing"] == 10
    kinds = ("answered", "missing", "unparseable", "refused", "filtered", "error")
    assert sum(row[kind] for kind in kinds) == row["expected"]
    assert row["extra_repetitions"] == 2
    assert row["retried_share"] == 5 / 9
    assert (row["personas_retained"], row["personas_dropped"]) == (0, 4)


def test_ratings_are_counted_by_how_they_were_read() -> None:
    frame = answers(np.array([[[1, 2, NAN], [5, 5, 5]]])).with_columns(
        read_from=pl.Series(["token", "reply", None, "token", "after_thoughts", "token"]),
    )
    row = quality_of(frame, moments_of(frame, instrument(), 1), instrument(), 1, 3).row(
        0, named=True
    )
    ways = ("token", "reply", "after_thoughts", "logprobs", "recorded")
    assert [row[f"read_from_{way}"] for way in ways] == [3, 1, 1, 0, 0]
    assert row["rating_mass"] is None


def test_what_servers_said_and_did_is_counted_and_listed_once() -> None:
    frame = answers(np.array([[[1, 2, 3], [4, NAN, 5]]])).with_columns(
        attempts=pl.Series([1, 2, 3, 1, None, 2]),
        served_model=pl.Series(["b", "a", "a", "b", None, "a"]),
        system_fingerprint=pl.Series(["f2", "f1", None, "f1", None, "f2"]),
        left_out=pl.Series(["seed", None, None, "logprobs", None, "seed"]),
    )
    row = quality_of(frame, moments_of(frame, instrument(), 1), instrument(), 1, 1).row(
        0, named=True
    )
    assert row["extra_repetitions"] == 3
    assert row["retried_share"] == 3 / 6
    lists = ("served_model", "system_fingerprint", "left_out")
    assert [row[name] for name in lists] == ["a, b", "f1, f2", "logprobs, seed"]
    nothing = frame.with_columns(**{name: pl.lit(None, pl.String) for name in lists})
    empty = quality_of(nothing, moments_of(frame, instrument(), 1), instrument(), 1, 1)
    assert [empty[name].item() for name in lists] == [None, None, None]


def test_cell_with_one_valid_rating_is_kept() -> None:
    ratings = np.array([[[1, NAN], [5, 5]], [[NAN, NAN], [0, 4]]])
    frame = answers(ratings)
    row = quality_of(frame, moments_of(frame, instrument(), 2), instrument(), 2, 2).row(
        0, named=True
    )
    assert (row["personas_retained"], row["personas_dropped"]) == (1, 1)


@pytest.mark.parametrize(
    ("ratings", "undefined"),
    [
        ([[[1, 2], [3, 3]], [[4, 4], [5, 5]]], None),
        (
            [[[1, NAN], [3, NAN]], [[NAN, 4], [5, NAN]]],
            "R needs two answers to the same persona and item; there is one",
        ),
        (
            [[[1, 2], [3, NAN]], [[NAN, NAN], [5, 5]]],
            "S needs two personas with a valid rating of every item; there is one",
        ),
        (
            [[[NAN, NAN], [3, 3]], [[NAN, NAN], [5, 5]]],
            "S and R need a persona with a valid rating of every item; there is none",
        ),
    ],
)
def test_quality_says_which_of_susceptibility_and_robustness_is_undefined_and_why(
    ratings: list[list[list[float]]], undefined: str | None
) -> None:
    frame = answers(np.array(ratings))
    found = quality_of(frame, moments_of(frame, instrument(), 2), instrument(), 2, 2)
    assert found["undefined"].item() == undefined
    single = np.array([[np.sum(~np.isnan(cell)) == 1 for cell in person] for person in ratings])
    assert found["cells_with_one_answer"].item() == single.sum()


def test_unconditioned_probe_has_no_dropped_personas() -> None:
    frame = answers(np.ones((2, 3)), served="simulated")
    row = quality_of(frame, moments_of(frame, instrument(), None), instrument(), None, 3).row(
        0, named=True
    )
    assert (row["expected"], row["answered"], row["missing"]) == (6, 6, 0)
    assert row["personas_retained"] is None
    assert row["personas_dropped"] is None
    assert row["simulated"]
