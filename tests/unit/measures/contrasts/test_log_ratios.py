"""Log ratios of two variants against numbers computed by hand, one persona left out at a time."""

from __future__ import annotations

import numpy as np
import pytest

from persona_collapse.measures.cells import Array, Cells
from persona_collapse.measures.contrasts.log_ratios import log_ratio_of
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
