"""One block of panels per model, side by side below a key, as many to a row as read well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persona_collapse.figures.grid import columns_for
from persona_collapse.figures.look import ModelLook
from persona_collapse.figures.sheet import MARGIN, Entry, Notice, Sheet, extent, key_height, wrap
from persona_collapse.figures.style import FAINT, HEADING, ONE_COLUMN, TEXT_WIDTH

_MOST = 6  # panels side by side: more would be too small to read
_BESIDE = 0.18  # inches between two blocks
Frame = tuple[float, float, float, float]


@dataclass(frozen=True)
class Space:
    """What a panel's frame needs, in inches.

    ``left`` is kept free left of a block's first frame and ``gap`` between two frames, ``above``
    and ``below`` every frame, ``foot`` below the last row. ``height`` is a frame's, None for a
    square one, and ``widest`` the width at which a frame stops to grow.
    """

    left: float
    gap: float
    above: float
    below: float
    foot: float
    height: float | None
    widest: float


@dataclass(frozen=True)
class Block:
    """A model's panels: their frames (left, top, width, height in inches) in order.

    ``lowest`` tells that no block stands below.
    """

    model: ModelLook
    frames: tuple[Frame, ...]
    lowest: bool


class Blocks:
    """A sheet with a block per model, its label above it.

    One model takes one column of text when it has no more than two panels, else the text's width.
    """

    def __init__(
        self,
        models: Sequence[ModelLook],
        panels: int,
        space: Space,
        entries: Sequence[Entry],
        note: str,
        notices: Sequence[Notice],
    ) -> None:
        columns = min(columns_for(len(models)), max(1, _MOST // panels))
        width = ONE_COLUMN if len(models) == 1 and panels <= 2 else TEXT_WIDTH
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
            self.sheet.text(left, middle, name, fontsize=HEADING, weight="bold")
            lefts = [left + space.left + n * (wide + space.gap) for n in range(panels)]
            frames = tuple((x, y + space.above, wide, tall) for x in lefts)
            self.blocks.append(Block(model, frames, lowest=place + columns >= len(models)))
