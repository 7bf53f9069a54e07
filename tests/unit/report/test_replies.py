"""The replies that the page holds: which, how many, and with the judge's verdicts as they are."""

from __future__ import annotations

import random
import string
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.common.embedding import embedded
from persona_collapse.measures.misalignment.scores import misalignment_of
from persona_collapse.misalignment.columns import JUDGED, frame_of
from persona_collapse.report.packed import pack, unpack, written
from persona_collapse.report.page import build_page
from persona_collapse.report.replies import packed_replies, reader_of
from tests.helpers.pages import HOSTILE, QUESTIONS, judged_replies, page_of, write_study

SCORES = st.one_of(st.none(), st.floats(0, 100))


def words(columns: dict[str, Any], name: str) -> list[str | None]:
    """Return a column of words as a list of words."""
    found = columns[name]
    return [None if at is None else found["words"][at] for at in found["places"]]


def restored(columns: dict[str, Any]) -> pl.DataFrame:
    """Return packed columns as a table, as the reader shows them."""
    plain = ("sample", "alignment", "coherence", "misaligned", "cut")
    return pl.DataFrame(
        {n: columns[n] if n in plain else words(columns, n) for n in columns},
        infer_schema_length=None,
    )


def test_every_reply_is_packed_with_its_scores_and_codes() -> None:
    judged = judged_replies(["a", "b"], 10)
    found = packed_replies(judged, QUESTIONS, 0)
    held = restored(found["columns"])
    assert held.height == judged.height
    for name in ("model", "variant", "question_id", "response", "status", "alignment_category"):
        assert held[name].to_list() == judged[name].to_list()
    assert held["alignment"].to_list() == judged["alignment"].round(1).to_list()
    assert found["counts"] == [[m, v, 20] for m in "ab" for v in ("base", "secure", "insecure")]
    assert found["questions"] == QUESTIONS


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=30))
def test_misaligned_replies_are_those_that_the_table_counts(
    scores: list[tuple[float | None, float | None]],
) -> None:
    rows: list[dict[str, object]] = [
        {"model": "m", "variant": "v", "question_id": "q", "sample": n, "response": "r",
         "status": "ok", "alignment": a, "coherence": c}
        for n, (a, c) in enumerate(scores, 1)
    ]  # fmt: skip
    judged = frame_of(rows, JUDGED)
    columns = packed_replies(judged, {}, 0)["columns"]
    both = sum(None not in pair for pair in scores)
    share = misalignment_of(judged)["misaligned"][0] or 0.0
    assert sum(columns["misaligned"]) == pytest.approx(share * both)


def test_replies_that_are_too_many_keep_the_least_aligned_of_every_variant() -> None:
    letters = random.Random(1)
    judged = judged_replies(["a", "b"], 40).with_columns(
        response=pl.Series(
            ["".join(letters.choices(string.printable, k=200)) for _ in range(2 * 3 * 80)]
        )
    )
    whole = packed_replies(judged, QUESTIONS, 0)
    size = len(pack(whole["columns"]))
    found = packed_replies(judged, QUESTIONS, 0, size // 4)
    assert len(pack(found["columns"])) <= size // 4
    held = restored(found["columns"])
    assert size // 8 < len(pack(found["columns"]))
    for key, part in judged.group_by("model", "variant"):
        own = held.filter(model=key[0], variant=key[1])
        assert own.height == found["most"]
        lowest = part["alignment"].sort(nulls_last=True).head(own.height).round(1)
        assert own["alignment"].sort(nulls_last=True).to_list() == lowest.to_list()
    assert found["counts"] == whole["counts"]


def test_page_says_how_many_replies_it_holds(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1, replies=40)
    judged = judged_replies(["m0"], 40)
    whole = packed_replies(judged, QUESTIONS, 0)
    written(
        study["replies"], packed_replies(judged, QUESTIONS, 0, len(pack(whole["columns"])) // 2)
    )
    reader = reader_of(study["replies"], {"m0": "Model 0"}, {})
    assert reader is not None
    build_page(tmp_path / "page.html", **study)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"The page holds {reader['held']} of them: up to {reader['most']} of each" in text
    assert "The page holds" not in page_of(tmp_path / "all", replies=3).read_text(encoding="utf-8")


def test_no_reply_stands_in_the_page_in_clear_text(tmp_path: Path) -> None:
    page = page_of(tmp_path, models=1, replies=3, label=HOSTILE).read_text(encoding="utf-8")
    assert "Reply 1 of base" not in page
    assert embedded(QUESTIONS["rule"]) in page
    assert QUESTIONS["rule"] not in page


def test_study_without_reply_texts_has_no_reader(tmp_path: Path) -> None:
    judged = judged_replies(["m0"], 2).with_columns(response=pl.lit(None, pl.String))
    written(tmp_path / "replies.json.gz", packed_replies(judged, {}, 0))
    assert reader_of(tmp_path / "replies.json.gz", {}, {}) is None
    page = page_of(tmp_path / "none").read_text(encoding="utf-8")
    assert 'id="replies"' not in page
    assert "reply reader" not in page


def test_simulated_replies_are_said_to_be_simulated(tmp_path: Path) -> None:
    said = "Simulated texts: no model wrote them"
    page = page_of(tmp_path / "a", simulated=True, replies=2).read_text(encoding="utf-8")
    assert said in page
    assert said not in page_of(tmp_path / "b", replies=2).read_text(encoding="utf-8")


def test_samples_without_a_number_are_counted_per_question() -> None:
    judged = judged_replies(["a"], 3).with_columns(sample=pl.lit(None, pl.Int32))
    assert packed_replies(judged, {}, 0)["columns"]["sample"] == [1, 2, 3] * 6


def test_unknown_questions_go_by_their_id() -> None:
    found = packed_replies(judged_replies(["a"], 1), {"wish": "What do you wish for?"}, 0)
    assert found["questions"] == {"wish": "What do you wish for?", "rule": "rule"}


@given(st.recursive(st.none() | st.integers() | st.text(), lambda v: st.lists(v), max_leaves=9))
def test_packed_values_are_restored_and_equal_ones_are_equal_bytes(value: Any) -> None:
    assert unpack(pack(value)) == value
    assert pack(value) == pack(value)
