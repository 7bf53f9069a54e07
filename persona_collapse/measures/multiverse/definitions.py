"""Definitions of S and R that an analyst could have chosen, each with personas' influences.

A definition is a function of one variant's cells and of subsets of items, (G) arrays of positions.
It returns S and R, (2, G), and the influence of every persona on them, (P, 2, G): P times the
derivative by the persona's weight, so that sqrt(sum of squared influences) / P is the standard
error of the delta method.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from persona_collapse.measures.cells import OVERALL, Array, Cells
from persona_collapse.measures.diagnostics.scale_use import shares_of
from persona_collapse.measures.scale_free import normal_scores
from persona_collapse.measures.statistics.bootstrap import averages

Subsets = Sequence[NDArray[np.intp]]
Measured = tuple[Array, Array]
STEP = 1e-6  # of a rating's share, for numerical derivatives of its score


def published(cells: Cells, subsets: Subsets) -> Measured:
    """Return S and R as published: means over items of SDs, with ddof = 1.

    A missing cell (NaN) is left out of its item alone.
    """
    average = _averages(subsets, cells.mean.shape[1])
    return _joined(_mean(_sd(cells.mean), average), _mean(_level(cells.sd), average))


def ddof_0(cells: Cells, subsets: Subsets) -> Measured:
    """Return S and R from SDs with ddof = 0, over personas and over repetitions."""
    average = _averages(subsets, cells.mean.shape[1])
    personas = cells.mean.shape[0]
    value, influence = _mean(_sd(cells.mean), average)
    factor = np.sqrt(1 - 1 / personas)
    sd = cells.sd if cells.exact else cells.sd * np.sqrt(1 - 1 / cells.n)
    return _joined((factor * value, factor * influence), _mean(_level(sd), average))


def domain_means(cells: Cells, subsets: Subsets) -> Measured:
    """Return S and R of domain means: ratings are averaged within domains first.

    R has the SD over repetitions of a persona's mean over the domain's items.
    """
    domains = [items for name, items in cells.groups().items() if name != OVERALL]
    average = _averages(
        [
            np.array([d for d, items in enumerate(domains) if np.isin(items, subset).any()])
            for subset in subsets
        ],
        len(domains),
    )
    means = np.stack([cells.mean[:, items].mean(axis=1) for items in domains], axis=1)
    noise = [np.sqrt((cells.sd[:, items] ** 2).sum(axis=1)) / items.size for items in domains]
    return _joined(_mean(_sd(means), average), _mean(_level(np.stack(noise, axis=1)), average))


def persona_means(cells: Cells, subsets: Subsets) -> Measured:
    """Return S as the SD over personas' mean answers, R by the mean SD of a persona's answers.

    The latter is the SD over items of the persona's mean answers; R is its inverse.
    """
    parts = [cells.mean[:, items] for items in subsets]
    levels = np.stack([part.mean(axis=1) for part in parts], axis=1)
    within = np.stack(
        [part.std(axis=1, ddof=1) if part.shape[1] > 1 else 0 * part[:, 0] for part in parts],
        axis=1,
    )
    return _joined(_sd(levels), _level(within))


def root_mean_square(cells: Cells, subsets: Subsets) -> Measured:
    """Return S and R from mean variances, whose root is taken last."""
    average = _averages(subsets, cells.mean.shape[1])
    squares = (cells.mean - cells.mean.mean(axis=0)) ** 2
    parts = [_mean(_level(part), average) for part in (squares, cells.sd**2)]
    roots = []
    for value, influence in parts:
        root = np.sqrt(value)
        roots.append((root, _ratio(influence, 2 * root)))
    return _joined(*roots)


def mean_deviation(cells: Cells, subsets: Subsets) -> Measured:
    """Return S and R with the mean absolute deviation from the mean in place of every SD."""
    average = _averages(subsets, cells.mean.shape[1])
    centred = cells.mean - cells.mean.mean(axis=0)
    value, influence = _level(np.abs(centred))
    spread = value, influence - np.sign(centred).mean(axis=0) * centred
    away = np.abs(cells.ratings - cells.mean[..., None])
    noise = np.einsum("pqk,pqk->pq", shares_of(cells), away)
    return _joined(_mean(spread, average), _mean(_level(noise), average))


def gini_difference(cells: Cells, subsets: Subsets) -> Measured:
    """Return S and R with Gini's mean difference: the mean distance of two personas, or answers."""
    average = _averages(subsets, cells.mean.shape[1])
    value, influence = _level(_mean_distances(cells.mean))
    steps = np.abs(cells.ratings[:, None] - cells.ratings)
    shares = shares_of(cells)
    noise = np.einsum("pqk,pqk->pq", shares @ steps, shares)
    if not cells.exact:
        noise = noise * _ratio(cells.n, cells.n - 1)
    return _joined(_mean((value, 2 * influence), average), _mean(_level(noise), average))


