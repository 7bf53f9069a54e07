"""Repetition noise, its small-sample bias, and a corrected estimate."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.measures.cells import OVERALL, Array, Cells, filled
from persona_collapse.measures.diagnostics.rows import (
    NO_INTERVAL,
    Row,
    draws_of_personas,
    frame_of,
    interval,
    ratio,
)

STEPS = 200  # EM steps: early stopping smooths the fit
PROBABILITIES = 15  # two-rating distributions per pair of ratings
NO_NOISE = 1e-6  # scale points: residue of the EM steps where no cell varies
TINY = np.float32(1e-19)  # smaller probabilities become 0: subnormal numbers are slow
REFITS = 40  # persona draws that are refitted for an interval
MOST_PATTERNS = 300  # observed distributions of three or more ratings used as atoms


def answer_variance(cells: Cells) -> Array:
    """Return the variance of one answer in each cell (P, Q), in squared scale points.

    A cell with one answer takes the mean over its item's other cells, or over all other cells; NaN
    where every cell has one answer.
    """
    seen = np.where(cells.exact | (cells.n > 1), cells.sd**2, np.nan)
    return filled(seen)


def noise_variance(cells: Cells) -> Array:
    """Return the variance of each cell's mean (P, Q) from repetition: sigma_pq^2 / n_pq, unbiased.

    0 for moments from log-probabilities.
    """
    return np.zeros_like(cells.mean) if cells.exact else answer_variance(cells) / cells.n


def corrected_sigma(counts: Array, weights: Array) -> Array:
    """Return sigma_bar without the small-sample bias of the sample SD, for weighted personas (B,).

    Most cells give n identical answers, which fits a probability of 1 as well as one of 0.97; the
    set of all cells distinguishes them. The distribution of answer probabilities over cells is
    fitted by maximum likelihood (nonparametric empirical Bayes; Laird 1978), separately for each
    row of ``weights`` (B, P), and gives the mean SD. Probabilities below 1 in 10 n are not
    considered. ``counts`` (P, Q, K) are answers per rating. NaN where every cell has one answer.
    """
    repetitions = int(counts.sum(axis=2).max())
    if repetitions < 2:
        return np.full(weights.shape[0], np.nan)
    personas, items, ratings = counts.shape
    patterns, place = np.unique(counts.reshape(-1, ratings), axis=0, return_inverse=True)
    places = place.ravel() + len(patterns) * np.repeat(np.arange(personas), items)
    seen = np.bincount(places, minlength=personas * len(patterns)).reshape(personas, -1)
    count = weights.sum(axis=1)[:, None]
    share = (weights @ seen / count / items).T.astype(np.float32)
    atoms = _atoms(patterns, repetitions)
    likelihood = patterns @ np.log(np.maximum(atoms, 1e-300)).T
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True)).astype(np.float32)
    likelihood[likelihood < TINY] = 0
    fit = np.full((len(atoms), weights.shape[0]), 1 / len(atoms), dtype=np.float32)
    for _ in range(STEPS):
        # A draw may lack a pattern and lose every atom that explains it: 0 / 0 is 0 here.
        fit *= likelihood.T @ (share / np.maximum(likelihood @ fit, TINY))
        fit[fit < TINY] = 0
    steps = np.arange(ratings)
    sd = np.sqrt(np.maximum(atoms @ steps**2 - (atoms @ steps) ** 2, 0))
    sigma: Array = sd @ fit.astype(np.float64)
    return np.where(sigma > NO_NOISE, sigma, 0)


def _atoms(patterns: Array, repetitions: int) -> Array:
    """Return candidate distributions (A, K): constants, mixtures of two ratings, observed ones."""
    ratings = patterns.shape[1]
    constants = np.eye(ratings)
    given = (patterns > 0).astype(float)
    first, second = np.nonzero(np.triu((given.T @ given > 0) | np.eye(ratings, k=1, dtype=bool), 1))
    reach = np.log(10 * repetitions)
    odds = 1 / (1 + np.exp(-np.linspace(-reach, reach, PROBABILITIES)))[:, None, None]
    pairs = odds * constants[first] + (1 - odds) * constants[second]
    several = patterns[given.sum(axis=1) > 2]
    several = several[:: -(-len(several) // MOST_PATTERNS) or 1]
    # A small probability for every rating: each pattern must be possible under some atom.
    several = 0.999 * several / np.maximum(several.sum(axis=1, keepdims=True), 1) + 1e-3 / ratings
    return np.vstack([constants, pairs.reshape(-1, ratings), several])


def noise_measures(cells: Cells, seed: int, probe: str, draws: int = 1000) -> pl.DataFrame:
    """Return corrected noise and robustness per domain, with persona bootstrap.

    ``sigma_bar_corrected`` (scale points), ``R_corrected`` = 1 / sigma_bar_corrected,
    ``sigma_recovered`` = sigma_bar / sigma_bar_corrected, ``identical_cells``: share of cells whose
    answers are all the same. The fit is separate for each domain and for each of 40 draws.
    """
    if not cells.mean.size:
        return frame_of([])
    weights = draws_of_personas(cells, seed, probe, draws)
    share = weights / weights.sum(axis=1, keepdims=True)
    same = (np.count_nonzero(cells.counts, axis=2) == 1) * 1.0
    rows: list[Row] = []
    for name, items in cells.groups().items():
        published = share @ cells.sd[:, items].mean(axis=1)
        if cells.exact:
            corrected = published
        else:
            corrected = corrected_sigma(cells.counts[:, items], weights[: REFITS + 1])
        sigma, (lo, hi) = float(corrected[0]), _log_interval(corrected)
        rows.append((name, "sigma_bar_corrected", sigma, lo, hi))
        rows.append((name, "R_corrected", _reciprocal(sigma), _reciprocal(hi), _reciprocal(lo)))
        recovered = ratio(published[: corrected.size], corrected)
        identical = share @ same[:, items].mean(axis=1)
        for measure, value in (("sigma_recovered", recovered), ("identical_cells", identical)):
            rows.append((name, measure, float(value[0]), *interval(value[1:])))
    return frame_of(rows)


def _log_interval(values: Array) -> tuple[float, float]:
    """Return value * exp(-+ 1.96 SE of the log) from the value and its draws, (1 + B,)."""
    if values.size < 3 or not (values > 0).all():
        return NO_INTERVAL
    factor = float(np.exp(1.96 * np.log(values[1:]).std(ddof=1)))
    return float(values[0]) / factor, float(values[0]) * factor


def _reciprocal(value: float) -> float:
    return 1 / value if value else float("inf")


def agreement(repeats: pl.DataFrame, logprobs: pl.DataFrame) -> pl.DataFrame:
    """Compare the moments of the same cells from repeated answers and from log-probabilities.

    Correlation, mean difference (repeats - logprobs) and root-mean-square difference of the means
    and SDs of the ``cells_compared`` common cells. ``mean_rmse_expected`` is the value expected
    from repetition noise alone.
    """
    keys = ["persona_id", "item_id"]
    both = (
        repeats.filter(pl.col("n") > 0)
        .join(logprobs.filter(pl.col("n") > 0), on=keys, suffix="_exact", nulls_equal=True)
        .select("mean", "sd", "n", "mean_exact", "sd_exact")
    )
    rows: list[Row] = [(OVERALL, "cells_compared", float(both.height), *NO_INTERVAL)]
    for moment in ("mean", "sd"):
        pair = both[moment].to_numpy(), both[f"{moment}_exact"].to_numpy()
        compared = _differences(*pair)
        rows += [(OVERALL, f"{moment}_{name}", value, *NO_INTERVAL) for name, value in compared]
    # SDs of log-probabilities are exact; those of few repetitions would understate the noise.
    noise = (both["sd_exact"] ** 2 / both["n"]).to_numpy()
    expected = float(np.sqrt(noise.mean())) if noise.size else float("nan")
    return frame_of([*rows, (OVERALL, "mean_rmse_expected", expected, *NO_INTERVAL)])


def _differences(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> list[tuple[str, float]]:
    if not first.size:
        return [(name, float("nan")) for name in ("correlation", "difference", "rmse")]
    varies = first.size > 1 and np.ptp(first) > 0 and np.ptp(second) > 0
    gap = first - second
    return [
        ("correlation", float(np.corrcoef(first, second)[0, 1]) if varies else float("nan")),
        ("difference", float(gap.mean())),
        ("rmse", float(np.sqrt((gap**2).mean()))),
    ]


def jitter_floor(readings: Sequence[Cells]) -> pl.DataFrame:
    """Return how much log-probabilities differ between repeated readings of the same cells.

    ``jitter_mean``: SD (ddof = 1) of a cell's mean between readings, root-mean-square over cells;
    ``jitter_sd``: the same for its SD; ``jitter_cells``: share of cells that differ at all. Servers
    do not repeat their numbers exactly, and smaller effects than this cannot be measured. Only
    personas in every reading are compared; one reading gives nulls.
    """
    ids = [set(reading.persona_ids.tolist()) for reading in readings]
    shared = np.array(sorted(set.intersection(*ids)) if ids else [], dtype=np.int64)
    kept = [reading.of(shared) for reading in readings]
    values = dict.fromkeys(("jitter_mean", "jitter_sd", "jitter_cells"), float("nan"))
    if len(kept) > 1 and shared.size:
        means, sds = np.stack([c.mean for c in kept]), np.stack([c.sd for c in kept])
        differ = (np.ptp(means, axis=0) > 0) | (np.ptp(sds, axis=0) > 0)
        floors = [float(np.sqrt(m.var(axis=0, ddof=1).mean())) for m in (means, sds)]
        values = dict(zip(values, [*floors, float(differ.mean())], strict=True))
    return frame_of((OVERALL, name, value, *NO_INTERVAL) for name, value in values.items())
