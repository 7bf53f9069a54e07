"""Variance components of ratings: persona, item, interaction, repetition.

A random-effects analysis of variance of persona x item cells with nested repetitions (Brennan 2001,
Generalizability Theory, p x i with r nested in pi). Cell means have equal weight, so unequal
numbers of repetitions are allowed; with equal numbers it is the textbook analysis. Intervals are
jackknife intervals over personas.
"""

import numpy as np
import polars as pl

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.diagnostics.noise import answer_variance, noise_variance
from persona_collapse.measures.diagnostics.rows import NO_INTERVAL, Row, frame_of, ratio
from persona_collapse.measures.statistics.intervals import jackknife_interval

SOURCES = ("persona", "item", "persona_item", "repetition")


def variance_components(cells: Cells) -> pl.DataFrame:
    """Return variance components, their shares, generalisability and effective dimension.

    ``variance_*`` are in squared scale points and may be negative; ``share_*`` count negative ones
    as 0. ``generalisability`` and ``dependability`` are the relative and absolute coefficients (0
    to 1) of a persona's mean over the design's items and repetitions. ``effective_dimension`` is
    the participation ratio of the persona covariance. Null with fewer than two personas or items.
    """
    personas = cells.mean.shape[0]
    leave_one_out = np.ones((personas, personas)) - np.eye(personas)
    weights = np.vstack([np.ones((1, personas)), leave_one_out]) if personas > 2 else None
    rows: list[Row] = []
    for name, items in cells.groups().items():
        used = np.ones((1, personas)) if weights is None else weights
        answers, noise = answer_variance(cells)[:, items], noise_variance(cells)[:, items]
        values = _analysis(cells.mean[:, items], answers, noise, used)
        for measure, drawn in values.items():
            limits = (0.0, 1.0)
            if measure.startswith("variance"):
                limits = (-np.inf, np.inf)
            elif measure == "effective_dimension":
                limits = (1.0, float(items.size))
            rows.append((name, measure, float(drawn[0]), *_interval(drawn, *limits)))
    return frame_of(rows)


def _interval(values: Array, bottom: float, top: float) -> tuple[float, float]:
    """Return the t interval of the first value from its jackknife values, within limits."""
    if values.size < 4 or np.isnan(values).any():
        return NO_INTERVAL
    low, high = jackknife_interval(values)
    return max(bottom, low), min(top, high)


def _analysis(means: Array, answers: Array, noise: Array, weights: Array) -> dict[str, Array]:
    """Return each measure (B,) for persona weights of 0 or 1, (B, P)."""
    parts = components(means, answers, noise, weights)
    floored = np.maximum(parts, 0)
    total = floored.sum(axis=1)
    values = {f"variance_{name}": parts[:, i] for i, name in enumerate(SOURCES)}
    values |= {f"share_{name}": ratio(floored[:, i], total) for i, name in enumerate(SOURCES)}
    items = means.shape[1]
    count = np.maximum(weights.sum(axis=1), 1)
    repetition = weights @ noise.mean(axis=1) / count / items
    relative = floored[:, 2] / items + repetition
    absolute = relative + floored[:, 1] / items
    values["generalisability"] = ratio(floored[:, 0], floored[:, 0] + relative)
    values["dependability"] = ratio(floored[:, 0], floored[:, 0] + absolute)
    values["effective_dimension"] = effective_dimension(means, noise, weights)
    return values


def components(means: Array, answers: Array, noise: Array, weights: Array) -> Array:
    """Return the four variance components (B, 4) in the order of ``SOURCES``, unfloored.

    ``means`` (P, Q) are cell means, ``answers`` and ``noise`` (P, Q) the variances of one answer
    and of a cell mean, ``weights`` (B, P) say which personas are in.
    """
    items = means.shape[1]
    count = weights.sum(axis=1)
    if items < 2 or count.min() < 2:
        return np.full((weights.shape[0], 4), np.nan)
    means = means - means.mean()
    by_item, levels = weights @ means / count[:, None], means.mean(axis=1)
    grand = by_item.mean(axis=1)
    all_squares = weights @ (means**2).sum(axis=1) - count * items * grand**2
    persona_squares = items * (weights @ levels**2 - count * grand**2)
    item_squares = count * ((by_item - grand[:, None]) ** 2).sum(axis=1)
    persona = persona_squares / (count - 1)
    item = item_squares / (items - 1)
    both = (all_squares - persona_squares - item_squares) / ((count - 1) * (items - 1))
    repetition = weights @ answers.mean(axis=1) / count
    repeated = weights @ noise.mean(axis=1) / count
    parts = [(persona - both) / items, (item - both) / count, both - repeated, repetition]
    # Rounding errors become 0, so that they get no share.
    return np.where(np.abs(parts) < 1e-12, 0, parts).T


def effective_dimension(means: Array, noise: Array, weights: Array) -> Array:
    """Return the participation ratio (B,) of the persona covariance over items, from 1 to Q.

    (sum of eigenvalues)^2 / sum of squared eigenvalues. Noise is subtracted from the diagonal; the
    sum of squares, biased with few personas, is replaced by its unbiased estimate (Srivastava 2005,
    exact for normal data). NaN with fewer than three personas or where only noise is left.
    """
    items = means.shape[1]
    enough = weights.sum(axis=1) >= 3
    if not enough.all():
        found = np.full(weights.shape[0], np.nan)
        if enough.any():
            found[enough] = effective_dimension(means, noise, weights[enough])
        return found
    count = weights.sum(axis=1)
    covariance = _covariances(means, weights)
    noise = weights @ noise / count[:, None]
    diagonal = np.einsum("bii->bi", covariance)
    trace = diagonal.sum(axis=1)
    free = count - 1
    squares = (covariance**2).sum(axis=(1, 2)) - trace**2 / free
    squares *= free**2 / ((free - 1) * (free + 2))
    squares += (noise**2).sum(axis=1) - 2 * (diagonal * noise).sum(axis=1)
    left = np.maximum(trace - noise.sum(axis=1), 0)
    small = 1e-12 * np.maximum(trace, 1e-12) ** 2
    dimension = ratio(left**2, np.where((squares > small) & (left > 0), squares, 0))
    return np.where(np.isnan(dimension), dimension, np.clip(dimension, 1, items))


def _covariances(means: Array, weights: Array) -> Array:
    """Return the covariances of items over weighted personas (B, Q, Q), ddof = 1."""
    personas, items = means.shape
    count = weights.sum(axis=1)[:, None, None]
    means = means - means.mean(axis=0)
    outer = (means[:, :, None] * means[:, None, :]).reshape(personas, -1)
    totals = weights @ means
    sums = (weights @ outer).reshape(-1, items, items)
    covariance: Array = (sums - totals[:, :, None] * totals[:, None, :] / count) / (count - 1)
    return covariance
