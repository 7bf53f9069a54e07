"""Bootstrap-t: intervals from studentized draws, and the p-values that invert them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from persona_collapse.measures.cells import Array
from persona_collapse.measures.statistics.intervals import widened

FEW = 10  # personas: below, draws repeat a few samples, and Student's t replaces their law
# Student's t continues the law of the draws beyond this tail probability, and where fewer than ten
# draws lie beyond it.
ANCHOR, OUTERMOST = 0.01, 10
HALVINGS = 50  # of p's logarithm, from 1 down to SMALLEST
SMALLEST = 1e-16
EXACT = 1e-10  # on the log scale: smaller errors are rounding


@dataclass(frozen=True)
class Studentized:
    """Values with their standard errors and the bootstrap law of error / standard error.

    ``value`` and ``se`` (...), ``t`` (B, ...) rising along the first axis with undefined draws
    (NaN) last, ``freedom`` the number of personas minus 1. ``replicates`` holds the variance and
    the degrees of freedom of an independent error from the choice of replicate fine-tunes.
    """

    value: Array
    se: Array
    t: Array
    freedom: int
    replicates: tuple[Array, Array] | None = None

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return value - t(1 - a / 2) SE and value - t(a / 2) SE, where a = 1 - level.

        NaN where the value or its standard error is undefined or infinite.
        """
        return self._cut(np.full(self.value.shape, (1 - level) / 2))

    def p(self) -> Array:
        """Return the two-sided p of a value of 0: 0 is an end of the interval of level 1 - p.

        So the interval of any level excludes 0 exactly where p < 1 - level. p is at least 1e-16;
        below 2 ``ANCHOR`` it rests on the shape of Student's t.
        """
        low, high = np.full(self.value.shape, np.log(SMALLEST)), np.zeros(self.value.shape)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            ends = self._cut(np.exp(middle) / 2)
            inside = (ends[0] <= 0) & (ends[1] >= 0)
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        return np.where(self._known, np.exp(high), np.nan)

    def error(self) -> Array:
        """Return the standard error, with that from replicates."""
        if self.replicates is None:
            return self.se
        total: Array = np.sqrt(self.se**2 + self.replicates[0])
        return total

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = np.isfinite(self.value) & np.isfinite(self.error())
        return known

    @cached_property
    def _count(self) -> NDArray[np.intp]:
        """The number of defined draws (...)."""
        return np.asarray(np.count_nonzero(~np.isnan(self.t), axis=0))

    def _cut(self, tail: Array) -> tuple[Array, Array]:
        """Return the interval that leaves out the probability ``tail`` (...) on each side."""
        with np.errstate(invalid="ignore"):
            low, high = (
                np.where(
                    self.se > 0, self.value - self._quantile(tail, upper) * self.se, self.value
                )
                for upper in (True, False)
            )
        if self.replicates is not None:
            low, high = widened(self.value, (low, high), *self.replicates, tail)
        return np.where(self._known, low, np.nan), np.where(self._known, high, np.nan)

    def _quantile(self, tail: Array, upper: bool) -> Array:
        """Return the t (...) with the probability ``tail`` (...) above or below it."""
        from scipy.special import stdtrit

        sign = 1 if upper else -1
        student = -stdtrit(self.freedom, tail)
        if self.freedom + 1 < FEW:
            few: Array = sign * student
            return few
        anchor = np.clip(OUTERMOST / (self._count + 1), ANCHOR, 0.25)
        near = np.maximum(tail, anchor)
        place = np.clip(near * (self._count + 1) - 1, 0, np.maximum(self._count - 1, 0))
        place = self._count - 1 - place if upper else place
        below = np.floor(np.maximum(place, 0)).astype(np.intp)
        above = np.minimum(below + 1, np.maximum(self._count - 1, 0))
        law, columns = self.t.ravel(), np.arange(self.value.size).reshape(self.value.shape)
        first, second = (law[at * self.value.size + columns] for at in (below, above))
        with np.errstate(invalid="ignore"):
            between = first + (place - below) * (second - first)
            t = np.where(np.isfinite(between), between, second if upper else first)
            # Student's t continues the tail, scaled to meet it.
            start = -stdtrit(self.freedom, near)
            further = sign * np.abs(t) * (student / start - 1)
            found: Array = np.where(tail < anchor, t + further, t)
            return found


def studentized(
    values: Array,
    errors: Array,
    se: Array,
    freedom: int,
    replicates: tuple[Array, Array] | None = None,
) -> Studentized:
    """Return the studentized form of ``values`` (1 + B, ...): of the sample, and of its draws.

    ``errors`` (B, ...) are the draws' own standard errors, from the delta method. ``se`` (...) is
    that of the sample, from the jackknife: where a few personas carry a spread, it is larger and
    covers better. A draw without an error (all its personas are alike) is infinitely far out,
    unless it equals the sample.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = values[1:] - values[0]
        error = np.where(np.abs(error) < EXACT, 0.0, error)
        spread = np.where(errors < EXACT, 0.0, errors)
        t = np.where(np.isinf(error) | (error == 0), error, error / spread)
    own = np.where(se < EXACT, 0.0, se)
    # Each column in one piece of memory sorts twice as fast.
    rising = np.moveaxis(np.sort(np.moveaxis(t, 0, -1).copy()), -1, 0)
    return Studentized(values[0], own, np.ascontiguousarray(rising), freedom, replicates)
