"""Intervals of quantities that are known on resampled personas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from persona_collapse.measures.cells import Array
from persona_collapse.measures.contrasts.spread import Spread, intervals, mean_of, over_replicates

DRAWS = np.linspace(-1, 1, 20_001)[:, None]
BOTH_WAYS = np.array([[1.0], [-1.0]] * 5)  # of ten personas, without acceleration


@pytest.mark.parametrize("left_out", [BOTH_WAYS, 0 * BOTH_WAYS])
def test_symmetric_draws_are_cut_at_the_tail_of_so_few_personas(left_out: Array) -> None:
    low, high = intervals(Spread(np.zeros(1), DRAWS, left_out))
    tail = ndtr(-np.sqrt(10 / 9) * stdtrit(9, 0.975))
    assert high[0] == pytest.approx(1 - 2 * tail, abs=1e-3)
    assert low[0] == pytest.approx(-high[0], abs=1e-3)


def test_undefined_value_or_draw_leaves_its_own_interval_out_alone() -> None:
    draws = np.hstack([DRAWS, DRAWS, DRAWS, DRAWS])
    draws[7, 1] = np.nan
    left_out = np.hstack([BOTH_WAYS] * 4)
    left_out[3, 2] = np.inf
    value = np.array([0.0, 0.0, 0.0, np.inf])
    low, high = intervals(Spread(value, draws, left_out))
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, True, True]


def test_mean_over_replicates_keeps_infinite_values_that_all_share() -> None:
    parts = [np.array([np.inf, 1.0, -np.inf]), np.array([np.inf, 4.0, -np.inf])]
    assert over_replicates(parts).tolist() == [np.inf, 2.5, -np.inf]


def test_mean_of_models_has_the_replicates_of_each() -> None:
    one = Spread(np.array([2.0]), DRAWS + 2, BOTH_WAYS, {("m", "v"): np.array([[1.0], [3.0]])})
    other = Spread(np.array([4.0]), DRAWS + 4, BOTH_WAYS)
    found = mean_of([one, other])
    assert found.value == 3
    assert found.deleted["m", "v"].tolist() == [[2.5], [3.5]]
    wide, narrow = (np.ptp(intervals(part), axis=0)[0] for part in (found, mean_of([other, other])))
    assert wide > narrow
