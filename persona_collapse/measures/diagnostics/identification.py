"""Identifiability: can half of a persona's answers identify it among all personas?"""

from math import comb

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.common.seeds import generator
from persona_collapse.measures.cells import Array, Cells, shared_personas
from persona_collapse.measures.diagnostics.rows import draws_of_personas, frame_of_draws

Whole = NDArray[np.int64]


def identification(
    cells: Cells,
    seed: int,
    probe: str,
    base: Cells | None = None,
    splits: int = 20,
    draws: int = 1000,
) -> pl.DataFrame:
    """Return shares of identified personas per domain, with persona-bootstrap intervals.

    ``identified``: each cell's answers are split at random into two halves, ``splits`` times; a
    persona is identified if the first half nearest (Euclidean) to its second half is its own; ties
    share the hit. Null without two answers in every cell. ``identified_in_base``: of all personas
    under the baseline, the same persona's profile (centred by item) correlates most with this one.
    ``chance`` is 1 / personas.
    """
    weights = draws_of_personas(cells, seed, probe, draws)
    weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    pair = None if base is None else shared_personas(base, cells)
    split = halves_of(cells, generator(seed, "halves", probe), splits)
    personas = cells.persona_ids.size
    found = {}
    for name, items in cells.groups().items():
        if not personas:
            break
        hits = [_nearest(first[:, items], second[:, items]) for first, second in split]
        own = np.mean(hits, axis=0) if hits else np.full(personas, np.nan)
        found[name] = {"identified": weights @ own}
        if pair is not None and pair[0].persona_ids.size:
            same = hits_of(likeness_of(pair[0].mean[:, items], pair[1].mean[:, items]))
            drawn = draws_of_personas(pair[1], seed, probe, draws)
            drawn = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1)
            found[name]["identified_in_base"] = drawn @ same
        found[name]["chance"] = np.array([1 / personas])
    return frame_of_draws(found)


def halves_of(cells: Cells, rng: np.random.Generator, splits: int) -> list[tuple[Array, Array]]:
    """Return pairs of half means (P, Q); an odd answer goes to the second half."""
    if cells.exact or not cells.n.size or cells.n.min() < 2:
        return []
    steps = np.arange(cells.counts.shape[2])
    total = cells.counts @ steps
    counts = cells.counts.astype(np.int64)
    size = cells.n // 2
    # Only cells with two or more different ratings depend on the draw.
    mixed = np.count_nonzero(counts, axis=2) > 1
    pairs = []
    for _ in range(splits):
        first = total * size / cells.n
        drawn = _drawn(counts[mixed], size[mixed], rng)
        first[mixed] = drawn @ steps
        pairs.append((first / size, (total - first) / (cells.n - size)))
    return pairs


def _drawn(counts: Whole, size: Whole, rng: np.random.Generator) -> Whole:
    """Draw ``size`` (C,) answers without replacement from each row of ``counts`` (C, K)."""
    taken = np.zeros_like(counts)
    left, rest = size.copy(), counts.sum(axis=1)
    for rating in range(counts.shape[1]):
        rest = rest - counts[:, rating]
        taken[:, rating] = rng.hypergeometric(counts[:, rating], rest, left)
        left = left - taken[:, rating]
    return taken


def _nearest(first: Array, second: Array) -> Array:
    """Return each persona's hit (P,) by the distance of half means, see ``hits_of``."""
    centre = first.mean(axis=0)
    first, second = first - centre, second - centre
    squares = (first**2).sum(axis=1) + (second**2).sum(axis=1)[:, None] - 2 * second @ first.T
    return hits_of(-np.round(squares, 9))


def likeness_of(base: Array, other: Array) -> Array:
    """Return the correlation (P, P) of each persona (row) with base's (columns), item-centred."""
    pair = []
    for means in (base, other):
        profile = means - means.mean(axis=0)
        profile = profile - profile.mean(axis=1, keepdims=True)
        length = np.sqrt((profile**2).sum(axis=1, keepdims=True))
        pair.append(np.divide(profile, length, out=np.zeros_like(profile), where=length > 1e-9))
    likeness: Array = np.round(pair[1] @ pair[0].T, 9)
    return likeness


def hits_of(likeness: Array) -> Array:
    """Return 1 / ties where a persona (row) is among the most similar to itself (column), or 0."""
    best = likeness == likeness.max(axis=1, keepdims=True)
    hits: Array = np.diagonal(best) / best.sum(axis=1)
    return hits


def hits_among(likeness: Array, choices: int) -> Array:
    """Return each persona's expected hit (P,) among itself and ``choices - 1`` others at random.

    P is at least ``choices``. Ties share the hit, as in ``hits_of``.
    """
    own = np.diagonal(likeness)[:, None]
    others = choices - 1
    worse = (likeness < own).sum(axis=1)
    equal = (likeness == own).sum(axis=1) - 1
    drawn = comb(len(likeness) - 1, others)
    return np.array(
        [
            sum(comb(e, k) * comb(w, others - k) / (k + 1) for k in range(choices)) / drawn
            for w, e in zip(worse.tolist(), equal.tolist(), strict=True)
        ]
    )
