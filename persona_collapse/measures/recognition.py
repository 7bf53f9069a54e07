"""Recognition of personas from few answers, and the information in one answer."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.common.seeds import generator
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import (
    Array,
    Cells,
    cells_from_moments,
    shared_personas,
    unit_of,
)
from persona_collapse.measures.diagnostics.identification import hits_among, hits_of, likeness_of
from persona_collapse.measures.diagnostics.rows import draws_of_personas, with_ends
from persona_collapse.measures.diagnostics.scale_use import entropy_bits, shares_of
from persona_collapse.measures.statistics.intervals import jackknife_interval
from persona_collapse.tables.contracts.identification import TABLE

ANSWERS = (1, 3, 10, 30)
SPLITS = 20
CHOICES = 4
ROUNDING = 1e-9


def identification_of(
    moments: pl.DataFrame,
    instrument: Instrument,
    baseline: pl.DataFrame | None,
    seed: int,
    draws: int,
) -> pl.DataFrame:
    """Return the rows of ``identification.csv`` of one model x variant x probe.

    Answers to ``ANSWERS`` random items, one repetition each, are matched to the nearest profile:
    the variant's own, from its other repetitions, and the baseline's; ties share the hit. The row
    of ``correlation`` matches mean profiles instead, among all personas and among four. Intervals
    redraw the personas whose answers are matched. Own profiles need two answers in every cell,
    without them their rows are null. An unconditioned probe and one persona alone have no rows.
    """
    cells = cells_from_moments(moments, instrument)
    probe = moments["probe"][0]
    if moments["persona_id"].is_null().all() or cells.persona_ids.size < 2:
        return TABLE.frame()
    rows = []

    def share(name: str, of: Cells, hits: Array) -> dict[str, float]:
        weights = draws_of_personas(of, seed, probe, draws)
        return with_ends(name, weights @ hits / weights.sum(axis=1))

    def add(profiles: str, classifier: str, answers: int, of: Cells, hits: Array) -> None:
        rows.append(
            {
                **{"profiles": profiles, "classifier": classifier, "answers": answers},
                **share("recognised", of, hits),
                **{"chance": 1 / hits.size, "n_personas": hits.size},
            }
        )

    for answers, hits in recognised(cells, None, seed, probe).items():
        add("own", "nearest_mean", answers, cells, hits)
    rows[0] |= _information(cells)
    if baseline is not None:
        base, other = shared_personas(cells_from_moments(baseline, instrument), cells)
        if other.persona_ids.size > 1:
            for answers, hits in recognised(other, base, seed, probe).items():
                add("baseline", "nearest_mean", answers, other, hits)
            whole = int(other.n.sum() // other.persona_ids.size)
            likeness = likeness_of(base.mean, other.mean)
            add("baseline", "correlation", whole, other, hits_of(likeness))
            if other.persona_ids.size >= CHOICES:
                rows[-1] |= share("of_four", other, hits_among(likeness, CHOICES))
    names = unit_of(moments)
    return TABLE.frame([{**names, **row} for row in rows])


def recognised(
    cells: Cells, base: Cells | None, seed: int, probe: str, splits: int = SPLITS
) -> dict[int, Array]:
    """Return, by number of answers, how often each persona (P,) is recognised, 0 to 1.

    Per split one answer of every cell is drawn, and the items are cut at random into sets. Answers
    and the baseline's profiles are each centred by item, so that a shift that all personas share
    does not count. The nearest by squared distance is the most likely under normal errors of equal
    variance (nearest centroid; Hastie, Tibshirani and Friedman 2009, section 4.3).

    Args:
        cells: The answers to recognise.
        base: Profiles of the same personas in the same order; None for those of the other
            repetitions of ``cells``, which leave out the drawn answer of every persona.
        seed: The study's seed.
        probe: The probe; with the seed and the numbers of personas and items it fixes the draws,
            so variants share them.
        splits: How often answers are drawn.
    """
    personas, items, _ = cells.counts.shape
    sizes = [size for size in ANSWERS if size <= items]
    if base is None and not cells.exact and cells.n.min() < 2:
        return {size: np.full(personas, np.nan) for size in sizes}
    rng = generator(seed, "recognition", probe)
    upto = np.cumsum(cells.counts, axis=2)
    hits = {size: np.zeros(personas) for size in sizes}
    for _ in range(splits):
        drawn = rng.random((personas, items, 1)) * upto[:, :, -1:]
        place = (upto[:, :, :-1] <= drawn).sum(axis=2)
        answer = cells.minimum + place
        profile = cells.mean if base is None else base.mean
        if base is None and not cells.exact:
            profile = (cells.n * profile - answer) / (cells.n - 1)
        centre = profile if base is None else cells.mean
        order = rng.permutation(items)
        answers = (answer - centre.mean(axis=0))[:, order]
        centred = (profile - profile.mean(axis=0))[:, order]
        for size in sizes:
            if size == 1:
                hits[1] += _nearest_to_ratings(place, cells.ratings, centre, profile)
            else:
                hits[size] += _nearest(answers, centred, size)
    return {size: total / splits for size, total in hits.items()}


def _nearest_to_ratings(
    place: NDArray[np.intp], ratings: Array, centre: Array, profile: Array
) -> Array:
    """Return each persona's mean hit (P,) from one answer at a time.

    There are only K different answers to an item, at the ``place`` (P, Q) among the ``ratings``.
    """
    items = np.arange(place.shape[1])
    own = ratings - centre.mean(axis=0)[:, None]
    other = (profile - profile.mean(axis=0)).T
    closeness = 2 * own[:, :, None] * other[:, None, :] - (other**2)[:, None, :]  # (Q, K, P)
    best = closeness >= closeness.max(axis=2, keepdims=True) - ROUNDING
    share = best / best.sum(axis=2, keepdims=True)
    hits: Array = share[items, place, np.arange(place.shape[0])[:, None]].mean(axis=1)
    return hits


def _nearest(answers: Array, profile: Array, size: int) -> Array:
    """Return each persona's mean hit (P,) over consecutive sets of ``size`` items."""
    sets = answers.shape[1] // size
    own, other = (
        part[:, : sets * size].reshape(-1, sets, size).swapaxes(0, 1) for part in (answers, profile)
    )
    closeness = own @ (2 * other).swapaxes(1, 2)
    closeness -= (other**2).sum(axis=2)[:, None]
    least = closeness.max(axis=2) - ROUNDING
    best = np.diagonal(closeness, axis1=1, axis2=2) >= least
    hits = np.zeros(least.shape)
    hits[best] = 1 / (closeness[best] >= least[best][:, None]).sum(axis=1)
    share: Array = hits.mean(axis=0)
    return share


