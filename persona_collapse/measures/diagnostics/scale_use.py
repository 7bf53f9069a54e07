"""Scale use: which ratings a variant gives, and how much spread those ratings leave room for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.diagnostics.fidelity import shared_personas
from persona_collapse.measures.diagnostics.rows import (
    Row,
    draws_of_personas,
    frame_of,
    ratio,
    rows_of,
)

HELD = 0.05  # a rating with this probability counts as held where there are no answers to count
DOMINANT = 0.9  # a rating with this share of all answers marks a degenerate variant


def scale_use(
    cells: Cells,
    seed: int,
    probe: str,
    base: Cells | None = None,
    draws: int = 1000,
    order: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the use of the rating scale per foundation, with persona-bootstrap intervals.

    Every cell has equal weight. ``share_<rating>`` of all answers, ``endpoint_mass`` the share on
    both ends, ``entropy_bits`` and ``entropy_share`` (of the largest, log2 K), ``reversal_cells``
    the share of cells whose own ratings lie K - 2 or more points apart (4 on a 0-5 scale),
    ``top_share`` of the commonest rating, ``constant_items`` the share of items on which all
    personas have one mean, ``degenerate`` 1 where ``top_share`` is 0.9 or more or at least half
    of the items are constant. ``S_max`` is the largest S that the items' answers allow (see
    ``largest_spread``), ``S_share_of_max`` the S found as a share of it, ``S_max_of_mean`` the
    largest that the items' mean ratings allow. With ``base``: ``kl_to_base_bits``.
    """
    weights = draws_of_personas(cells, seed, probe, draws)
    shares = shares_of(cells)
    rows: list[Row] = []
    for name, items in cells.groups(order).items():
        if not cells.mean.size:
            break
        use = _pooled(shares[:, items], weights)
        values = {f"share_{rating:.0f}": use[:, k] for k, rating in enumerate(cells.ratings)}
        entropy = entropy_bits(use)
        values["endpoint_mass"] = use[:, 0] + use[:, -1]
        values["entropy_bits"] = entropy
        values["entropy_share"] = entropy / np.log2(use.shape[1])
        wide = reversals(cells)[:, items].mean(axis=1)
        values["reversal_cells"] = weights @ wide / weights.sum(axis=1)
        values["top_share"] = use.max(axis=1)
        rows += rows_of(name, values)
        rows += rows_of(name, _flags(cells.mean[:, items], use[0]))
        if cells.persona_ids.size > 1:
            rows += rows_of(name, _room(cells.mean[:, items], shares[:, items], cells, weights))
        if base is not None:
            rows += rows_of(name, _divergence(base, cells, items, (seed, probe, draws)))
    return frame_of(rows)


def shares_of(cells: Cells) -> Array:
    """Return the distribution of each cell's answers over the ratings, (P, Q, K)."""
    shares: Array = cells.counts / cells.counts.sum(axis=2, keepdims=True)
    return shares


def _pooled(shares: Array, weights: Array) -> Array:
    """Return the rating distribution (B, K) over the weighted personas, cells of equal weight."""
    use = weights @ shares.mean(axis=1)
    pooled: Array = use / use.sum(axis=1, keepdims=True)
    return pooled


def entropy_bits(use: Array) -> Array:
    """Return the entropy (B,) of distributions (B, K) in bits; 0 log 0 is 0."""
    logs = np.log2(use, out=np.zeros_like(use), where=use > 0)
    entropy: Array = -(use * logs).sum(axis=1) + 0.0  # no minus zero
    return entropy


def divergence_bits(use: Array, n: float, base: Array, n_base: float) -> Array:
    """Return the Kullback-Leibler divergence (B,) of distributions (B, K) from base ones, in bits.

    Half an answer is added to every rating on both sides (Krichevsky-Trofimov), ``n`` answers
    each, so that a rating which base never gives costs much but not everything.
    """
    size = use.shape[1]
    p = (use * n + 0.5) / (n + size / 2)
    q = (base * n_base + 0.5) / (n_base + size / 2)
    divergence: Array = (p * np.log2(p / q)).sum(axis=1)
    return divergence


def reversals(cells: Cells) -> NDArray[np.bool_]:
    """Say which cells (P, Q) hold ratings K - 2 or more points apart, nearly the whole scale.

    A rating is held when it was answered once, or is 5 % probable where probabilities are exact.
    """
    held = cells.counts >= HELD if cells.exact else cells.counts > 0
    size = cells.counts.shape[2]
    lowest = held.argmax(axis=2)
    highest = size - 1 - held[:, :, ::-1].argmax(axis=2)
    wide: NDArray[np.bool_] = (highest - lowest >= size - 2) & (size > 2)
    return wide


def _flags(means: Array, use: Array) -> dict[str, Array]:
    constant = float((np.ptp(means, axis=0) == 0).mean()) if means.shape[0] > 1 else np.nan
    degenerate = bool(use.max() >= DOMINANT or constant >= 0.5)
    return {"constant_items": np.array([constant]), "degenerate": np.array([float(degenerate)])}


def largest_spread(marginal: Array, ratings: Array) -> Array:
    """Return the largest SD over personas (..., Q) of the cell means of items.

    ``marginal`` (..., Q, K) is the distribution of all answers to an item, every persona with equal
    weight. Over all ways to hand these answers to personas, maximise the variance of the personas'
    means. The variance of the answers is the variance of the means plus the mean variance within
    personas, so it is reached when each persona always gives one rating: the SD (ddof = 0) of the
    marginal. It is an upper bound: P personas can only make shares that are multiples of 1 / P.
    """
    spread: Array = marginal @ ratings**2 - (marginal @ ratings) ** 2
    return np.sqrt(np.maximum(spread, 0))


def _room(means: Array, shares: Array, cells: Cells, weights: Array) -> dict[str, Array]:
    count = weights.sum(axis=1)
    scale = np.sqrt(count / (count - 1))  # S has ddof = 1
    ratings = cells.ratings
    flat = shares.reshape(shares.shape[0], -1)
    marginal = (weights @ flat / count[:, None]).reshape(-1, *shares.shape[1:])
    centre = means.mean(axis=0)
    centred = means - centre
    over = weights @ centred / count[:, None]
    variance = np.maximum(weights @ centred**2 / count[:, None] - over**2, 0)
    averages = np.clip(over + centre, ratings[0], ratings[-1])
    largest = largest_spread(marginal, ratings).mean(axis=1)
    # Bhatia and Davis (2000): for a given mean, nothing spreads wider than the two ends.
    by_mean = np.sqrt((ratings[-1] - averages) * (averages - ratings[0])).mean(axis=1)
    return {
        "S_max": largest * scale,
        "S_share_of_max": ratio(np.sqrt(variance).mean(axis=1), largest),
        "S_max_of_mean": by_mean * scale,
    }


def _divergence(
    base: Cells, cells: Cells, items: NDArray[np.intp], drawing: tuple[int, str, int]
) -> dict[str, Array]:
    base, cells = shared_personas(base, cells)
    if not cells.mean.size:
        return {"kl_to_base_bits": np.array([np.nan])}
    weights = draws_of_personas(cells, *drawing)
    pair = [(_pooled(shares_of(c)[:, items], weights), c.n[:, items].sum()) for c in (cells, base)]
    (use, n), (base_use, n_base) = pair
    return {"kl_to_base_bits": divergence_bits(use, float(n), base_use, float(n_base))}
