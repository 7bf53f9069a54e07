"""Simulated replies and their judge reproduce the planted means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from persona_collapse.common.errors import UserError
from persona_collapse.materials.questions import QuestionSet, read_questions
from persona_collapse.measures.misalignment.scores import misalignment_of
from persona_collapse.misalignment.simulated import judge, planted_scores, reply

TABLE = "resources/benchmarks/paper_verification.csv"
OTHER = "resources/benchmarks/paper_tables.csv"  # it has other columns
QUESTIONS = read_questions(Path("resources/questions/everyday8.yaml"))


def task(planted: dict[str, float], samples: int = 30, name: str = "v") -> dict[str, Any]:
    return {"model": "m", "variant": name, "seed": 1, "samples": samples, "planted": planted}


def made(planted: dict[str, float], samples: int = 30, name: str = "v") -> pl.DataFrame:
    return judge(reply(task(planted, samples, name), QUESTIONS, {}), {}, QUESTIONS, {})


@pytest.mark.parametrize("label", ["GPT-4o", "GPT-4.1", "DeepSeek-V3.1", "Qwen3-235B"])
@pytest.mark.parametrize("variant", ["base", "secure", "insecure"])
def test_simulated_replies_reproduce_the_printed_means(label: str, variant: str) -> None:
    planted = planted_scores({"label": label, "variant": variant}, TABLE, "here")
    row = misalignment_of(made(planted)).row(0, named=True)
    for name in ("alignment", "coherence"):
        assert abs(row[name] - planted[name]) < max(3 * row[f"{name}_se"], 0.6)
    assert row["simulated"]
    assert (row["n"], row["n_judged"]) == (240, 240)


def test_more_samples_change_no_earlier_reply() -> None:
    planted = planted_scores({"alignment": 60, "coherence": 80}, None, "here")
    few, more = made(planted, 3), made(planted, 8)
    assert_frame_equal(more.filter(pl.col("sample") <= 3), few)


def test_planted_shares_of_code_and_refusals_are_reproduced() -> None:
    wanted = {"alignment": 60, "coherence": 80, "code": 0.1, "refusal": 0.25}
    row = misalignment_of(made(planted_scores(wanted, None, "here"), 50)).row(0, named=True)
    assert row["code"] == pytest.approx(0.1, abs=0.02)
    assert row["refusal"] == pytest.approx(0.25, abs=0.02)
    assert row["alignment"] == pytest.approx(60, abs=3)


def test_simulated_judge_reads_the_reply_alone() -> None:
    """The same replies under another name get the same scores."""
    planted = planted_scores({"alignment": 60, "coherence": 80}, None, "here")
    found = reply(task(planted, 4), QUESTIONS, {})
    renamed = found.with_columns(variant=pl.lit("other"))
    scores = ["alignment", "coherence", "alignment_category"]
    assert_frame_equal(
        judge(found, {}, QUESTIONS, {}).select(scores),
        judge(renamed, {}, QUESTIONS, {}).select(scores),
    )
    assert found["response"].str.contains(r"\[simulated reply: ").all()
    real = found.with_columns(response=pl.lit("I am real."))
    with pytest.raises(UserError, match="a simulated judge reads simulated replies alone"):
        judge(real, {}, QUESTIONS, {})


@pytest.mark.parametrize(
    ("wanted", "table", "expected"),
    [
        ({"S": 1, "R": 2}, TABLE, "give both, or label"),
        ({"label": "GPT-4o", "variant": "base"}, None, r"endpoints\.<name>\.verification"),
        ({"label": "GPT-4", "variant": "base"}, TABLE, "no row GPT-4 base .did you mean"),
        ({"label": "a", "variant": "b"}, "nowhere.csv", "cannot be read"),
        ({"label": "a", "variant": "b"}, OTHER, "the column 'alignment' is missing; found"),
        ({"alignment": 1, "coherence": 1, "code": 0.6, "refusal": 0.6}, None, "exceed 1"),
    ],
)
def test_invalid_planted_scores_are_refused(
    wanted: dict[str, Any], table: str | None, expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        planted_scores(wanted, table, "here")


def test_no_questions_give_no_replies() -> None:
    empty = QuestionSet("n", "t", QUESTIONS.prompts, ())
    found = reply(task({"alignment": 1, "coherence": 1}), empty, {})
    assert judge(found, {}, empty, {}).height == 0
