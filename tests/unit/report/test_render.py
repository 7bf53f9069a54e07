"""Tables as papers print them: rounding, signs, escapes."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from persona_collapse.report.forms import printed_tables
from persona_collapse.report.latex import escape_latex, to_latex, to_markdown
from persona_collapse.report.printed import (
    SIMULATED,
    Cell,
    Column,
    PrintedTable,
    decimals_for,
    write,
    write_interval,
    write_p,
)
from persona_collapse.tables import (
    FOUNDATION,
    PROBE,
    Table,
    contract,
    flag,
    integer,
    number,
    read,
    text,
)
from persona_collapse.tables import (
    SIMULATED as SIMULATED_FLAG,
)
from tests.browser.pages import HOSTILE, look_of, printed_of, render, write_rows, write_study


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "written"),
    [
        (0.8249, 3, False, "0.825"),
        (-0.0004, 2, True, "0.00"),
        (-54.4, 0, True, "−54"),
        (55.2, 0, True, "+55"),
        (-3.0, 1, False, "−3.0"),
        (30000.0, 0, False, "30\u2009000"),
        (math.inf, 2, False, "∞"),
        (-math.inf, 2, True, "−∞"),
        (math.nan, 2, False, "–"),
        (None, 2, True, "–"),
    ],
)
def test_numbers_have_typographic_signs(
    value: float | None, decimals: int, signed: bool, written: str
) -> None:
    assert write(value, decimals, signed=signed) == written


def test_decimals_follow_the_uncertainty() -> None:
    assert decimals_for([0.82, 1.68], [0.037, 0.034]) == 3
    assert decimals_for([14.5], [0.82]) == 2
    assert decimals_for([107.7], [15.1]) == 0
    assert decimals_for([0.5], [0.00001]) == 3  # no more than a reader can use
    assert decimals_for([100, 99], [None]) == 0
    assert decimals_for([0.5, 12.25], []) == 1
    assert decimals_for([None, math.inf], [math.nan, math.inf]) == 0


def test_p_values_and_intervals() -> None:
    assert [write_p(p) for p in (0.0004, 0.0123, None)] == ["< 0.001", "0.012", "–"]
    assert write_interval(-1.5, math.inf, 1) == "[−1.5, ∞]"
    assert write_interval(None, None, 1) == ""


@pytest.mark.parametrize("models", [1, 4, 12])
def test_every_number_of_the_table_is_printed_in_its_row(tmp_path: Path, models: int) -> None:
    study = write_study(tmp_path, models=models)
    path = tmp_path / "tables" / "metrics.csv"
    look = study["look"]
    overall, by_foundation, _ = printed_of(path, look)
    rows = (
        read(contract("metrics"), path).filter(pl.col("foundation") == "overall").rows(named=True)
    )
    assert len(overall.rows) == 3 * models
    for printed, row in zip(overall.printed(), rows, strict=True):
        labels = {model.key: model.label for model in look.models}
        assert [cell.main for cell in printed[:2]] == [labels[row["model"]], row["variant"]]
        assert float(printed[2].main) == pytest.approx(row["S"], abs=0.0005)
        assert printed[2].beside == "± 0.031"
        assert printed[2].sort == row["S"]
        assert float(printed[4].main) == pytest.approx(row["R"], abs=0.005)
    assert [column.heading for column in by_foundation.columns[2:]] == [
        "Overall",
        "Harm/Care",
        "Fairness/Reciprocity",
        "In-group/Loyalty",
    ]


def test_infinite_robustness_and_absent_errors_are_signs(tmp_path: Path) -> None:
    study = write_study(tmp_path, infinite=True)
    source = tmp_path / "tables" / "metrics.csv"
    markdown, latex = render(source, study["look"], tmp_path)
    first = next(line for line in markdown.splitlines() if line.startswith("| Model 0 | base"))
    assert "| ∞ | – |" in first
    assert r"$\infty$ &  & -- &" in latex


def test_contrasts_name_both_variants_and_round_percentages(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    printed = printed_of(tmp_path / "tables" / "contrasts.csv", study["look"])[0]
    rows = {(row[0].main, row[1].main): row for row in printed.printed()}
    row = rows["Mean of models", "insecure − base"]
    assert row[3].text == "+62 [+56, +70]"
    assert row[6].text == "−70 [−76, −63]"
    assert row[4].text == "< 0.001"


def test_one_model_has_no_mean_row(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1)
    for printed in printed_of(tmp_path / "tables" / "contrasts.csv", study["look"]):
        assert {row[0].main for row in printed.printed()} == {"Model 0"}


def test_profiles_take_the_spread_that_speaks(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    found = {t.key: t for t in printed_of(tmp_path / "tables" / "profiles.csv", study["look"])}
    assert found["profiles-unconditioned"].printed()[0][2].text == "2.50 ± 0.12"
    assert found["profiles-roleplay"].printed()[0][2].text == "2.50 ± 0.50"


def test_simulated_tables_say_so_everywhere(tmp_path: Path) -> None:
    study = write_study(tmp_path, simulated=True)
    for name in ("metrics", "contrasts", "profiles", "quality"):
        source = tmp_path / "tables" / f"{name}.csv"
        markdown, latex = render(source, study["look"], tmp_path)
        assert markdown.count(SIMULATED) == markdown.count("\n| :--") > 0
        assert latex.count(SIMULATED) == latex.count(r"\caption{")


def test_zero_columns_move_into_the_caption_of_latex_only(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    source = tmp_path / "tables" / "quality.csv"
    markdown, latex = render(source, study["look"], tmp_path)
    zeros = "missing, refused, filtered, personas dropped, extra repetitions"
    assert f"Zero in every row: {zeros}." in latex
    assert "Refused" not in latex
    assert "Refused" in markdown


def test_table_without_a_form_keeps_its_columns() -> None:
    table = Table(
        "odd",
        title="Odd values",
        section="meaning",
        keys=("model",),
        columns=[
            text("model", "Model."),
            text("reference", "Reference."),
            number("value", "Value."),
            number("lo", "Lower end."),
            number("hi", "Upper end."),
            text("note", "Note."),
        ],
        marked=False,
    )
    rows = [("m0", "base", 1.25, 1.0, 1.5, "x"), ("m0", "7", None, None, None, None)]
    frame = pl.DataFrame(rows, schema=table.schema, orient="row")
    (printed,) = printed_tables(table, frame, look_of(1))
    assert [column.heading for column in printed.columns] == ["Model", "Reference", "Note", "Value"]
    assert [[cell.text for cell in row] for row in printed.printed()] == [
        ["Model 0", "base", "x", "1.25 [1.00, 1.50]"],
        ["Model 0", "7", "–", "–"],
    ]


def test_plain_table_leaves_out_constant_probe_and_foundation_and_writes_yes_and_no() -> None:
    table = Table(
        "odd",
        title="Odd values",
        section="meaning",
        keys=("left_out",),
        columns=[
            text("left_out", "Model."),
            PROBE,
            FOUNDATION,
            flag("nearest", "Whether it is nearest."),
            integer("n", "Count."),
            number("lo", "Lower end."),
            SIMULATED_FLAG,
        ],
        marked=False,
    )
    rows = [
        ("m0", "roleplay", "overall", True, 7, 0.663, True),
        ("m1", "roleplay", "overall", False, 8, 107.7, False),
    ]
    frame = pl.DataFrame(rows, schema=table.schema, orient="row")
    (printed,) = printed_tables(table, frame, look_of(2))
    headings = [column.heading for column in printed.columns]
    assert headings == ["Left out", "Nearest", "N", "Lo"]
    assert [[cell.text for cell in row] for row in printed.printed()] == [
        ["Model 0", "yes", "7", "0.663"],
        ["Model 1", "no", "8", "108"],
    ]
    assert printed.printed()[0][2].sort == 7
    assert printed.simulated


def test_diagnostics_are_grouped_and_only_what_is_there_is_printed(tmp_path: Path) -> None:
    source = tmp_path / "diagnostics.csv"
    write_rows(
        source,
        [
            {"model": "m0", "variant": variant, "probe": "roleplay", "foundation": "overall",
             "measure": measure, "value": value, "lo": value - 0.1, "hi": value + 0.1}
            for variant, measure, value in (
                ("base", "alpha", 0.9), ("insecure", "alpha", 0.8), ("insecure", "fidelity", 0.44),
            )
        ],
    )  # fmt: skip
    found = {t.key: t for t in printed_of(source, look_of(1))}
    assert list(found) == ["diagnostics-fidelity", "diagnostics-reliability"]
    assert found["diagnostics-fidelity"].printed()[0][2].text == "0.44 [0.34, 0.54]"
    assert [row[2].main for row in found["diagnostics-reliability"].printed()] == ["0.90", "0.80"]


def test_markdown_and_latex_escape_hostile_texts() -> None:
    columns = (Column("Model", "model", "name"), Column("Value", "value"))
    rows = ((Cell(HOSTILE + "|"), Cell(value=1.0)),)
    table = PrintedTable("a b_c", "Title", "", "meaning", columns, rows)
    line = to_markdown(table).splitlines()[-1]
    assert "<script>" not in line
    assert line.count("|") - line.count(r"\|") == 3
    latex = to_latex(table)
    assert r"\label{tab:a-b-c}" in latex
    assert escape_latex("50% of A&B_{x}") == r"50\% of A\&B\_\{x\}"
    assert escape_latex("\\") == r"\textbackslash{}"


def test_latex_names_a_model_once_and_stacks_long_headings(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=2)
    metrics, contrasts = (
        render(tmp_path / "tables" / f"{name}.csv", study["look"], tmp_path)[1]
        for name in ("metrics", "contrasts")
    )
    assert metrics.count("Model 0 &") == metrics.count("Model 1 &") == 3  # in each of three tables
    assert metrics.count(r"\addlinespace") == 3
    assert r"\shortstack{Fairness/\\Reciprocity}" in metrics
    assert contrasts.count("Mean of models &") == 3
