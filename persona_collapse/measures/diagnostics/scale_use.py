"""Use of the rating scale, and the largest S that the given ratings allow."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.measures.cells import Array, Cells, shared_personas
from persona_collapse.measures.diagnostics.rows import draws_of_personas, frame_of, frame_of_draws

GIVEN = 0.05  # a rating with this probability counts as given, for log-probabilities
DOMINANT = 0.9  # a variant is degenerate if a rating has this share of all answers


def scale_use(
    cells: Cells, seed: int, probe: str, base: Cells | None = None, draws: int = 1000
) -> pl.DataFrame:
    """Return the use of the rating scale per domain, with persona-bootstrap intervals.

    Cells have equal weight. Shares of answers: ``share_<rating>``, ``endpoint_mass`` (both ends),
    ``top_share`` (most frequent rating). ``entropy_bits``; ``entropy_share`` of log2 K. Shares of
    cells: ``reversal_cells`` with ratings K - 2 or more points apart (4 on a 0-5 scale). Shares of
    items: ``constant_items`` with equal means of all personas. ``degenerate``: 1 if ``top_share``
    is 0.9 or more or half of the items are constant. ``S_max``: largest S for the items' answers
    (``largest_spread``), ``S_max_of_mean``: largest S for their means. With ``base``:
    ``kl_to_base_bits``.
    """
    if not cells.mean.size:
        return frame_of([])
    weights = draws_of_personas(cells, seed, probe, draws)
    shares = shares_of(cells)
    found = {}
    for name, items in cells.groups().items():
        use = _pooled(shares[:, items], weights)
        values = {f"share_{rating:.0f}": use[:, k] for k, rating in enumerate(cells.ratings)}
        entropy = entropy_bits(use)
        values["endpoint_mass"] = use[:, 0] + use[:, -1]
        values["entropy_bits"] = entropy
        values["entropy_share"] = entropy / np.log2(use.shape[1])
        wide = reversals(cells)[:, items].mean(axis=1)
        values["reversal_cells"] = weights @ wide / weights.sum(axis=1)
        values["top_share"] = use.max(axis=1)
        values |= _flags(cells.mean[:, items], use[0])
        if cells.persona_ids.size > 1:
            values |= _room(cells.mean[:, items], shares[:, items], cells, weights)
        if base is not None:
            values |= _divergence(base, cells, items, (seed, probe, draws))
        found[name] = values
    return frame_of_draws(found)


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
    """Return the entropy (...) of distributions (..., K) in bits; 0 log 0 is 0."""
    logs = np.log2(use, out=np.zeros_like(use), where=use > 0)
    entropy: Array = -(use * logs).sum(axis=-1) + 0.0  # no minus zero
    return entropy


def divergence_bits(use: Array, n: float, base: Array, n_base: float) -> Array:
    """Return the Kullback-Leibler divergence (B,) of distributions (B, K) from base ones, in bits.

    Half an answer is added to every rating of ``n`` answers (Krichevsky-Trofimov), so that a rating
    that base never gives does not make it infinite.
    """
    size = use.shape[1]
    p = (use * n + 0.5) / (n + size / 2)
    q = (base * n_base + 0.5) / (n_base + size / 2)
    divergence: Array = (p * np.log2(p / q)).sum(axis=1)
    return divergence


def reversals(cells: Cells) -> NDArray[np.bool_]:
    """Return which cells (P, Q) have ratings K - 2 or more points apart, nearly the whole scale.

    A rating counts if it was given once, or has a probability of 5 % where these are exact.
    """
    given = cells.counts >= GIVEN if cells.exact else cells.counts > 0
    size = cells.counts.shape[2]
    lowest = given.argmax(axis=2)
    highest = size - 1 - given[:, :, ::-1].argmax(axis=2)
    wide: NDArray[np.bool_] = (highest - lowest >= size - 2) & (size > 2)
    return wide


def _flags(means: Array, use: Array) -> dict[str, Array]:
    constant = float((np.ptp(means, axis=0) == 0).mean()) if means.shape[0] > 1 else np.nan
    degenerate = bool(use.max() >= DOMINANT or constant >= 0.5)
    return {"constant_items": np.array([constant]), "degenerate": np.array([float(degenerate)])}


def largest_spread(marginal: Array, ratings: Array) -> Array:
    """Return the largest SD over personas (..., Q) of the cell means of items.

    ``marginal`` (..., Q, K) is the distribution of all answers to an item, with equal weight for
    every persona. The variance of answers is the variance of personas' means plus the mean variance
    within personas, so the spread is largest when each persona always gives one rating, and equals
    the SD (ddof = 0) of the marginal: an upper bound, as P personas have shares in steps of 1 / P.
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
    over = weights @ (means - centre) / count[:, None]
    averages = np.clip(over + centre, ratings[0], ratings[-1])
    # Bhatia and Davis (2000): for a given mean, the two ends have the largest spread.
    by_mean = np.sqrt((ratings[-1] - averages) * (averages - ratings[0])).mean(axis=1)
    return {
        "S_max": largest_spread(marginal, ratings).mean(axis=1) * scale,
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
