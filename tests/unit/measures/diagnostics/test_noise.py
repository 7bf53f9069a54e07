from math import inf, sqrt

import numpy as np
import polars as pl
import pytest

from persona_collapse.measures.diagnostics.noise import (
    agreement,
    answer_variance,
    corrected_sigma,
    jitter_floor,
    noise_measures,
    noise_variance,
)
from tests.helpers.made_cells import (
    asked,
    exact,
    from_counts,
    logit_cells,
    moments,
    normal,
    true_sigma,
    value,
)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def test_single_answer_takes_the_variance_of_its_items_other_cells():
    # item 1: SDs of {0, 2} and of one answer; item 2: one answer and {0, 4}.
    cells = from_counts([[[1, 0, 1, 0, 0], [1, 0, 0, 0, 0]], [[0, 1, 0, 0, 0], [1, 0, 0, 0, 1]]])
    assert answer_variance(cells) == pytest.approx(np.array([[2.0, 8.0], [2.0, 8.0]]))
    assert noise_variance(cells) == pytest.approx(np.array([[1.0, 8.0], [2.0, 4.0]]))


def test_item_of_single_answers_takes_the_variance_of_other_items():
    cells = from_counts([[[1, 0, 1], [1, 0, 0]], [[1, 1, 0], [0, 1, 0]]])
    assert answer_variance(cells)[:, 1] == pytest.approx([1.25, 1.25])


def test_single_answers_alone_show_no_noise_and_exact_moments_have_none():
    assert np.isnan(noise_variance(from_counts([[[1, 0]], [[0, 1]]]))).all()
    assert (noise_variance(exact([[[0.5, 0.5]]])) == 0).all()


def test_noise_of_a_cell_mean_is_unbiased(rng):
    estimates = [noise_variance(normal(np.zeros((20, 20)), 2.0, 4, rng)).mean() for _ in range(50)]
    assert np.mean(estimates) == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("kind", ["rare", "logits", "broad"])
def test_corrected_noise_is_nearly_unbiased_where_the_published_one_is_not(kind, rng):
    probabilities = {
        "rare": np.full((100, 30, 2), [0.95, 0.05]),
        "logits": logit_cells((100, 30), rng),
        "broad": rng.dirichlet(np.full(6, 0.3), size=(100, 30)),
    }[kind]
    truth = true_sigma(probabilities)
    published, corrected = [], []
    for _ in range(6):
        cells = asked(probabilities, 10, rng)
        published.append(cells.sd.mean() / truth)
        corrected.append(corrected_sigma(cells.counts, np.ones((1, 100)))[0] / truth)
    assert np.mean(published) < {"rare": 0.66, "logits": 0.85, "broad": 0.96}[kind]
    assert np.mean(corrected) == pytest.approx(1, abs=0.035)


def test_interval_of_the_corrected_noise_covers_the_truth(rng):
    people = logit_cells((1000, 20), rng)
    truth, covered = true_sigma(people), 0
    for seed in range(40):
        cells = asked(people[rng.integers(0, 1000, 80)], 10, rng)
        row = noise_measures(cells, seed, "roleplay", draws=40)
        bounds = [value(row, "sigma_bar_corrected", column=end) for end in ("lo", "hi")]
        covered += bounds[0] <= truth <= bounds[1]
        assert value(row, "R_corrected", column="lo") == pytest.approx(1 / bounds[1])
    assert covered >= 33


def test_where_no_cell_varies_the_corrected_robustness_is_infinite():
    cells = from_counts(np.tile([10, 0, 0], (5, 4, 1)))
    found = noise_measures(cells, 1, "roleplay", draws=50)
    assert value(found, "sigma_bar_corrected") == 0
    assert value(found, "R_corrected") == inf
    assert value(found, "sigma_recovered") is None
    assert value(found, "identical_cells") == 1


def test_noise_is_null_for_one_repetition(rng):
    found = noise_measures(asked(np.full((6, 3, 2), 0.5), 1, rng), 1, "roleplay", draws=50)
    assert value(found, "sigma_bar_corrected") is None


