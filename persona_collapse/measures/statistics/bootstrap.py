"""Bootstrap of S and sigma_bar: over personas, and over repetitions within each cell.

Persona draws depend only on the study seed, the probe and the personas, so variants and models
share them and comparisons are paired; rerun draws also depend on the model and the variant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_collapse.common.seeds import generator
from persona_collapse.measures.cells import Array, Cells

CHUNK = 500_000  # numbers per array in memory: 4 MB


@dataclass(frozen=True)
class Draws:
    """Numbers of bootstrap draws."""

    personas: int = 2000
    reruns: int = 400


def averages(groups: Mapping[str, NDArray[np.intp]], n_items: int) -> Array:
    """Return the (Q, G) matrix that turns values per item into means per group of items."""
    matrix = np.zeros((n_items, len(groups)))
    for column, items in enumerate(groups.values()):
        matrix[items, column] = 1 / items.size
    return matrix


def persona_weights(seed: int, probe: str, personas: int, draws: int) -> Iterator[Array]:
    """Yield the weights of persona draws in chunks (b, P): how often each persona was drawn."""
    rng = generator(seed, "personas", probe)
    step = max(1, CHUNK // personas)
    for start in range(0, draws, step):
        rows = min(step, draws - start)
        drawn = rng.integers(0, personas, size=(rows, personas))
        drawn += np.arange(rows)[:, None] * personas
        counted = np.bincount(drawn.ravel(), minlength=rows * personas)
        yield counted.reshape(rows, personas).astype(np.float64)


def sample_and_draws(seed: int, probe: str, personas: int, draws: int) -> Iterator[Array]:
    """Yield weights in chunks (b, P): first of the sample, one each, then ``persona_weights``."""
    yield np.ones((1, personas))
    yield from persona_weights(seed, probe, personas, draws)


def weighted(cells: Cells, by_group: Array, weights: Array) -> tuple[Array, Array]:
    """Return S and sigma_bar, (b, G) each, of weighted personas.

    ``weights`` (b, P) are whole numbers: each row is a sample of personas. S is an SD with ddof = 1
    over the personas of the row; a row with fewer than two personas has no spread and S = 0.
    """
    count = weights.sum(axis=1, keepdims=True)
    # Centred first: the variance below is a difference of two sums.
    centred = cells.mean - cells.mean.mean(axis=0)
    items = centred.shape[1]
    columns = np.hstack([centred, centred**2, cells.sd @ by_group])
    sums = weights @ columns
    totals, squares, sigma = np.split(sums, [items, 2 * items], axis=1)
    variance = (squares - totals**2 / np.maximum(count, 1)) / np.maximum(count - 1, 1)
    return np.sqrt(np.maximum(variance, 0)) @ by_group, sigma / np.maximum(count, 1)


def jackknife(cells: Cells, by_group: Array) -> tuple[Array, Array]:
    """Return S and sigma_bar, (P, G) each, with one persona left out; needs two or more."""
    personas = cells.mean.shape[0]
    centred = cells.mean - cells.mean.mean(axis=0)
    # Totals are 0 by centring, so leaving x out leaves a sum of -x.
    squares = (centred**2).sum(axis=0) - centred**2
    variance = (squares - centred**2 / (personas - 1)) / max(personas - 2, 1)
    sigma = cells.sd @ by_group
    left_out = (sigma.sum(axis=0) - sigma) / (personas - 1)
    return np.sqrt(np.maximum(variance, 0)) @ by_group, left_out


def steady_variance(draws: Array, weights_linear: Array, left_out: Array) -> Array:
    """Return the bootstrap variance (G,) of ``draws`` (B, G) with reduced Monte Carlo error.

    The bootstrap variance of a statistic's linear part is known exactly; the ratio to that of the
    drawn linear parts, ``weights_linear`` (B, G), scales the variance of the draws (a ratio control
    variate; Davison and Hinkley 1997, section 9.2). For a mean the result is exact.
    """
    personas = left_out.shape[0]
    influence = influences(left_out)
    known = (influence**2).sum(axis=0) / personas**2
    seen = weights_linear.var(axis=0)
    ratio = np.divide(known, seen, out=np.zeros_like(known), where=seen > 0)
    variance: Array = draws.var(axis=0) * ratio
    return variance


def influences(left_out: Array) -> Array:
    """Return each persona's influence (P, G) on a statistic, from its jackknife values."""
    influence: Array = (left_out.shape[0] - 1) * (left_out.mean(axis=0) - left_out)
    return influence


