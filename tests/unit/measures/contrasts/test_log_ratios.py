"""Log ratios of two variants against numbers computed by hand, one persona left out at a time."""

from __future__ import annotations

import numpy as np
import pytest

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.contrasts.log_ratios import Drawing, log_ratio_of
from persona_collapse.measures.statistics.linearized import Linearized
from tests.helpers.made_cells import normal

PERSONAS, ITEMS = 12, 4
BY_GROUP = np.full((ITEMS, 1), 1 / ITEMS)


def logs(cells: Cells, kept: Array) -> Array:
    """Return log S, R and sigma_bar of some personas, by their definitions."""
    S = cells.mean[kept].std(axis=0, ddof=1).mean()
    sigma_bar = cells.sd[kept].mean()
    return np.log([S, 1 / sigma_bar, sigma_bar])


def test_log_ratio_has_the_value_and_the_jackknife_error_of_its_definition() -> None:
    rng = np.random.default_rng(2)
    first, second = (normal(s * rng.normal(size=(PERSONAS, ITEMS)), s, 5, rng) for s in (1, 2))
    weights = np.vstack([np.ones(PERSONAS), rng.multinomial(PERSONAS, [1 / PERSONAS] * 12, 20)])
    found = log_ratio_of(first, second, BY_GROUP, weights)
    everyone = np.arange(PERSONAS)
    assert found.value[:, 0] == pytest.approx(logs(first, everyone) - logs(second, everyone))
    without = np.array(
        [
            logs(first, np.delete(everyone, place)) - logs(second, np.delete(everyone, place))
            for place in everyone
        ]
    )
    error = np.sqrt(11 / 12 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    assert found.se[:, 0] == pytest.approx(error)
    assert (found.freedom, found.t.shape) == (PERSONAS - 1, (20, 3, 1))


def test_exchanging_the_variants_changes_the_sign_of_value_and_draws() -> None:
    rng = np.random.default_rng(3)
    sides = [normal(rng.normal(size=(PERSONAS, ITEMS)), 1, 5, rng) for _ in range(2)]
    weights = np.vstack([np.ones(PERSONAS), rng.multinomial(PERSONAS, [1 / PERSONAS] * 12, 20)])
    one, other = (log_ratio_of(*pair, BY_GROUP, weights) for pair in (sides, sides[::-1]))
    assert one.value == pytest.approx(-other.value)
    assert one.t == pytest.approx(-other.t[::-1])


def test_error_of_mean_robustness_follows_the_replicates_with_the_least_noise() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(PERSONAS, ITEMS))
    quiet, loud, base = (normal(truth, sigma, 5, rng) for sigma in (0.01, 100, 1))
    weights = np.vstack([np.ones(PERSONAS), rng.multinomial(PERSONAS, [1 / PERSONAS] * 12, 3)])

    def variances(*replicates: Cells) -> Array:
        """Return the variances of log R and log sigma_bar of the draws."""
        sides = Linearized(replicates, BY_GROUP), Linearized([base] * len(replicates), BY_GROUP)
        drawing = Drawing([(np.arange(PERSONAS), *sides)], PERSONAS)
        drawing.add(weights, {side: side.of(weights) for side in sides})
        return drawing.log_ratios().covariances[:, 0, 0, 1:, 0]

    both, of_quiet, of_loud = variances(quiet, loud), variances(quiet), variances(loud)
    assert both[:, 0] == pytest.approx(of_quiet[:, 0], rel=0.01)
    assert both[:, 1] == pytest.approx(of_loud[:, 1], rel=0.01)
    assert of_quiet[:, 0] == pytest.approx(of_quiet[:, 1])  # log R = -log sigma_bar of one
