from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.answers import SCHEMA, SLOT, collect_answers, conform, write_answers
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.recorded import Recorded
from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale
from persona_collapse.materials.personas import PersonaSet
from persona_collapse.plan.shards import cut
from persona_collapse.tasks import Shard, Task

answer = Recorded().answer

PERSONAS, REPETITIONS = 3, 2
INSTRUMENT = Instrument(
    name="three",
    title="Three items",
    scale=Scale(0, 5),
    domains=("Care",),
    prompts=Prompts("{persona} {question}", {"s": "{item}"}),
    items=tuple(Item(id, "s", "Care", f"item {id}") for id in (1, 2, 3)),
)
SET = PersonaSet("set", "A set", tuple(f"persona {p}" for p in range(PERSONAS)))
HEADER = [
    "persona_id",
    "question_id",
    "run_index",
    "rating",
    "failures",
    "response",
    "collected_at",
]
ROWS = [
    [str(p), str(q), str(r), str((p + q + r) % 6), "0", str((p + q + r) % 6), "2026-01-01"]
    for p in range(PERSONAS)
    for q in (1, 2, 3)
    for r in range(1, REPETITIONS + 1)
]


def task(shard: Shard | None = None, personas: bool = True) -> Task:
    counts = (PERSONAS if personas else None, 3, REPETITIONS)
    whole = next(cut("m", "base", "roleplay", counts, (9, 9, 9)))
    return Task(shard or whole, INSTRUMENT, SET if personas else None, 0)


def written(path: Path, rows: list[list[str]], header: list[str] = HEADER) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path: Path, personas: bool = True) -> pl.DataFrame:
    return answer(task(personas=personas), {"inputs": [str(path)]})


def changed(row: int, column: str, value: str) -> list[list[str]]:
    rows = [list(values) for values in ROWS]
    rows[row][HEADER.index(column)] = value
    return rows


def test_published_csv_is_read_as_answers(tmp_path: Path) -> None:
    rows = changed(0, "response", '4. Because,\nas they say, "yes"')
    rows[1][3:6] = ["-1", "3", "None"]
    rows[2][3:6] = ["", "2", "ERROR: time-out"]
    frame = read(written(tmp_path / "a.csv", rows))
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame.height == len(ROWS)
    assert frame.select(SLOT).rows() == sorted(frame.select(SLOT).rows())
    first, second, third = frame.head(3).iter_rows(named=True)
    assert first["response"] == '4. Because,\nas they say, "yes"'
    assert (first["rating"], first["status"], first["attempts"]) == (2, "ok", 1)
    assert (second["rating"], second["status"], second["attempts"]) == (None, "unparseable", 4)
    assert second["response"] == "None"  # a word of the model's, not an absent value
    assert second["parse_failures"] == 3
    assert (third["rating"], third["status"]) == (None, "error")


def test_unconditioned_file_has_no_personas(tmp_path: Path) -> None:
    rows = [row[1:] for row in ROWS if row[0] == "0"]
    frame = read(written(tmp_path / "self.csv", rows, HEADER[1:]), personas=False)
    assert frame["persona_id"].is_null().all()
    assert frame.height == 3 * REPETITIONS
    with pytest.raises(UserError, match=r"self2\.csv: an unconditioned probe"):
        read(written(tmp_path / "self2.csv", ROWS), personas=False)


def test_optional_columns_may_be_absent(tmp_path: Path) -> None:
    frame = read(written(tmp_path / "a.csv", [row[:4] for row in ROWS], HEADER[:4]))
    assert frame["attempts"].to_list() == [1] * len(ROWS)
    assert frame["response"].is_null().all()