def spread_influences(means: Array) -> Array:
    """Return each persona's influence (P,) on S, the mean over items of the SD over personas.

    ``means`` are (P, Q). The influence is the derivative of S by the persona's weight times P
    (infinitesimal jackknife, the delta method): (d^2 - s^2) / 2 s, mean over items, with d the
    distance from the item's mean and s^2 the mean of d^2. Influences sum to 0; a constant item has
    none.
    """
    squares = (means - means.mean(axis=0)) ** 2
    variance = squares.mean(axis=0)
    spread = np.where(variance > 0, np.sqrt(variance), np.inf)
    influence: Array = ((squares - variance) / (2 * spread)).mean(axis=1)
    return influence


def rerun_variances(
    cells: Cells, by_group: Array, rng: np.random.Generator, draws: int
) -> tuple[Array, Array]:
    """Return the variances (G,) of S and sigma_bar when each cell's repetitions are redrawn.

    A draw takes n repetitions with replacement within every cell, independently, so the variance of
    a mean over items is the sum of the items' variances, which has less Monte Carlo error than the
    variance of drawn means. It is 0 for moments from log-probabilities.
    """
    if cells.exact or not cells.mean.size:
        return np.zeros(by_group.shape[1]), np.zeros(by_group.shape[1])
    spread, sigma = rerun_items(cells, rng, draws)
    squared = by_group**2
    return spread.var(axis=0, ddof=1) @ squared, sigma.var(axis=0, ddof=1) @ squared


