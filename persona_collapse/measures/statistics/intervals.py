"""Intervals, adjusted p-values and random effects: the general statistics that measures use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def expanded_tail(units: int, level: float = 0.95) -> float:
    """Return the tail of bootstrap draws to cut off for a sample of ``units`` sampled units.

    Draws from n units are too narrow by sqrt((n - 1) / n) and know nothing of Student's t; a little
    less is cut off to make up for both (Hesterberg 2015, "expanded" percentiles). With many units
    it is (1 - level) / 2.
    """
    from scipy.special import ndtr, stdtrit

    if units < 2:
        return (1 - level) / 2
    wide = np.sqrt(units / (units - 1)) * stdtrit(units - 1, (1 + level) / 2)
    return float(ndtr(-wide))


def percentile_interval(draws: Array, tail: float) -> tuple[Array, Array]:
    """Return the percentile interval of each column of ``draws`` (B, G): two arrays (G,)."""
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def bca_interval(
    draws: Array, estimate: Array, jackknife: Array, tail: float
) -> tuple[Array, Array]:
    """Return the bias-corrected and accelerated interval (Efron 1987) of each column: two (G,).

    ``draws`` (B, G) are bootstrap values, ``estimate`` (G,) the values of the sample itself,
    ``jackknife`` (P, G) its values with one sampled unit left out, ``tail`` what is cut off at each
    end (see ``expanded_tail``). The ends are quantiles of the draws, so the interval follows any
    monotone change of scale. A column of equal draws gives the estimate twice.
    """
    from scipy.special import ndtr, ndtri

    count = draws.shape[0]
    # Half of the ties, and never 0 or 1: a one-sided set of draws still has a finite correction.
    below = (draws < estimate).mean(axis=0) + (draws == estimate).mean(axis=0) / 2
    bias = ndtri(np.clip(below, 0.5 / count, 1 - 0.5 / count))
    left_out = jackknife.mean(axis=0) - jackknife
    scale = (left_out**2).sum(axis=0) ** 1.5
    acceleration = (left_out**3).sum(axis=0) / np.where(scale > 0, 6 * scale, 1)
    # With a handful of personas the expanded tail can be 0: the outermost draws are what there is.
    tail = max(tail, 0.5 / count)
    ends = []
    for place in (tail, 1 - tail):
        z = bias + ndtri(place)
        room = 1 - acceleration * z
        # Past its pole the correction would turn the ends round; its limit is the outermost draw.
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
    # Two infinite neighbours have no difference; their value stands as it is.
    step = np.subtract(high, low, out=np.zeros_like(low), where=part > 0)
    value: Array = low + part * step
    return value


def log_t_interval(estimate: Array, jackknife: Array, level: float = 0.95) -> tuple[Array, Array]:
    """Return an interval of a positive statistic, symmetrical on the log scale: two arrays (G,).

    exp(log x +- t(P - 1) SE / x) with the jackknife SE of ``jackknife`` (P, G). For S and sigma_bar
    of resampled recorded personas it covers better than the percentile and the BCa interval, most
    of all with few personas. NaN where the estimate is 0: its log has no error.
    """
    from scipy.special import stdtrit

    count = jackknife.shape[0]
    half = stdtrit(count - 1, (1 + level) / 2) * jackknife_se(jackknife)
    positive = estimate > 0
    relative = np.divide(half, estimate, out=np.full_like(half, np.nan), where=positive)
    return estimate * np.exp(-relative), estimate * np.exp(relative)


def jackknife_se(jackknife: Array) -> Array:
    """Return the jackknife standard error (G,) from leave-one-out values (P, G)."""
    count = jackknife.shape[0]
    squared: Array = ((jackknife - jackknife.mean(axis=0)) ** 2).sum(axis=0)
    error: Array = np.sqrt(squared * (count - 1) / count)
    return error


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
