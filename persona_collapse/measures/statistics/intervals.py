"""Intervals and p-values: bootstrap, jackknife, few replicates, families of tests."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def expanded_tail(units: int) -> float:
    """Return the tail probability to cut off the bootstrap draws of a sample of ``units``.

    Bootstrap intervals of n units are too narrow by sqrt((n - 1) / n) and by the normal instead of
    Student's t; a smaller tail corrects both (Hesterberg 2015, "expanded" percentiles). It tends to
    0.025, that of 95 % intervals.
    """
    from scipy.special import ndtr, stdtrit

    if units < 2:
        return 0.025
    wide = np.sqrt(units / (units - 1)) * stdtrit(units - 1, 0.975)
    return float(ndtr(-wide))


def bca_interval(
    draws: Array, estimate: Array, jackknife: Array, tail: float
) -> tuple[Array, Array]:
    """Return the bias-corrected and accelerated interval (Efron 1987) of each column: two (G,).

    ``draws`` (B, G) are bootstrap values, ``estimate`` (G,) those of the sample, ``jackknife``
    (P, G) those with one unit left out, ``tail`` the probability cut off at each end. The interval
    is invariant under monotone transformations. A column of equal draws gives the estimate twice.
    """
    from scipy.special import ndtr, ndtri

    count = draws.shape[0]
    # Ties count half; never 0 or 1, so that one-sided draws have a finite correction.
    below = (draws < estimate).mean(axis=0) + (draws == estimate).mean(axis=0) / 2
    bias = ndtri(np.clip(below, 0.5 / count, 1 - 0.5 / count))
    left_out = jackknife.mean(axis=0) - jackknife
    scale = (left_out**2).sum(axis=0) ** 1.5
    acceleration = (left_out**3).sum(axis=0) / np.where(scale > 0, 6 * scale, 1)
    # With few personas the expanded tail can be 0: use the outermost draws.
    tail = max(tail, 0.5 / count)
    ends = []
    for place in (tail, 1 - tail):
        z = bias + ndtri(place)
        room = 1 - acceleration * z
        # Beyond its pole the correction would swap the ends; its limit is the outermost draw.
        moved = ndtr(bias + z / np.where(room > 0, room, 1))
        ends.append(np.where(room > 0, moved, float(place > 0.5)))
    ordered = np.sort(draws, axis=0)
    low, high = (_quantile(ordered, end) for end in ends)
    return low, high


def _quantile(ordered: Array, at: Array) -> Array:
    """Interpolate one quantile per column of sorted draws (B, G), as ``numpy.quantile`` does."""
    place = at * (ordered.shape[0] - 1)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, ordered.shape[0] - 1)
    columns = np.arange(ordered.shape[1])
    low, high = ordered[below, columns], ordered[above, columns]
    part = np.where(high > low, place - below, 0.0)
    # Two infinite neighbours have no difference: keep their value.
    step = np.subtract(high, low, out=np.zeros_like(low), where=part > 0)
    value: Array = low + part * step
    return value


def log_t_interval(estimate: Array, jackknife: Array) -> tuple[Array, Array]:
    """Return the 95 % interval of a positive statistic, symmetrical on the log scale, two (G,).

    exp(log x +- t(P - 1) SE / x) with the jackknife SE of ``jackknife`` (P, G). For S and sigma_bar
    of resampled recorded personas its coverage is better than that of percentile and BCa intervals,
    especially with few personas. NaN where the estimate is 0.
    """
    from scipy.special import stdtrit

    count = jackknife.shape[0]
    half = stdtrit(count - 1, 0.975) * jackknife_se(jackknife)
    positive = estimate > 0
    relative = np.divide(half, estimate, out=np.full_like(half, np.nan), where=positive)
    return estimate * np.exp(-relative), estimate * np.exp(relative)


def jackknife_se(jackknife: Array) -> Array:
    """Return the jackknife standard error (G,) from leave-one-out values (P, G)."""
    count = jackknife.shape[0]
    squared: Array = ((jackknife - jackknife.mean(axis=0)) ** 2).sum(axis=0)
    error: Array = np.sqrt(squared * (count - 1) / count)
    return error


def jackknife_interval(values: Array) -> tuple[float, float]:
    """Return value +- t(n - 1) SE; ``values`` (1 + n,) leave out none, then one of n units each."""
    from scipy.special import stdtrit

    half = float(stdtrit(values.size - 2, 0.975) * jackknife_se(values[1:, None])[0])
    return float(values[0]) - half, float(values[0]) + half


def replicate_variance(deleted: Collection[Array]) -> tuple[Array, Array]:
    """Return a statistic's variance from the choice of replicates, and its degrees of freedom.

    ``deleted`` holds, per group of k >= 2 replicates, the statistic with each left out (k, ...). A
    group adds its jackknife variance (for a mean s^2 / k, s the SD over replicates) with k - 1
    degrees of freedom; several combine by Satterthwaite (1946).
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
    value: Array,
    ends: tuple[Array, Array],
    variance: Array,
    freedom: Array,
    tail: float | Array = 0.025,
) -> tuple[Array, Array]:
    """Return interval ends widened by an independent error with few degrees of freedom.

    Distances from the value combine as the root of the sum of squares (method of variance estimates
    recovery, Zou and Donner 2008), the new one being t(freedom) times its SE. Unlike a Student's t
    with joint degrees of freedom, this covers for every ratio of the two errors.
    """
    from scipy.special import stdtrit

    half = -stdtrit(freedom, tail) * np.sqrt(variance)

    def beyond(end: Array) -> Array:
        with np.errstate(invalid="ignore"):
            gap = np.abs(value - end)
            # An infinite end stays.
            return np.where(np.isinf(gap), 0.0, np.hypot(gap, half) - gap)

    return ends[0] - beyond(ends[0]), ends[1] + beyond(ends[1])


def holm(p: Array) -> Array:
    """Return Holm's (1979) step-down p-values of a family (k,); NaN stays out of the family."""
    return _adjusted(p, rising=True)


def benjamini_hochberg(p: Array) -> Array:
    """Return Benjamini and Hochberg's (1995) p-values of a family (k,); NaN stays out."""
    return _adjusted(p, rising=False)


def _adjusted(p: Array, rising: bool) -> Array:
    adjusted = np.full_like(p, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    ranks = np.arange(order.size)
    if rising:
        stepped = np.maximum.accumulate(p[order] * (order.size - ranks))
    else:
        scaled = p[order] * order.size / (ranks + 1)
        stepped = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
