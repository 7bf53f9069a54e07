"""Printed tables: rounded numbers, each beside its uncertainty."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Self

import polars as pl

from persona_collapse.common.notation import (
    DASH,
    PLUS_MINUS,
    decimals_for,
    write,
    write_interval,
    write_p,
)
from persona_collapse.figures.look import Look
from persona_collapse.report.headings import value_of
from persona_collapse.report.sections import LABELS

Row = dict[str, Any]  # of a CSV table, by column
OVERALL, MEAN = "overall", "mean"
SIMULATED = "Simulated respondents: no model was asked."
MIXED = "Variants of a model were served by different backends."


@dataclass(frozen=True)
class Cell:
    """A name, or a number with its standard error (or SD) or the ends of its interval.

    A ``mark`` is printed behind the number.
    """

    text: str = ""
    value: float | None = None
    error: float | None = None
    lo: float | None = None
    hi: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column and the format of its cells.

    ``kind`` is ``name``, ``number``, ``error`` (value ± error), ``interval`` (value [lo, hi]),
    ``range`` ([lo, hi] alone), ``p``, or ``own`` (a number with its own decimals, where
    magnitudes differ much). ``csv`` is the column of the CSV file with the value, ``error`` that
    with its error if it is not ``<csv>_se``. ``percent`` prints a share in percent. ``tex`` is the
    heading in LaTeX where it differs. ``marks`` maps columns of flags to the signs that they set
    behind the number.
    """

    heading: str
    csv: str
    kind: str = "number"
    tex: str | None = None
    error: str | None = None
    percent: bool = False
    signed: bool = False
    digits: int = 2
    decimals: int | None = None
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_pair(self) -> bool:
        """Return whether a number is printed with its uncertainty beside it."""
        return self.kind in ("error", "interval")

    def cell(self, row: Row, look: Look) -> Cell:
        """Return what a row of the CSV file has in this column, with its error and interval."""
        value = row.get(self.csv)
        if self.kind == "name":
            return Cell(_label(self.csv, value, look))
        stem = "" if self.csv == "value" else f"{self.csv}_"
        error, lo, hi = (row.get(f"{stem}{end}") for end in ("se", "lo", "hi"))
        if self.error:
            error = row[self.error]
        if self.percent:
            parts = (value, error, lo, hi)
            value, error, lo, hi = (part if part is None else 100 * part for part in parts)
        if self.kind == "range":
            return Cell(lo=lo, hi=hi)
        mark = "".join(sign for flag, sign in self.marks.items() if row.get(flag))
        if self.is_pair:
            return Cell("", value, error, lo, hi, mark)
        return Cell(value=value, mark=mark)


