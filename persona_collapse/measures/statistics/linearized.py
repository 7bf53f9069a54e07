"""S, R and sigma_bar of weighted samples of personas, with each persona's influence on their logs.

The influence of persona p on S is the mean over items of (d_pq^2 - var_q) / (2 sd_q), d_pq the
distance of its mean from the item's; on sigma_bar it is its own sigma less sigma_bar. Relative to
the value these are influences on the logarithm, and the delta method gives the standard error:
SE^2 = sum_p w_p influence_p^2 / (n (n - 1)) for a sample of n personas with weights w. All draws at
once are one product of (P, F) features with (F, B) coefficients per group of items.
"""

from collections.abc import Sequence

import numpy as np

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.statistics.bootstrap import jackknife

ROUNDING = 1e-12  # relative: a smaller variance of an item is a rounding error
Term = tuple[Array, Array]  # features (P, F) and coefficients (b, F) of the influences (b, P)
Measured = tuple[Array, list[list[Term]]]


class Linearized:
    """A variant's S, R and sigma_bar, as means over its replicates, in samples of its personas."""

    def __init__(self, replicates: Sequence[Cells], by_group: Array) -> None:
        self.count = len(replicates)
        centred = [cells.mean - cells.mean.mean(axis=0) for cells in replicates]
        self.means = np.hstack(centred)
        self.squares = self.means**2
        self.sigmas = np.stack([cells.sd @ by_group for cells in replicates])  # (k, P, G)
        one = np.ones((self.means.shape[0], 1))
        weight = np.tile(by_group, (self.count, 1))
        self.items = [np.flatnonzero(column) for column in weight.T]
        self.weight = weight
        self.spread_features = [
            np.hstack([self.squares[:, items], self.means[:, items], one]) for items in self.items
        ]
        self.sigma_features = [np.hstack([part.T, one]) for part in self.sigmas.transpose(2, 0, 1)]

    def of(self, weights: Array) -> Measured:
        """Return the logs of S, R and sigma_bar (b, 3, G) of samples with weights (b, P).

        Also their influences, as terms by [metric][group], divided by sqrt(n (n - 1)).
        """
        n = weights.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = 1 / np.sqrt(n * (n - 1))
            spread, of_spread = self._spread(weights, n)
            sigma, of_robustness, of_sigma = self._sigma(weights, n)
            logs = np.stack([spread, *sigma], axis=1)
            terms = [
                [(features, part * scale) for features, part in metric]
                for metric in (of_spread, of_robustness, of_sigma)
            ]
        return logs, terms

    def _spread(self, weights: Array, n: Array) -> tuple[Array, list[Term]]:
        mean, square = weights @ self.means / n, weights @ self.squares / n
        variance = square - mean**2
        variance = np.where(variance > ROUNDING * square, variance, 0)
        unbiased = n / (n - 1)
        sd = np.sqrt(unbiased * variance)
        S = sd @ self.weight  # (b, G), summed over replicates
        half = np.divide(unbiased, 2 * sd, out=np.zeros_like(sd), where=sd > 0)
        terms = []
        for group, (items, features) in enumerate(
            zip(self.items, self.spread_features, strict=True)
        ):
            part = half[:, items] * self.weight[items, group] / S[:, group, None]
            middle = mean[:, items]
            constant = (part * (middle**2 - variance[:, items])).sum(axis=1, keepdims=True)
            terms.append((features, np.hstack([part, -2 * part * middle, constant])))
        return np.log(S / self.count), terms

    def _sigma(
        self, weights: Array, n: Array
    ) -> tuple[tuple[Array, Array], list[Term], list[Term]]:
        means = np.stack([weights @ part / n for part in self.sigmas])  # (k, b, G)
        total, reciprocal = means.sum(axis=0), (1 / means).sum(axis=0)
        of_robustness, of_sigma = [], []
        for group, features in enumerate(self.sigma_features):
            each, every = means[:, :, group].T, total[:, group, None]
            one = np.ones_like(every)
            of_sigma.append((features, np.hstack([np.repeat(1 / every, self.count, 1), -one])))
            share = -1 / each / reciprocal[:, group, None]
            of_robustness.append(
                (features, np.hstack([share / each, -share.sum(axis=1, keepdims=True)]))
            )
        logs = np.log(reciprocal / self.count), np.log(total / self.count)
        return logs, of_robustness, of_sigma


def influences(term: Term) -> Array:
    """Return the influences (b, P) of a term."""
    features, coefficients = term
    with np.errstate(invalid="ignore"):
        found: Array = coefficients @ features.T
    return found


def standard_errors(terms: Sequence[Sequence[Term]], weights: Array) -> Array:
    """Return the standard errors (b, M, G) of terms by [metric][group]."""
    errors = [
        [np.sqrt(weighted_products(weights, part, part)) for part in map(influences, metric)]
        for metric in terms
    ]
    return np.array(errors).transpose(2, 0, 1)


def weighted_products(weights: Array, first: Array, second: Array) -> Array:
    """Return sum_p w first second (b,) of influences (b, P)."""
    with np.errstate(invalid="ignore"):
        found: Array = np.einsum("bp,bp->b", weights * first, second)
    return found


def logs_left_out(cells: Cells, by_group: Array) -> Array:
    """Return the logs of S, R and sigma_bar (P, 3, G) with one persona left out each."""
    with np.errstate(divide="ignore"):
        S, sigma_bar = (np.log(part) for part in jackknife(cells, by_group))
    return np.stack([S, -sigma_bar, sigma_bar], axis=1)


def contrasted(first: Term, second: Term) -> Term:
    """Return the term of the difference of two logs on the same personas."""
    return np.hstack([first[0], second[0]]), np.hstack([first[1], -second[1]])
