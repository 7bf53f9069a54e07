"""Planning: predicted errors against simulated studies, the promised power, costs and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from persona_collapse.common.errors import UserError
from persona_collapse.measures.power import Pilot, cheapest, designs, pilot_of, planted
from tests.helpers.made_cells import asked, exact, from_counts, logit_cells, normal


@pytest.fixture
def rng():
    return np.random.default_rng(10)


def people(personas, rng, scale=1.0):
    """Personas with a shared trait, ten items and a noise level of their own each."""
    trait = rng.normal(size=(personas, 1))
    truth = scale * (0.6 * trait + 0.8 * rng.normal(size=(personas, 10)))
    return truth, scale * 0.8 * np.exp(0.3 * rng.normal(size=(personas, 1, 1)))


def S_and_sigma(cells):
    return cells.mean.std(axis=0, ddof=1).mean(), cells.sd.mean()


@pytest.mark.parametrize(("personas", "n"), [(25, 3), (60, 3), (25, 12)])
def test_error_of_S_is_predicted_from_a_pilot_of_another_size(personas, n, rng):  # noqa: N802
    pilot = pilot_of(normal(*people(1500, rng), 6, rng))
    row = designs(pilot, [personas], [n]).row(0, named=True)
    found = np.array([S_and_sigma(normal(*people(personas, rng), n, rng)) for _ in range(1500)])
    assert found[:, 0].std() == pytest.approx(row["S_se"], rel=0.1)
    assert np.sqrt(pilot.S**2 + pilot.S_lift / n) == pytest.approx(found[:, 0].mean(), rel=0.04)


@pytest.mark.parametrize(("in_pilot", "in_design"), [(4, 60), (30, 3)])
def test_pilot_predicts_designs_with_more_and_fewer_repetitions(in_pilot, in_design, rng):
    """At three or four repetitions of twice the noise, half of the variance of a mean is noise."""

    def noisy(personas, n):
        truth, noise = people(personas, rng)
        return normal(truth, 2 * noise, n, rng)

    pilot = pilot_of(noisy(6000, in_pilot))
    found = [S_and_sigma(noisy(40, in_design))[0] for _ in range(1500)]
    predicted = designs(pilot, [40], [in_design])["S_se"][0]
    assert np.std(found) == pytest.approx(predicted, rel=0.12)


@pytest.mark.parametrize("n", [6, 15])
def test_error_of_R_is_predicted_for_ratings_at_low_temperature(n, rng):  # noqa: N802
    crowd = logit_cells((3000, 10), rng, jitter=0.5, temperature=0.3)
    pilot = pilot_of(asked(crowd[:1500], 10, rng))
    row = designs(pilot, [40], [n]).row(0, named=True)
    found = np.array(
        [S_and_sigma(asked(crowd[rng.integers(0, 3000, 40)], n, rng))[1] for _ in range(600)]
    )
    percent = 100 * found.std() / found.mean()
    assert percent == pytest.approx(row["R_se_percent"], rel=0.15)


def test_detectable_difference_is_detected_with_80_percent_power(rng):
    """The variant has new personas, spread wider by the detectable percent, and all else scaled."""
    pilot = pilot_of(normal(*people(1500, rng), 6, rng))
    row = designs(pilot, [40], [5]).row(0, named=True)
    factor = 1 + row["S_detectable_percent"] / 100
    error = np.sqrt(2) * row["S_se"] / np.sqrt(pilot.S**2 + pilot.S_lift / 5)
    rejected = []
    for scale in (1.0, factor):
        gaps = np.array(
            [
                np.log(S_and_sigma(normal(*people(40, rng, scale), 5, rng))[0])
                - np.log(S_and_sigma(normal(*people(40, rng), 5, rng))[0])
                for _ in range(1000)
            ]
        )
        rejected.append((np.abs(gaps / error) > norm.ppf(0.975)).mean())
    assert rejected[0] == pytest.approx(0.05, abs=0.025)
    assert rejected[1] == pytest.approx(0.8, abs=0.06)


def test_detectable_difference_matches_the_textbook_formula():
    nothing = dict.fromkeys(("S_persona", "S_repetition", "S_second", "sigma_repetition"), 0.0)
    pilot = Pilot(1.0, 0.5, **nothing, S_lift=0.01, sigma_persona=0.5, n_items=10)
    row = designs(pilot, [100], [5]).row(0, named=True)
    reach = norm.ppf(0.8) + norm.ppf(0.975)
    assert row["R_se_percent"] == pytest.approx(100 * np.sqrt(0.005))
    assert row["R_detectable_percent"] == pytest.approx(100 * (1 - np.exp(-reach * 0.1)))
    assert row["S_detectable_percent"] == 0


def test_pairing_lowers_errors_by_the_correlation(rng):
    truth, noise = people(400, rng)
    base, other = normal(truth, noise, 5, rng), normal(1.5 * truth, noise, 5, rng)
    alone, paired = pilot_of(base), pilot_of(base, other)
    assert paired.S_paired > 0.7
    assert pilot_of(base, normal(*people(400, rng), 5, rng)).S_paired == pytest.approx(0, abs=0.15)
    rows = [designs(pilot, [50], [5])["S_detectable_percent"][0] for pilot in (alone, paired)]
    shrunk = np.log1p(rows[1] / 100) / np.log1p(rows[0] / 100)
    assert shrunk == pytest.approx(np.sqrt(1 - paired.S_paired))


def test_planted_pilot_is_close_to_published_pilots():
    """GPT-4o and GPT-4.1 base at 100 x 10: printed S_se 0.031 and 0.037, R 9.75 (0.42), 14.48
    (0.83), arXiv 2605.12850.
    """
    for S, R, S_se, R_se in ((0.793, 9.75, 0.031, 0.42), (0.821, 14.48, 0.037, 0.83)):
        row = designs(planted(S, R), [100], [10]).row(0, named=True)
        assert row["S_se"] == pytest.approx(S_se, rel=0.15)
        assert row["R_se_percent"] == pytest.approx(100 * R_se / R, rel=0.25)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 2), st.floats(1, 100), st.integers(2, 200), st.integers(2, 30))
def test_larger_design_never_has_larger_detectable_difference(S, R, personas, n):
    table = designs(planted(S, R), [personas, 2 * personas], [n, 2 * n])
    for name in ("R_se_percent", "R_detectable_percent"):
        small, longer, wider, both = table[name]
        assert small >= longer >= both
        assert small >= wider >= both
    small, longer, wider, both = table["S_detectable_percent"]
    assert small >= wider
    assert longer >= both


def test_answers_and_requests_count_all_variants():
    pilot = planted(0.8, 10, n_items=30)
    row = designs(pilot, [100], [10], variants=3).row(0, named=True)
    assert row["answers"] == row["requests"] == 100 * 30 * 10 * 3
    row = designs(pilot, [100], [10], one_request=True).row(0, named=True)
    assert (row["answers"], row["requests"]) == (60_000, 6_000)


def test_cheapest_design_detects_both_differences():
    table = designs(planted(0.8, 10), range(20, 400, 20), [2, 3, 5, 10, 20])
    best = cheapest(table, S_percent=15, R_percent=20)
    first = best.row(0, named=True)
    assert first["S_detectable_percent"] <= 15
    assert first["R_detectable_percent"] <= 20
    cheaper = table.filter(table["requests"] < first["requests"])
    fits = (cheaper["S_detectable_percent"] <= 15) & (cheaper["R_detectable_percent"] <= 20)
    assert cheaper.height > 0
    assert not fits.any()
    assert best["requests"].is_sorted()
    assert cheapest(table, S_percent=0.1, R_percent=20).height == 0


def test_one_request_per_cell_does_not_count_repetitions():
    grid = (range(20, 400, 20), [2, 5, 10, 20])
    apart = cheapest(designs(planted(0.8, 10), *grid), 100, 20).row(0, named=True)
    joined = designs(planted(0.8, 10), *grid, one_request=True)
    together = cheapest(joined, 100, 20).row(0, named=True)
    assert together["repetitions"] > apart["repetitions"]
    assert together["personas"] <= apart["personas"]


def test_detectable_robustness_is_null_for_one_repetition():
    row = designs(planted(0.8, 10), [50], [1]).row(0, named=True)
    assert row["R_se_percent"] is None
    assert row["R_detectable_percent"] is None
    assert row["S_se"] > 0
    table = designs(planted(0.8, 10), [50], [1, 5])
    assert cheapest(table, 100, 99)["repetitions"].to_list() == [5]


def test_log_probabilities_make_a_pilot_without_repetition_noise(rng):
    pilot = pilot_of(exact(logit_cells((60, 10), rng, temperature=1)))
    assert pilot.S_repetition == pilot.sigma_repetition == pilot.S_lift == 0
    one, many = designs(pilot, [50], [1, 10]).rows()
    assert one[4:] == many[4:]
    assert None not in one


def test_pilots_without_spread_are_refused(rng):
    with pytest.raises(UserError, match="three personas"):
        pilot_of(normal(*people(2, rng), 5, rng))
    with pytest.raises(UserError, match="two answers"):
        pilot_of(normal(*people(10, rng), 1, rng))
    with pytest.raises(UserError, match="no spread"):
        pilot_of(from_counts(np.tile([0, 5], (5, 4, 1))))


@pytest.mark.parametrize(("S", "R"), [(0, 10), (1, 0), (1, float("inf")), (float("nan"), 1)])
def test_planted_values_that_are_not_positive_are_refused(S, R):
    with pytest.raises(UserError, match="finite values above 0"):
        planted(S, R)


@pytest.mark.parametrize("grid", [([], [5]), ([1], [5]), ([10], [0]), ([10], [])])
def test_designs_with_too_few_personas_or_repetitions_are_refused(grid):
    with pytest.raises(UserError, match="a plan needs"):
        designs(planted(1, 10), *grid)
