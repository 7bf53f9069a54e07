"""A page measured in inches from its top left corner, and texts that are measured before use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from persona_collapse.common.notation import keep_together
from persona_collapse.figures.look import Notice
from persona_collapse.figures.style import FAINT, HEADING, NOTE, PAPER, SMALL, Paint, fonts

LINE = 1.25  # line height over font size
_HALF_CAPITAL = 0.365  # half the height of a capital over font size
MARGIN = 0.06
_NOTICE = 0.24
_BLOCK, _PAD, _GAP, _ROW = 0.2, 0.06, 0.16, 0.155
SWATCH = _BLOCK + _PAD  # what a swatch takes of a key's width


@dataclass(frozen=True)
class Entry:
    """One entry of a key.

    ``kind`` is the swatch: ``bar`` (with hatch), ``block`` (without), ``hollow`` bar, ``line``
    (with marker), ``stroke`` (without), ``point`` or ``open`` point.
    """

    label: str
    paint: Paint
    kind: str = "bar"


class Sheet:
    """A figure whose parts are placed in inches; y grows downwards.

    Notices are strips at the top; y is 0 below them.
    """

    def __init__(self, width: float, height: float, notices: Sequence[Notice]) -> None:
        self.top = _NOTICE * len(notices)
        self.width, self.height = width, height + self.top
        self.figure: Figure = Figure(figsize=(self.width, self.height))
        FigureCanvasAgg(self.figure)
        self.paper: Axes = self.figure.add_axes((0, 0, 1, 1), label="paper")
        self.paper.set(xlim=(0, self.width), ylim=(self.height, 0))
        self.paper.set_axis_off()
        for place, notice in enumerate(notices):
            self._notice(notice, (place + 0.5) * _NOTICE)

    def _notice(self, notice: Notice, middle: float) -> None:
        strong, light, gap = f"{notice.sign} {notice.strong}".strip(), notice.light, 0.07
        wide, calm = extent(strong, bold=True)[0], extent(light)[0]
        left = self.width - MARGIN - 0.06 - wide - gap - calm
        box = Rectangle(
            (left - 0.06, middle - 0.08), self.width - MARGIN - left + 0.06, 0.16,
            facecolor="#fff4e8", edgecolor=NOTE, linewidth=0.6, label="notice",
        )  # fmt: skip
        self.paper.add_patch(box)
        self.text(left, middle - self.top, strong, weight="bold", color=NOTE)
        self.text(left + wide + gap, middle - self.top, light, color=NOTE)

    def axes(self, left: float, top: float, width: float, height: float, label: str) -> Axes:
        """Return axes whose frame is this rectangle; ``label`` is how tests find them."""
        bottom = 1 - (self.top + top + height) / self.height
        box = (left / self.width, bottom, width / self.width, height / self.height)
        return self.figure.add_axes(box, label=label)

    def text(self, x: float, y: float, text: str, **style: Any) -> Text:
        """Write at a place in inches; without ``va`` its capitals or its lines centre on y."""
        y += self.top
        if "va" in style:
            return self.paper.text(x, y, text, **style)
        if "\n" in text:
            return self.paper.text(x, y, text, va="center", linespacing=LINE - 0.1, **style)
        # Centred by the box, a text would sit higher or lower with its descenders.
        y += _HALF_CAPITAL * style.get("fontsize", SMALL) / 72
        return self.paper.text(x, y, text, va="baseline", **style)

    def heading(self, x: float, y: float, text: str, **style: Any) -> Text:
        """Write a heading, like ``text``."""
        return self.text(x, y, text, fontsize=HEADING, weight="bold", **style)

    def named(self, x: float, y: float, paint: Paint, name: str, size: float = SMALL) -> None:
        """Write a variant's name behind its mark, at a place in inches; large names are bold."""
        room = 0.018 * size
        style: dict[str, Any] = {"markersize": 2.5 + 0.3 * size, "markeredgewidth": 0}
        cross = {"markeredgewidth": 1.0} if paint.marker == "x" else {}
        self.paper.plot(
            [x + 0.4 * room], [self.top + y], marker=paint.marker, color=paint.colour,
            **style | cross,
        )  # fmt: skip
        weight = "bold" if size > SMALL else "normal"
        self.text(x + room, y, name, fontsize=size, weight=weight)

    def rule(self, x0: float, x1: float, y: float, **style: Any) -> None:
        """Draw a horizontal hairline in inches."""
        style = {"color": FAINT, "linewidth": 0.5, **style}
        self.paper.plot([x0, x1], [self.top + y] * 2, **style)

    def key(self, entries: Sequence[Entry], left: float, top: float, width: float) -> None:
        """Draw a key that flows over lines of ``width`` inches; 0 puts each entry on its own."""
        for entry, x, y in _flow(entries, width):
            middle = top + y + _tall(entry) / 2
            self._swatch(entry, left + x, self.top + middle)
            self.text(left + x + SWATCH, middle, entry.label)

    def _swatch(self, entry: Entry, x: float, y: float) -> None:
        paint, colour = entry.paint, entry.paint.colour
        if entry.kind in ("bar", "block", "hollow"):
            style = hollow(paint) if entry.kind == "hollow" else filled(paint)
            plain = {"hatch": ""} if entry.kind == "block" else {}
            self.paper.add_patch(Rectangle((x, y - 0.045), _BLOCK, 0.09, **(style | plain)))
            return
        self.paper.plot(
            [x, x + _BLOCK / 2, x + _BLOCK], [y] * 3, color=colour, markevery=[1], markersize=4,
            linestyle=paint.line if entry.kind in ("line", "stroke") else "none",
            linewidth=paint.width,
            marker="" if entry.kind == "stroke" else paint.marker, markeredgecolor=colour,
            markerfacecolor=PAPER if entry.kind == "open" else colour,
        )  # fmt: skip