def test_exact_moments_need_no_correction():
    found = noise_measures(exact(np.full((6, 3, 2), 0.5)), 1, "roleplay", draws=50)
    assert value(found, "sigma_bar_corrected") == pytest.approx(0.5)
    assert value(found, "sigma_recovered") == pytest.approx(1)


def test_no_personas_left_gives_no_rows(rng):
    cells = asked(np.full((3, 2, 2), 0.5), 4, rng).personas(np.array([], dtype=int))
    assert noise_measures(cells, 1, "roleplay").height == 0


def test_identical_cells_are_counted_per_domain():
    cells = from_counts([[[3, 0], [2, 1]], [[0, 3], [0, 3]]], domains=["care", "duty"])
    found = noise_measures(cells, 1, "roleplay", draws=20)
    assert [value(found, "identical_cells", f) for f in ("overall", "care", "duty")] == [
        0.75,
        1.0,
        0.5,
    ]


def test_agreement_matches_values_computed_by_hand():
    first = pl.DataFrame(
        {"persona_id": [0, 0, 1, 1], "item_id": [1, 2, 1, 2], "n": [2, 2, 0, 2],
         "mean": [1.0, 3.0, None, 2.0], "sd": [0.0, 1.0, None, 1.0]}
    )  # fmt: skip
    second = pl.DataFrame(
        {"persona_id": [0, 0, 1, 1], "item_id": [1, 2, 1, 2], "n": [1, 1, 1, 1],
         "mean": [1.5, 2.5, 1.0, 3.0], "sd": [0.0, 2.0, 0.0, 1.0]}
    )  # fmt: skip
    expected = {
        "cells_compared": 3,
        "mean_correlation": 1 / sqrt(2 * 7 / 6),
        "mean_difference": -1 / 3,
        "mean_rmse": sqrt(1.5 / 3),
        "sd_correlation": 1 / sqrt(2 / 3 * 2),
        "sd_difference": -1 / 3,
        "sd_rmse": sqrt(1 / 3),
        "mean_rmse_expected": sqrt((0 + 4 / 2 + 1 / 2) / 3),
    }
    found = agreement(first, second)
    assert {name: value(found, name) for name in expected} == pytest.approx(expected)


def test_means_that_are_all_equal_have_no_correlation():
    cells = pl.DataFrame(
        {"persona_id": [0, 0], "item_id": [1, 2], "n": [2, 2], "mean": [1.0, 3.0], "sd": [1.0, 0.0]}
    )
    level = cells.with_columns(mean=2.0)
    assert value(agreement(cells, level), "mean_correlation") is None
    assert value(agreement(level, cells), "mean_correlation") is None
    assert value(agreement(cells, level), "sd_correlation") == pytest.approx(1)
    assert value(agreement(cells.head(1), cells), "mean_correlation") is None


def test_repeats_differ_from_probabilities_by_expected_noise(rng):
    probabilities = rng.dirichlet(np.ones(6), size=(60, 20))
    found = agreement(moments(asked(probabilities, 8, rng)), moments(exact(probabilities)))
    assert value(found, "mean_rmse") == pytest.approx(value(found, "mean_rmse_expected"), rel=0.06)
    assert abs(value(found, "mean_difference")) < 0.05


def test_agreement_joins_unconditioned_cells_and_is_null_without_common_cells(rng):
    cells = moments(asked(np.full((1, 3, 2), 0.5), 4, rng), probe="unconditioned")
    assert value(agreement(cells, cells), "cells_compared") == 3
    nothing = agreement(cells, cells.clear())
    assert value(nothing, "cells_compared") == 0
    assert value(nothing, "mean_rmse") is None


def test_jitter_matches_values_computed_by_hand():
    first, second = exact([[[0.5, 0.5], [1.0, 0.0]]]), exact([[[0.4, 0.6], [1.0, 0.0]]])
    found = jitter_floor([first, second])
    assert value(found, "jitter_cells") == 0.5
    assert value(found, "jitter_mean") == pytest.approx(sqrt((0.1**2 / 2) / 2))
    assert value(found, "jitter_sd") == pytest.approx((0.5 - sqrt(0.4 * 0.6)) / 2)
    assert value(jitter_floor([first]), "jitter_mean") is None