def normal_score(cells: Cells, subsets: Subsets) -> Measured:
    """Return S and R of the variant's own normal scores (``scale_free``)."""
    average = _averages(subsets, cells.mean.shape[1])
    shares = shares_of(cells)
    use = shares.mean(axis=1)
    scores = normal_scores(use.mean(axis=0)[None])[0]
    # A persona moves the scores too, through the shares of the ratings.
    moved = _derivatives(use.mean(axis=0)) @ (use - use.mean(axis=0)).T  # (K, P)
    means = shares @ scores
    centred = means - means.mean(axis=0)
    sd, own = _sd(means)
    by_score = np.einsum("pq,pqk->qk", centred, shares) / (means.shape[0] - 1)
    spread = sd, own + (_ratio(by_score, sd[:, None]) @ moved).T
    away = scores - means[..., None]
    variance = np.einsum("pqk,pqk->pq", shares, away**2)
    factor = 1.0 if cells.exact else np.sqrt(_ratio(cells.n, cells.n - 1))
    noise, own = _level(factor * np.sqrt(variance))
    slopes = _ratio(shares * away, np.sqrt(variance)[..., None])
    by_score = np.mean(np.broadcast_to(factor, variance.shape)[..., None] * slopes, axis=0)
    return _joined(_mean(spread, average), _mean((noise, own + (by_score @ moved).T), average))


DEFINITIONS: dict[str, Callable[[Cells, Subsets], Measured]] = {
    "published": published,
    "domain_means": domain_means,
    "persona_means": persona_means,
    "root_mean_square": root_mean_square,
    "mean_deviation": mean_deviation,
    "gini_difference": gini_difference,
    "normal_scores": normal_score,
    "ddof_0": ddof_0,
}


def _averages(subsets: Subsets, columns: int) -> Array:
    """Return the (columns, G) matrix of means over each subset."""
    return averages({str(place): subset for place, subset in enumerate(subsets)}, columns)


def _ratio(above: Array | NDArray[np.int64], below: Array | NDArray[np.int64]) -> Array:
    """Return above / below, 0 where ``below`` is 0."""
    above, below = np.broadcast_arrays(above, below)
    quotient: Array = np.divide(above, below, out=np.zeros(above.shape), where=below > 0)
    return quotient


def _mean(columns: Measured, average: Array) -> Measured:
    """Return the means of values (U,) and influences (P, U) that ``average`` (U, G) takes."""
    value, influence = columns
    return value @ average, influence @ average


def _level(values: Array) -> Measured:
    """Return the means over personas of the columns of ``values`` (P, U), NaN left out."""
    known = np.isfinite(values)
    share = _ratio(known.sum(axis=0), np.array(values.shape[0]))
    filled = np.where(known, values, 0)
    value = _ratio(filled.mean(axis=0), share)
    return value, np.where(known, values - value, 0) / np.where(share > 0, share, 1)


def _sd(values: Array) -> Measured:
    """Return the SDs over personas (ddof = 1) of the columns of ``values`` (P, U), NaN left out."""
    known = np.isfinite(values)
    centre, _ = _level(values)
    variance, influence = _level((values - centre) ** 2)
    count = known.sum(axis=0)
    sd = np.sqrt(variance * _ratio(count, count - 1))
    return sd, _ratio(influence * _ratio(count, count - 1), 2 * sd)


def _mean_distances(values: Array) -> Array:
    """Return every persona's mean distance to the others (P, U)."""
    personas = values.shape[0]
    order = np.argsort(values, axis=0)
    ranked = np.take_along_axis(values, order, axis=0)
    below = np.cumsum(ranked, axis=0)
    place = np.arange(personas)[:, None]
    total = (2 * place - personas + 2) * ranked - 2 * below + below[-1]
    distances = np.empty_like(values)
    np.put_along_axis(distances, order, total / (personas - 1), axis=0)
    return distances


def _derivatives(use: Array) -> Array:
    """Return the derivatives (K, K) of the ratings' scores by the shares of the given ratings."""
    given = np.flatnonzero(use > STEP)
    moved = np.zeros((2, given.size, use.size)) + use
    for sign, part in zip((1, -1), moved, strict=True):
        part[np.arange(given.size), given] += sign * STEP
    ahead, behind = (normal_scores(part) for part in moved)
    found = np.zeros((use.size, use.size))
    found[:, given] = ((ahead - behind) / (2 * STEP)).T
    return found


def _joined(S: Measured, noise: Measured) -> Measured:
    """Return S and R = 1 / noise, (2, G), and influences (P, 2, G); R can be infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        R = 1 / noise[0]
        influence = -noise[1] / noise[0] ** 2
    return np.stack([S[0], R]), np.stack([S[1], influence], axis=1)
