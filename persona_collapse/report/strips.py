"""Small plots of one number in a row of the verdict: marks on an axis that all rows share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from persona_collapse.common.notation import known

EDGE = 4.0  # percent of a strip left free at both ends
APART, WIDE = 13.0, 28.0  # percent of a strip between two ticks, and between those of a phone
# Percent changes that may have a tick, the most wanted first.
CHANGES = (0, 100, -50, 900, -90, 300, -80, 50, -30, 20, -20, 10, -10, 5, -5, -99, 9900)


@dataclass(frozen=True)
class Point:
    """A variant's value, in percent of change or as it is, with the ends of its interval."""

    variant: str
    value: float
    lo: float | None = None
    hi: float | None = None

    @property
    def span(self) -> tuple[float, float]:
        """What the mark covers; where an end is missing, it ends at the value."""
        lo = self.value if self.lo is None else self.lo
        return lo, self.value if self.hi is None else self.hi


@dataclass(frozen=True)
class Mark:
    """Where a variant stands on a strip, in percent of its width."""

    variant: str
    at: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Tick:
    """A value on the axis, with its text; a ``minor`` one has no place on a phone."""

    at: float
    text: str
    minor: bool = False


class Axis:
    """A logarithmic axis for percent changes (``changes``) or for values above zero.

    Halving and doubling are equally far from no change. What is infinite or not above zero has no
    place on it.
    """

    def __init__(self, points: Iterable[Point], *, changes: bool, margin: float = 0.0) -> None:
        self.changes = changes
        ends = [end for point in points for end in (point.value, *point.span)]
        self.margin = (100 * (1 / (1 + margin) - 1), 100 * margin) if changes else None
        ends += [0.0, *(self.margin or ())] if changes else []
        logs = [self._log(end) for end in ends if self.shows(end)]
        self.low, self.high = (min(logs), max(logs)) if logs else (0.0, 1.0)

    def shows(self, value: float) -> bool:
        """Return whether a value has a place on the axis."""
        return known(value) and self._ratio(value) > 0

    def _ratio(self, value: float) -> float:
        return 1 + value / 100 if self.changes else value

    def _log(self, value: float) -> float:
        return math.log(self._ratio(value))

    def place(self, value: float) -> float:
        """Return where a value lies, in percent of the axis' width."""
        width = (self.high - self.low) or 1.0
        return round(EDGE + (100 - 2 * EDGE) * (self._log(value) - self.low) / width, 2)

    def _end(self, value: float) -> float:
        """Return where an interval ends: at the edge if the axis has no place for it."""
        if self.shows(value):
            return self.place(value)
        return 100.0 if value > 0 else 0.0

    def marks(self, points: Iterable[Point]) -> list[Mark]:
        """Return the marks of those points that the axis shows."""
        return [
            Mark(point.variant, self.place(point.value), *map(self._end, point.span))
            for point in points
            if self.shows(point.value)
        ]

    @property
    def band(self) -> tuple[float, float] | None:
        """Changes that are too small to count: from where to where they lie."""
        return (self.place(self.margin[0]), self.place(self.margin[1])) if self.margin else None

    def ticks(self) -> list[Tick]:
        """Return values with their texts that do not crowd, in order."""
        found: list[Tick] = []
        for value in self._candidates():
            if self.shows(value) and self.low - 1e-9 <= self._log(value) <= self.high + 1e-9:
                at = self.place(value)
                gaps = [(abs(at - other.at), other.minor) for other in found]
                minor = any(gap < WIDE and not other for gap, other in gaps)
                if all(gap >= APART for gap, _ in gaps):
                    found.append(Tick(at, self._text(value), minor))
        return sorted(found, key=lambda tick: tick.at)

    def _candidates(self) -> Sequence[float]:
        if self.changes:
            return CHANGES
        return [step * 10.0**power for step in (1, 3, 2, 5) for power in range(-3, 5)]

    def _text(self, value: float) -> str:
        if not self.changes:
            return f"{value:g}"
        return f"{value:+g} %".replace("-", "−") if value else "0"
