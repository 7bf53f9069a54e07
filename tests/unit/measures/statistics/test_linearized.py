"""Logs of S, R and sigma_bar with their influences, against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from persona_collapse.measures.cells import Cells, cells_from_moments
from persona_collapse.measures.collapse import collapse_of
from persona_collapse.measures.statistics.bootstrap import averages
from persona_collapse.measures.statistics.linearized import (
    Linearized,
    contrasted,
    influences,
    standard_errors,
)
from tests.helpers.measures_data import instrument, moments, simulated_ratings

OF = instrument(["a", "a", "b", "b", "b"])


def cells(seed: int, personas: int = 15) -> Cells:
    ratings = simulated_ratings(np.random.default_rng(seed), (personas, 5, 4))
    return cells_from_moments(moments(ratings, OF), OF)


def by_group(of: Cells) -> np.ndarray:
    return averages(of.groups(), 5)


def logs_of(replicates: list[Cells], chosen: np.ndarray) -> np.ndarray:
    """log S, R, sigma_bar (3, G) of chosen personas, computed as the tables do."""
    found = [collapse_of(part.personas(chosen), by_group(part)) for part in replicates]
    return np.log([np.mean([getattr(one, name) for one in found], axis=0)
                   for name in ("S", "R", "sigma_bar")])  # fmt: skip


@pytest.mark.parametrize("count", [1, 3])
def test_logs_are_those_of_the_drawn_personas(count: int) -> None:
    replicates = [cells(seed) for seed in range(count)]
    chosen = np.array([0, 0, 3, 4, 4, 4, 9, 14])
    weights = np.bincount(chosen, minlength=15)[None].astype(float)
    logs, _ = Linearized(replicates, by_group(replicates[0])).of(weights)
    assert logs[0] == pytest.approx(logs_of(replicates, chosen), abs=1e-12)


@pytest.mark.parametrize("count", [1, 3])
def test_influences_are_the_derivatives_by_the_weights(count: int) -> None:
    replicates = [cells(seed) for seed in range(count)]
    variant = Linearized(replicates, by_group(replicates[0]))
    weights = np.random.default_rng(1).integers(0, 4, 15).astype(float)
    n, step = weights.sum(), 1e-5
    _, terms = variant.of(weights[None])
    found = np.array([[influences(term)[0] for term in metric] for metric in terms])
    found *= np.sqrt(n * (n - 1))
    assert found @ weights == pytest.approx(np.zeros((3, 3)), abs=1e-10)

    def moved(persona: int, by: float) -> np.ndarray:
        # The weight of one persona rises, all others fall, and the number of personas stays.
        changed = (1 - by) * weights
        changed[persona] += by * n
        return np.asarray(variant.of(changed[None])[0][0])

    slope = np.stack([(moved(p, step) - moved(p, -step)) / (2 * step) for p in range(15)], axis=2)
    # The derivative of log S at constant n; ddof = 1 scales the influence on the variance.
    assert found[1:] == pytest.approx(slope[1:], abs=1e-6)
    assert found[0] == pytest.approx(slope[0], abs=1e-6)


def test_standard_error_of_sigma_bar_is_that_of_a_mean() -> None:
    of = cells(4)
    weights = np.ones((1, 15))
    _, terms = Linearized([of], by_group(of)).of(weights)
    errors = standard_errors(terms, weights)[0]
    sigma = of.sd @ by_group(of)
    expected = sigma.std(axis=0, ddof=1) / np.sqrt(15) / sigma.mean(axis=0)
    assert errors[2] == pytest.approx(expected)
    assert errors[1] == pytest.approx(expected)  # log R = -log sigma_bar


def test_contrast_of_a_variant_with_a_multiple_of_itself_has_no_error() -> None:
    one = cells(2)
    other = replace(one, mean=2 * one.mean, sd=3 * one.sd)
    weights = np.random.default_rng(5).integers(0, 3, (20, 15)).astype(float)
    (first, of_first), (second, of_second) = (
        Linearized([part], by_group(one)).of(weights) for part in (other, one)
    )
    for row, ratio in ((0, 2), (2, 3)):
        assert (first - second)[:, row] == pytest.approx(np.log(ratio))
        for one_term, other_term in zip(of_first[row], of_second[row], strict=True):
            assert influences(contrasted(one_term, other_term)) == pytest.approx(0, abs=1e-12)


def test_constant_items_have_no_influence_and_no_warning() -> None:
    ratings = simulated_ratings(np.random.default_rng(3), (6, 5, 4))
    ratings[:, :2] = 3  # all of group a
    of = cells_from_moments(moments(ratings, OF), OF)
    logs, terms = Linearized([of], by_group(of)).of(np.ones((1, 6)))
    groups = list(of.groups())
    assert logs[0, 0, groups.index("a")] == -np.inf
    assert np.isfinite(logs[0, :, groups.index("overall")]).all()
    assert np.isfinite(influences(terms[0][groups.index("overall")])).all()
