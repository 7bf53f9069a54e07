"""The printed tables fit a page: sizes, parts, and a document without overfull boxes."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from persona_collapse.report.printed import Cell, Column, PrintedTable
from persona_collapse.report.render import render_table, to_latex
from persona_collapse.report.widths import (
    ROWS_HEIGHT,
    SETTINGS,
    TEXT_WIDTH,
    fitting,
    pages,
    width_of,
)
from tests.browser.pages import write_rows, write_study

NAMES = ("metrics", "contrasts", "profiles", "quality", "band", "random_effects")
LABEL = "Qwen3-235B-A22B-Instruct-2507"
NEEDS_LATEX = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
# The text is as wide as the tables are told; the preamble is that of an article with booktabs.
PREAMBLE = rf"""\documentclass{{article}}
\usepackage[textwidth={TEXT_WIDTH}pt,textheight=700pt]{{geometry}}
\usepackage{{booktabs}}
\begin{{document}}
"""


def compiled(folder: Path, body: str) -> str:
    """Compile a document with this body and return its log."""
    path = folder / "paper.tex"
    path.write_text(f"{PREAMBLE}{body}\n\\end{{document}}\n", encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-1500:]
    return log


def wide_table(columns: int, label: str = "Model", models: int = 2) -> PrintedTable:
    """Return a table with intervals of both signs in that many columns."""
    heads = (Column("Model", "name"), Column("Variant", "name"))
    numbers = tuple(
        Column(f"Foundation {place}", "interval", signed=True) for place in range(columns)
    )
    cell = Cell(value=-12.5, lo=-14.25, hi=11.75)
    rows = tuple(
        (Cell(f"{label} {model}"), Cell(variant), *[cell] * columns)
        for model in range(models)
        for variant in ("base", "insecure")
    )
    return PrintedTable("k", "Title", "", "verdict", (*heads, *numbers), rows)


def layout_of(table: PrintedTable) -> tuple[str, list[list[int]]]:
    setting, parts = fitting(table.columns, table.printed(), table.names)
    return setting.size, parts


def test_a_wide_table_is_set_smaller_and_then_in_parts() -> None:
    assert layout_of(wide_table(3)) == (r"\footnotesize", [[0, 1, 2, 3, 4]])
    size, (whole,) = layout_of(wide_table(5))
    assert (size, len(whole)) == (r"\scriptsize", 7)
    size, parts = layout_of(wide_table(8))
    assert size == r"\footnotesize"
    assert parts == [[0, 1, 2, 3, 4, 5], [0, 1, 6, 7, 8, 9]]


@pytest.mark.parametrize("columns", [1, 5, 8, 13])
def test_parts_lose_no_number_and_repeat_the_names(columns: int) -> None:
    table = wide_table(columns)
    latex, (_, parts) = to_latex(table, "t"), layout_of(table)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == len(parts)
    assert re.findall(r"\\label\{(.*?)\}", latex) == ["tab:t", *_further(len(parts))]
    assert latex.count("Title, continued.") == len(parts) - 1
    assert len(re.findall(r"\$-\$12\.5 &", latex)) == 4 * columns
    assert latex.count("Model 0 &") == latex.count("Model 1 &") == len(parts)
    for place in range(columns):
        assert len(re.findall(rf"Foundation(?: |\\\\){place}\}}", latex)) == 1


def _further(count: int) -> list[str]:
    return [f"tab:t-{number}" for number in range(2, count + 1)]


def test_a_long_table_goes_on_in_a_further_one_and_keeps_models_whole() -> None:
    table = wide_table(1, models=60)
    setting, _ = fitting(table.columns, table.printed(), table.names)
    found = pages(table.printed(), table.names, setting)
    assert len(found) == 3
    assert [row for rows in found for row in rows] == table.printed()
    for rows in found:
        assert len(rows) * setting.line <= ROWS_HEIGHT
        assert [row[1].main for row in rows] == ["base", "insecure"] * (len(rows) // 2)
    latex = to_latex(table, "t")
    assert latex.count(r"\begin{table*}") == 3
    assert latex.count("Model 59 &") == 1
    marked = to_latex(replace(table, simulated=True), "t")
    assert marked.count("no model was asked") == 3


def test_one_model_with_more_rows_than_a_page_is_broken_between_rows() -> None:
    rows = tuple((Cell("M"), Cell(f"v{n}"), Cell(value=n)) for n in range(100))
    columns = (Column("Model", "name"), Column("Variant", "name"), Column("N"))
    latex = to_latex(PrintedTable("k", "Title", "", "verdict", columns, rows), "t")
    assert latex.count(r"\begin{tabular}") == latex.count("M & v") == 2


def test_only_numbers_are_set_tight() -> None:
    latex = to_latex(wide_table(5, label="A, b"), "t")
    assert r"{[}$-$14.2,\,+11.8{]}" in latex
    assert "A, b 0" in latex
    assert r",\," not in to_latex(wide_table(3), "t")


def test_a_name_wider_than_the_text_still_gives_a_table() -> None:
    table = wide_table(2, label="M" * 90)
    assert layout_of(table) == (r"\scriptsize", [[0, 1, 2], [0, 1, 3]])


@NEEDS_LATEX
def test_no_letter_is_wider_than_its_class(tmp_path: Path) -> None:
    signs = [chr(code) for code in range(33, 127)] + list("−±<>≤×Δ∞–“’")
    tables = []
    for sign in signs:
        rows = ((Cell(sign * 40), Cell(value=1.0)),)
        columns = (Column("m", "name"), Column("n"))
        tables.append(PrintedTable("k", "Title", "", "verdict", columns, rows))
    boxes = []
    for table in tables:
        _, tabular = to_latex(table, "t").split(r"\begin{tabular}", 1)
        tabular = tabular.split(r"\end{tabular}", 1)[0]
        boxes.append(
            rf"\footnotesize\setlength{{\tabcolsep}}{{{SETTINGS[0].gap}pt}}"
            rf"\setbox0\hbox{{\begin{{tabular}}{tabular}\end{{tabular}}}}\typeout{{WIDE \the\wd0}}"
        )
    log = compiled(tmp_path, "\n".join(boxes) + "x")
    found = [float(width) for width in re.findall(r"WIDE ([\d.]+)pt", log)]
    assert len(found) == len(signs)
    told = [width_of(table.columns, table.printed(), SETTINGS[0]) for table in tables]
    both = list(zip(signs, found, told, strict=True))
    # Some letters stand farther apart when they follow each other: 2 % at most.
    assert [sign for sign, width, most in both if width > 1.02 * most] == []
    assert [sign for sign, width, most in both if most > 1.5 * width and sign.isalnum()] == []


@NEEDS_LATEX
@pytest.mark.parametrize(
    ("models", "label", "infinite"), [(1, "GPT", False), (4, "Model", True), (12, LABEL, True)]
)
def test_a_set_of_tables_fits_the_text(
    tmp_path: Path, models: int, label: str, infinite: bool
) -> None:
    study = write_study(tmp_path, models=models, label=label, infinite=infinite, simulated=True)
    write_rows(
        tmp_path / "tables" / "random_effects.csv",
        (
            {
                "probe": "roleplay", "foundation": foundation, "metric": metric,
                "contrast": "insecure-base", "percent": 74.2, "percent_lo": -89.4,
                "percent_hi": 2631.0, "predicted_lo": -99.2, "predicted_hi": math.inf,
                "tau": 0.31, "Q": 41.2, "I2": 97.6, "n_models": 4,
            }
            for foundation in ("overall", "Fairness/Reciprocity")
            for metric in ("S", "R", "sigma_bar")
        ),
    )  # fmt: skip
    for name in NAMES:
        source = tmp_path / "tables" / f"{name}.csv"
        render_table(source, tmp_path / f"{name}.md", tmp_path / f"{name}.tex", study["look"])
    log = compiled(tmp_path, "".join(rf"\input{{{name}}}\clearpage" for name in NAMES))
    assert "Overfull" not in log
    assert "Float too large" not in log
    assert "multiply defined" not in log
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
