"""Every layout gives the S and R of the ratings that were written in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from persona_collapse.answers import write_answers
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.quality import quality_of
from persona_collapse.plan.checks import undefined_values
from tests.helpers.recorded_studies import (
    answers,
    collapse,
    instrument,
    layout_at,
    write_materials,
    write_study,
)

Ratings = NDArray[np.int64]  # (personas, items, repetitions)
Writer = Callable[[Path, Ratings], dict[str, Any]]
PEOPLE = [f"You are a person of trade {n}, {word}." for n, word in enumerate("abcdef")]
CODES = "abcd"
TEXTS = [f"Matter {word} counts" for word in ("one", "two", "three", "four")]
ITEMS: list[dict[str, Any]] = [
    {"id": n + 1, "code": code, "text": text}
    for n, (code, text) in enumerate(zip(CODES, TEXTS, strict=True))
]
WORDS = ["Never", "Rarely", "Sometimes", "Often", "Always"]


def cells(ratings: Ratings) -> list[tuple[int, int, int, int]]:
    return [(p, q, r, int(ratings[p, q, r])) for p, q, r in np.ndindex(*ratings.shape)]


def lines(path: Path, rows: list[list[Any]], separator: str = ",") -> None:
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))


def usual(folder: Path, ratings: Ratings) -> dict[str, Any]:
    rows = [[p, q + 1, r + 1, v] for p, q, r, v in cells(ratings)]
    lines(folder / "a.csv", [["persona_id", "question_id", "run_index", "rating"], *rows])
    return {"files": "a.csv"}


def codes_of_both(folder: Path, ratings: Ratings) -> dict[str, Any]:
    rows = [[f"P{p + 1:02d}", CODES[q], f"run-{r}", f"{v}.0"] for p, q, r, v in cells(ratings)]
    lines(folder / "a.csv", [["who", "what", "run", "score"], *rows], ";")
    names = {"persona": "who", "item": "what", "repetition": "run", "rating": "score"}
    return {"files": "a.csv", "columns": names, "first": {"persona": 1, "repetition": 0}}


def texts_and_words(folder: Path, ratings: Ratings) -> dict[str, Any]:
    rows = [
        {
            "who": PEOPLE[p],
            "asked": TEXTS[q].upper() if r else TEXTS[q],
            "said": WORDS[v].lower() + ". " if r else WORDS[v],
        }
        for p, q, r, v in cells(ratings)
    ]
    text = "\n\n".join(json.dumps(row) for row in rows) + "\n"
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    names = {"persona": "who", "item": "asked", "rating": "said"}
    values = {word: place for place, word in enumerate(WORDS)}
    return {"files": "a.jsonl.gz", "columns": names, "values": values}


def wide_parquet(folder: Path, ratings: Ratings) -> dict[str, Any]:
    shape = ratings.shape
    rows = [
        {"persona_id": float(p), "run_index": r + 1, "note": "x"}
        | {TEXTS[q]: float(ratings[p, q, r]) for q in range(shape[1])}
        for p in range(shape[0])
        for r in range(shape[2])
    ]
    pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    return {"files": "a.parquet", "items": "wide"}


def named_columns(folder: Path, ratings: Ratings) -> dict[str, Any]:
    shape = ratings.shape
    rows = [[p, r, *ratings[p, :, r], 7] for p in range(shape[0]) for r in range(shape[2])]
    heads = ["persona_id", "sample", *(f"item{q}" for q in range(shape[1])), "total"]
    lines(folder / "a.tsv", [heads, *rows], "\t")
    return {
        "files": "a.tsv",
        "columns": {"repetition": "sample"},
        "items": "item{item}",
        "first": {"item": 0, "repetition": 0},
    }


def file_per_person_and_run(folder: Path, ratings: Ratings) -> dict[str, Any]:
    shape = ratings.shape
    for p, r in np.ndindex(shape[0], shape[2]):
        said = " ".join(f"({CODES[q]}) {ratings[p, q, r]}" for q in range(shape[1]))
        path = folder / f"run{r + 1}" / f"persona_{p}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"meta": {"seed": 3}, "reply": said, "temperature": 0.1}))
    return {
        "files": "run{repetition}/persona_{persona}.json",
        "columns": {"rating": "reply"},
        "answers": r"\((\w+)\) (\d)",
    }


def list_of_people_per_run(folder: Path, ratings: Ratings) -> dict[str, Any]:
    shape = ratings.shape
    for r in range(shape[2]):
        people = [
            {"age": 30 + p, "answers": {CODES[q]: int(ratings[p, q, r]) for q in range(shape[1])}}
            for p in range(shape[0])
        ]
        (folder / f"sample_{r}.json").write_text(json.dumps({"n": 1, "people": people}))
    return {
        "files": "sample_{repetition}.json",
        "items": "answers.{item}",
        "first": {"repetition": 0},
    }


def several_conditions(folder: Path, ratings: Ratings) -> dict[str, Any]:
    rows = [
        [model, condition, 0.1, p, q + 1, r + 1, v if (model, condition) == ("m", "free") else 0]
        for model in ("m", "other")
        for condition in ("free", "forced")
        for p, q, r, v in cells(ratings)
    ]
    heads = ["model", "condition", "temperature", "persona_id", "item_id", "repetition", "rating"]
    lines(folder / "a.csv", [heads, *rows])
    return {"files": "a.csv", "where": {"model": "{model}", "condition": "free"}}


def sentences(folder: Path, ratings: Ratings) -> dict[str, Any]:
    rows = [[p, q + 1, r + 1, f"I would say {v} of 4"] for p, q, r, v in cells(ratings)]
    lines(folder / "a.csv", [["persona_id", "question_id", "run_index", "said"], *rows])
    return {"files": "a.csv", "columns": {"rating": "said"}, "answers": r"say (\d)"}


WRITERS: list[Writer] = [
    usual,
    codes_of_both,
    texts_and_words,
    wide_parquet,
    named_columns,
    file_per_person_and_run,
    list_of_people_per_run,
    several_conditions,
    sentences,
]


def study_of(folder: Path, writer: Writer, ratings: Ratings, scale: tuple[int, int]) -> Path:
    shape = ratings.shape
    probe = write_materials(folder, instrument(scale, ITEMS[: shape[1]]), PEOPLE[: shape[0]])
    (folder / "data").mkdir()
    layout = writer(folder / "data", ratings)
    files = {"roleplay": layout.pop("files")}
    endpoint = {"kind": "recorded", "root": str(folder / "data"), "files": files}
    endpoint |= {"layout": layout} if layout else {}
    variants = {"base": {"endpoint": "theirs"}}
    keys = {"endpoints": {"theirs": endpoint}, "models": {"m": {"variants": variants}}}
    return write_study(folder, {**probe, "repetitions": shape[2]}, keys)


def truth(ratings: Ratings) -> dict[str, float]:
    spread = ratings.mean(axis=2).std(axis=0, ddof=1).mean()
    sigma = ratings.std(axis=2, ddof=1).mean()
    with np.errstate(divide="ignore"):
        return {"S": spread, "R": 1 / sigma, "answers": ratings.size}


@pytest.mark.parametrize("writer", WRITERS)
def test_layout_gives_the_numbers_of_the_ratings_written_in_it(
    tmp_path: Path, writer: Writer
) -> None:
    ratings = np.random.default_rng(7).integers(0, 5, (6, 4, 3))
    found = collapse(study_of(tmp_path, writer, ratings, (0, 4)))
    assert found["base"] == pytest.approx(truth(ratings), rel=1e-12)


@settings(max_examples=10)
@given(
    st.sampled_from(WRITERS),
    st.tuples(st.integers(2, 6), st.integers(2, 4), st.integers(2, 4)),
    st.integers(0, 99),
)
def test_layout_of_any_size_gives_the_numbers_of_its_ratings(
    tmp_path_factory: pytest.TempPathFactory, writer: Writer, shape: tuple[int, int, int], seed: int
) -> None:
    ratings = np.random.default_rng(seed).integers(0, 5, shape)
    found = collapse(study_of(tmp_path_factory.mktemp("any"), writer, ratings, (0, 4)))
    assert found["base"] == pytest.approx(truth(ratings), rel=1e-12)


@pytest.mark.parametrize("scale", [(0, 1), (1, 2), (1, 9), (0, 10), (1, 100), (0, 100)])
def test_recorded_scales_reach_from_two_points_to_a_hundred(
    tmp_path: Path, scale: tuple[int, int]
) -> None:
    ratings = np.random.default_rng(3).integers(scale[0], scale[1] + 1, (6, 4, 3))
    found = collapse(study_of(tmp_path, usual, ratings, scale))
    assert found["base"] == pytest.approx(truth(ratings), rel=1e-12)


def test_means_give_susceptibility_and_no_robustness_with_the_reason(tmp_path: Path) -> None:
    means = np.random.default_rng(5).uniform(0, 4, (6, 4, 1)).round(3)
    probe = write_materials(tmp_path, instrument((0, 4), ITEMS), PEOPLE)
    rows = [[PEOPLE[p], TEXTS[q], means[p, q, 0]] for p, q in np.ndindex(6, 4)]
    text = "\n".join(";".join(map(str, row)).replace(".", ",").replace(",;", ".;") for row in rows)
    (tmp_path / "means.csv").write_text(f"who;asked;average\n{text}\n")
    layout = {
        "columns": {"persona": "who", "item": "asked", "rating": "average"},
        "rating": "mean",
    }
    endpoint = {"kind": "recorded", "root": str(tmp_path), "files": {"roleplay": "means.csv"}}
    keys = {
        "endpoints": {"theirs": endpoint | {"layout": layout}},
        "models": {"m": {"variants": {"base": {"endpoint": "theirs"}}}},
    }
    study = write_study(tmp_path, {**probe, "repetitions": 1}, keys)
    found = collapse(study)["base"]
    assert found["S"] == pytest.approx(means[:, :, 0].std(axis=0, ddof=1).mean(), rel=1e-12)
    assert np.isnan(found["R"])
    planned = layout_at(study)
    assert any("means (layout.rating: mean)" in note for note in undefined_values(planned))
    (unit,) = planned.shards
    frame = answers(planned, unit)
    questions = read_instrument(Path(planned.instrument(unit)))
    row = quality_of(frame, moments_of(frame, questions, 6), questions, 6, 1).row(0, named=True)
    assert row["undefined"] == "R needs single answers; the recorded ratings are means of several"
    assert row["answered"] == 24
    assert frame["rating"].null_count() == 24
    write_answers(frame, tmp_path / "own.parquet")
    own = {"kind": "recorded", "root": str(tmp_path), "files": {"roleplay": "own.parquet"}}
    again = write_study(
        tmp_path, {**probe, "repetitions": 1}, keys | {"endpoints": {"theirs": own}}
    )
    assert collapse(again)["base"]["S"] == found["S"]
