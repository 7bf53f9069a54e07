"""One panel per model, in as many columns as read well, with a key that finds its own place."""

from __future__ import annotations

from collections.abc import Sequence

from persona_collapse.figures.sheet import MARGIN, Entry, Notice, Sheet, extent, key_height, wrap
from persona_collapse.figures.style import FAINT, ONE_COLUMN, TEXT_WIDTH

_SIDE = 1.75


def columns_for(panels: int) -> int:
    """Return the number of columns of a figure with so many panels."""
    return 2 if panels in (2, 4) else max(1, min(panels, 3))


class Grid:
    """A sheet with equal boxes (left, top, width, height in inches), row by row.

    One panel takes one column of text; two or four leave room for the key at their right; other
    numbers stand in three columns below the key. ``heights`` are a row's in one, two and three
    columns, in inches.
    """

    def __init__(
        self,
        panels: int,
        entries: Sequence[Entry],
        note: str,
        heights: Sequence[float],
        notices: Sequence[Notice],
    ) -> None:
        columns = columns_for(panels)
        beside = columns == 2
        width = ONE_COLUMN if panels <= 1 else TEXT_WIDTH
        room = _SIDE if beside else width - 2 * MARGIN
        note = wrap(note, room)
        in_lines = 0.0 if beside else room  # beside the panels each entry has its own line
        for_key, for_note = key_height(entries, in_lines), extent(note)[1] + 0.1
        top = 0.04 if beside else for_key + for_note + 0.06
        key_top = 0.3 if beside else 0.04
        cell = heights[columns - 1]
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
