"""Labels beside points, along lines and at the ends of curves, where they cover nothing."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from persona_collapse.figures.sheet import extent
from persona_collapse.figures.style import FAINT, INK, PALE_COLOURS, SMALL, Paint

_CLEAR = 0.045  # inches between a label and any point
_FAR = 0.22  # inches beyond which a hairline leads from the label to its point
_PER_INCH = 0.4  # what an inch of distance costs against covering something
_STEP = 0.03  # inches between the places along a line that count as covered
_CLEARLY = 0.8  # a name is at most so far from its own line, over the way to another's
_TRIED = 3  # models whose panels are tried, from the first
_NEAR = 0.2  # inches from a line or mark beyond which a name would not be read as its name
Point = tuple[float, float]
Segment = tuple[Point, Point]
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Panel:
    """Axes and where variants are drawn in them: places by name, in data units.

    ``joined`` places are those of a line. ``strokes`` are further lines that names must not cover.
    """

    axes: Axes
    places: Mapping[str, Sequence[Point]]
    joined: bool = True
    strokes: Sequence[Segment] = ()

    def known(self, name: str) -> list[Point]:
        """Return the places of a variant that are inside the axes' limits and finite."""
        (left, right), (low, high) = sorted(self.axes.get_xlim()), sorted(self.axes.get_ylim())
        found = self.places.get(name, ())
        return [(x, y) for x, y in found if left <= x <= right and low <= y <= high]

    def lines(self, name: str) -> list[Segment]:
        """Return the line of a variant."""
        return list(pairwise(self.known(name))) if self.joined else []


