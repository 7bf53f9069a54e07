"""Scale-free S: S on normal scores, which do not depend on how a variant uses the scale."""

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import (
    Array,
    Cells,
    cells_from_moments,
    shared_personas,
    unit_of,
)
from persona_collapse.measures.diagnostics.rows import draws_of_personas
from persona_collapse.measures.diagnostics.scale_use import shares_of
from persona_collapse.measures.statistics.bootstrap import averages
from persona_collapse.measures.statistics.intervals import (
    bca_interval,
    expanded_tail,
    log_t_interval,
)
from persona_collapse.tables.contracts.scale_free import TABLE


def scale_free_of(
    moments: pl.DataFrame,
    instrument: Instrument,
    baseline: pl.DataFrame | None,
    seed: int,
    draws: int,
) -> pl.DataFrame:
    """Return the rows of ``scale_free.csv`` of one model x variant x probe.

    Changes are of the personas that variant and baseline share, with BCa intervals of the log
    ratio. An unconditioned probe and fewer than three personas have no rows.
    """
    cells = cells_from_moments(moments, instrument)
    personas = cells.persona_ids.size
    if moments["persona_id"].is_null().all() or personas < 3:
        return TABLE.frame()
    groups = cells.groups()
    by_group = averages(groups, cells.item_ids.size)
    normal, left_out = (normal_spread(cells, w) @ by_group for w in _sample_and_left_out(personas))
    lo, hi = log_t_interval(normal[0], left_out)
    percent = np.full((4, len(groups)), np.nan)
    if baseline is not None:
        base, other = shared_personas(cells_from_moments(baseline, instrument), cells)
        if other.persona_ids.size > 2:
            weights = draws_of_personas(other, seed, moments["probe"][0], draws)
            percent = _changes(base, other, by_group, weights)
    names = unit_of(moments)
    return pl.DataFrame(
        {
            **{name: [names[name]] * len(groups) for name in ("model", "variant", "probe")},
            "domain": list(groups),
            "S": cells.mean.std(axis=0, ddof=1) @ by_group,
            "S_percent": percent[0],
            "S_normal": normal[0],
            "S_normal_lo": lo,
            "S_normal_hi": hi,
            "S_normal_percent": percent[1],
            "S_normal_percent_lo": percent[2],
            "S_normal_percent_hi": percent[3],
            "n_personas": [personas] * len(groups),
            "simulated": [names["simulated"]] * len(groups),
        },
        nan_to_null=True,
    )


def _changes(base: Cells, other: Cells, by_group: Array, weights: Array) -> Array:
    """Return percent changes (4, G): of S, of S on normal scores, and the latter's two ends."""
    raw = [c.mean.std(axis=0, ddof=1) @ by_group for c in (other, base)]
    personas = other.persona_ids.size
    every = np.vstack([weights, _sample_and_left_out(personas)[1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        spreads = [normal_spread(c, every) @ by_group for c in (other, base)]
        logs = np.log(spreads[0] / spreads[1])
        value, draws, left_out = np.split(logs, [1, weights.shape[0]])
        ends = bca_interval(draws, value[0], left_out, expanded_tail(personas))
        defined = np.isfinite(logs).all(axis=0)
        limits = [np.where(defined, end, np.nan) for end in ends]
        return 100 * (np.array([raw[0] / raw[1], *np.exp([value[0], *limits])]) - 1)


def _sample_and_left_out(personas: int) -> tuple[Array, Array]:
    """Return the weights of all personas (1, P), and of all but one (P, P)."""
    return np.ones((1, personas)), 1 - np.eye(personas)


def normal_spread(cells: Cells, weights: Array) -> Array:
    """Return the SD over personas (ddof = 1) of each item's mean normal score, (B, Q).

    The variant's answers to all items, cells with equal weight, are ranked together and replaced by
    the normal scores of their ranks, equal ratings by their average. With the cumulative shares
    F_k of the ratings, rating k scores (phi(z_k-1) - phi(z_k)) / (F_k - F_k-1), where z_k is the
    standard normal quantile of F_k and phi its density. ``weights`` (B, P) are of personas; each
    row has its own scores.
    """
    shares = shares_of(cells)
    personas, items, ratings = shares.shape
    count = weights.sum(axis=1)
    scores = normal_scores(weights @ shares.mean(axis=1) / count[:, None])
    means = (weights @ shares.reshape(personas, -1) / count[:, None]).reshape(-1, items, ratings)
    # Variance of a sum over ratings: products of each two ratings, those of unequal ones twice.
    one, other = np.triu_indices(ratings)
    products = (shares[..., one] * shares[..., other]).reshape(personas, -1)
    squares = (weights @ products / count[:, None]).reshape(-1, items, one.size)
    squares -= means[..., one] * means[..., other]
    twice = scores[:, one] * scores[:, other] * np.where(one == other, 1, 2)
    variance = (squares @ twice[:, :, None])[:, :, 0]
    spread: Array = np.sqrt(np.maximum(variance, 0) * (count / (count - 1))[:, None])
    return spread


def normal_scores(use: Array) -> Array:
    """Return the mean normal score of each rating (B, K) from the ratings' shares."""
    from scipy.special import ndtri

    upto = np.clip(np.cumsum(use, axis=1), 0, 1)
    edges = np.pad(upto, ((0, 0), (1, 0)))
    edges[:, -1] = 1
    density = np.exp(-(ndtri(edges) ** 2) / 2) / np.sqrt(2 * np.pi)
    scores: Array = np.divide(
        density[:, :-1] - density[:, 1:], use, out=np.zeros_like(use), where=use > 1e-12
    )
    return scores