def key_height(entries: Sequence[Entry], width: float) -> float:
    """Return the height in inches of a key that flows over lines of ``width``."""
    return max((y + _tall(entry) for entry, _, y in _flow(entries, width)), default=0.0)


def key_width(entries: Sequence[Entry]) -> float:
    """Return the width in inches of a key with each entry on its own line."""
    return max((SWATCH + extent(entry.label)[0] for entry in entries), default=0.0)


def _tall(entry: Entry) -> float:
    return max(_ROW, extent(entry.label)[1] + 0.03)


def _flow(entries: Sequence[Entry], width: float) -> list[tuple[Entry, float, float]]:
    """Return the left and top of every entry, in inches from the key's corner."""
    placed = []
    x = y = line = 0.0
    for entry in entries:
        needed = SWATCH + extent(entry.label)[0]
        if x > 0 and x + needed > width:
            x, y, line = 0.0, y + line, 0.0
        placed.append((entry, x, y))
        x, line = x + needed + _GAP, max(line, _tall(entry))
    return placed


@lru_cache(maxsize=4096)
def extent(text: str, size: float = SMALL, *, bold: bool = False) -> tuple[float, float]:
    """Return the width and height in inches of a text, which may have several lines."""
    font = FontProperties(family=fonts(), size=size, weight="bold" if bold else "normal")
    lines = text.split("\n")
    widths = [
        text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] if line else 0.0
        for line in lines
    ]
    return max(widths) / 72, len(lines) * size * LINE / 72


def widest(texts: Sequence[str], size: float = SMALL) -> float:
    """Return the width in inches of the widest text, 0 when there is none."""
    return max((extent(text, size)[0] for text in texts), default=0.0)


def wrap(text: str, width: float, size: float = SMALL, *, bold: bool = False) -> str:
    """Break a text after spaces, hyphens, slashes and underscores into lines of ``width`` inches.

    A date and a number with its unit and interval stay whole; a piece that is wider than a line is
    broken between letters.
    """
    lines = [""]
    for piece in re.findall(r"(?:\d{4}-\d\d-\d\d|[^ \n/_-])*[ \n/_-]?", keep_together(text)):
        if extent((lines[-1] + piece).rstrip(), size, bold=bold)[0] <= width:
            lines[-1] += piece
            continue
        if lines[-1]:
            lines.append("")
        for letter in piece:
            if lines[-1] and extent(lines[-1] + letter, size, bold=bold)[0] > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(line.rstrip() for line in lines).replace("\u00a0", " ")


def filled(paint: Paint) -> dict[str, Any]:
    """Return how a bar in a paint is drawn."""
    return {
        "facecolor": paint.colour, "hatch": paint.hatch, "hatchcolor": PAPER, "linewidth": 0,
    }  # fmt: skip


def hollow(paint: Paint) -> dict[str, Any]:
    """Return how a bar is drawn that stands beside a filled one of the same paint."""
    return {
        "facecolor": PAPER, "hatch": "/////", "hatchcolor": paint.colour, "edgecolor": paint.colour,
        "linewidth": 0.6,
    }  # fmt: skip


def bare(axes: Axes) -> None:
    """Remove spine and ticks on the left, where texts label the rows."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", left=False, labelleft=False)
