"""How large a table comes out in LaTeX, and the sizes and parts in which it fits a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from persona_collapse.report.printed import THIN, Column, PrintedCell

# Points: the narrower texts of common two-column layouts, and what their height leaves for rows.
TEXT_WIDTH, ROWS_HEIGHT = 469.0, 540.0
SPACE = 4.3  # points between the rows of two models
LONG = 12  # letters; a longer heading is broken in two

# Widths of Computer Modern at 8 points, in points (the font's metrics, rounded up by class).
_CLASSES = {
    "\u2009": 1.4,
    "il.,:;'`!|[]": 2.4,
    "fj -": 2.9,
    "rstI()": 3.4,
    "cez": 3.8,
    "ago0123456789/": 4.3,
    "bdhknpquvxySJ": 4.8,
    "EFLPZ": 5.8,
    "wABCDGHKNOQRTUVXY+−±<>≤×": 6.7,
    "m%MΔ": 7.8,
    "W∞": 8.8,
}
_WIDTHS = {letter: width for letters, width in _CLASSES.items() for letter in letters}
_OTHERS = 7.8


@dataclass(frozen=True)
class Setting:
    """A font size, in points the space on each side of a column and the height of a line, and
    the size of letters against 8 points.

    A ``tight`` one has thin spaces beside numbers and within intervals.
    """

    size: str
    gap: int
    line: float
    scale: float
    tight: bool = False


SETTINGS = (
    Setting(r"\footnotesize", 4, 9.5, 1.0),
    Setting(r"\footnotesize", 2, 9.5, 1.0),
    Setting(r"\scriptsize", 2, 8.0, 0.945, tight=True),
)


def is_pair(column: Column) -> bool:
    """Tell whether a column takes two in LaTeX: the number, and what stands beside it."""
    return column.kind in ("error", "interval")


def fitting(
    columns: Sequence[Column], printed: Sequence[Sequence[PrintedCell]], names: int
) -> tuple[Setting, list[list[int]]]:
    """Return the most generous setting in which a table fits, and the columns of each of its parts.

    The first ``names`` columns head every part. A table has one part unless even its smallest
    setting is too wide for the text.
    """
    count = max(len(columns) - names, 1)
    for number in range(1, count + 1):
        size = -(-count // number)
        parts = [
            [*range(names), *range(start, min(start + size, len(columns)))]
            for start in range(names, names + count, size)
        ]
        for setting in SETTINGS:
            widest = max(
                width_of(
                    [columns[place] for place in part],
                    [[row[place] for place in part] for row in printed],
                    setting,
                )
                for part in parts
            )
            if widest <= TEXT_WIDTH:
                return setting, parts
    return SETTINGS[-1], parts


def width_of(
    columns: Sequence[Column], printed: Sequence[Sequence[PrintedCell]], setting: Setting
) -> float:
    """Return the width in points that these columns take at most."""
    return sum(
        _across(column, [row[place] for row in printed], setting)
        for place, column in enumerate(columns)
    )


def pages(
    printed: Sequence[Sequence[PrintedCell]], names: int, setting: Setting
) -> list[list[Sequence[PrintedCell]]]:
    """Return the rows page by page; the rows of a model stay together where they fit a page."""
    found: list[list[Sequence[PrintedCell]]] = [[]]
    height = 0.0
    for model in grouped(printed, names):
        whole = len(model) * setting.line + SPACE <= ROWS_HEIGHT
        for rows in [model] if whole else [[row] for row in model]:
            tall = len(rows) * setting.line + (SPACE if whole else 0)
            if found[-1] and height + tall > ROWS_HEIGHT:
                found.append([])
                height = 0.0
            found[-1] += rows
            height += tall
    return found


def grouped(
    printed: Sequence[Sequence[PrintedCell]], names: int
) -> list[list[Sequence[PrintedCell]]]:
    """Return the rows by model where names are told in two columns or more, else all in one."""
    if names < 2:
        return [list(printed)]
    return [list(rows) for _, rows in groupby(printed, key=lambda row: row[0].main)]


def lines_of(column: Column) -> list[str]:
    """Return a column's heading in one line, or in two where it is long and can be broken."""
    places = [match.end() for match in re.finditer(r"[ /]", column.heading)]
    if column.tex or len(column.heading) <= LONG or not places:
        return [column.heading]
    place = min(places, key=lambda end: abs(2 * end - len(column.heading)))
    return [column.heading[:place].rstrip(), column.heading[place:]]


def _across(column: Column, cells: Sequence[PrintedCell], setting: Setting) -> float:
    """Return what a column takes in points, its space on both sides included."""
    apart = THIN if setting.tight else " "
    mains = [_width(cell.main.replace(", ", f",{apart}")) for cell in cells]
    besides = [_width(cell.beside.replace(", ", f",{apart}")) for cell in cells]
    body = max(mains, default=0.0)
    if is_pair(column):
        body += _width(apart) + max(besides, default=0.0)
    written = [_plain(column.tex)] if column.tex else lines_of(column)
    return setting.scale * max(body, *map(_width, written)) + 2 * setting.gap


def _plain(tex: str) -> str:
    """Return about what a heading in LaTeX shows."""
    return re.sub(r"[\\${}]", "", re.sub(r"\\[a-z]+", "x", tex)).replace("_", "")


def _width(text: str) -> float:
    return sum(_WIDTHS.get(letter, _OTHERS) for letter in text)
