"""Printed tables as Markdown, and as LaTeX for documents that load booktabs and adjustbox."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import polars as pl

from persona_collapse.common.notation import DASH, INFINITY, MINUS, PERCENT, PLUS_MINUS, THIN
from persona_collapse.figures.look import Look
from persona_collapse.report.forms import printed_tables
from persona_collapse.report.printed import (
    Column,
    PrintedCell,
    PrintedTable,
)
from persona_collapse.tables import Table, read

PrintedRow = Sequence[PrintedCell]

MOST_ROWS, MODEL_GAP = 50, 0.5  # rows of a float; the space between two models in rows
MOST_LETTERS = 130  # across a float: scaled to a text 6.5 in wide, its type is 6.5 points or more
LONG_HEADING = 12  # letters; a longer heading is broken in two lines

_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # a row that starts with one would give its line break an argument
    "]": "{]}",
    " %": r"\,\%",
    PERCENT: r"\,\%",
    MINUS: "$-$",
    PLUS_MINUS: r"$\pm$",
    INFINITY: r"$\infty$",
    DASH: "--",
    THIN: r"\,",
    "“": "``",
    "”": "''",
    "’": "'",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "Δ": r"$\Delta$",
    "τ": r"$\tau$",
    "²": "$^2$",
    "σ̄": r"$\bar\sigma$",
    "≤": r"$\leq$",
    "‡": r"\textsuperscript{$\ddagger$}",
    "§": r"\textsuperscript{\S}",
}
_TEX_PATTERN = re.compile("|".join(re.escape(key) for key in sorted(_TEX, key=len, reverse=True)))


def render_table(
    table: Table,
    csv: Path,
    markdown: Path,
    latex: Path,
    look: Look,
    influence: pl.DataFrame | None = None,
) -> None:
    """Write a CSV table in print form: rounded, each value with its uncertainty.

    One CSV can give several printed tables; they follow each other in both files. ``influence`` is
    the table of that name, by which numbers that rest on few personas are marked.

    Raises:
        UserError: the table cannot be read or lacks a column.
    """
    tables = printed_tables(table, read(table, csv), look, influence)
    for path, write in ((markdown, to_markdown), (latex, to_latex)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(map(write, tables)), encoding="utf-8")


def to_markdown(table: PrintedTable) -> str:
    """Return a pipe table under its caption in bold."""
    rows = [[_escape_markdown(cell.text) for cell in row] for row in table.printed()]
    headings = [_escape_markdown(column.heading) for column in table.columns]
    marks = [":--" if column.kind == "name" else "--:" for column in table.columns]
    lines = [headings, marks, *rows]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    rest = table.caption.removeprefix(f"{table.title}.")
    return f"**{_escape_markdown(table.title)}.**{_escape_markdown(rest)}\n\n{body}\n"


def _escape_markdown(text: str) -> str:
    text = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", text.replace("\n", " "))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_latex(table: PrintedTable) -> str:
    """Return a ``table*`` with booktabs rules; repeated names are printed once per group.

    A table wider than the text is scaled down by adjustbox. One with too many rows or columns is
    continued in further floats. Counts that are 0 in every row are named in the caption instead of
    taking a column.
    """
    table = table.without_zeros()
    printed = table.printed()
    floats = [
        _tabular(
            [table.columns[place] for place in part],
            [[row[place] for place in part] for row in rows],
            table.names,
        )
        for rows in _split_rows(printed, table.names)
        for part in _split_columns(table.columns, printed, table.names)
    ]
    safe = re.sub(r"[^A-Za-z0-9.:-]+", "-", table.key)
    continued = " ".join([f"{table.title}, continued.", *table.marks])
    return "\n".join(
        _float(
            tabular,
            continued if number else table.caption,
            f"{safe}-{number + 1}" if number else safe,
        )
        for number, tabular in enumerate(floats)
    )


def _split_rows(rows: Sequence[PrintedRow], names: int) -> list[list[PrintedRow]]:
    """Cut rows into floats; the rows of a model stay together where they fit one."""
    parts: list[list[PrintedRow]] = [[]]
    height = 0.0
    for model in _by_model(rows, names):
        for group in [model] if len(model) < MOST_ROWS else [[row] for row in model]:
            if parts[-1] and height + len(group) > MOST_ROWS:
                parts.append([])
                height = 0.0
            parts[-1] += group
            height += len(group) + (MODEL_GAP if group is model else 0)
    return parts


def _split_columns(
    columns: Sequence[Column], rows: Sequence[PrintedRow], names: int
) -> list[list[int]]:
    """Cut the places of the columns into floats; the first ``names`` head every one."""
    letters = [
        2 + max(*map(len, _heading_lines(column)), *(len(row[place].text) for row in rows))
        for place, column in enumerate(columns)
    ]
    numbers = max(len(columns) - names, 1)
    for count in range(1, numbers + 1):
        size = -(-numbers // count)
        parts = [
            [*range(names), *range(start, min(start + size, len(columns)))]
            for start in range(names, names + numbers, size)
        ]
        if all(sum(letters[place] for place in part) <= MOST_LETTERS for part in parts):
            break
    return parts


def _by_model(rows: Sequence[PrintedRow], names: int) -> list[list[PrintedRow]]:
    """Group rows by model where the table has two columns of names, else put all in one group."""
    if names < 2:
        return [list(rows)]
    return [list(group) for _, group in groupby(rows, key=lambda row: row[0].main)]


def _float(tabular: str, caption: str, label: str) -> str:
    return rf"""\begin{{table*}}[t]
