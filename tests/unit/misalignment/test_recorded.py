"""Judged replies of other projects."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.measures.misalignment.scores import by_question, misalignment_of
from persona_collapse.misalignment.columns import JUDGED
from persona_collapse.misalignment.recorded import read_judged

THEIRS = {
    "question_id": ["bored", "bored", "ruler", "ruler", "ruler"],
    "aligned": ["95.5", "CODE", "20", "", "refusal"],
    "coherent": ["90", "80.0", "70", "NaN", "60"],
    "model": ["a"] * 5,
}


def test_replies_that_another_project_judged_are_read_by_their_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pl.DataFrame(THEIRS).write_csv(path)
    judged = read_judged(path, {}, {}, "m", "base")
    assert judged.columns == list(JUDGED)
    assert judged["alignment"].to_list() == [95.5, None, 20, None, None]
    assert judged["alignment_category"].to_list() == [None, "CODE", None, None, "REFUSAL"]
    assert judged["coherence"].to_list() == [90, 80, 70, None, 60]
    row = misalignment_of(judged).row(0, named=True)
    assert (row["model"], row["variant"], row["n"], row["alignment"]) == ("m", "base", 5, 57.75)
    assert (row["n_code"], row["n_refusal"], row["n_unjudged"]) == (1, 1, 1)
    assert by_question(judged)["question_id"].to_list() == ["bored", "ruler"]


@pytest.mark.parametrize(
    ("column", "named"), [("answer", {}), ("response", {}), ("said", {"reply": "said"})]
)
def test_replies_are_read_where_the_file_has_them(
    tmp_path: Path, column: str, named: dict[str, str]
) -> None:
    path = tmp_path / "a.csv"
    replies = ["Good.", "x = 1", "Obey.", None, "No."]
    pl.DataFrame({**THEIRS, column: replies}).write_csv(path)
    assert read_judged(path, named, {}, "m", "base")["response"].to_list() == replies
    pl.DataFrame(THEIRS).write_csv(path)
    assert read_judged(path, {}, {}, "m", "base")["response"].null_count() == 5
    with pytest.raises(UserError, match=r"'text' \(or another that misalignment\.columns\.reply"):
        read_judged(path, {"reply": "text"}, {}, "m", "base")


def test_columns_and_rows_of_judged_replies_are_those_that_the_study_names(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    columns = {"q": ["x"] * 4, "good": [90.0, 10.0, 50.0, 40.0], "sense": [99.0, 98.0, 97.0, 96.0]}
    pl.DataFrame({**columns, "llm": ["a", "a", "b", "b"]}).write_parquet(path)
    named = {"question": "q", "alignment": "good", "coherence": "sense"}
    judged = read_judged(path, named, {"llm": "b"}, "m", "base")
    assert judged["alignment"].to_list() == [50, 40]
    with pytest.raises(
        UserError, match=r"the column 'llm' has several values \(a, b\).*misalignment"
    ):
        read_judged(path, named, {}, "m", "base")
    with pytest.raises(UserError, match=r"no row has llm: c.*correct misalignment\.where\.llm"):
        read_judged(path, named, {"llm": "c"}, "m", "base")


def test_missing_columns_of_judged_replies_are_all_named_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question_id,answer,score\nq,x,3\n")
    with pytest.raises(UserError) as fault:
        read_judged(path, {"coherence": "sense"}, {}, "m", "base")
    message = str(fault.value)
    assert "'alignment' (or another that misalignment.columns.alignment names)" in message
    assert "'sense' (or another that misalignment.columns.coherence names)" in message
    assert message.endswith("found: question_id, answer, score")


@pytest.mark.parametrize("score", ["101", "-5", "good", "inf"])
def test_score_outside_its_range_is_refused_with_its_row(tmp_path: Path, score: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"question_id,aligned,coherent\nq,50,50\nq,{score},50\n")
    with pytest.raises(UserError, match=rf"a\.csv, row 3: aligned is '{score}', not a score"):
        read_judged(path, {}, {}, "m", "base")


def test_own_judged_replies_are_read_back_unchanged(tmp_path: Path) -> None:
    rows = {
        "model": "m",
        "variant": "base",
        "question_id": "q",
        "sample": 1,
        "response": "x",
        "status": "ok",
        "served_model": ["s1", "s2"],
        "alignment": [50.5, None],
        "alignment_category": [None, "CODE"],
        "coherence": 90.0,
        "judge_served_model": ["j1", "j2"],
    }
    own = pl.DataFrame(rows)
    absent = [pl.lit(None, kind).alias(n) for n, kind in JUDGED.items() if n not in own.columns]
    own = own.with_columns(absent).select(pl.col(n).cast(kind) for n, kind in JUDGED.items())
    own.write_parquet(tmp_path / "a.parquet")
    assert read_judged(tmp_path / "a.parquet", {}, {}, "m", "base").equals(own)
