"""A unit beside its baseline: which are compared, and how wide their intervals are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from persona_collapse.measures.pairs import Pair, pair_of
from tests.helpers.measures_data import instrument, moments

OF = instrument(["a", "b"])


def answers(personas: int, variant: str = "v"):
    ratings = np.random.default_rng(personas).integers(0, 6, size=(personas, 2, 3))
    return moments(ratings.astype(float), OF, variant=variant)


def test_interval_leaves_out_less_than_a_percentile_one_for_few_personas() -> None:
    pair = pair_of(answers(10), answers(10, "base"), OF)
    assert isinstance(pair, Pair)
    values = np.concatenate([[7.0], np.arange(10_001.0)])
    found = pair.columns("x", values)
    tail = ndtr(-np.sqrt(10 / 9) * stdtrit(9, 0.975))
    assert tail < 0.01
    expected = {"x": 7, "x_lo": 10_000 * tail, "x_hi": 10_000 * (1 - tail)}
    assert found == pytest.approx(expected, abs=0.5)


def test_pair_needs_a_baseline_and_three_common_personas() -> None:
    assert pair_of(answers(3), None, OF) is None
    assert pair_of(answers(3), answers(2, "base"), OF) is None
    pair = pair_of(answers(3), answers(5, "base"), OF)
    assert pair is not None
    assert pair.personas == 3
    assert pair.weights.shape == (1, 3)
    bare = moments(np.ones((2, 3)), OF)
    assert pair_of(bare, bare, OF) is None
