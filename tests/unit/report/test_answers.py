"""Packed answers: every answer comes back, in every form, and a large study is cut and says so."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.answers import STATUSES, conform
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.moments import moments_of_probabilities
from persona_collapse.report.answers import (
    MOST_DOTS,
    Unit,
    packed_answers,
    probe_of,
    unit_of,
)
from tests.helpers.made_answers import instrument

SCALES = [(0, 5), (1, 7), (0, 100), (1, 2)]
OUTCOMES = ("missing", *STATUSES[1:])


def decoded(unit: dict[str, Any]) -> np.ndarray:
    """Return the array that the browser decodes."""
    kind = {1: "<u1", 2: "<u2"}[unit["bytes"]]
    data = gzip.decompress(base64.b64decode(unit["data"]))
    return np.frombuffer(data, kind).reshape(unit["shape"])


def answers_of_dots(
    unit: dict[str, Any], scale: tuple[int, int]
) -> dict[tuple[int, int, int], float | str]:
    """Return rating or outcome by persona, place of the item and repetition, without missing."""
    array = decoded(unit)
    first = 256 ** unit["bytes"] - len(STATUSES) + 1
    found: dict[tuple[int, int, int], float | str] = {}
    for (persona, item, run), code in np.ndenumerate(array):
        if code >= first:
            found[persona, item, run + 1] = STATUSES[code - first + 1]
        elif code:
            found[persona, item, run + 1] = scale[0] + (int(code) - 1) * unit["step"]
    return found


def rows(
    given: dict[tuple[int | None, int, int], float | str], column: str = "rating"
) -> pl.DataFrame:
    """Return answers from rating or status by persona, item id and repetition."""
    frame = pl.DataFrame(
        [
            {
                "persona_id": persona,
                "item_id": item,
                "repetition": run,
                column: None if isinstance(value, str) else value,
                "status": value if isinstance(value, str) else "ok",
            }
            for (persona, item, run), value in given.items()
        ],
        infer_schema_length=None,
    )
    names = {"model": pl.lit("m"), "variant": pl.lit("base"), "probe": pl.lit("roleplay")}
    return conform(frame.with_columns(**names))


def packed(frame: pl.DataFrame, asked: Instrument, personas: int | None, **more: Any) -> Any:
    unit = unit_of(frame, more.pop("moments", None), asked, personas)
    return packed_answers([], [unit], **more)["units"][0]


@st.composite
def cells(draw: st.DrawFn) -> tuple[tuple[int, int], dict[tuple[int, int, int], float | str]]:
    scale = draw(st.sampled_from(SCALES))
    value = st.one_of(st.integers(*scale), st.sampled_from(STATUSES[1:]))
    keys = st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(1, 12))
    return scale, draw(st.dictionaries(keys, value, min_size=1, max_size=60))


@given(cells())
@settings(max_examples=30, deadline=None)
def test_every_answer_and_every_outcome_comes_back(
    drawn: tuple[tuple[int, int], dict[tuple[int, int, int], float | str]],
) -> None:
    scale, given_answers = drawn
    unit = packed(rows(given_answers), instrument(["a", "b"], scale), 5)
    back = answers_of_dots(unit, scale)
    assert back == {(p, item - 1, run): value for (p, item, run), value in given_answers.items()}


def test_items_stand_in_the_instruments_order_not_that_of_their_ids() -> None:
    asked = instrument(["a"])
    turned = Instrument(
        asked.name, asked.title, asked.scale, asked.domains, asked.prompts, asked.items[::-1]
    )
    unit = packed(rows({(0, 1, 1): 5, (0, 2, 1): 2}), turned, 1)
    assert decoded(unit).ravel().tolist() == [3, 6]
    ids = [item["id"] for item in probe_of("roleplay", turned, ["one"])["items"]]
    assert ids == [2, 1]


def test_unconditioned_answers_have_one_row_of_nobody() -> None:
    unit = packed(rows({(None, 1, 1): 4, (None, 2, 1): "refused"}), instrument(["a"]), None)
    assert answers_of_dots(unit, (0, 5)) == {(0, 0, 1): 4, (0, 1, 1): "refused"}


def test_means_of_recorded_files_keep_hundredths() -> None:
    frame = rows({(0, 1, 1): 3.25, (0, 2, 1): 0.0, (1, 1, 1): "error"}, "mean_rating")
    back = answers_of_dots(packed(frame, instrument(["a"]), 2), (0, 5))
    assert back == {(0, 0, 1): pytest.approx(3.25), (0, 1, 1): 0, (1, 0, 1): "error"}


def test_many_repetitions_are_counted_with_what_is_missing() -> None:
    runs = MOST_DOTS + 10
    given_answers: dict[tuple[int | None, int, int], float | str] = {
        (0, 1, run): 2 if run <= 25 else 3 for run in range(1, runs + 1)
    }
    given_answers |= {(0, 2, 1): 5, (0, 2, 2): "refused", (0, 2, 3): "error", (0, 2, 4): "error"}
    unit = packed(rows(given_answers), instrument(["a"]), 1)
    assert unit["kind"] == "counts"
    assert decoded(unit)[0, 0].tolist() == [0, 0, 25, runs - 25, 0, 0, 0, 0, 0, 0, 0]
    outcomes = dict(zip(OUTCOMES, decoded(unit)[0, 1, 6:].tolist(), strict=True))
    some = {"missing": runs - 4, "refused": 1, "error": 2}
    assert outcomes == {**dict.fromkeys(OUTCOMES, 0), **some}


def test_log_probabilities_are_shares_at_the_studys_temperature() -> None:
    asked = instrument(["a"])
    frame = rows({(0, 1, 1): "ok", (0, 2, 1): "filtered"}).with_columns(
        status=pl.when(item_id=1).then(pl.lit("ok")).otherwise("status"),
        probabilities=pl.when(item_id=1).then(pl.lit([0.0, 0.1, 0.2, 0.3, 0.4, 0.0])),
    )
    moments = moments_of_probabilities(frame, asked, 1, 0.5)
    unit = packed(frame, asked, 1, moments=moments)
    assert unit["kind"] == "shares"
    squares = np.array([0.0, 0.01, 0.04, 0.09, 0.16, 0.0])
    assert decoded(unit)[0, 0, :6].tolist() == np.rint(1000 * squares / squares.sum()).tolist()
    assert decoded(unit)[0, 1].tolist() == [0] * 6 + [0, 0, 0, 1, 0]


def units_of(personas: int) -> list[Unit]:
    ratings = np.random.default_rng(1).integers(1, 7, (personas, 30, 10)).astype(np.uint8)
    return [
        Unit("m", name, probe, "dots", ratings[: 1 if probe == "unconditioned" else None])
        for name in ("base", "tuned")
        for probe in ("roleplay", "unconditioned")
    ]


@given(personas=st.integers(1, 200), characters=st.integers(2000, 60_000))
@settings(max_examples=10, deadline=None)
def test_too_many_answers_keep_the_first_personas_of_every_unit(
    personas: int, characters: int
) -> None:
    asked, people = instrument(["a"]), [f"Persona {who}" for who in range(personas)]
    probes = [probe_of("roleplay", asked, people), probe_of("unconditioned", asked, None)]
    units = units_of(personas)
    found = packed_answers(probes, units, characters)
    kept = found["units"][0]["shape"][0]
    assert [unit["shape"][0] for unit in found["units"]] == [kept, 1, kept, 1]
    assert found["probes"][0]["personas"] == people[:kept]
    assert found["probes"][0]["count"] == personas
    size = sum(len(unit["data"]) for unit in found["units"])
    assert size <= characters or kept == 1
    for unit, whole in zip(found["units"], units, strict=True):
        assert (decoded(unit) == whole.array[: unit["shape"][0]]).all()


def test_all_are_kept_where_they_fit() -> None:
    assert packed_answers([], units_of(20))["units"][0]["shape"][0] == 20
