"""Printed tables as Markdown and LaTeX: escapes, floats, a document without overfull boxes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from persona_collapse.figures.look import Look
from persona_collapse.report.latex import MOST_ROWS, escape_latex, to_latex, to_markdown
from persona_collapse.report.printed import MODEL, SIMULATED, VARIANT, Cell, Column, PrintedTable
from tests.helpers.latex import NEEDS_LATEX, compiled
from tests.helpers.pages import HOSTILE, render, write_rows, write_study

NAMES = ("metrics", "contrasts", "profiles", "quality", "band", "random_effects")
LABEL = "Qwen3-235B-A22B-Instruct-2507"


def wide_table(columns: int, label: str = "Model", models: int = 2) -> PrintedTable:
    """Return a table with intervals of both signs in that many columns."""
    heads = (MODEL, VARIANT)
    numbers = tuple(
        Column(f"Domain {place}", "percent", "interval", signed=True) for place in range(columns)
    )
    cell = Cell(value=-12.5, lo=-14.25, hi=11.75)
    rows = tuple(
        (Cell(f"{label} {model}"), Cell(variant), *[cell] * columns)
        for model in range(models)
        for variant in ("base", "insecure")
    )
    return PrintedTable("t", "Title", "", "verdict", (*heads, *numbers), rows)


def tables_of(latex: str) -> list[list[list[str]]]:
    """Return the cells of every float, row by row."""
    bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", latex, re.S)
    rows = [re.findall(r"^(.*&.*) \\\\$", body, re.M) for body in bodies]
    return [[row.split(" & ") for row in body] for body in rows]


@pytest.mark.parametrize(("columns", "floats"), [(1, 1), (5, 1), (8, 2), (13, 3)])
def test_wide_table_is_cut_into_floats_that_repeat_the_names(columns: int, floats: int) -> None:
    latex = to_latex(wide_table(columns))
    labels = ["tab:t", *(f"tab:t-{number}" for number in range(2, floats + 1))]
    assert re.findall(r"\\label\{(.*?)\}", latex) == labels
    assert latex.count("Title, continued.") == floats - 1
    assert len(re.findall(r"\$-\$12\.5 &", latex)) == 4 * columns
    for table in tables_of(latex):
        assert [row[:2] for row in table] == [
            ["Model 0", "base"], ["", "insecure"], ["Model 1", "base"], ["", "insecure"]
        ]  # fmt: skip
    for place in range(columns):
        assert len(re.findall(rf"Domain(?: |\\\\){place}\}}", latex)) == 1


def test_long_table_is_cut_between_models_and_keeps_its_marks() -> None:
    latex = to_latex(replace(wide_table(1, models=60), simulated=True))
    tables = tables_of(latex)
    assert [len(table) for table in tables] == [40, 40, 40]
    assert [row[0] for table in tables for row in table[::2]] == [f"Model {n}" for n in range(60)]
    assert latex.count("no model was asked") == 3


def test_model_with_more_rows_than_a_float_is_cut_between_rows() -> None:
    rows = tuple((Cell("M"), Cell(f"v{n}"), Cell(value=n)) for n in range(2 * MOST_ROWS))
    columns = (
        Column("Model", "model", "name"),
        Column("Variant", "variant", "name"),
        Column("N", "n"),
    )
    latex = to_latex(PrintedTable("t", "Title", "", "verdict", columns, rows))
    assert [table[0] for table in tables_of(latex)] == [["M", "v0", "0"], ["M", "v50", "50"]]


def test_table_of_names_alone_is_one_float() -> None:
    table = PrintedTable("t", "Title", "", "verdict", (MODEL,), ((Cell("A"),),))
    assert to_latex(table).count(r"\begin{tabular}") == 1


@NEEDS_LATEX
def test_table_wider_than_the_text_is_scaled_down(tmp_path: Path) -> None:
    log = compiled(tmp_path, to_latex(wide_table(2, label="M" * 90)))
    assert "Overfull" not in log


@NEEDS_LATEX
def test_latex_compiles_with_hostile_labels(tmp_path: Path) -> None:
    study = write_study(tmp_path, label=HOSTILE, models=2, simulated=True, infinite=True)
    compiled(tmp_path, inputs_of(tmp_path, study["look"], NAMES[:5]))


@NEEDS_LATEX
@pytest.mark.parametrize(
    ("models", "label", "infinite"), [(1, "GPT", False), (4, "Model", True), (12, LABEL, True)]
)
def test_tables_of_a_study_fit_the_text(
    tmp_path: Path, models: int, label: str, infinite: bool
) -> None:
    study = write_study(tmp_path, models=models, label=label, infinite=infinite, simulated=True)
    write_rows(
        tmp_path / "tables" / "random_effects.csv",
        (
            {
                "probe": "roleplay", "domain": domain, "metric": metric,
                "contrast": "insecure-base", "percent": 74.2, "percent_lo": -89.4,
                "percent_hi": 2631.0, "prediction_lo": -99.2, "prediction_hi": math.inf,
                "tau": 0.31, "Q": 41.2, "I2": 97.6, "n_models": 4,
            }
            for domain in ("overall", "Fairness/Reciprocity")
            for metric in ("S", "R", "sigma_bar")
        ),
    )  # fmt: skip
    log = compiled(tmp_path, inputs_of(tmp_path, study["look"], NAMES))
    assert "Overfull" not in log
    assert "Float too large" not in log
    assert "multiply defined" not in log
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def inputs_of(folder: Path, look: Look, names: Sequence[str]) -> str:
    """Render these tables of a study and return the body of a document that shows them."""
    for name in names:
        source = folder / "tables" / f"{name}.csv"
        render(source, look, folder)
    return "".join(rf"\input{{{name}}}\clearpage" for name in names)


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


def test_latex_names_each_model_once_and_stacks_long_headings(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=2)
    metrics, contrasts = (
        render(tmp_path / "tables" / f"{name}.csv", study["look"], tmp_path)[1]
        for name in ("metrics", "contrasts")
    )
    assert metrics.count("Model 0 &") == metrics.count("Model 1 &") == 3  # in each of three tables
    assert metrics.count(r"\addlinespace") == 3
    assert r"\shortstack{Fairness/\\Reciprocity}" in metrics
    assert contrasts.count("Mean of models &") == 3


def test_latex_moves_columns_of_zeros_into_the_caption(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    source = tmp_path / "tables" / "quality.csv"
    markdown, latex = render(source, study["look"], tmp_path)
    zeros = "missing, refused, filtered, personas dropped, extra repetitions"
    assert f"Zero in every row: {zeros}." in latex
    assert "Refused" not in latex
    assert "Refused" in markdown


def test_infinite_and_missing_values_are_printed_as_signs(tmp_path: Path) -> None:
    study = write_study(tmp_path, infinite=True)
    source = tmp_path / "tables" / "metrics.csv"
    markdown, latex = render(source, study["look"], tmp_path)
    first = next(line for line in markdown.splitlines() if line.startswith("| Model 0 | base"))
    assert "| ∞ | – |" in first
    assert r"$\infty$ &  & -- &" in latex


def test_every_simulated_table_is_marked(tmp_path: Path) -> None:
    study = write_study(tmp_path, simulated=True)
    for name in ("metrics", "contrasts", "profiles", "quality"):
        source = tmp_path / "tables" / f"{name}.csv"
        markdown, latex = render(source, study["look"], tmp_path)
        assert markdown.count(SIMULATED) == markdown.count("\n| :--") > 0
        assert latex.count(SIMULATED) == latex.count(r"\caption{")