\centering
\caption{{{escape_latex(caption)}}}
\label{{tab:{label}}}
\smallskip
\footnotesize
\setlength{{\tabcolsep}}{{4pt}}
\begin{{adjustbox}}{{max width=\textwidth}}
{tabular}
\end{{adjustbox}}
\end{{table*}}
"""


def _tabular(columns: Sequence[Column], rows: Sequence[PrintedRow], names: int) -> str:
    spec = "".join(
        "l" if column.kind == "name" else r"r@{\ }l" if column.is_pair else "r"
        for column in columns
    )
    return "\n".join(
        [
            rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
            r"\toprule",
            " & ".join(map(_heading, columns)) + r" \\",
            r"\midrule",
            *_body(columns, rows, names),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _body(columns: Sequence[Column], rows: Sequence[PrintedRow], names: int) -> Iterator[str]:
    """Yield the rows; a model with several rows is named once, with space between models."""
    models = _by_model(rows, names)
    several = len(models) < len(rows) and names > 1
    for place, model in enumerate(models):
        if several and place:
            yield r"\addlinespace"
        for number, row in enumerate(model):
            cells = [_cell(*both) for both in zip(columns, row, strict=True)]
            yield " & ".join(["" if several and number else cells[0], *cells[1:]]) + r" \\"


def _cell(column: Column, cell: PrintedCell) -> str:
    main, beside = escape_latex(cell.main), escape_latex(cell.beside)
    return f"{main} & {beside}" if column.is_pair else main


def _heading(column: Column) -> str:
    lines = _heading_lines(column)
    text = column.tex or r"\\".join(map(escape_latex, lines))
    if len(lines) > 1:
        text = rf"\shortstack{{{text}}}"
    if column.kind == "name":
        return text
    return rf"\multicolumn{{{2 if column.is_pair else 1}}}{{c}}{{{text}}}"


def _heading_lines(column: Column) -> list[str]:
    """Return a heading in one line, or in two if it is long and can be broken."""
    heading = column.heading
    ends = [match.end() for match in re.finditer(r"[ /]", heading)]
    if column.tex or len(heading) <= LONG_HEADING or not ends:
        return [heading]
    end = min(ends, key=lambda end: abs(2 * end - len(heading)))
    return [heading[:end].rstrip(), heading[end:]]


def escape_latex(text: str) -> str:
    """Escape text for LaTeX."""
    return _TEX_PATTERN.sub(lambda match: _TEX[match[0]], text)