class Placer:
    """Places labels in axes one by one, clear of points, lines and earlier labels.

    Points and the ends of lines are in data units; lines are straight on the page. The axes'
    limits and the figure's size must be final.
    """

    def __init__(self, axes: Axes, points: Sequence[Point], lines: Sequence[Segment] = ()) -> None:
        self._axes = axes
        self._dots = np.array([self._inches(point) for point in points]).reshape(-1, 2)
        strokes = [self._along(*line) for line in lines]
        self._strokes = np.concatenate([np.empty((0, 2)), *strokes])
        self._taken: list[Rectangle] = []
        (left, low), (right, high) = axes.bbox.get_points() / axes.figure.dpi
        self._frame: Rectangle = (left, low, right, high)

    def _along(self, start: Point, end: Point) -> NDArray[np.float64]:
        """Return places (n, 2) in inches along a line."""
        first, last = np.array(self._inches(start)), np.array(self._inches(end))
        count = int(np.hypot(*(last - first)) / _STEP) + 2
        places: NDArray[np.float64] = np.linspace(first, last, count)
        return places

    def _inches(self, point: Point) -> Point:
        x, y = self._axes.transData.transform(point) / self._axes.figure.dpi
        return float(x), float(y)

    def place(self, text: str, point: Point, **style: Any) -> None:
        """Write ``text`` at the best place around ``point``, given in data units.

        Near places win over far ones, free ones over those that cover a line, point or label.
        """
        wide, tall = extent(text, style.get("fontsize", SMALL))
        at = self._inches(point)
        box = min(
            _around(at, wide, tall), key=lambda box: self._cost(box) + _PER_INCH * _gap(at, box)
        )
        self._taken.append(box)
        if _gap(at, box) > _FAR:
            (x0, y0), (x1, y1) = point, self._data(_nearest(at, box))
            self._axes.plot([x0, x1], [y0, y1], color=FAINT, linewidth=0.5, zorder=1)
        x, y = self._data(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
        upright = "center" if "\n" in text else "center_baseline"
        self._axes.text(x, y, text, ha="center", va=upright, zorder=5, **style)

    def beside(
        self, name: str, panel: Panel, others: Mapping[str, Paint]
    ) -> Iterator[tuple[float, Rectangle]]:
        """Yield free boxes for a variant's name, with their distance from its line.

        A box is nearer to the variant's own line or marks than to any other's.
        """
        wide, tall = extent(name, bold=True)
        own = self._places(panel, [name])
        other = self._places(panel, [one for one in others if one != name])
        for at in own[:: max(1, len(own) // 20)]:
            for box in _around((float(at[0]), float(at[1])), wide, tall, _NEAR):
                distance = _gaps(own, box)
                if distance < min(_NEAR, _CLEARLY * _gaps(other, box)) and self._cost(box) == 0:
                    yield distance, box

    def _places(self, panel: Panel, names: Sequence[str]) -> NDArray[np.float64]:
        """Return places (n, 2) in inches along the lines of variants, or their marks."""
        lines = [self._along(*line) for name in names for line in panel.lines(name)]
        points = [self._inches(point) for name in names for point in panel.known(name)]
        return np.concatenate([np.array(points).reshape(-1, 2), *lines])

    def take(self, box: Rectangle) -> None:
        """Keep a box free of further labels."""
        self._taken.append(box)

    def take_texts(self, axes: Axes) -> None:
        """Keep free what the texts in the axes cover."""
        for text in axes.texts:
            if text.get_text():
                (left, low), (right, high) = Text.get_window_extent(text).get_points()
                dpi = axes.figure.dpi
                self.take((left / dpi, low / dpi, right / dpi, high / dpi))

    def write(self, name: str, paint: Paint, box: Rectangle) -> None:
        """Write a variant's name into a box, in its colour if that can be read."""
        x, y = self._data(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
        colour = paint.colour if paint.colour not in PALE_COLOURS else INK
        style: dict[str, Any] = {"color": colour, "weight": "bold", "label": f"name of {name}"}
        self._axes.text(x, y, name, ha="center", va="center_baseline", zorder=6, **style)

    def _data(self, inches: Point) -> Point:
        x, y = self._axes.transData.inverted().transform(np.array(inches) * self._axes.figure.dpi)
        return float(x), float(y)

    def _cost(self, box: Rectangle) -> float:
        """Return 0 for a free place, else how much it covers or leaves the frame, in inches."""
        left, low, right, high = box
        frame = self._frame
        outside = max(frame[0] - left, frame[1] - low, right - frame[2], high - frame[3], 0.0)
        cost = 10 * outside
        for other in self._taken:
            across = min(right, other[2]) - max(left, other[0])
            upwards = min(high, other[3]) - max(low, other[1])
            if across > 0 and upwards > 0:
                cost += 1 + min(across, upwards)
        return cost + 0.3 * _inside(self._dots, box, _CLEAR) + 0.05 * _inside(self._strokes, box, 0)


def named_in_place(
    draw: Callable[[bool], tuple[Figure, Sequence[Sequence[Panel]]]], paints: Mapping[str, Paint]
) -> Figure:
    """Return a figure that names its variants beside their lines or marks, else in a key.

    ``draw`` draws it, with a key of the variants where its argument is true, and returns the panels
    of each model. The names stand in the first panel that has room for all of them, or in the
    panels of the first model that have it together. ``paints`` are the variants' by name.
    """
    figure, models = draw(False)
    for panels in models[:_TRIED]:
        if any(_name(group, paints) for group in (*([one] for one in panels), panels)):
            return figure
    return draw(True)[0]


def _name(panels: Sequence[Panel], paints: Mapping[str, Paint]) -> bool:
    """Write the names into the panels if there is room for all; return whether there is."""
    placers = [
        Placer(
            panel.axes,
            [point for name in paints for point in panel.known(name)],
            [line for name in paints for line in panel.lines(name)] + [*panel.strokes],
        )
        for panel in panels
    ]
    for panel, placer in zip(panels, placers, strict=True):
        placer.take_texts(panel.axes)
    chosen: dict[str, tuple[Placer, Rectangle]] = {}
    for name in paints:
        options = [
            (distance, place, box)
            for place, (panel, placer) in enumerate(zip(panels, placers, strict=True))
            for distance, box in placer.beside(name, panel, paints)
        ]
        if not options:
            return False
        _, place, box = min(options)
        chosen[name] = placers[place], box
        placers[place].take(box)
    for name, (placer, box) in chosen.items():
        placer.write(name, paints[name], box)
    return True


def label_ends(axes: Axes, ends: Sequence[tuple[str, float]]) -> None:
    """Write texts right of the axes at the height of the values where curves end, apart.

    ``ends`` are texts and values in data units of an axis that is not logarithmic.
    """
    low, high = axes.get_ylim()
    tall = axes.bbox.height / axes.figure.dpi
    line = SMALL * 1.15 / 72 * (high - low) / tall
    places: list[list[float]] = []  # runs of touching labels: their middle and number
    for _, value in sorted(ends, key=lambda end: end[1]):
        places.append([value, 1.0])
        while len(places) > 1 and _top(places[-2], line) > places[-1][0] - line / 2 * places[-1][1]:
            (one, many), (other, more) = places[-2:]
            places[-2:] = [[(one * many + other * more) / (many + more), many + more]]
    places = [[max(middle, low + line / 2 * count), count] for middle, count in places]
    heights = [
        middle + line * (place - (count - 1) / 2)
        for middle, count in places
        for place in range(int(count))
    ]
    right = axes.get_xlim()[1]
    for (text, _), height in zip(sorted(ends, key=lambda end: end[1]), heights, strict=True):
        axes.text(right, height, f" {text}", ha="left", va="center_baseline", color=INK)


def _top(run: Sequence[float], line: float) -> float:
    """Return where a run of labels, its middle and number, ends."""
    return run[0] + line / 2 * run[1]


def _inside(places: NDArray[np.float64], box: Rectangle, margin: float) -> int:
    """Count the places inside a box that is widened by a margin."""
    x, y = places.T
    left, low, right, high = box
    across = (x > left - margin) & (x < right + margin)
    return int((across & (y > low - margin) & (y < high + margin)).sum())


def _nearest(at: Point, box: Rectangle) -> Point:
    """Return the place of a box that is nearest to a point."""
    left, low, right, high = box
    return min(max(at[0], left), right), min(max(at[1], low), high)


def _gap(at: Point, box: Rectangle) -> float:
    return math.dist(at, _nearest(at, box))


def _gaps(places: NDArray[np.float64], box: Rectangle) -> float:
    """Return the distance in inches of the nearest of places (n, 2) from a box."""
    left, low, right, high = box
    across = np.maximum(np.maximum(left - places[:, 0], places[:, 0] - right), 0)
    upwards = np.maximum(np.maximum(low - places[:, 1], places[:, 1] - high), 0)
    return float(np.hypot(across, upwards).min(initial=math.inf))


def _around(at: Point, wide: float, tall: float, far: float = 1.2) -> Iterator[Rectangle]:
    """Yield boxes of a label around a point, nearest first, up to ``far`` inches away."""
    for away in np.arange(0.08, far, 0.06):
        for angle in (45, 135, -45, -135, 90, -90, 0, 180, 20, 160, -20, -160, 70, 110, -70, -110):
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            x = at[0] + dx * (away + wide / 2)
            y = at[1] + dy * (away + tall / 2)
            yield x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2
