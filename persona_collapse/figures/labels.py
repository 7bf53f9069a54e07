"""Labels beside points and at the ends of curves, where they do not cover each other."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from persona_collapse.figures.sheet import extent
from persona_collapse.figures.style import FAINT, INK, SMALL

_CLEAR = 0.045  # inches between a label and any point
_FAR = 0.22  # inches beyond which a hairline leads from the label to its point
_PER_INCH = 0.4  # what an inch of distance costs against covering something
_STEP = 0.03  # inches between the places along a line that count as covered
Point = tuple[float, float]
Segment = tuple[Point, Point]
Rectangle = tuple[float, float, float, float]


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


def _around(at: Point, wide: float, tall: float) -> Iterator[Rectangle]:
    """Yield boxes of a label around a point, nearest first."""
    for away in np.arange(0.08, 1.2, 0.06):
        for angle in (45, 135, -45, -135, 90, -90, 0, 180, 20, 160, -20, -160, 70, 110, -70, -110):
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            x = at[0] + dx * (away + wide / 2)
            y = at[1] + dy * (away + tall / 2)
            yield x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2
