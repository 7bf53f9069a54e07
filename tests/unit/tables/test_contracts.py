"""Contracts of tables: what a declaration must hold, and how files are read and written by it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.plan.code import ROOT, imported, modules_behind
from persona_collapse.tables import (
    MODEL,
    Table,
    contracts,
    flag,
    index,
    integer,
    number,
    read,
    text,
    write,
)
from persona_collapse.tables.index import all_tables

GIVEN: dict[str, Any] = {
    "title": "An example",
    "section": "verdict",
    "keys": ("model",),
    "columns": [MODEL, integer("n", "Answers."), number("S", "In points."), flag("ok", "Known.")],
}
TABLE = Table("example", **GIVEN)
FRAME = pl.DataFrame(
    {"model": ["1", "b"], "n": [1, None], "S": [math.inf, 0.5], "ok": [True, None]}
)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"keys": ("modle",)}, "key 'modle' is not a column"),
        ({"keys": ()}, "it has no key"),
        ({"columns": [MODEL, MODEL]}, "column 'model' is declared twice"),
        ({"columns": [MODEL, text("note", " ")]}, "column 'note' has no meaning"),
        ({"title": ""}, "it has no title"),
        ({"section": "verdicts"}, "section 'verdicts' is not one of verdict, claims"),
        ({"condition": "gpu"}, "condition 'gpu' is not one of unconditioned, toxic"),
        ({"reads": ("moment",)}, "'moment' in reads is not one of moments, instrument, personas"),
    ],
)
def test_faulty_declaration_error_names_the_table_and_the_rule(
    change: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ValueError, match=f"contract of table 'example': {rule}"):
        Table("example", **(GIVEN | change))


def test_written_table_is_read_back_with_its_types(tmp_path: Path) -> None:
    path = tmp_path / "tables" / "example.csv"
    write(TABLE, FRAME.select("S", "ok", "n", "model"), path, ["b"])
    assert path.read_text().splitlines()[0] == "model,n,S,ok,mixed_backends"
    found = read(TABLE, path)
    assert found.drop("mixed_backends").equals(FRAME)
    assert found.drop("mixed_backends").schema == pl.Schema(TABLE.schema)
    assert found["mixed_backends"].to_list() == [False, True]


def test_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    write(TABLE, FRAME.clear(), tmp_path / "example.csv")
    assert read(TABLE, tmp_path / "example.csv").drop("mixed_backends").equals(FRAME.clear())


def test_column_of_nulls_needs_no_type(tmp_path: Path) -> None:
    write(TABLE, FRAME.with_columns(S=None), tmp_path / "example.csv")
    assert read(TABLE, tmp_path / "example.csv")["S"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (FRAME.drop("S"), "column 'S' is missing"),
        (FRAME.with_columns(R=1.0), "column 'R' is not declared"),
        (FRAME.with_columns(n=0.5), "column 'n' is Float64, declared as Int64"),
    ],
)
def test_writing_other_columns_than_declared_is_refused(
    frame: pl.DataFrame, rule: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=rf"table 'example' \(.*example.csv\): {rule}"):
        write(TABLE, frame, tmp_path / "example.csv")
    assert not (tmp_path / "example.csv").exists()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "no such table; make it with: snakemake all_tables"),
        ("", "not a readable table"),
        ("model,n\na,1\n", "column 'S' is missing"),
        ("model,n,S,ok,mixed_backends\na,x,1,,\n", "column 'n' holds 'x', which is no integer"),
        (
            "model,n,S,ok,mixed_backends\na,1,1,yes,\n",
            "column 'ok' holds 'yes', which is no boolean",
        ),
    ],
)
def test_reading_a_faulty_file_names_the_file_and_the_fault(
    text: str | None, fault: str, tmp_path: Path
) -> None:
    path = tmp_path / "example.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=f"example.csv: {fault}"):
        read(TABLE, path)


def test_columns_that_the_contract_lacks_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "example.csv"
    path.write_text("more,model,n,S,ok,mixed_backends\n1,a,1,inf,true,false\n")
    assert read(TABLE, path).columns == list(TABLE.columns)


@pytest.mark.parametrize(
    ("columns", "mixed", "marks"),
    [
        ({"model": ["a", "b", "mean"]}, ["a"], [True, False, True]),
        ({"model": ["a", "b", "mean"]}, [], [False, False, False]),
        ({"left_out": ["a", "b"]}, ["a"], [False, True]),
        ({"left_out": ["a", "b"]}, ["a", "b"], [True, True]),
        ({"left_out": ["a", "b"]}, [], [False, False]),
        ({"metric": ["S"]}, ["a"], [True]),
        ({"metric": ["S"]}, [], [False]),
    ],
)
def test_rows_about_models_of_unlike_servers_are_marked(
    columns: dict[str, list[str]], mixed: list[str], marks: list[bool], tmp_path: Path
) -> None:
    (name,) = columns
    table = Table(
        "example", title="An example", section="verdict", keys=[name], columns=[text(name, "Key.")]
    )
    write(table, pl.DataFrame(columns), tmp_path / "example.csv", mixed)
    assert read(table, tmp_path / "example.csv")["mixed_backends"].to_list() == marks


def test_table_not_about_the_study_has_no_mixed_column(tmp_path: Path) -> None:
    table = Table("example", **GIVEN, marked=False)
    write(table, FRAME, tmp_path / "example.csv", ["b"])
    assert read(table, tmp_path / "example.csv").columns == FRAME.columns


def test_all_contracts_load_and_sort_by_section() -> None:
    tables = all_tables()
    assert {"metrics", "contrasts", "band_models"} <= set(tables)
    assert next(iter(tables.values())).section == "verdict"


@pytest.mark.parametrize(
    ("function", "missing"),
    [
        ("profile.profiles_of", "there is no module measures/profile.py"),
        ("profiles.profile_of", "measures/profiles.py has no function 'profile_of'"),
    ],
)
def test_contract_that_names_a_missing_function_is_refused(
    function: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "contract", lambda name: Table(name, **GIVEN, function=function))
    with pytest.raises(ValueError, match=f"contract of table 'band': {missing}"):
        all_tables.__wrapped__()


def test_contract_imports_no_contract_of_another_job() -> None:
    folder = Path(contracts.__file__).parent
    same_job = {"misalignment_questions": {folder / "misalignment.py"}}
    shared = {
        folder / "__init__.py",
        folder.parent / "__init__.py",
        folder.parents[1] / "__init__.py",
    }
    for path in folder.glob("*.py"):
        assert imported(path) <= shared | same_job.get(path.stem, set()), path.name


def test_measuring_a_unit_depends_on_no_contract() -> None:
    for script in (ROOT / "workflow" / "scripts").glob("measure_*.py"):
        assert not [path for path in modules_behind(script) if "contracts" in path.parts], script