def rerun_items(cells: Cells, rng: np.random.Generator, draws: int) -> tuple[Array, Array]:
    """Return, per rerun draw and item, (draws, Q): the SD over personas and the mean sigma."""
    personas, items = cells.mean.shape
    centred = cells.mean - cells.mean.mean(axis=0)
    totals, squares, sigmas = (np.zeros((draws, items)) for _ in range(3))
    squares[:] = (centred**2).sum(axis=0)
    # Only cells with two or more different ratings vary; they are ordered by item.
    ratings = (cells.counts > 0).sum(axis=2).T
    for chosen in (ratings == 2, ratings > 2):
        item, persona = np.nonzero(chosen)
        counts, n = cells.counts[persona, item], cells.n[persona, item]
        twice = 2 * centred[persona, item, None]
        starts = np.searchsorted(item, np.arange(items))
        filled = np.flatnonzero(np.bincount(item, minlength=items))
        step = max(1, CHUNK // max(item.size, 1))
        for start in range(0, draws if item.size else 0, step):
            rows = slice(start, min(start + step, draws))
            moved, sd = resampled(counts, n, rng, rows.stop - rows.start)
            gain = moved + twice
            gain *= moved
            for target, change in ((totals, moved), (squares, gain), (sigmas, sd)):
                target[rows, filled] += np.add.reduceat(change, starts[filled], axis=0).T
    variance = (squares - totals**2 / personas) / max(personas - 1, 1)
    return np.sqrt(np.maximum(variance, 0)), sigmas / personas


def resampled(
    counts: Array, n: NDArray[np.int64], rng: np.random.Generator, draws: int
) -> tuple[Array, Array]:
    """Redraw the n answers of cells (C, K) with replacement: mean shifts and SDs, (C, draws).

    Every cell has two or more different ratings.
    """
    two = (counts > 0).sum(axis=1) == 2
    if two.all():
        return _resampled_two(counts, n, rng, draws)
    if not two.any():
        return _resampled_several(counts, n, rng, draws)
    moved, sd = np.empty((2, n.size, draws))
    for some in (two, ~two):
        moved[some], sd[some] = resampled(counts[some], n[some], rng, draws)
    return moved, sd


def _resampled_two(
    counts: Array, n: NDArray[np.int64], rng: np.random.Generator, draws: int
) -> tuple[Array, Array]:
    """Redraw cells with two different ratings, the most frequent kind of varying cells.

    The number of answers at the upper rating is binomial. There are few distinct kinds of cells, so
    every outcome of a kind is computed once and a draw is a look-up.
    """
    ratings, width = counts.shape[1], int(n.max(initial=0)) + 1
    low = (counts > 0).argmax(axis=1)
    high = ratings - 1 - (counts > 0)[:, ::-1].argmax(axis=1)
    upper = counts[np.arange(n.size), high].astype(np.int64)
    kinds, kind = np.unique((n * width + upper) * ratings + high - low, return_inverse=True)
    size, hits, step = (
        part[:, None]
        for part in (kinds // ratings // width, kinds // ratings % width, kinds % ratings)
    )
    outcome = np.arange(width)
    moved = step * (outcome - hits) / size
    sd = step * np.sqrt(np.maximum(outcome * (size - outcome), 0) / (size * (size - 1)))
    accept, alias = alias_tables(binomial_law(size, hits / size, width))
    u = rng.random((n.size, draws))
    u *= width
    place = u.astype(np.intp)
    u -= place
    place += (kind * width)[:, None]
    drawn = np.where(u < accept.ravel()[place], place, alias.ravel()[place])
    return moved.ravel()[drawn], sd.ravel()[drawn]


def binomial_law(n: NDArray[np.int64], p: Array, width: int) -> Array:
    """Return the probabilities (L, width) of 0, 1, ... successes; ``n`` and ``p`` are (L, 1)."""
    k = np.arange(width)
    log_factorial = np.cumsum(np.log(np.maximum(k, 1)))
    rest = np.maximum(n - k, 0)
    log_ways = log_factorial[n] - log_factorial - log_factorial[rest]
    law: Array = np.where(k <= n, np.exp(log_ways + k * np.log(p) + rest * np.log1p(-p)), 0.0)
    law /= law.sum(axis=1, keepdims=True)
    return law


def alias_tables(law: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return Vose's alias tables (L, W) of laws (L, W), whose rows sum to 1.

    A uniformly drawn place is kept with probability ``accept``, otherwise replaced by ``alias``, an
    index into the flattened table. Source: Vose, IEEE Trans. Softw. Eng. 17 (1991) 972.
    """
    laws, width = law.shape
    accept, alias = law * width, np.arange(law.size).reshape(law.shape)
    for row in range(laws):
        poor, rich = (
            [int(i) for i in np.flatnonzero(side)] for side in (accept[row] < 1, accept[row] >= 1)
        )
        while poor and rich:
            taker, giver = poor.pop(), rich[-1]
            alias[row, taker] = giver + row * width
            accept[row, giver] -= 1 - accept[row, taker]
            if accept[row, giver] < 1:
                poor.append(rich.pop())
        accept[row, poor + rich] = 1  # rounding's leftovers
    return accept, alias


def _resampled_several(
    counts: Array, n: NDArray[np.int64], rng: np.random.Generator, draws: int
) -> tuple[Array, Array]:
    """Redraw cells with any number of ratings.

    Multinomial counts are drawn as a chain of binomials, the most frequent rating first. Arrays are
    changed in place, because most of the measuring time is spent here.
    """
    order = np.argsort(-counts, axis=1, kind="stable")
    ranked = np.take_along_axis(counts, order, axis=1)
    steps = (order - order[:, :1]).astype(np.float64)  # distance from the most frequent rating
    beyond = ranked.sum(axis=1, keepdims=True) - np.cumsum(ranked, axis=1)  # answers at later ranks
    size = n[:, None].astype(np.float64)
    rest = rng.binomial(n[:, None], beyond[:, :1] / size, size=(n.size, draws))
    # First count all answers beyond the most frequent rating as the second most frequent; then move
    # those beyond that one to the third, and so on, in the remaining cells.
    first = steps[:, 1:2] * rest
    second = steps[:, 1:2] * first
    cells = np.arange(n.size)
    for rank in range(1, counts.shape[1] - 1):
        further = beyond[cells, rank] > 0
        cells = cells[further]
        if not cells.size:
            break
        share = beyond[cells, rank] / beyond[cells, rank - 1]
        rest = rng.binomial(rest[further], share[:, None])
        here, there = steps[cells, rank, None], steps[cells, rank + 1, None]
        first[cells] += (there - here) * rest
        second[cells] += (there**2 - here**2) * rest
    second *= size
    second -= first**2
    second /= size * (size - 1)
    first /= size
    first -= (ranked * steps).sum(axis=1, keepdims=True) / size  # the cell's own mean
    return first, np.sqrt(second, out=second)
