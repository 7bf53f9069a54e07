"""How a command shows a table: aligned, as wide as the terminal, plain text where there is none.

A table that is too wide is shown with heads of several lines, then with rounded large numbers, then
with its first columns as headings above their rows, and at last as a list of each row's values.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from persona_collapse.common.log import plain_text

GAP, INDENT = 2, 2
NONE = "-"
ROUNDED = 100_000  # numbers from here on are rounded where the table is too wide
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of rows' values by this name; ``folds`` where it can be a heading above its rows.

    Numbers are aligned on the right, texts where ``right``. An ``optional`` column is left out
    where it has no value but 0, a ``spare`` one where the table is too wide.
    """

    name: str
    head: str = ""
    folds: bool = False
    right: bool = False
    optional: bool = False
    spare: bool = False

    @property
    def title(self) -> str:
        """The head of the column."""
        return self.head or self.name.replace("_", " ")


def screen() -> Console:
    """Return what commands print to: no colours with NO_COLOR or without a terminal."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def show_note(screen: Console, text: str, head: str = "", style: str = "") -> None:
    """Show a sentence, wrapped in a terminal and on one line elsewhere."""
    words = Text(plain_text(f"{head}: {text}" if head else text))
    if head:
        words.stylize(style or "bold", 0, len(head) + 1)
    if not screen.is_terminal:
        screen.print(words, soft_wrap=True)
        return
    first, *rest = words.wrap(screen, screen.width) or [words]
    screen.print(first)
    if rest:
        left = Text(" ").join(line for line in rest)
        screen.print(Padding(left, (0, 0, 0, INDENT)))


def show_table(
    screen: Console, columns: Sequence[Column], rows: Sequence[Row], total: bool = False
) -> None:
    """Show rows; ``total``: the last one sums up the others.

    Where numbers are rounded, a line says so.
    """
    used = [c for c in columns if not c.optional or any(row.get(c.name) for row in rows)]
    exact = _cells(used, rows, rounded=False)
    for folds, rounded, broken in _levels(used):
        some = [c for c in used if not (c.spare and folds)]
        cells = _cells(some, rows, rounded)
        heads = [column.title.split() if broken else [column.title] for column in some]
        texts = map(chain, heads, zip(*cells, strict=True))
        widths = [max(map(cell_len, column)) for column in texts]
        whole = sum(widths[folds:]) + GAP * (len(widths) - folds - 1) + (INDENT if folds else 0)
        if whole <= screen.width:
            right = [c.right or _is_number(c, rows) for c in some]
            _show_lines(screen, some, cells, widths, folds, total, right)
            break
    else:
        rounded = False
        _show_lists(screen, used, exact)
    if rounded and _cells(used, rows, rounded=True) != exact:
        screen.print("k, M, G: thousands, millions, billions, rounded", style="dim")


def _levels(columns: Sequence[Column]) -> list[tuple[int, bool, bool]]:
    """Return ways to show a table, from wide to narrow.

    How many columns are headings, whether numbers are rounded, and whether heads are broken.
    """
    most = sum(column.folds for column in columns)
    return [(0, False, False), (0, False, True), *((n, True, True) for n in range(most + 1))]


def _cells(columns: Sequence[Column], rows: Sequence[Row], rounded: bool) -> list[list[str]]:
    nones = {c.name: NONE if _is_number(c, rows) else "" for c in columns}
    return [[_shown(row.get(name), rounded, none) for name, none in nones.items()] for row in rows]


def _show_lines(
    screen: Console,
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
    folds: int,
    total: bool,
    right: Sequence[bool],
) -> None:
    """Show a line per row; the first ``folds`` columns are headings above their rows."""

    def table(lines: Iterable[Sequence[str]], head: bool, style: str = "") -> None:
        made = Table(
            box=SIMPLE_HEAD,
            show_edge=False,
            show_header=head,
            pad_edge=False,
            padding=(0, GAP - 1, 0, 0),  # the box has a space between columns
        )
        for at, column in enumerate(columns[folds:], start=folds):
            made.add_column(
                Text(column.title, "bold"),
                justify="right" if right[at] else "left",
                width=widths[at],
                vertical="bottom",
                style=style,
                overflow="fold",
            )
        for line in lines:
            made.add_row(*(Text(cell) for cell in line[folds:]))
        show_made(screen, made, INDENT if folds else 0)

    body, last = (cells[:-1], cells[-1:]) if total else (cells, [])
    if folds:
        table([], head=True)
        for names, lines in groupby(body, key=lambda line: tuple(line[:folds])):
            screen.print(Text("  ".join(filter(None, names)), "bold"), soft_wrap=True)
            table(lines, head=False)
    else:
        table(body, head=True)
    if last:
        if folds:
            screen.print(Text(last[0][0], "bold"))
        table(last, head=False, style="bold")


def show_made(screen: Console, made: Table, indent: int = 0) -> None:
    """Show a table, without the spaces that end its lines."""
    with screen.capture() as captured:
        screen.print(Padding(made, (0, 0, 0, indent)))
    for line in captured.get().splitlines():
        print(line.rstrip(), file=screen.file)


def _show_lists(screen: Console, columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    """Show the values of each row one below the other, by their heads."""
    wide = max(cell_len(column.title) for column in columns)
    for line in cells:
        names = [cell for cell, c in zip(line, columns, strict=True) if c.folds and cell]
        screen.print(Text("  ".join(names), "bold"), soft_wrap=True)
        for cell, column in zip(line, columns, strict=True):
            if not column.folds and cell:
                screen.print(Text(f"  {column.title.ljust(wide)}  {cell}"), soft_wrap=True)


def _is_number(column: Column, rows: Sequence[Row]) -> bool:
    values = [row.get(column.name) for row in rows]
    return all(isinstance(value, int | float) for value in values if value is not None)


def _shown(value: Any, rounded: bool, none: str) -> str:
    if value is None:
        return none
    if isinstance(value, str):
        return " ".join(plain_text(value).split())
    if rounded and abs(value) >= ROUNDED:
        size, unit = next((size, unit) for size, unit in UNITS if abs(value) >= size)
        return f"{value / size:.3g}{unit}"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
