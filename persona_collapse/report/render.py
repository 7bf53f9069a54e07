"""Tables as Markdown and as LaTeX for a document that loads booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from persona_collapse.figures.look import Look
from persona_collapse.report.forms import printed_tables
from persona_collapse.report.printed import (
    DASH,
    INFINITY,
    MINUS,
    PLUS_MINUS,
    THIN,
    Column,
    PrintedCell,
    PrintedTable,
)
from persona_collapse.report.reading import read_table
from persona_collapse.report.widths import Setting, fitting, grouped, is_pair, lines_of, pages

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
    "σ̄": r"$\bar\sigma$",
    "≤": r"$\leq$",
}
_TEX_PATTERN = re.compile("|".join(re.escape(key) for key in sorted(_TEX, key=len, reverse=True)))


def render_table(
    csv: str | Path, markdown: str | Path, latex: str | Path, look: Look, label: str | None = None
) -> None:
    """Write a CSV table as a paper prints it: rounded, each value with its uncertainty.

    One CSV can give several printed tables; they follow each other in both files. ``label`` starts
    the LaTeX labels, ``tab:<label>``, ``tab:<label>-...``; the file's stem by default.

    Raises:
        UserError: the table cannot be read or lacks a column.
    """
    source = Path(csv)
    tables = printed_tables(source.stem, read_table(source), look)
    names = [_label(table.key, source.stem, label or source.stem) for table in tables]
    pairs = list(zip(tables, names, strict=True))
    for path, text in (
        (Path(markdown), "\n".join(to_markdown(table) for table in tables)),
        (Path(latex), "\n".join(to_latex(table, name) for table, name in pairs)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _label(key: str, stem: str, label: str) -> str:
    return label + key.removeprefix(stem) if key.startswith(stem) else f"{label}-{key}"


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


def to_latex(table: PrintedTable, label: str) -> str:
    """Return a ``table*`` with booktabs rules; repeated names are printed once per group.

    Long headings are broken in two, a table too large for a page is set smaller and at last
    continued in further ones, and counts that are 0 in every row are named in the caption instead
    of taking a column.
    """
    table = table.without_zeros()
    printed = table.printed()
    setting, parts = fitting(table.columns, printed, table.names)
    floats = [
        _tabular(
            [table.columns[place] for place in part],
            [[row[place] for place in part] for row in rows],
            table.names,
            setting.tight,
        )
        for rows in pages(printed, table.names, setting)
        for part in parts
    ]
    safe, marks = _safe_label(label), " ".join(table.marks)
    return "\n".join(
        _float(
            tabular,
            f"{table.title}, continued. {marks}".strip() if number else table.caption,
            f"{safe}-{number + 1}" if number else safe,
            setting,
        )
        for number, tabular in enumerate(floats)
    )


def _float(tabular: str, caption: str, label: str, setting: Setting) -> str:
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering",
            rf"\caption{{{escape_latex(caption)}}}",
            rf"\label{{tab:{label}}}",
            r"\smallskip",
            setting.size,
            rf"\setlength{{\tabcolsep}}{{{setting.gap}pt}}",
            tabular,
            r"\end{table*}",
            "",
        ]
    )


def _tabular(
    columns: Sequence[Column], printed: Sequence[Sequence[PrintedCell]], names: int, tight: bool
) -> str:
    between = r"\," if tight else r"\ "
    spec = "".join(
        "l" if column.kind == "name" else rf"r@{{{between}}}l" if is_pair(column) else "r"
        for column in columns
    )
    return "\n".join(
        [
            rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
            r"\toprule",
            " & ".join(map(_heading, columns)) + r" \\",
            r"\midrule",
            *_body(columns, printed, names, tight),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _body(
    columns: Sequence[Column], printed: Sequence[Sequence[PrintedCell]], names: int, tight: bool
) -> Iterator[str]:
    """Yield the rows; where a model has several, its name once, and some space between models."""
    models = grouped(printed, names)
    several = len(models) < len(printed) and names > 1
    for place, model in enumerate(models):
        if several and place:
            yield r"\addlinespace"
        for number, row in enumerate(model):
            cells = [_cell(*both, tight) for both in zip(columns, row, strict=True)]
            yield " & ".join(["" if several and number else cells[0], *cells[1:]]) + r" \\"


def _heading(column: Column) -> str:
    text = column.tex or stacked(lines_of(column))
    if is_pair(column):
        return rf"\multicolumn{{2}}{{c}}{{{text}}}"
    return text if column.kind == "name" else rf"\multicolumn{{1}}{{c}}{{{text}}}"


def stacked(lines: Sequence[str]) -> str:
    """Return the lines of a heading in LaTeX, one above the other."""
    text = r"\\".join(escape_latex(line) for line in lines)
    return rf"\shortstack{{{text}}}" if len(lines) > 1 else text


def _cell(column: Column, cell: PrintedCell, tight: bool) -> str:
    main, beside = escape_latex(cell.main), escape_latex(cell.beside)
    if tight and column.kind != "name":
        main, beside = (text.replace(", ", r",\,") for text in (main, beside))
    return f"{main} & {beside}" if is_pair(column) else main


def _safe_label(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:-]+", "-", label)


def escape_latex(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    return _TEX_PATTERN.sub(lambda match: _TEX[match[0]], text)