def _label(column: str, value: Any, look: Look) -> str:
    """Return a name as it is printed: labels of models and verdicts, contrasts with a minus."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    labels = {}
    if column in ("model", "left_out"):
        labels = {model.key: model.label for model in look.models} | {MEAN: "Mean of models"}
    elif column == "label":
        labels = LABELS
    elif column == "contrast":
        labels = {f"{a}-{b}": f"{a} − {b}" for a in look.variants for b in look.variants}
    name = labels.get(value, value or "")
    words = value_of(column, name)
    return name if words == name else look.worded(words)


MODEL, VARIANT = Column("Model", "model", "name"), Column("Variant", "variant", "name")


@dataclass(frozen=True)
class PrintedCell:
    """The text of a cell: the number (or name), its uncertainty, and the value to sort by."""

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

    ``key`` is its LaTeX label, ``section`` its section of the page, ``names`` the number of leading
    columns that name the rows. ``simulated`` and ``mixed_backends`` mark its data.
    """

    key: str
    title: str
    note: str
    section: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    simulated: bool = False
    mixed_backends: bool = False

    @property
    def names(self) -> int:
        """Return how many leading columns are names."""
        kinds = [column.kind for column in self.columns]
        return next((place for place, kind in enumerate(kinds) if kind != "name"), len(kinds))

    @property
    def caption(self) -> str:
        """Title, note and marks as one text."""
        return " ".join(filter(None, (f"{self.title}.", self.note, *self.marks)))

    @property
    def marks(self) -> list[str]:
        """Sentences on simulated respondents and mixed servers, where they apply."""
        sentences = {SIMULATED: self.simulated, MIXED: self.mixed_backends}
        return [sentence for sentence, applies in sentences.items() if applies]

    def printed(self) -> list[list[PrintedCell]]:
        """Return the rows as they are printed; a column has the same decimals in every row."""
        written = [
            _write_column(column, [row[place] for row in self.rows])
            for place, column in enumerate(self.columns)
        ]
        return [list(row) for row in zip(*written, strict=True)]

    def without_empty(self) -> Self:
        """Return the table without number columns that are empty in every row."""
        return self._keep(
            column.kind == "name" or any(_filled(row[place]) for row in self.rows)
            for place, column in enumerate(self.columns)
        )

    def without_zeros(self) -> Self:
        """Return the table without columns of zeros, which the note names instead."""
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

    def _keep(self, which: Iterable[bool]) -> Self:
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
        return [_write(column, cell, decimals_for([cell.value], [])) for cell in cells]
    decimals = column.decimals
    if decimals is None:
        decimals = decimals_for(
            [cell.value for cell in cells], [_error(cell) for cell in cells], column.digits
        )
    return [_write(column, cell, decimals) for cell in cells]


def _error(cell: Cell) -> float | None:
    """Return a cell's standard error, or a quarter of the width of its 95 % interval."""
    if cell.error is not None or cell.lo is None or cell.hi is None:
        return cell.error
    return (cell.hi - cell.lo) / 4


def _write(column: Column, cell: Cell, decimals: int) -> PrintedCell:
    interval = write_interval(cell.lo, cell.hi, decimals)
    if column.kind == "range":
        return PrintedCell(interval or DASH, sort=cell.lo)
    main = write(cell.value, decimals, signed=column.signed)
    if main != DASH:
        main += cell.mark
    beside = ""
    if column.kind == "error" and cell.error is not None:
        beside = f"{PLUS_MINUS} {write(cell.error, decimals)}"
    elif column.kind == "interval" and main != DASH:
        beside = interval
    return PrintedCell(main, beside, cell.value)


def rows_by(table: pl.DataFrame, *keys: str) -> dict[Any, Row]:
    """Return the rows by a tuple of keys."""
    return {tuple(row[key] for key in keys): row for row in table.iter_rows(named=True)}


Layout = tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...]]


def side_by_side(
    table: pl.DataFrame,
    look: Look,
    heads: Sequence[Column],
    by: str,
    groups: Mapping[str, Sequence[Column]],
) -> Layout:
    """Lay rows of a table side by side: one printed row for each combination of ``heads``.

    ``groups`` maps values of the column ``by`` to the columns that are printed for them.
    """
    grouped: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in table.iter_rows(named=True):
        grouped.setdefault(tuple(row[head.csv] for head in heads), {})[row[by]] = row
    rows = tuple(
        (
            *(head.cell(next(iter(parts.values())), look) for head in heads),
            *(
                column.cell(parts[value], look) if value in parts else Cell()
                for value, columns in groups.items()
                for column in columns
            ),
        )
        for parts in grouped.values()
    )
    return (*heads, *chain.from_iterable(groups.values())), rows


def row_by_row(table: pl.DataFrame, look: Look, columns: Sequence[Column]) -> Layout:
    """Print every row of a table in these columns."""
    rows = (
        tuple(column.cell(row, look) for column in columns) for row in table.iter_rows(named=True)
    )
    return tuple(columns), tuple(rows)


def probes_of(table: pl.DataFrame, look: Look) -> list[tuple[str, str]]:
    """Return the probes of a table, the role-play first, and the key suffix of each."""
    names = sorted(
        table["probe"].unique(maintain_order=True), key=lambda name: name != look.roleplay
    )
    return [(name, "" if name == look.roleplay else f"-{name}") for name in names]
