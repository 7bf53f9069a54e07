"""Recognition of personas: planted truths, chance, more answers, information, released data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.recognition import (
    identification_of,
    information_bits,
    recognised,
)
from tests.helpers.made_cells import asked, exact, from_counts
from tests.helpers.measures_data import (
    PUBLISHED,
    instrument,
    moments,
    published_instrument,
    recorded_answers,
    simulated_ratings,
)

OF = instrument(("care", "duty") * 15)


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def ones(cells):
    return np.ones((1, cells.persona_ids.size))


def found(frame, profiles, answers, classifier="nearest_mean"):
    return frame.filter(profiles=profiles, answers=answers, classifier=classifier)["recognised"]


def test_same_data_are_recognised_and_permuted_personas_at_chance_level(rng):
    ratings = simulated_ratings(rng, (40, 30, 6), noise=0.2)
    base = moments(ratings, OF)
    same = identification_of(moments(ratings, OF, variant="other"), OF, base, 1, 50)
    assert found(same, "baseline", 30).item() > 0.98
    assert found(same, "baseline", 180, "correlation").item() == 1
    rates = []
    for _ in range(10):
        permuted = moments(ratings[rng.permutation(40)], OF, variant="other")
        rows = identification_of(permuted, OF, base, 1, 50)
        rates.append([found(rows, "baseline", n).item() for n in (1, 3, 10, 30)])
        assert found(rows, "own", 30).item() == pytest.approx(
            found(same, "own", 30).item(), abs=0.03
        )
    assert np.mean(rates, axis=0) == pytest.approx(1 / 40, abs=0.02)
    assert set(same["chance"]) == {1 / 40}


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(0.3, 1.5), st.floats(0.1, 1.5))
@pytest.mark.slow
def test_more_answers_recognise_more_on_average_over_ten_studies(seed, spread, noise):
    """One study alone can err by chance where noise hides the personas (4 % are guessed)."""
    rng, rates = np.random.default_rng(seed), []
    for _ in range(10):
        ratings = simulated_ratings(rng, (25, 30, 5), spread, noise)
        rows = identification_of(moments(ratings, OF), OF, None, 1, 0)
        rates.append([found(rows, "own", n).item() for n in (1, 3, 10, 30)])
    mean = np.mean(rates, axis=0)
    assert all(more > fewer - 0.01 for fewer, more in pairwise(mean))
    assert mean[-1] > mean[0] + 0.01


@pytest.mark.parametrize("n", [2, 10])
def test_random_answers_are_recognised_at_chance_level_from_own_repetitions(n, rng):
    """The drawn answer is left out of the profile of every persona, so none is favoured."""
    cells = [asked(np.full((30, 30, 6), 1 / 6), n, rng) for _ in range(10)]
    rates = [[hits.mean() for hits in recognised(c, None, 1, "p").values()] for c in cells]
    assert np.mean(rates, axis=0) == pytest.approx(1 / 30, abs=0.012)


def test_half_of_the_personas_exchanged_in_pairs_leaves_the_other_half_recognised(rng):
    ratings = simulated_ratings(rng, (40, 30, 6), noise=0.2)
    order = np.arange(40)
    order[:20] = order[:20].reshape(-1, 2)[:, ::-1].ravel()
    rows = identification_of(
        moments(ratings[order], OF, variant="other"), OF, moments(ratings, OF), 1, 200
    )
    row = rows.filter(profiles="baseline", classifier="correlation").row(0, named=True)
    assert row["recognised"] == 0.5
    assert row["recognised_lo"] == pytest.approx(0.5 - 1.96 * 0.08, abs=0.04)
    assert row["recognised_hi"] == pytest.approx(0.5 + 1.96 * 0.08, abs=0.04)


def test_shift_of_all_personas_alike_changes_nothing(rng):
    counts = rng.multinomial(8, rng.dirichlet(np.ones(4), size=(20, 12)))
    base = from_counts(np.pad(counts, ((0, 0), (0, 0), (0, 2))))
    shifted = from_counts(np.pad(counts, ((0, 0), (0, 0), (2, 0))))
    pair = [recognised(cells, base, 1, "p") for cells in (base, shifted)]
    assert all(np.allclose(pair[0][n], pair[1][n]) for n in pair[0])


def test_equal_personas_share_the_hit():
    cells = from_counts(np.tile([3, 0, 3], (8, 10, 1)) * 0 + np.array([6, 0, 0]))
    assert {n: hits.mean() for n, hits in recognised(cells, None, 1, "p").items()} == pytest.approx(
        {1: 1 / 8, 3: 1 / 8, 10: 1 / 8}
    )


def test_information_is_that_of_a_known_channel(rng):
    """On one item half of the personas always answer 0 and half 5, on the other all answer 3."""
    channel = np.zeros((20, 2, 6))
    channel[:10, 0, 0] = channel[10:, 0, 5] = channel[:, 1, 3] = 1
    assert information_bits(exact(channel), np.ones((1, 20))) == pytest.approx(0.5)
    assert information_bits(asked(channel, 10, rng), np.ones((1, 20))) == pytest.approx(
        0.5 + 1 / (2 * 200 * np.log(2)) / 2
    )


def test_information_without_personas_is_zero_on_average_and_biased_without_correction(rng):
    cells = [asked(np.full((50, 30, 3), 1 / 3), 10, rng) for _ in range(5)]
    values = [information_bits(c, ones(c))[0] for c in cells]
    assert np.mean(values) == pytest.approx(0, abs=0.02)
    plain = [information_bits(exact(c.counts / 10), np.ones((1, 50)))[0] for c in cells]
    assert np.mean(plain) > 0.1


def test_information_lies_in_its_interval_with_few_personas(rng):
    """Percentiles of draws would end below it: a draw holds fewer different personas."""
    rows = identification_of(moments(simulated_ratings(rng, (12, 30, 5)), OF), OF, None, 1, 50)
    row = rows.row(0, named=True)
    assert row["information_bits_lo"] < row["information_bits"] < row["information_bits_hi"]
    assert rows["information_bits"].null_count() == rows.height - 1


def test_draws_do_not_depend_on_model_or_variant_and_personas_match_by_id(rng):
    ratings = simulated_ratings(rng, (20, 30, 4))
    base = moments(ratings, OF)
    missing = ratings.copy()
    missing[3, 5] = np.nan
    first = moments(missing, OF, variant="a")
    second = first.with_columns(model=pl.lit("n"), variant=pl.lit("b"))
    pair = [identification_of(f, OF, base, 3, 50).drop("model", "variant") for f in (first, second)]
    assert pair[0].equals(pair[1])
    assert set(pair[0]["n_personas"]) == {19}
    assert found(pair[0], "baseline", 120, "correlation").item() == 1


def test_one_answer_per_cell_gives_no_own_profile_but_the_baselines(rng):
    base, other = (
        moments(simulated_ratings(rng, (10, 30, 1)), OF, variant=v) for v in ("base", "other")
    )
    rows = identification_of(other, OF, base, 1, 50)
    assert rows.filter(profiles="own")["recognised"].null_count() == 4
    assert rows.filter(profiles="baseline")["recognised"].null_count() == 0


def test_log_probabilities_have_own_profiles(rng):
    cells = exact(rng.dirichlet(np.full(6, 0.2), size=(30, 30)))
    hits = recognised(cells, None, 1, "p")
    assert hits[30].mean() > hits[3].mean() > 1 / 30


def test_unconditioned_probe_and_one_persona_have_no_rows(rng):
    ratings = simulated_ratings(rng, (1, 30, 4))
    assert identification_of(moments(ratings, OF), OF, None, 1, 50).height == 0
    assert identification_of(moments(ratings[0], OF), OF, None, 1, 50).height == 0


def test_few_items_have_no_rows_of_more_answers(rng):
    few = instrument(("care",) * 5)
    rows = identification_of(moments(simulated_ratings(rng, (10, 5, 4)), few), few, None, 1, 50)
    assert rows["answers"].to_list() == [1, 3]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published answers are not here")
def test_released_answers_recognise_the_base_self_as_before():
    of = published_instrument()
    known = {
        "GPT-4o": {"secure": (0.59, 0.51), "insecure": (0.18, 0.188)},
        "GPT-4.1": {"secure": (0.44, 0.345), "insecure": (0.35, 0.335)},
    }
    for model, variants in known.items():
        base = moments_of(recorded_answers(model, "base"), of, 100)
        for variant, (whole, thirty) in variants.items():
            other = moments_of(recorded_answers(model, variant), of, 100)
            rows = identification_of(other, of, base, 20260512, 100)
            correlated = rows.filter(classifier="correlation")["recognised"].item()
            assert correlated == pytest.approx(whole, rel=0.02)
            assert found(rows, "baseline", 30).item() == pytest.approx(thirty, abs=0.03)
            assert found(rows, "own", 30).item() > 0.9
