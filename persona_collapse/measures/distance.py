"""Distances between a variant's personas and the baseline's: of clouds, of geometry, to a ceiling.

All compare the P x Q persona means of both. A pair of personas counts with the product of their
weights, and never a persona with itself.
"""

import numpy as np
import polars as pl

from persona_collapse.common.seeds import generator
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.diagnostics.identification import halves_of
from persona_collapse.measures.diagnostics.noise import noise_variance
from persona_collapse.measures.diagnostics.rows import ratio
from persona_collapse.measures.pairs import Pair, pair_of
from persona_collapse.measures.statistics.bootstrap import CHUNK
from persona_collapse.measures.statistics.intervals import jackknife_interval
from persona_collapse.tables.contracts.distance import TABLE

SPLITS = 5  # random halves of the repetitions
GROUPS = 100  # of personas, left out in turn: the cost of a group grows with P^2


def distance_of(
    moments: pl.DataFrame,
    instrument: Instrument,
    baseline: pl.DataFrame | None,
    seed: int,
    draws: int,
) -> pl.DataFrame:
    """Return the row of ``distance.csv`` of one model x variant x probe, over all items."""
    pair = pair_of(moments, baseline, instrument, seed, draws)
    if pair is None:
        return TABLE.frame()
    x, y = (part.mean - part.mean.mean(axis=0) for part in (pair.base, pair.other))
    left_out = without_groups(pair.personas)
    reliability = [
        _reliability(part, generator(seed, "halves", pair.names["probe"]))
        for part in (pair.base, pair.other)
    ]
    alpha, residual = interpolation(pair, float(max(instrument.scale.ratings)))
    row = {
        **pair.names,
        **_columns("energy", energy(x, y, left_out)),
        **_columns("rsa", similarity(x, y, left_out), within=(-1, 1)),
        "rsa_ceiling": float(np.sqrt(np.prod(np.maximum(reliability, 0)))),
        **pair.columns("alpha", alpha),
        **pair.columns("residual", residual),
        "n_personas": pair.personas,
    }
    return TABLE.frame([row])


def without_groups(personas: int) -> Array:
    """Return the weights (1 + g, P) of the sample, and without each of g groups of personas.

    Groups are single personas up to 100, beyond that 100 groups of about the same size.
    """
    groups = min(personas, GROUPS)
    weights = np.ones((1 + groups, personas))
    weights[1 + np.arange(personas) % groups, np.arange(personas)] = 0
    return weights


def _columns(
    name: str, values: Array, within: tuple[float, float] = (-np.inf, np.inf)
) -> dict[str, float]:
    """Return a measure with its interval, value +- t(g - 1) SE, from the jackknife over groups.

    The bootstrap draws a persona more than once, and its distance to itself is no distance between
    personas; near an energy of 0 its interval would be far too wide.
    """
    lo, hi = np.clip(jackknife_interval(values), *within)
    return {name: float(values[0]), f"{name}_lo": float(lo), f"{name}_hi": float(hi)}