def test_extra_repetitions_are_kept_by_the_last_block(tmp_path: Path) -> None:
    extra = [["0", "1", "7", "5", "0", "5", ""]]
    path = written(tmp_path / "a.csv", ROWS + extra)
    first, last = cut("m", "base", "roleplay", (PERSONAS, 3, REPETITIONS), (9, 9, 1))
    assert answer(task(first), {"inputs": [str(path)]})["repetition"].unique().to_list() == [1]
    assert sorted(answer(task(last), {"inputs": [str(path)]})["repetition"].unique()) == [2, 7]


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)))
def test_shards_of_any_size_collect_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, sizes: tuple[int, int, int]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = written(folder / "a.csv", [*ROWS, ["2", "3", "9", "0", "0", "0", ""]])
    shards = []
    for shard in cut("m", "base", "roleplay", (PERSONAS, 3, REPETITIONS), sizes):
        shards.append(folder / f"{shard.name}.parquet")
        write_answers(answer(task(shard), {"inputs": [str(path)]}), shards[-1])
    collect_answers(list(reversed(shards)), folder / "collected.parquet")
    write_answers(read(path), folder / "whole.parquet")
    assert (folder / "collected.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()


def test_own_parquet_is_read_back_unchanged(tmp_path: Path) -> None:
    whole = read(written(tmp_path / "a.csv", ROWS)).with_columns(served_model=pl.lit("simulated"))
    write_answers(whole, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").equals(conform(whole))


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        (4, "rating", "6", r"rating is '6', which is outside the scale \(0 to 5\)"),
        (4, "rating", "-2", "rating is '-2', which is outside the scale"),
        (4, "rating", "3.5", "rating is '3.5', which is not an integer; .*rating: mean"),
        (4, "rating", "four", "rating is 'four', which is no number; layout.values"),
        (
            4,
            "persona_id",
            "3",
            r"persona_id is '3', and no persona of .*\(numbers 0 to 2\); unmatched are 1",
        ),
        (4, "persona_id", "", "persona_id is '', and no persona of the set 'set'"),
        (4, "question_id", "4", r"question_id is '4', and no item of three .*\(ids 1 to 3\)"),
        (4, "run_index", "0", "run_index is '0', not a repetition; .*first.repetition: 0"),
        (4, "run_index", "9999999999", "run_index is '9999999999', not a repetition"),
        (4, "failures", "many", "failures is 'many', not an integer"),
        (4, "failures", "-1", "failures is '-1', not a count"),
    ],
)
def test_bad_csv_value_is_refused_with_its_row(
    tmp_path: Path, row: int, column: str, value: str, rule: str
) -> None:
    path = written(tmp_path / "a.csv", changed(row, column, value))
    with pytest.raises(UserError, match=rf"a\.csv, row {row + 2}: {rule}"):
        read(path)


def test_slot_with_two_ratings_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [*ROWS, ["0", "1", "1", "5", "0", "5", ""]])
    with pytest.raises(UserError, match=r"rows 2 and 20: persona 0, item 1, repetition 1 is answ"):
        read(path)


def test_equal_repeats_are_dropped_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    retried = ["0", "1", "1", "-1", "1", "", ""]
    path = written(tmp_path / "a.csv", [retried, *ROWS, ROWS[3]])
    assert read(path).equals(read(written(tmp_path / "b.csv", ROWS)))
    assert "a.csv: 2 repeated rows of slots already answered dropped" in capsys.readouterr().err


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-14])


