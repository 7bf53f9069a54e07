"""Reliability of the items: Cronbach's alpha and split-half, with personas as cases."""

import math
from itertools import combinations

import numpy as np
import polars as pl

from persona_collapse.common.seeds import generator
from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.diagnostics.rows import draws_of_personas, frame_of_draws, ratio

CHUNK = 200  # draws whose Q x Q covariances are in memory at once


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
        values: list[tuple[Array, Array]] = []
        for start in range(0, weights.shape[0], CHUNK):
            covariance = covariances(cells.mean[:, items], weights[start : start + CHUNK])
            covariance = np.where(np.abs(covariance) < 1e-12, 0, covariance)
            values.append((alpha(covariance), split_half(covariance, halves)))
        alphas, halved = (np.concatenate(part) for part in zip(*values, strict=True))
        found[name] = {"alpha": alphas, "split_half": halved}
    return frame_of_draws(found)


def covariances(means: Array, weights: Array) -> Array:
    """Return the covariances of items over personas (B, Q, Q), ddof = 1; NaN with one persona."""
    personas, items = means.shape
    count = weights.sum(axis=1)[:, None, None]
    if personas < 2:
        return np.full((weights.shape[0], items, items), np.nan)
    means = means - means.mean(axis=0)
    outer = (means[:, :, None] * means[:, None, :]).reshape(personas, -1)
    totals = weights @ means
    sums = (weights @ outer).reshape(-1, items, items)
    covariance: Array = (sums - totals[:, :, None] * totals[:, None, :] / count) / (count - 1)
    return covariance


def alpha(covariance: Array) -> Array:
    """Return Cronbach's alpha (B,) of item covariances (B, Q, Q)."""
    items = covariance.shape[1]
    if items < 2:
        return np.full(covariance.shape[0], np.nan)
    own = np.einsum("bii->b", covariance)
    coefficient: Array = items / (items - 1) * (1 - ratio(own, covariance.sum(axis=(1, 2))))
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


def split_half(covariance: Array, halves: Array) -> Array:
    """Return the mean Spearman-Brown reliability (B,) over splits; constant halves are left out."""
    if not halves.size:
        return np.full(covariance.shape[0], np.nan)
    others = 1 - halves
    towards = covariance @ halves.T  # (B, Q, splits)
    across = np.einsum("sq,bqs->bs", others, towards)
    first = np.einsum("sq,bqs->bs", halves, towards)
    whole = covariance.sum(axis=(1, 2))[:, None]
    second = np.maximum(whole - first - 2 * across, 0)
    second = np.where(second < 1e-12, 0, second)
    correlation = ratio(across, np.sqrt(np.maximum(first, 0) * second))
    stepped = ratio(2 * correlation, 1 + correlation)
    known = ~np.isnan(stepped)
    return ratio(np.where(known, stepped, 0).sum(axis=1), known.sum(axis=1).astype(float))