def energy(x: Array, y: Array, weights: Array) -> Array:
    """Return the energy distance of two clouds (P, Q), (B,), in percent of the first's spread.

    2 E|X - Y'| - E|X - X'| - E|Y - Y'| over pairs of different personas, relative to E|X - X'|
    (Szekely and Rizzo 2013). Every draw centres both clouds at their own means first. As both hold
    the same personas, this brings different ones closer together; the distances between the clouds
    are stretched by what that takes from their mean square.
    """
    count = weights.sum(axis=1)
    pairs = np.maximum(count**2 - (weights**2).sum(axis=1), 1)
    own, other = (((weights @ _distances(z, z)) * weights).sum(axis=1) / pairs for z in (x, y))
    squared, change, twice = _distances(x, y) ** 2, y - x, weights**2
    shift = weights @ change / np.maximum(count, 1)[:, None]
    at_x, at_y, length = shift @ x.T, shift @ y.T, (shift**2).sum(axis=1)
    lost = twice @ (change**2).sum(axis=1) - 2 * (twice @ change * shift).sum(axis=1)
    lost += twice.sum(axis=1) * length
    squares = weights @ (x**2 + y**2).sum(axis=1)
    squares = count * squares - ((weights @ x) ** 2 + (weights @ y) ** 2).sum(axis=1)
    cross = np.empty_like(count)
    step = max(1, CHUNK // squared.size)
    for start in range(0, count.size, step):
        rows = slice(start, start + step)
        moved = squared + 2 * (at_x[rows, :, None] - at_y[rows, None, :])
        moved += length[rows, None, None]
        apart = np.sqrt(np.maximum(moved, 0, out=moved), out=moved)
        w = weights[rows]
        alone = (np.einsum("bii->bi", apart) * w**2).sum(axis=1)
        cross[rows] = np.einsum("bi,bi->b", (apart @ w[:, :, None])[:, :, 0], w) - alone
    cross *= np.sqrt(ratio(squares, squares - lost)) / pairs
    return 100 * ratio(2 * cross - own - other, own)


def similarity(x: Array, y: Array, weights: Array) -> Array:
    """Return Spearman's correlation of the distances between personas in two clouds, (B,).

    Representational similarity analysis (Kriegeskorte et al. 2008). Ties share their rank. NaN
    where all distances are equal.
    """
    first, second = np.triu_indices(x.shape[0], 1)
    apart = [_apart(z) for z in (x, y)]
    groups = [np.unique(values, return_inverse=True) for values in apart]
    orders = [np.argsort(place, kind="stable") for _, place in groups]
    lasts = [np.cumsum(np.bincount(place)) for _, place in groups]
    found = np.empty(weights.shape[0])
    step = max(1, CHUNK // first.size)
    for start in range(0, found.size, step):
        rows = slice(start, start + step)
        pairs = weights[rows, first] * weights[rows, second]
        total = np.maximum(pairs.sum(axis=1, keepdims=True), 1)
        ranks = []
        for (_, place), order, last in zip(groups, orders, lasts, strict=True):
            above = np.cumsum(pairs[:, order], axis=1)[:, last - 1]
            below = np.hstack([np.zeros_like(total), above[:, :-1]])
            ranks.append((((above + below) / total - 1) / 2)[:, place])
        products = [(pairs * a * b).sum(axis=1) for a, b in (ranks, ranks[:1] * 2, ranks[1:] * 2)]
        found[rows] = ratio(products[0], np.sqrt(products[1] * products[2]))
    return found


def interpolation(pair: Pair, ceiling: float) -> tuple[Array, Array]:
    """Return alpha and the share of squared change that it leaves, (1 + B,) each.

    Least squares of ``variant = base + alpha (ceiling - base)`` over all cells; repetition noise is
    removed from every sum.
    """
    room, change = ceiling - pair.base.mean, pair.other.mean - pair.base.mean
    noise = [noise_variance(part) for part in (pair.base, pair.other)]
    sums = [room * change - noise[0], room**2 - noise[0], change**2 - noise[0] - noise[1]]
    both, room_2, change_2 = (pair.weights @ values.sum(axis=1) for values in sums)
    alpha = ratio(both, room_2)
    return alpha, 1 - ratio(alpha * both, change_2)


def _spearman(x: Array, y: Array) -> float:
    """Return ``similarity`` of the whole sample."""
    ranks = [_ranks(_apart(z)) for z in (x, y)]
    squares = [rank @ rank for rank in ranks]
    product = float(np.sqrt(squares[0] * squares[1]))
    return float(ranks[0] @ ranks[1]) / product if product > 0 else float("nan")


def _ranks(values: Array) -> Array:
    """Return centred ranks; ties share their rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks = (last - (count - 1) / 2)[place]
    centred: Array = ranks - ranks.mean()
    return centred


def _apart(x: Array) -> Array:
    """Return the distances of all pairs of rows; rounding errors would break ties."""
    from scipy.spatial.distance import pdist

    apart: Array = np.round(pdist(x), 9)
    return apart


def _distances(x: Array, y: Array) -> Array:
    """Return the Euclidean distances between rows, (P, P)."""
    from scipy.spatial.distance import cdist

    apart: Array = cdist(x, y)
    return apart


def _reliability(cells: Cells, rng: np.random.Generator) -> float:
    """Return how well a variant's distances between personas would be found again.

    Mean correlation of the distances from random halves of the repetitions, stepped up to all of
    them (Spearman-Brown). 1 for log-probabilities, NaN with single answers.
    """
    if cells.exact:
        return 1.0
    found = [_spearman(*halves) for halves in halves_of(cells, rng, SPLITS)]
    mean = float(np.mean(found)) if found else float("nan")
    return 2 * mean / (1 + mean)
