"""A table as a reader sees it: rounded, with each number beside its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from persona_collapse.report.numbers import (
    DASH,
    PLUS_MINUS,
    decimals_for,
    write,
    write_interval,
    write_p,
)

SIMULATED = "Simulated respondents: no model was asked."
MIXED = "Variants of a model were served by different stacks."


@dataclass(frozen=True)
class Cell:
    """A name, or a number with its standard error (or SD) or the ends of its interval."""

    text: str = ""
    value: float | None = None
    error: float | None = None
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True)
class Column:
    """A column and how its cells are written.

    ``kind`` is ``name``, ``number``, ``error`` (value ± error), ``interval`` (value [lo, hi]),
    ``range`` ([lo, hi] alone), ``p``, or ``own`` (a number whose decimals suit it alone, where rows
    differ in kind). ``tex`` is the heading in LaTeX where it differs.
    """

    heading: str
    kind: str = "number"
    tex: str | None = None
    signed: bool = False
    digits: int = 2
    decimals: int | None = None


@dataclass(frozen=True)
class PrintedCell:
    """What is printed: the number (or name), what stands behind it, and the value to sort by."""

    main: str
    beside: str = ""
    sort: float | None = None

    @property
    def text(self) -> str:
        """The whole cell in one line."""
        return " ".join(filter(None, (self.main, self.beside)))


@dataclass(frozen=True)
class PrintedTable:
    """A table for print and page.

    ``key`` names it within its CSV file, ``section`` is the page's section that shows it, ``names``
    the number of leading columns that head the rows. ``simulated`` and ``mixed_stacks`` mark its
    data; a ``folded`` table is shown on the page when it is opened.
    """

    key: str
    title: str
    note: str
    section: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    simulated: bool = False
    mixed_stacks: bool = False
    folded: bool = False

    @property
    def names(self) -> int:
        """Return how many leading columns are names."""
        kinds = [column.kind for column in self.columns]
        return next((place for place, kind in enumerate(kinds) if kind != "name"), len(kinds))

    @property
    def caption(self) -> str:
        """Title, note and, where they apply, the marks of the data, in one text."""
        return " ".join(filter(None, (f"{self.title}.", self.note, *self.marks)))

    @property
    def marks(self) -> list[str]:
        """What every reader of the table must know of its data, in sentences."""
        told = {SIMULATED: self.simulated, MIXED: self.mixed_stacks}
        return [sentence for sentence, applies in told.items() if applies]

    def printed(self) -> list[list[PrintedCell]]:
        """Return the rows as they are printed; a column has the same decimals in every row."""
        written = [
            _write_column(column, [row[place] for row in self.rows])
            for place, column in enumerate(self.columns)
        ]
        return [list(row) for row in zip(*written, strict=True)]

    def without_empty(self) -> PrintedTable:
        """Return the table without the number columns in which nothing is known."""
        return self._keep(
            column.kind == "name" or any(_filled(row[place]) for row in self.rows)
            for place, column in enumerate(self.columns)
        )

    def without_zeros(self) -> PrintedTable:
        """Return the table with its columns of zeros named in the note instead of printed."""
        zeros = [
            column.kind == "number" and all(row[place] == Cell(value=0) for row in self.rows)
            for place, column in enumerate(self.columns)
        ]
        if not any(zeros):
            return self
        names = [
            column.heading.lower() for column, zero in zip(self.columns, zeros, strict=True) if zero
        ]
        note = f"{self.note} Zero in every row: {', '.join(names)}.".strip()
        return replace(self._keep(not zero for zero in zeros), note=note)

    def _keep(self, which: Iterable[bool]) -> PrintedTable:
        kept = [place for place, keep in enumerate(which) if keep]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in kept),
            rows=tuple(tuple(row[place] for place in kept) for row in self.rows),
        )


def _filled(cell: Cell) -> bool:
    return any(part is not None for part in (cell.value, cell.lo, cell.hi))


def _write_column(column: Column, cells: Sequence[Cell]) -> list[PrintedCell]:
    if column.kind == "name":
        return [PrintedCell(cell.text or DASH) for cell in cells]
    if column.kind == "p":
        return [PrintedCell(write_p(cell.value), sort=cell.value) for cell in cells]
    if column.kind == "own":
        return [
            PrintedCell(write(cell.value, decimals_for([cell.value], [])), sort=cell.value)
            for cell in cells
        ]
    decimals = column.decimals
    if decimals is None:
        decimals = decimals_for(
            [cell.value for cell in cells], [_error(cell) for cell in cells], column.digits
        )
    return [_write(column, cell, decimals) for cell in cells]


def _error(cell: Cell) -> float | None:
    """Return a cell's standard error; of a 95 % interval, a quarter of its width."""
    if cell.error is not None or cell.lo is None or cell.hi is None:
        return cell.error
    return (cell.hi - cell.lo) / 4


def _write(column: Column, cell: Cell, decimals: int) -> PrintedCell:
    interval = write_interval(cell.lo, cell.hi, decimals, signed=column.signed)
    if column.kind == "range":
        return PrintedCell(interval or DASH, sort=cell.lo)
    main = write(cell.value, decimals, signed=column.signed)
    beside = ""
    if column.kind == "error" and cell.error is not None:
        beside = f"{PLUS_MINUS} {write(cell.error, decimals)}"
    elif column.kind == "interval" and main != DASH:
        beside = interval
    return PrintedCell(main, beside, cell.value)