def cut_in_a_quoted_field(path: Path) -> None:
    written(path, changed(len(ROWS) - 1, "response", "a long, quoted reply"))
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"\r\n"), "is empty"),
        (lambda path: written(path, []), "has a header but no answers"),
        (truncated, r"row 19: \d fields where the header has 7; the file may have been cut off"),
        (cut_in_a_quoted_field, r"row 19: broken quoting .*cut off"),
        (lambda path: path.write_bytes(path.read_bytes().rstrip()), "row 19: the last row has no"),
        (
            lambda path: path.write_bytes(path.read_text().encode("utf-16-le")),
            "seems to be UTF-16 without a mark; save the file as UTF-8",
        ),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"\r\n1,1,1", b"\r\n\xe9,1,1")),
            r"line 8: is not UTF-8",
        ),
        (
            lambda path: written(path, [row[:3] for row in ROWS], HEADER[:3]),
            "a.csv: the column 'rating' is missing",
        ),
        (
            lambda path: written(path, ROWS, ["persona", *HEADER[1:]]),
            r"the column 'persona_id' is missing \(did you mean 'persona'\?\)",
        ),
        (
            # `question_id` looks like it, and is another column.
            lambda path: written(path, [row[1:] for row in ROWS], HEADER[1:]),
            "the column 'persona_id' is missing; found: question_id, run_index",
        ),
        (lambda path: written(path, ROWS, [*HEADER[:6], "rating"]), "'rating' occurs twice"),
        (lambda path: written(path, [*ROWS[:5], ROWS[5][:4], *ROWS[6:]]), r"row 7: 4 fields"),
    ],
)
def test_broken_csv_is_refused_with_its_path(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    path = written(tmp_path / "a.csv", ROWS)
    spoil(path)
    with pytest.raises(UserError, match=message) as fault:
        read(path)
    assert str(path) in str(fault.value)


def test_broken_parquet_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 this is none")
    with pytest.raises(UserError, match=r"a\.parquet: cannot be read as Parquet"):
        read(path)
    slot: dict[str, Any] = {"persona_id": [0], "item_id": [1], "repetition": [1]}
    pl.DataFrame({**slot, "ratings": [3]}).write_parquet(path)
    with pytest.raises(UserError, match=r"the column 'rating' is missing \(did you mean 'ratings'"):
        read(path)


HALVES = [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rating": [3, 2.5]}, r"row 2: rating is '2\.5', which is not an integer"),
        ({"rating": [[3], [3]]}, r"row 1: rating is '\[3\]', which is no number"),
        ({"rating": [True, False]}, "row 1: rating is 'true', which is no number"),
        ({"persona_id": None}, "the column 'persona_id' is missing"),
        ({"repetition": [1, 10**10]}, "row 2: repetition is '10000000000', not a repetition"),
        ({"attempts": [1, -1]}, "row 2: attempts is '-1', not a count"),
        ({"fallback": ["x", "y"]}, "the column 'fallback' holds String, expected Boolean"),
        ({"status": ["ok", "fine"]}, "row 2: status is 'fine', not one of: ok, unparseable"),
        ({"status": ["ok", None]}, "row 2: status is None, not one of"),
        ({"status": ["ok", "refused"]}, "row 2: status is 'refused', but there is a rating"),
        (
            {"rating": [3, -1], "status": ["ok", "ok"]},
            "row 2: status is 'ok', but there is no rating",
        ),
        ({"rating": [None, None], "probabilities": [HALVES, HALVES[:2]]}, "row 2: probabilities"),
        (
            {"rating": [None, None], "probabilities": [HALVES, [0.5] * 6]},
            "6 probabilities that sum",
        ),
    ],
)
def test_bad_parquet_value_is_refused_with_its_row(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    columns = {"persona_id": [0, 1], "item_id": [1, 1], "repetition": [1, 1], "rating": [3, 4]}
    found = {name: values for name, values in {**columns, **change}.items() if values is not None}
    pl.DataFrame(found, strict=False).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=rf"a\.parquet.*{message}"):
        read(tmp_path / "a.parquet")


def test_parquet_rating_of_minus_one_is_missing(tmp_path: Path) -> None:
    columns = {"persona_id": [0, 1], "item_id": [1, 1], "repetition": [1, 1], "rating": [3, -1]}
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    frame = read(tmp_path / "a.parquet")
    assert frame["rating"].to_list() == [3, None]
    assert frame["status"].to_list() == ["ok", "unparseable"]


def test_published_files_are_read(published: Path) -> None:
    items = tuple(Item(id, "s", "Care", f"item {id}") for id in range(1, 31))
    instrument = Instrument("x", "x", Scale(0, 5), ("Care",), Prompts("", {"s": "{item}"}), items)
    people = PersonaSet("x", "x", tuple(str(p) for p in range(100)))
    (shard,) = cut("gpt-4o", "secure", "roleplay", (100, 30, 10), (100, 30, 10))
    path = published / "responses" / "secure-code" / "gpt-4o-secure_temp01.csv"
    frame = answer(Task(shard, instrument, people, 0), {"inputs": [str(path)]})
    assert frame.height == 30_000
    assert frame["rating"].null_count() == 15
    assert set(frame.filter(pl.col("rating").is_null())["status"]) <= {"unparseable", "error"}
