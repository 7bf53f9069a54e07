"""Definitions of S and R agree with direct computation, and influences with the jackknife."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from persona_collapse.measures.collapse import collapse_of
from persona_collapse.measures.multiverse.definitions import DEFINITIONS
from persona_collapse.measures.scale_free import normal_spread
from persona_collapse.measures.statistics.bootstrap import averages
from tests.helpers.made_cells import asked, exact, from_counts, logit_cells

DOMAINS = ["a"] * 4 + ["b"] * 2
ALL = [np.arange(6)]


@pytest.fixture
def cells():
    rng = np.random.default_rng(5)
    return asked(logit_cells((40, 6), rng, temperature=1.0), 7, rng, domains=DOMAINS)


def values(name, cells, subsets=ALL):
    S, R = DEFINITIONS[name](cells, subsets)[0]
    return (S[0], R[0]) if len(subsets) == 1 else (S, R)


def answers(cells, persona, item):
    """Return all answers of a cell."""
    return np.repeat(cells.ratings, cells.counts[persona, item].astype(int))


def over_cells(cells, statistic):
    personas, items = cells.mean.shape
    return np.mean([statistic(answers(cells, p, q)) for p in range(personas) for q in range(items)])


def mean_difference(sample):
    return np.mean([abs(x - y) for x, y in combinations(sample, 2)])


def test_published_definition_is_that_of_metrics(cells):
    subsets = list(cells.groups().values())
    whole = collapse_of(cells, averages(cells.groups(), 6))
    S, R = values("published", cells, subsets)
    assert pytest.approx(S, rel=1e-12) == whole.S
    assert pytest.approx(R, rel=1e-12) == whole.R


def test_gini_difference_is_the_mean_distance_of_pairs(cells):
    S, R = values("gini_difference", cells)
    assert pytest.approx(np.mean([mean_difference(x) for x in cells.mean.T])) == S
    assert pytest.approx(over_cells(cells, mean_difference)) == 1 / R


def test_mean_deviation_is_the_mean_distance_from_the_mean(cells):
    def deviation(sample):
        return np.abs(sample - sample.mean()).mean()

    S, R = values("mean_deviation", cells)
    assert pytest.approx(np.mean([deviation(x) for x in cells.mean.T])) == S
    assert pytest.approx(over_cells(cells, deviation)) == 1 / R


def test_root_mean_square_takes_the_root_last(cells):
    S, R = values("root_mean_square", cells)
    assert pytest.approx(np.sqrt(cells.mean.var(axis=0, ddof=1).mean()), rel=0.02) == S
    assert pytest.approx(np.sqrt((cells.sd**2).mean())) == 1 / R


def test_persona_means_are_spread_over_personas_and_over_items(cells):
    S, R = values("persona_means", cells)
    assert pytest.approx(cells.mean.mean(axis=1).std(ddof=1)) == S
    assert pytest.approx(cells.mean.std(axis=1, ddof=1).mean()) == 1 / R


def test_domain_means_average_ratings_within_domains_first(cells):
    S, R = values("domain_means", cells)
    parts = [cells.mean[:, :4].mean(axis=1), cells.mean[:, 4:].mean(axis=1)]
    assert pytest.approx(np.mean([part.std(ddof=1) for part in parts])) == S
    noise = [
        np.sqrt((cells.sd[:, :4] ** 2).sum(axis=1)) / 4,
        np.sqrt((cells.sd[:, 4:] ** 2).sum(axis=1)) / 2,
    ]
    assert pytest.approx(np.mean(noise)) == 1 / R


def test_normal_scores_give_the_scale_free_s(cells):
    spread = normal_spread(cells, np.ones((1, 40)))
    assert pytest.approx(spread.mean()) == values("normal_scores", cells)[0]


def test_ddof_0_scales_s_by_the_number_of_personas_alone(cells):
    ratio = values("ddof_0", cells)[0] / values("published", cells)[0]
    assert pytest.approx(np.sqrt(39 / 40)) == ratio
    ratio = values("ddof_0", cells)[1] / values("published", cells)[1]
    assert pytest.approx(np.sqrt(7 / 6)) == ratio


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_subset_of_items_gives_the_values_of_those_items_alone(name, cells):
    chosen = np.array([0, 2, 3, 4])
    S, R = values(name, cells, [np.arange(6), chosen])
    if name == "normal_scores":  # scored by all answers of the variant
        assert S[1] != pytest.approx(S[0])
        return
    alone = from_counts(cells.counts[:, chosen], domains=["a"] * 3 + ["b"])
    if name == "domain_means":  # a domain counts whole as soon as one of its items does
        alone = cells
    assert pytest.approx((S[1], R[1])) == values(name, alone, [np.arange(alone.mean.shape[1])])


@pytest.mark.parametrize("name", DEFINITIONS)
def test_influences_are_those_of_the_jackknife(name, cells):
    _, influence = DEFINITIONS[name](cells, ALL)
    assert influence.sum(axis=0) == pytest.approx(0, abs=1e-9)
    rest = [cells.personas(np.delete(np.arange(40), p)) for p in range(40)]
    left_out = np.stack([DEFINITIONS[name](part, ALL)[0] for part in rest])
    jackknife = 39 * (left_out.mean(axis=0) - left_out)
    for metric in (0, 1):
        own, other = influence[:, metric, 0], jackknife[:, metric, 0]
        assert np.corrcoef(own, other)[0, 1] > 0.995
        assert np.std(own) == pytest.approx(np.std(other), rel=0.08)


def test_influence_on_published_s_is_the_derivative_of_the_sd(cells):
    _, influence = DEFINITIONS["published"](cells, ALL)
    centred = cells.mean - cells.mean.mean(axis=0)
    sd = cells.mean.std(axis=0, ddof=1)
    expected = ((40 / 39 * centred**2 - sd**2) / (2 * sd)).mean(axis=1)
    assert influence[:, 0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("name", [n for n in DEFINITIONS if n != "normal_scores"])
def test_doubled_steps_of_the_scale_double_s_and_halve_r(name, cells):
    counts = np.zeros((*cells.counts.shape[:2], 2 * cells.counts.shape[2] - 1))
    counts[..., ::2] = cells.counts
    S, R = values(name, cells)
    doubled = from_counts(counts, domains=DOMAINS)
    assert values(name, doubled) == pytest.approx((2 * S, R / 2))


def test_normal_scores_do_not_depend_on_the_steps_of_the_scale(cells):
    counts = np.zeros((*cells.counts.shape[:2], 2 * cells.counts.shape[2] - 1))
    counts[..., ::2] = cells.counts
    doubled = from_counts(counts, domains=DOMAINS)
    assert values("normal_scores", doubled) == pytest.approx(values("normal_scores", cells))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_log_probabilities_have_no_small_sample_corrections(name):
    rng = np.random.default_rng(8)
    probabilities = logit_cells((30, 6), rng, temperature=1.0)
    whole = exact(probabilities)
    many = from_counts(np.rint(probabilities * 1e6))
    assert values(name, whole) == pytest.approx(values(name, many), rel=1e-3)


def test_constant_answers_have_an_infinite_r_and_no_s():
    counts = np.zeros((5, 3, 6))
    counts[:, :, 2] = 4
    still = from_counts(counts, domains=["a", "a", "b"])
    for name, definition in DEFINITIONS.items():
        S, R = definition(still, [np.arange(3)])[0][:, 0]
        assert S == 0
        assert np.isinf(R), name


def test_missing_cells_leave_their_item_alone(cells):
    means, sds = cells.mean.copy(), cells.sd.copy()
    means[3, 1] = sds[3, 1] = np.nan
    S, R = values("published", replace(cells, mean=means, sd=sds))
    spread = np.nanstd(means, axis=0, ddof=1).mean()
    assert pytest.approx(spread) == S
    assert pytest.approx(np.nanmean(sds, axis=0).mean()) == 1 / R
