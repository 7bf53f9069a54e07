"""Layouts of panels on a sheet: rows of models and variants, and a block of panels per model."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from persona_collapse.figures.look import Look, ModelLook, Notice
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, extent, key_height, wrap
from persona_collapse.figures.style import FAINT, GRID, HEADING

ROW = 0.15  # height of a row in inches: the smallest text with air around it
_SPACE = 0.13  # between groups
_BESIDE = 0.18  # inches between two blocks
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
    and ``below`` every frame, ``foot`` below the last row, ``head`` above the key. ``height`` is a
    frame's, None for a square one, and ``widest`` the width at which a frame stops to grow.
    ``least`` is what a frame and the gap beside it take at least, ``most`` is how many may stand
    side by side.
    """

    left: float
    gap: float
    above: float
    below: float
    foot: float
    height: float | None
    widest: float
    least: float = 0.95
    most: int = 6
    head: float = 0.0


@dataclass(frozen=True)
class Block:
    """A model's panels: their frames (left, top, width, height in inches) in order.

    ``lowest`` are those that have none below them.
    """

    model: ModelLook
    frames: tuple[Frame, ...]
    lowest: tuple[Frame, ...]


class Blocks:
    """A sheet with a block per model, its label above it; many panels take several lines.

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
        inner = width - 2 * MARGIN
        fit = max(1, int((inner + _BESIDE) / (space.left + panels * space.least)))
        columns = min(columns_for(len(models)), max(1, space.most // panels), fit)
        lines = -(-panels // max(1, min(space.most, int((inner - space.left) / space.least))))
        in_line = -(-panels // lines)
        across = (inner + _BESIDE) / columns
        room = across - _BESIDE - space.left - (in_line - 1) * space.gap
        wide = min(room / in_line, space.widest)
        tall = wide if space.height is None else space.height
        names = [wrap(m.label, across - _BESIDE, HEADING, bold=True) for m in models]
        heights = [extent(name, HEADING, bold=True)[1] + 0.03 for name in names]
        starts = range(0, len(models), columns)
        titles = [max(heights[start : start + columns]) for start in starts]  # one per row
        note = wrap(note, inner)
        for_key, for_note = key_height(entries, inner), extent(note)[1] if note else 0.0
        top = space.head + 0.06 + for_key + (for_note + 0.08 if note else 0.04)
        step = space.above + tall + space.below
        height = top + sum(titles) + len(titles) * lines * step + space.foot
        self.sheet = Sheet(width, height, notices)
        self.sheet.key(entries, MARGIN, space.head + 0.04, inner)
        if note:
            middle = space.head + 0.08 + for_key + for_note / 2
            self.sheet.text(MARGIN, middle, note, color=FAINT)
        self.blocks = []
        for place, (model, name) in enumerate(zip(models, names, strict=True)):
            row, column = divmod(place, columns)
            left = MARGIN + column * across
            y = top + sum(titles[: row + 1]) + row * lines * step
            self.sheet.heading(left, y - heights[place] / 2, name)
            places = [divmod(panel, in_line) for panel in range(panels)]
            corners = [
                (left + space.left + n * (wide + space.gap), y + line * step + space.above)
                for line, n in places
            ]
            frames = tuple((*corner, wide, tall) for corner in corners)
            last = place + columns >= len(models)
            lowest = frames[(lines - 1) * in_line :] if last else ()
            self.blocks.append(Block(model, frames, lowest))


def columns_for(panels: int) -> int:
    """Return the number of columns of a figure with so many panels."""
    return 2 if panels in (2, 4) else max(1, min(panels, 3))
