"""Rows for models and their variants, one below the other, with labels on the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from persona_collapse.figures.sheet import MARGIN, Sheet, extent, wrap
from persona_collapse.figures.style import GRID

ROW = 0.15  # height of a row in inches: the smallest text with air around it
_SPACE = 0.13  # between groups


@dataclass(frozen=True)
class Line:
    """One row: a variant of a model, its middle ``y`` inches below the rows' top."""

    model: str
    variant: str
    y: float


@dataclass(frozen=True)
class Group:
    """A model's label (broken into lines) and its rows, in inches below the rows' top."""

    label: str
    middle: float
    end: float
    lines: tuple[Line, ...]


def place(contents: Sequence[tuple[str, str, Sequence[str]]], width: float) -> list[Group]:
    """Place models (key, label, variants) below each other, labels ``width`` inches wide.

    A model without variants has no rows and is left out.
    """
    groups: list[Group] = []
    y = 0.0
    for key, label, variants in contents:
        if not variants:
            continue
        text = wrap(label, width)
        rows = len(variants) * ROW
        height = max(rows, extent(text)[1]) + _SPACE
        first = y + (height - rows + ROW) / 2
        lines = tuple(Line(key, name, first + n * ROW) for n, name in enumerate(variants))
        groups.append(Group(text, y + height / 2, y + height, lines))
        y += height
    return groups


def label(sheet: Sheet, groups: Sequence[Group], top: float) -> None:
    """Write the models' labels at the left margin and hairlines between the groups."""
    for group in groups:
        sheet.text(MARGIN, top + group.middle, group.label)
    for before, _ in pairwise(groups):
        sheet.rule(MARGIN, sheet.width - MARGIN, top + before.end, color=GRID)


def lines_of(groups: Sequence[Group]) -> list[Line]:
    """Return all rows, from the top."""
    return [line for group in groups for line in group.lines]
