"""Layouts of panels on a sheet: rows of models and variants, blocks per model, a grid of models."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from persona_collapse.figures.look import Look, ModelLook, Notice
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, extent, key_height, wrap
from persona_collapse.figures.style import FAINT, GRID, HEADING

ROW = 0.15  # height of a row in inches: the smallest text with air around it
_SPACE = 0.13  # between groups
_MOST = 6  # panels side by side: more would be too small to read
_BESIDE = 0.18  # inches between two blocks
_SIDE = 1.75  # inches of the key at the right of a grid
Frame = tuple[float, float, float, float]


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


class Rows:
    """Models below each other: their ``groups`` and ``lines``, ``tall`` inches in all.

    ``pairs`` are the models and variants that have a row; a model without one is left out. Labels
    are ``width`` inches wide. ``mean`` labels the study's mean, last, of more than one model.
    """

    def __init__(
        self, look: Look, pairs: Collection[tuple[str, str]], width: float, mean: str = ""
    ) -> None:
        named = [(model.key, model.label) for model in look.models]
        named += [("mean", mean)] if mean and len(named) > 1 else []
        self.groups: list[Group] = []
        y = 0.0
        for key, label in named:
            variants = [name for name in look.variants if (key, name) in pairs]
            if not variants:
                continue
            text = wrap(label, width)
            rows = len(variants) * ROW
            height = max(rows, extent(text)[1]) + _SPACE
            first = y + (height - rows + ROW) / 2
            lines = tuple(Line(key, name, first + n * ROW) for n, name in enumerate(variants))
            self.groups.append(Group(text, y + height / 2, y + height, lines))
            y += height
        self.lines = [line for group in self.groups for line in group.lines]
        self.tall = y or ROW

    def label(self, sheet: Sheet, top: float) -> None:
        """Write the models' labels at the left margin and hairlines between the groups."""
        for group in self.groups:
            sheet.text(MARGIN, top + group.middle, group.label)
        for before, _ in pairwise(self.groups):
            sheet.rule(MARGIN, sheet.width - MARGIN, top + before.end, color=GRID)


@dataclass(frozen=True)
class Space:
    """What a panel's frame needs, in inches.

    ``left`` is kept free left of a block's first frame and ``gap`` between two frames, ``above``
    and ``below`` every frame, ``foot`` below the last row. ``height`` is a frame's, None for a
    square one, and ``widest`` the width at which a frame stops to grow. ``least`` is what a frame
    and the gap beside it take at least.
    """

    left: float
    gap: float
    above: float
    below: float
    foot: float
    height: float | None
    widest: float
    least: float = 0.95


@dataclass(frozen=True)
class Block:
    """A model's panels: their frames (left, top, width, height in inches) in order.

    ``lowest``: no block is below it.
    """

    model: ModelLook
    frames: tuple[Frame, ...]
    lowest: bool


class Blocks:
    """A sheet with a block per model, its label above it.

    One model takes a small figure when it has no more than two panels, else a large one.
    """

    def __init__(
        self,
        look: Look,
        models: Sequence[ModelLook],
        panels: int,
        space: Space,
        entries: Sequence[Entry],
        note: str,
        notices: Sequence[Notice],
    ) -> None:
        small = len(models) == 1 and panels <= 2 and not look.narrow
        width = look.column if small else look.width
        fit = max(1, int((width - 2 * MARGIN + _BESIDE) / (space.left + panels * space.least)))
        columns = min(columns_for(len(models)), max(1, _MOST // panels), fit)
        inner = width - 2 * MARGIN
        across = (inner + _BESIDE) / columns
        room = across - _BESIDE - space.left - (panels - 1) * space.gap
        wide = min(room / panels, space.widest)
        tall = wide if space.height is None else space.height
        names = [wrap(m.label, across - _BESIDE, HEADING, bold=True) for m in models]
        heights = [extent(name, HEADING, bold=True)[1] + 0.03 for name in names]
        starts = range(0, len(models), columns)
        titles = [max(heights[start : start + columns]) for start in starts]  # one per row
        note = wrap(note, inner)
        for_key, for_note = key_height(entries, inner), extent(note)[1] if note else 0.0
        top = 0.06 + for_key + (for_note + 0.08 if note else 0.04)
        step = space.above + tall + space.below
        height = top + sum(titles) + len(titles) * step + space.foot
        self.sheet = Sheet(width, height, notices)
        self.sheet.key(entries, MARGIN, 0.04, inner)
        if note:
            self.sheet.text(MARGIN, 0.08 + for_key + for_note / 2, note, color=FAINT)
        self.blocks = []
        for place, (model, name) in enumerate(zip(models, names, strict=True)):
            row, column = divmod(place, columns)
            left = MARGIN + column * across
            y = top + sum(titles[: row + 1]) + row * step
            middle = y - heights[place] / 2
            self.sheet.heading(left, middle, name)
            lefts = [left + space.left + n * (wide + space.gap) for n in range(panels)]
            frames = tuple((x, y + space.above, wide, tall) for x in lefts)
            self.blocks.append(Block(model, frames, lowest=place + columns >= len(models)))


def columns_for(panels: int) -> int:
    """Return the number of columns of a figure with so many panels."""
    return 2 if panels in (2, 4) else max(1, min(panels, 3))


class Grid:
    """A sheet with equal boxes (left, top, width, height in inches), row by row.

    One panel takes a small figure; two or four leave room for the key at their right; other numbers
    stand in three columns below the key, in two on a narrow page. ``heights`` are a row's in one,
    two and three columns, in inches.
    """

    def __init__(
        self,
        look: Look,
        panels: int,
        entries: Sequence[Entry],
        note: str,
        heights: Sequence[float],
        notices: Sequence[Notice],
    ) -> None:
        columns = min(columns_for(panels), 2 if look.narrow else 3)
        beside = columns == 2 and not look.narrow
        width = look.column if panels <= 1 and not look.narrow else look.width
        room = _SIDE if beside else width - 2 * MARGIN
        note = wrap(note, room)
        in_lines = 0.0 if beside else room  # beside the panels each entry has its own line
        for_key, for_note = key_height(entries, in_lines), extent(note)[1] + 0.1
        top = 0.04 if beside else for_key + for_note + 0.06
        key_top = 0.3 if beside else 0.04
        cell = heights[columns if look.narrow and columns > 1 else columns - 1]
        rows = -(-panels // columns)
        height = max(top + rows * cell, key_top + for_key + for_note)
        self.sheet = Sheet(width, height, notices)
        left = width - MARGIN - room
        self.sheet.key(entries, left, key_top, in_lines)
        self.sheet.text(left, key_top + for_key + for_note / 2, note, color=FAINT)
        across = (width - 2 * MARGIN - (room if beside else 0)) / columns
        self.boxes = [
            (
                MARGIN + place % columns * across + 0.04,
                top + place // columns * cell,
                across - 0.08,
                cell - 0.1,
            )
            for place in range(panels)
        ]
