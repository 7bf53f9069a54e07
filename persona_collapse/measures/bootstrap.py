"""Bootstrap of S and sigma_bar: over personas, and over repetitions within each cell.

Both are vectorised over draws. Persona draws depend on the study seed, the probe and the personas
alone, so variants and models see the same draws and can be compared in pairs; rerun draws also
depend on the model and the variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.seeds import generator

CHUNK = 2_000_000  # numbers held at a time: 16 MB an array


@dataclass(frozen=True)
class Draws:
    """How many draws each bootstrap makes."""

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
    """Return the bootstrap variance (G,) of ``draws`` (B, G) with most of the chance taken out.

    The bootstrap variance of a statistic's linear part is known without drawing. The draws' own
    variance is scaled by how far their linear part, ``weights_linear`` (B, G), missed it (a ratio
    control variate; Davison and Hinkley 1997, section 9.2). For a mean the result is exact.
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


def rerun_variances(
    cells: Cells, by_group: Array, rng: np.random.Generator, draws: int
) -> tuple[Array, Array]:
    """Return the variances (G,) of S and sigma_bar when each cell's repetitions are redrawn.

    A draw takes n repetitions with replacement within every cell. Cells are drawn independently,
    so the variance of a mean over items is the sum of the items' variances, which is steadier than
    the variance of the drawn means. Moments from log-probabilities have no repetition noise.
    """
    if cells.exact or not cells.mean.size:
        return np.zeros(by_group.shape[1]), np.zeros(by_group.shape[1])
    spread, sigma = rerun_items(cells, rng, draws)
    squared = by_group**2
    return spread.var(axis=0, ddof=1) @ squared, sigma.var(axis=0, ddof=1) @ squared


def rerun_items(cells: Cells, rng: np.random.Generator, draws: int) -> tuple[Array, Array]:
    """Return, per rerun draw and item, (draws, Q): the SD over personas and the mean sigma."""
    personas, items = cells.mean.shape
    # Only cells with two or more different ratings can change; they are laid out item by item.
    item, persona = np.nonzero((cells.counts > 0).sum(axis=2).T > 1)
    counts, n = cells.counts[persona, item], cells.n[persona, item]
    offset = cells.mean[persona, item] - cells.mean.mean(axis=0)[item]
    starts = np.searchsorted(item, np.arange(items))
    filled = np.flatnonzero(np.bincount(item, minlength=items))
    centred = cells.mean - cells.mean.mean(axis=0)
    totals, squares, sigmas = (np.empty((draws, items)) for _ in range(3))
    totals[:], squares[:], sigmas[:] = 0.0, (centred**2).sum(axis=0), 0.0
    step = max(1, CHUNK // max(item.size, 1))
    for start in range(0, draws if item.size else 0, step):
        rows = slice(start, min(start + step, draws))
        moved, sd = resampled(counts, n, rng, rows.stop - rows.start)
        gain = moved * (moved + 2 * offset[:, None])
        for target, change in ((totals, moved), (squares, gain), (sigmas, sd)):
            target[rows, filled] += np.add.reduceat(change, starts[filled], axis=0).T
    variance = (squares - totals**2 / personas) / max(personas - 1, 1)
    return np.sqrt(np.maximum(variance, 0)), sigmas / personas


def resampled(
    counts: Array, n: NDArray[np.int64], rng: np.random.Generator, draws: int
) -> tuple[Array, Array]:
    """Redraw the n answers of cells (C, K) with replacement: mean shifts and SDs, (C, draws).

    The counts of a resample are multinomial. They are drawn as a chain of binomials, the most
    frequent rating first, so that a cell with two ratings costs one binomial a draw.
    """
    # Cells with many different ratings come first, so that each rank's cells are a prefix.
    kinds = (counts > 0).sum(axis=1)
    by_kinds = np.argsort(-kinds, kind="stable")
    kinds, size = kinds[by_kinds], n[by_kinds][:, None]
    order = np.argsort(-counts[by_kinds], axis=1, kind="stable")
    ranked = np.take_along_axis(counts[by_kinds], order, axis=1)
    steps = (order - order[:, :1]).astype(np.float64)  # distance from the most frequent rating
    left = ranked.sum(axis=1, keepdims=True) - ranked[:, :1]
    rest = rng.binomial(size, left / size, size=(n.size, draws))
    first, second = np.zeros((2, n.size, draws))
    for rank in range(1, int(kinds[0])):
        here, later = (int((kinds > place).sum()) for place in (rank, rank + 1))
        share = ranked[:, rank : rank + 1]
        taken = rest[:here]  # all that is left, where no rating comes later
        if later:
            drawn = rng.binomial(rest[:later], share[:later] / left[:later])
            taken = np.concatenate([drawn, rest[later:here]])
            rest = rest[:later] - drawn
        moves = steps[:here, rank : rank + 1] * taken
        first[:here] += moves
        second[:here] += steps[:here, rank : rank + 1] * moves
        left = left - share
    sd = np.sqrt((size * second - first**2) / (size * (size - 1)))
    first /= size
    first -= (ranked * steps).sum(axis=1, keepdims=True) / size  # the cell's own mean
    back = np.argsort(by_kinds)
    return first[back], sd[back]
