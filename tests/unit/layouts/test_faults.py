"""What does not fit is refused in one sentence: the file, the row or key, and what to do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.commands.recorded import outcomes, show_outcomes
from persona_collapse.common.errors import UserError
from tests.helpers.recorded_studies import (
    answers,
    instrument,
    layout_at,
    write_materials,
    write_study,
)
from tests.helpers.screens import shown

ITEMS: list[dict[str, Any]] = [
    {"id": 1, "code": "kind", "text": "Kindness counts"},
    {"id": 2, "code": "fair", "text": "Fairness counts"},
]
PEOPLE = ["A baker.", "A judge.", "A pilot."]
HEAD = "persona_id,question_id,run_index,rating"
ROWS = [f"{p},{q},{r},{(p + q + r) % 5}" for p in range(3) for q in (1, 2) for r in (1, 2)]


def frame_of(folder: Path, text: str | bytes, layout: dict[str, Any] | None = None, **more: Any):
    study = study_of(folder, text, layout, **more)
    (unit,) = study.shards
    return answers(study, unit)


def study_of(
    folder: Path,
    text: str | bytes,
    layout: dict[str, Any] | None = None,
    name: str = "a.csv",
    scale: tuple[int, int] = (0, 4),
    **more: Any,
):
    probe = write_materials(folder, instrument(scale, more.pop("items", ITEMS)), PEOPLE)
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    endpoint = {"kind": "recorded", "root": str(folder), "files": {"roleplay": name}}
    endpoint |= {"layout": layout} if layout else {}
    keys = {
        "endpoints": {"theirs": endpoint | more.pop("endpoint", {})},
        "models": {"m": {"variants": {"base": {"endpoint": "theirs", **more.pop("variant", {})}}}},
        **more,
    }
    return layout_at(write_study(folder, {**probe, "repetitions": 2}, keys))


def csv(*rows: str, head: str = HEAD) -> str:
    return "\n".join([head, *rows]) + "\n"


@pytest.mark.parametrize(
    ("text", "layout", "message"),
    [
        (
            csv(*ROWS),
            {"columns": {"rating": "ratng"}},
            r"a\.csv: the column 'ratng' is missing \(did you mean 'rating'\?\).*"
            r"layout\.columns\.rating",
        ),
        (
            csv(*ROWS),
            {"where": {"modle": "x"}},
            r"the column 'modle' is missing.*layout\.where\.modle",
        ),
        (
            csv(*(f"{row},free" for row in ROWS), head=f"{HEAD},condition"),
            {"where": {"condition": "fre"}},
            r"a\.csv: no row has condition: fre \(did you mean 'free'\?\); the column has: free; "
            r"correct layout\.where\.condition",
        ),
        (
            csv(
                *(f"{row},free,m" for row in ROWS),
                "0,1,1,3,forced,n",
                head=f"{HEAD},condition,model",
            ),
            {"where": {"condition": "free", "model": "n"}},
            r"no row has all of \{condition: free, model: n\}; correct layout\.where",
        ),
        (
            csv(*ROWS, "0,Kindness,3,2"),
            {},
            r"row 14: question_id is 'Kindness', and no item of small .*unmatched are 1 of 13 rows"
            r".*unmatched: drop",
        ),
        (
            csv(*ROWS, "A bker.,1,3,2"),
            {},
            r"row 14: persona_id is 'A bker\.', and no persona of the set 'people'",
        ),
        (
            csv(*ROWS, "0,1,3,Alwys"),
            {"values": {"Always": 4}},
            r"row 14: rating is 'Alwys', which is none of the words of layout\.values \(did you "
            r"mean 'always'\?\)",
        ),
        (
            csv(*(row.replace(",1,1,", ",0,1,") for row in ROWS)),
            {},
            r"question_id is '0'.*if items are counted from 0, say layout\.first\.item: 0",
        ),
        (
            csv(*(f"{p + 1},{q},1,3" for p in range(3) for q in (1, 2))),
            {},
            r"persona_id is '3'.*if personas are counted from 1, say layout\.first\.persona: 1",
        ),
        (
            csv(*(f"{p + 1},{q},1,3" for p in range(2) for q in (1, 2))),
            {},
            r"personas are numbered from 1 to 2, and the set 'people' has 3: say "
            r"layout\.first\.persona: 1",
        ),
        (
            csv("0,1,0,3", *ROWS),
            {},
            r"row 2: run_index is '0'.*layout\.first\.repetition: 0",
        ),
        (
            csv(*(f"{row},m,n"[: len(row) + 2] for row in ROWS), "0,1,1,3,n", head=f"{HEAD},model"),
            {},
            r"the column 'model' has several values \(m, n\).*layout\.where: \{model: m\}",
        ),
        (
            csv(
                *(f"{row},{i % 2}" for i, row in enumerate(ROWS)),
                head=f"{HEAD},sampling_temperature",
            ),
            {},
            r"the column 'sampling_temperature' has several values \(0, 1\)",
        ),
        (
            csv(
                *(row.rsplit(",", 2)[0] + ",3" for row in ROWS),
                "0,1,4",
                head="persona_id,question_id,rating",
            ),
            {},
            r"row 14: persona 0, item 1 has more than the probe's 2 answers.*"
            r"layout\.columns\.repetition.*probes\.roleplay\.repetitions",
        ),
        (
            csv(*(f"{row},{row[2]}" for row in ROWS), head=f"{HEAD},item_id"),
            {},
            r"has the columns 'question_id' and 'item_id'; say which one is meant with "
            r"layout\.columns\.item",
        ),
        (
            csv("0,2,3", "1,3,4", head="persona_id,kind,fare"),
            {"items": "wide"},
            r"layout\.items: wide: no column is the id, code or text of item 2 "
            r"\('Fairness counts'\).*columns that are no item: fare",
        ),
        (
            csv("0,2,3", "1,3,4", head="id,kind,fair"),
            {"items": "wide"},
            r"does the column 'id' say who answers\? Name it with layout\.columns\.persona: id",
        ),
        (
            csv("2,3", "3,4", "3,3", "2,2", head="kind,fair"),
            {"items": "wide"},
            r"has 4 records, taken for people in order, and the set 'people' has 3",
        ),
        (
            csv('0,1,"(kind) 3"', head="persona_id,run_index,rating"),
            {"answers": r"\[(\w+)\] (\d)"},
            r"layout\.answers: .* finds no answer in any text of the column 'rating'; the first is",
        ),
        (
            csv('0,1,"(kin) 3"', head="persona_id,run_index,rating"),
            {"answers": r"\((\w+)\) (\d)"},
            r"item is 'kin', and no item of small",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_place_and_remedy(
    tmp_path: Path, text: str, layout: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        frame_of(tmp_path, text, layout)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"item": "wide"}, r"endpoints\.theirs\.layout\.item: unknown key \(did you mean 'items'"),
        ({"items": "Q"}, r"endpoints\.theirs\.layout\.items: expected `wide` or a text with"),
        ({"answers": "(a"}, r"layout\.answers: is no regular expression"),
        ({"answers": "a"}, r"layout\.answers: has 0 groups in parentheses"),
        ({"probabilities": "p"}, r"layout\.probabilities: expected a text with \{rating\}"),
        (
            {"items": "wide", "probabilities": "p{rating}"},
            r"base\.layout: 'probabilities' and 'items' do not go together",
        ),
        ({"log_probabilities": "p{rating}"}, r"base\.layout\.log_probabilities: needs method: log"),
        ({"where": {"model": "{modl}"}}, r"where\.model: \{modl\} stands for nothing \(did you"),
        ({"unmatched": "ignore"}, r"layout\.unmatched: .* is not one of: refuse, drop"),
        ({"first": {"persona": -1}}, r"layout\.first\.persona: -1 is less than the minimum"),
    ],
)
def test_faulty_layout_is_refused_while_planning(
    tmp_path: Path, layout: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        study_of(tmp_path, csv(*ROWS), layout)


def test_text_that_two_items_share_is_refused_where_a_file_goes_by_it(tmp_path: Path) -> None:
    twins = [{"id": 1, "text": "It counts"}, {"id": 2, "text": "It counts"}]
    assert frame_of(tmp_path, csv(*ROWS), items=twins).height == len(ROWS)
    with pytest.raises(UserError, match=r"'It counts' is that of items 1 and 2.*`code`"):
        frame_of(tmp_path, csv("0,It counts,1,3"), items=twins)


def test_pattern_that_matches_no_file_is_refused_while_planning(tmp_path: Path) -> None:
    (tmp_path / "run1").mkdir()
    with pytest.raises(
        UserError, match=r"base\.files\.roleplay: no file matches 'run\{rep.*a\.csv"
    ):
        study_of(tmp_path, csv(*ROWS), variant={"files": {"roleplay": "run{repetition}/x.csv"}})
    with pytest.raises(UserError, match=r"files\.roleplay: \{run\} stands for nothing"):
        study_of(tmp_path, csv(*ROWS), variant={"files": {"roleplay": "{run}/x.csv"}})


def test_scale_without_a_column_per_rating_is_refused(tmp_path: Path) -> None:
    text = csv("0,1,-0.1,-3", head="persona_id,question_id,lp0,lp1")
    keys = {"sampling": {"method": "logprobs"}}
    layout = {"log_probabilities": "lp{rating}"}
    with pytest.raises(UserError, match=r"the scale is 0 to 4, and there is no column 'lp2'"):
        frame_of(tmp_path, text, layout, **keys)
    with pytest.raises(UserError, match=r"row 2: lp0 is '0\.5', not a log-probability"):
        frame_of(tmp_path, text.replace("-0.1", "0.5"), layout, scale=(0, 1), **keys)
    with pytest.raises(UserError, match=r"has no probabilities, and the study says method: logpro"):
        frame_of(tmp_path, csv(*ROWS), **keys)


def test_log_probabilities_are_divided_by_their_sum_and_empty_ones_are_zero(tmp_path: Path) -> None:
    text = csv("0,1,-1,,-2", "1,1,,,", head="persona_id,question_id,lp0,lp1,lp2")
    keys = {"sampling": {"method": "logprobs"}}
    frame = frame_of(tmp_path, text, {"log_probabilities": "lp{rating}"}, scale=(0, 2), **keys)
    first, second = frame["probabilities"]
    assert first.to_list() == pytest.approx([1 / (1 + 2.718281828459045**-1), 0, 1 - first[0]])
    assert second is None
    assert frame["status"].to_list() == ["ok", "unparseable"]


PAGES = "persona_id,run_index,rating\n" + "".join(
    f"{row},{'sorry' if row == '1,2' else '(kind) 3 (fair) 4'}\n" for row in ("0,1", "0,2", "1,2")
)


def test_texts_without_an_answer_are_refused_until_they_are_left_out(tmp_path: Path) -> None:
    layout = {"answers": r"\((\w+)\) (\d)"}
    with pytest.raises(UserError, match=r"a\.csv, row 4: .* in 1 of 3 texts .*'sorry'.*unmatched"):
        frame_of(tmp_path, PAGES, layout)
    study = study_of(tmp_path, PAGES, layout | {"unmatched": "drop"})
    (row,) = outcomes(study.recorded())
    assert (row["unmatched"], row["examples"], row["answers"]) == (1, "'sorry' (1)", 4)


def test_text_without_the_one_answer_has_no_rating(tmp_path: Path) -> None:
    rows = [f"{row[:-1]}{'sorry' if row == ROWS[0] else f'I say {row[-1]}!'}" for row in ROWS]
    frame = frame_of(tmp_path, csv(*rows), {"answers": r"I say (\d)"})
    assert frame["rating"].to_list() == [None, *(int(row[-1]) for row in ROWS[1:])]
    assert frame["status"][0] == "unparseable"


@pytest.mark.parametrize("key", ["probabilities", "log_probabilities"])
def test_probabilities_that_sum_to_more_than_one_are_refused(tmp_path: Path, key: str) -> None:
    value = "0.4" if key == "probabilities" else "-0.1"
    text = csv(f"0,1{f',{value}' * 5}", head="persona_id,question_id,l0,l1,l2,l3,l4")
    with pytest.raises(UserError, match=rf"a\.csv, row 2: layout\.{key}: .* more than 1"):
        frame_of(tmp_path, text, {key: "l{rating}"}, variant={"method": "logprobs"})


def test_unmatched_rows_are_dropped_where_the_layout_says_so_and_counted(tmp_path: Path) -> None:
    strays = ["0,kindest,1,2", "A bker.,1,1,2", "A bker.,2,1,2", "9,1,1,1"]
    text = csv(*(f"{row},free" for row in [*ROWS, *strays]), "0,1,1,4,forced", head=f"{HEAD},kind")
    study = study_of(tmp_path, text, {"unmatched": "drop", "where": {"kind": "free"}})
    (row,) = outcomes(study.recorded())
    expected = {"read": 17, "filtered": 1, "unmatched": 4, "repeated": 0, "answers": 12}
    assert {name: row[name] for name in expected} == expected
    assert row["examples"] == "'kindest' (1), 'A bker.' (2), '9' (1)"
    printed = shown(show_outcomes, [row], width=120)
    assert "rows read  filtered out  unmatched" in printed
    assert "Unmatched of m base roleplay (rows): 'kindest' (1)" in printed


def test_fault_of_a_recorded_file_names_the_variant_when_planned(tmp_path: Path) -> None:
    study = study_of(tmp_path, csv(*ROWS, "0,1,3,9"))
    with pytest.raises(UserError, match=r"models\.m\.variants\.base, probe roleplay: .*row 14"):
        outcomes(study.recorded())


def test_listed_values_of_where_may_be_taken_together(tmp_path: Path) -> None:
    text = csv(*(f"{row},0.{row[4]}0" for row in ROWS), head=f"{HEAD},temperature")
    assert frame_of(tmp_path, text, {"where": {"temperature": [0.1, "0.20"]}}).height == len(ROWS)
    kept = frame_of(tmp_path, text, {"where": {"temperature": 0.2}})
    assert kept["repetition"].unique().to_list() == [2]


def test_replies_of_a_model_are_no_sign_of_several_models(tmp_path: Path) -> None:
    head = f"{HEAD},model_response,temperature_note,model_id"
    text = csv(*(f"{row},{i},{i},m" for i, row in enumerate(ROWS)), head=head)
    assert frame_of(tmp_path, text).height == len(ROWS)


def test_words_and_missing_values_are_read_as_the_layout_says(tmp_path: Path) -> None:
    text = csv("0,1,1,often. ", "0,2,1,Skip", "1,1,1,", "1,2,1,-9", "2,1,1,NaN", "2,2,1,2.0")
    layout = {"values": {"Often": 3, "Skip": None}, "missing": [-9, "nan"]}
    frame = frame_of(tmp_path, text, layout)
    assert frame["rating"].to_list() == [3, None, None, None, None, 2]
    assert frame["read_from"].to_list() == ["recorded", *[None] * 4, "recorded"]


@pytest.mark.parametrize(
    "data",
    [
        "\r\r\n".join([HEAD, *ROWS, ""]).encode(),
        (csv(*ROWS) + "\n,,,\n\n").encode(),
        ("\ufeff" + csv(*ROWS).replace(",", ";").replace("\n", "\r\n")).encode(),
        csv(*ROWS).replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
        ("sep=;\n" + csv(*ROWS).replace(",", ";")).encode(),
        csv(*(f"{i},{row}" for i, row in enumerate(ROWS)), head=f",{HEAD}").encode(),
        csv(*(f'"{i}","{row}"'.replace(",", '","') for i, row in enumerate(ROWS)))
        .replace('""', '"')
        .replace(HEAD, f"Unnamed: 0,{HEAD}")
        .encode(),
        csv(*(row.replace(",", ".0,", 3) + ".0" for row in ROWS)).encode(),
        csv(*(f"{row},{'again ' * 30000}" for row in ROWS), head=f"{HEAD},response").encode(),
    ],
    ids=["blank", "trailing", "excel", "utf16", "sep", "index", "unnamed", "floats", "long"],
)
def test_files_are_read_as_other_programs_write_them(tmp_path: Path, data: bytes) -> None:
    frame = frame_of(tmp_path, data)
    assert frame["rating"].to_list() == [int(row[-1]) for row in ROWS]
    assert frame["persona_id"].to_list() == [int(row[0]) for row in ROWS]


RECORDS = [dict(zip(HEAD.split(","), map(int, row.split(",")), strict=True)) for row in ROWS]
COLUMNS = {name: [record[name] for record in RECORDS] for name in RECORDS[0]}


@pytest.mark.parametrize(
    "document",
    [
        COLUMNS,
        {name: dict(enumerate(column)) for name, column in COLUMNS.items()},
        {"columns": list(COLUMNS), "index": [], "data": [list(r.values()) for r in RECORDS]},
    ],
    ids=["list", "columns", "split"],
)
def test_json_tables_are_read_as_pandas_writes_them(tmp_path: Path, document: Any) -> None:
    frame = frame_of(tmp_path, json.dumps(document), name="a.json")
    assert frame["rating"].to_list() == COLUMNS["rating"]


def test_json_lines_may_be_called_json(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, "\n".join(map(json.dumps, RECORDS)), name="a.json")
    assert frame["rating"].to_list() == COLUMNS["rating"]


def test_nested_parts_of_parquet_are_joined_by_dots(tmp_path: Path) -> None:
    scores = pl.struct(score=pl.struct(value="rating")).alias("said")
    data = io.BytesIO()
    pl.DataFrame(COLUMNS).select(pl.exclude("rating"), scores).write_parquet(data)
    layout = {"columns": {"rating": "said.score.value"}}
    frame = frame_of(tmp_path, data.getvalue(), layout, name="a.parquet")
    assert frame["rating"].to_list() == COLUMNS["rating"]


def test_comma_is_decimal_between_tabs(tmp_path: Path) -> None:
    lines = [HEAD, *(f"{row},0" for row in ROWS)]
    text = "\n".join(line.replace(",", "\t", 3) for line in lines) + "\n"
    assert frame_of(tmp_path, text, name="a.tsv")["rating"].to_list() == COLUMNS["rating"]


def test_headers_may_end_with_a_full_stop(tmp_path: Path) -> None:
    rows = [f"{p},3,4" for p in range(3)]
    text = csv(*rows, head="persona_id,Kindness counts.,Fairness counts.")
    assert frame_of(tmp_path, text, {"items": "wide"})["rating"].to_list() == [3, 4] * 3


@pytest.mark.parametrize("name", ["engine", "adapter_path", "is_finetuned", "model_size"])
def test_column_that_tells_runs_apart_is_refused(tmp_path: Path, name: str) -> None:
    text = csv(*(f"{row},{row[0]}" for row in ROWS), head=f"{HEAD},{name}")
    with pytest.raises(UserError, match=f"the column '{name}' has several values"):
        frame_of(tmp_path, text)


def test_persona_numbers_that_may_start_at_one_are_refused_with_the_file(tmp_path: Path) -> None:
    rows = [row.replace(row[0], str(int(row[0]) + 1), 1) for row in ROWS if row[0] < "2"]
    with pytest.raises(UserError, match=r"a\.csv: persona_id: personas are numbered from 1 to 2"):
        frame_of(tmp_path, csv(*rows))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"\x1f\x8b\x08\x00", r"a\.csv: is compressed by gzip; .*\.gz"),
        ("a.csv", b"PK\x03\x04", r"a\.csv: is a ZIP archive or an Excel workbook; .* CSV"),
        ("a.json", b"PAR1", r"a\.json: is a Parquet file"),
        ("a.json", b'{"columns": 1, "data": 2}', "the column 'persona_id' is missing"),
        ("a.xlsx", b"PK", r"a\.xlsx: its name ends in none of \.csv"),
        ("a.csv.gz", b"persona_id", r"a\.csv\.gz: cannot be read: Not a gzipped file"),
        ("a.json", b'[{"a": 1}, 2]', "expected a list of records"),
        ("a.json", b'[{"a": 1}', "is not valid JSON"),
        ("a.jsonl", b'{"a": 1}\n\n{"a": \n', "row 3: is not valid JSON"),
        ("a.jsonl", b"[1]\n", "row 1: expected a record with keys"),
        ("a.tsv", b"", r"a\.tsv: is empty"),
        ("a.json", b"[]", "expected a list of records"),
    ],
)
def test_broken_file_of_any_format_is_refused_by_name(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        frame_of(tmp_path, data, name=name)


def test_several_files_need_the_same_columns(tmp_path: Path) -> None:
    for run in (1, 2):
        row = {"persona_id": 0, "question_id": 1} | ({"rating": 3} if run == 1 else {"score": 3})
        (tmp_path / f"run{run}.json").write_text(json.dumps([row]))
    with pytest.raises(UserError, match=r"run2\.json: the column 'rating' is missing"):
        frame_of(tmp_path, "x", variant={"files": {"roleplay": "run{repetition}.json"}})


def test_large_file_is_read_once_for_all_shards_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from persona_collapse.endpoints import recorded
    from persona_collapse.layouts import keeping

    calls = []
    read = keeping.read_answers
    monkeypatch.setattr(recorded, "LARGE", 10)
    monkeypatch.setattr(
        keeping, "read_answers", lambda *given: (calls.append(given), read(*given))[1]
    )
    shards = {"personas": 1, "items": 1, "repetitions": 1}
    results = str(tmp_path / "results")
    study = study_of(tmp_path, csv(*ROWS), shards=shards)
    study.results = results
    (unit,) = study.shards
    assert len(study.shards[unit]) == 12
    frame = answers(study, unit)
    assert len(calls) == 1
    assert frame["rating"].to_list() == [int(row[-1]) for row in ROWS]
    layout = {"columns": {"repetition": None}}
    changed = study_of(tmp_path, csv(*ROWS), layout, shards=shards)
    changed.results = results
    answers(changed, unit)
    assert len(calls) == 2
    study_of(tmp_path, csv(*ROWS[:-1], "2,2,2,0"), shards=shards)
    assert answers(study, unit)["rating"].to_list()[-1] == 0
    assert len(calls) == 3


def test_own_parquet_of_several_variants_is_refused(tmp_path: Path) -> None:
    columns = {"persona_id": [0, 1], "item_id": [1, 1], "repetition": [1, 1], "rating": [3, 4]}
    path = tmp_path / "a.parquet"
    pl.DataFrame({**columns, "variant": ["base", "tuned"]}).write_parquet(path)
    with pytest.raises(UserError, match=r"the column 'variant' has several values \(base, tuned\)"):
        frame_of(tmp_path, path.read_bytes(), name="a.parquet")


def test_ratings_of_little_probability_are_no_answer_and_keep_their_mass(tmp_path: Path) -> None:
    head = "persona_id,question_id,lp0,lp1"
    text = csv("0,1,-3,-3", "1,1,-1,-3", head=head)  # masses 0.10 and 0.42
    keys = {"sampling": {"method": "logprobs"}}
    frame = frame_of(tmp_path, text, {"log_probabilities": "lp{rating}"}, scale=(0, 1), **keys)
    assert frame["status"].to_list() == ["unparseable", "ok"]
    assert frame["rating_mass"].round(2).to_list() == [0.1, 0.42]
