"""Reliability of the items: Cronbach's alpha and split-half, with personas as cases."""

import math
from itertools import combinations

import numpy as np
import polars as pl

from persona_collapse.common.seeds import generator
from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.diagnostics.rows import draws_of_personas, frame_of_draws, ratio

ROUNDING = 1e-12  # squared scale points: smaller covariances are rounding errors


def reliability(
    cells: Cells, seed: int, probe: str, draws: int = 1000, splits: int = 200
) -> pl.DataFrame:
    """Return ``alpha`` and ``split_half`` per domain, with persona-bootstrap intervals.

    Scores are cell means. ``alpha`` is Cronbach's (1951). ``split_half`` is 2 r / (1 + r)
    (Spearman-Brown), r the halves' correlation, averaged over all splits, or over ``splits`` random
    ones where there are more. Null with one item, one persona or no spread.
    """
    weights = draws_of_personas(cells, seed, probe, draws)
    found = {}
    for name, items in cells.groups().items():
        halves = half_splits(items.size, splits, generator(seed, "splits", items.size))
        means = cells.mean[:, items]
        found[name] = {
            "alpha": alpha(means, weights),
            "split_half": split_half(means, weights, halves),
        }
    return frame_of_draws(found)


def covariances(x: Array, y: Array, weights: Array) -> Array:
    """Return the covariances over weighted personas of the columns of x and y (P, C), (B, C).

    ddof = 1; NaN with one persona.
    """
    count = weights.sum(axis=1, keepdims=True)
    if x.shape[0] < 2:
        return np.full((weights.shape[0], x.shape[1]), np.nan)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    over_x = weights @ x
    over_y = over_x if x is y else weights @ y
    covariance: Array = (weights @ (x * y) - over_x * over_y / count) / (count - 1)
    return np.where(np.abs(covariance) < ROUNDING, 0, covariance)


def alpha(means: Array, weights: Array) -> Array:
    """Return Cronbach's alpha (B,) of the items of ``means`` (P, Q) for weighted personas."""
    items = means.shape[1]
    if items < 2:
        return np.full(weights.shape[0], np.nan)
    own = covariances(means, means, weights).sum(axis=1)
    total = means.sum(axis=1, keepdims=True)
    coefficient: Array = (
        items / (items - 1) * (1 - ratio(own, covariances(total, total, weights)[:, 0]))
    )
    return coefficient


def half_splits(items: int, most: int, rng: np.random.Generator) -> Array:
    """Return the first halves (splits, Q) of 0 and 1, smaller than the second if Q is odd.

    All distinct splits, or ``most`` random ones where there are more than twice as many.
    """
    half = items // 2
    if half == 0:
        return np.zeros((0, items))
    total = math.comb(items, half)
    if total > 2 * most:
        ranks = rng.random((most, items)).argsort(axis=1)
        return (ranks < half).astype(np.float64)
    chosen = [c for c in combinations(range(items), half) if items % 2 or 0 in c]
    matrix = np.zeros((len(chosen), items))
    np.put_along_axis(matrix, np.array(chosen), 1.0, axis=1)
    return matrix


def split_half(means: Array, weights: Array, halves: Array) -> Array:
    """Return the mean Spearman-Brown reliability (B,) over splits; constant halves are left out.

    ``means`` (P, Q) of items, ``weights`` (B, P) of personas, ``halves`` (splits, Q).
    """
    if not halves.size:
        return np.full(weights.shape[0], np.nan)
    first, total = means @ halves.T, means.sum(axis=1, keepdims=True)
    spread = covariances(first, first, weights)
    with_total = covariances(first, total, weights)
    across = with_total - spread
    rest = covariances(total, total, weights) - 2 * with_total + spread  # of the second halves
    rest = np.where(rest < ROUNDING, 0, rest)
    correlation = ratio(across, np.sqrt(spread * rest))
    stepped = ratio(2 * correlation, 1 + correlation)
    known = ~np.isnan(stepped)
    return ratio(np.where(known, stepped, 0).sum(axis=1), known.sum(axis=1).astype(float))
