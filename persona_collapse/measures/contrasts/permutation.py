"""Sign-flip tests that two variants of one model are exchangeable (``p_exchange``).

The null hypothesis: each persona's answers, up to a shift of every item, could equally have come
from the other variant. The variant labels of each persona are exchanged with probability one half,
for all its items together. Each item is first centred on its variant's mean: S and sigma_bar do not
depend on it, and a shift of all ratings would otherwise count as spread among relabelled personas.
For sigma_bar this is the paired sign-flip test of a mean; R = 1 / sigma_bar shares it. For S it
flips the signs of personas' contributions to the items' variances.

It is no test of equal S. Variants with the same S whose spread has different shapes are not
exchangeable: where 5 % of the personas carry one variant's spread, it rejects in more than 5 % of
studies (``docs/calibration.md``). ``p`` in ``contrasts.csv`` tests equal S and equal R.

With replicate fine-tunes, a persona's labels are exchanged in all replicates at once, and the
statistic is the mean log ratio over replicates. The p-value is conditional on the fine-tunes that
were made.
"""

from collections.abc import Hashable, Sequence
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.statistics.bootstrap import CHUNK

Name = TypeVar("Name", bound=Hashable)
TIE = 1e-9  # relative: a permuted statistic this close to the observed one counts as equal


class _Relabelled:
    """Log ratios of S and sigma_bar of a pair when the labels of some personas are exchanged."""

    def __init__(self, places: NDArray[np.intp], one: Cells, other: Cells, by_group: Array) -> None:
        self.places, self.by_group = places, by_group
        first, second = (cells.mean - cells.mean.mean(axis=0) for cells in (one, other))
        sigmas = [cells.sd @ by_group for cells in (one, other)]
        self.changes = np.hstack([second - first, second**2 - first**2, sigmas[1] - sigmas[0]])
        self.squares = [(part**2).sum(axis=0) for part in (first, second)]
        self.sigmas = [part.sum(axis=0) for part in sigmas]

    def log_ratios(self, flipped: Array) -> Array:
        """Return log(first / second) of S and sigma_bar (b, 2, G); ``flipped`` (b, U) is 0 or 1."""
        moved = flipped[:, self.places] @ self.changes
        items, personas = self.by_group.shape[0], self.places.size
        totals, squares, sigma = np.split(moved, [items, 2 * items], axis=1)
        spread = [
            np.sqrt(np.maximum(start + sign * squares - totals**2 / personas, 0)) @ self.by_group
            for start, sign in zip(self.squares, (1, -1), strict=True)
        ]
        # A sum that should be 0 can come out a little below it.
        noise = [np.maximum(self.sigmas[0] + sigma, 0), np.maximum(self.sigmas[1] - sigma, 0)]
        return np.stack([log_ratio(*spread), log_ratio(*noise)], axis=1)


def log_ratio(first: Array, second: Array) -> Array:
    """Return log(first / second) of two non-negative arrays; 0 where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(first) - np.log(second)
    return np.where(first == second, 0.0, ratio)


def sign_flip_tests(
    pairs: Sequence[tuple[Name, NDArray[np.intp], Sequence[Cells], Sequence[Cells]]],
    by_group: Array,
    personas: int,
    rng: np.random.Generator,
    permutations: int,
) -> tuple[list[Array], dict[Name, Array]]:
    """Return two-sided p (3, G) for S, R and sigma_bar: per pair, and per contrast's mean.

    ``pairs`` holds the contrast, the personas' positions among ``personas``, and both variants'
    cells on these personas, one entry per replicate. All pairs share the same permutations: models
    answer for the same personas, so their differences may be correlated, and the mean over models
    is tested with a persona's labels exchanged in every model at once. p is never 0, because the
    observed labels count as one permutation.
    """
    relabelled = [
        [_Relabelled(places, one, other, by_group) for one, other in product(ones, others)]
        for _, places, ones, others in pairs
    ]
    names = list(dict.fromkeys(name for name, *_ in pairs))
    members = {name: [i for i, pair in enumerate(pairs) if pair[0] == name] for name in names}

    def statistics(flipped: Array) -> list[Array]:
        with np.errstate(invalid="ignore"):
            alone = [
                np.mean([pair.log_ratios(flipped) for pair in replicated], axis=0)
                for replicated in relabelled
            ]
            means = [np.mean([alone[i] for i in members[name]], axis=0) for name in names]
        return [np.abs(values) for values in alone + means]

    observed = [values[0] for values in statistics(np.zeros((1, personas)))]
    exceeded = [np.ones_like(bar) for bar in observed]
    step = max(1, CHUNK // max(personas, 1))
    for start in range(0, permutations if pairs else 0, step):
        rows = min(step, permutations - start)
        flipped = rng.integers(0, 2, size=(rows, personas)).astype(np.float64)
        for count, value, bar in zip(exceeded, statistics(flipped), observed, strict=True):
            count += (value >= bar * (1 - TIE)).sum(axis=0)
    p = [
        np.where(np.isnan(bar), np.nan, count / (permutations + 1))[[0, 1, 1]]  # R shares a test
        for count, bar in zip(exceeded, observed, strict=True)
    ]
    return p[: len(pairs)], dict(zip(names, p[len(pairs) :], strict=True))
