"""What a handful of replicate fine-tunes adds to an error: few degrees of freedom, all kept."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from persona_collapse.measures.statistics.intervals import Array

HALVINGS = 60  # of p's logarithm, from 1 down to SMALLEST
SMALLEST = 1e-16


def replicate_variance(deleted: Collection[Array]) -> tuple[Array, Array]:
    """Return a statistic's variance from the choice of replicates, and its degrees of freedom.

    ``deleted`` holds, per group of replicates, the statistic with each of the k left out in turn
    (k, ...), k of 2 or more. A group adds its jackknife variance, for a mean s^2 / k with s the SD
    over replicates, on k - 1 degrees of freedom; several join as Satterthwaite (1946) joins them.
    """
    with np.errstate(invalid="ignore"):
        parts = [(part.shape[0], (part.shape[0] - 1) * part.var(axis=0)) for part in deleted]
    variance: Array = np.sum([part for _, part in parts], axis=0)
    weight = np.sum([part**2 / (count - 1) for count, part in parts], axis=0)
    least = float(min(count for count, _ in parts) - 1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        freedom = np.where(weight > 0, variance**2 / weight, least)
    return variance, np.maximum(freedom, least)


def widened(
    value: Array, ends: tuple[Array, Array], variance: Array, freedom: Array, level: float = 0.95
) -> tuple[Array, Array]:
    """Return the ends of an interval moved out by an independent error with few degrees of freedom.

    The distances from the value join as the root of the sum of their squares (the method of
    variance estimates recovery, Zou and Donner 2008), the new one being t(freedom) times its SE:
    unlike a Student's t on joint degrees of freedom, this covers wherever the two errors stand to
    each other. A variance of 0 moves nothing.
    """
    from scipy.special import stdtrit

    half = stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance)

    def beyond(end: Array) -> Array:
        with np.errstate(invalid="ignore"):
            gap = np.abs(value - end)
            # An end that is infinite already has nowhere to go.
            return np.where(np.isinf(gap), 0.0, np.hypot(gap, half) - gap)

    return ends[0] - beyond(ends[0]), ends[1] + beyond(ends[1])


def joint_p(value: Array, first: tuple[Array, Array], second: tuple[Array, Array]) -> Array:
    """Return the two-sided p of a mean of 0 with two errors, each (variance, freedom).

    The level at which the interval of ``widened`` ends at 0: p solves value^2 = t1(p)^2 variance1 +
    t2(p)^2 variance2 (compare Cochran and Cox 1950 on two unequal variances). Where one error is 0
    it is the t test of the other; in between it is conservative. NaN where a number is not finite,
    1 for a value of 0, never below 1e-16.
    """
    from scipy.special import stdtrit

    value, *errors = np.broadcast_arrays(value, *first, *second)
    defined = np.isfinite(np.stack([value, *errors])).all(axis=0)
    low, high = np.full(value.shape, np.log(SMALLEST)), np.zeros(value.shape)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        reach = sum(
            stdtrit(freedom, np.exp(middle) / 2) ** 2 * variance
            for variance, freedom in (errors[:2], errors[2:])
        )
        inside = reach > value**2  # this level does not reach 0 yet: p is larger
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(defined, np.where(value == 0, 1.0, np.exp(high)), np.nan)