def _information(cells: Cells) -> dict[str, float]:
    """Return the information with its t interval over personas, from the jackknife SE.

    Percentiles of draws would lie too low: a draw has fewer different personas, and less entropy.
    """
    personas = cells.persona_ids.size
    weights = np.ones((1, personas)), 1 - np.eye(personas)
    bits = np.concatenate([information_bits(cells, part) for part in weights])
    lo, hi = jackknife_interval(bits)
    name = "information_bits"
    return {name: float(bits[0]), f"{name}_lo": lo, f"{name}_hi": hi}


def information_bits(cells: Cells, weights: Array) -> Array:
    """Return the mutual information of persona and rating, mean over items, (B,) in bits.

    The entropy of all answers to an item less the mean entropy of its cells, personas with the
    ``weights`` (B, P). Each entropy of n answers with m different ratings gains (m - 1) / 2n nats
    (Miller 1955), unless the probabilities are known. Sampling error can make it negative.
    """
    shares = shares_of(cells)
    personas, items, ratings = shares.shape
    count = weights.sum(axis=1)
    within = entropy_bits(shares)
    pooled = (weights @ shares.reshape(personas, -1) / count[:, None]).reshape(-1, items, ratings)
    total = entropy_bits(pooled)
    if not cells.exact:
        within += (np.count_nonzero(shares, axis=2) - 1) / (2 * cells.n * np.log(2))
        total += (np.count_nonzero(pooled, axis=2) - 1) / (2 * (weights @ cells.n) * np.log(2))
    information: Array = total.mean(axis=1) - weights @ within.mean(axis=1) / count
    return information
