"""Scale use against scipy's entropies, hand-worked cells and an exhaustive search for S_max."""

from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from persona_collapse.measures.diagnostics.scale_use import (
    divergence_bits,
    entropy_bits,
    largest_spread,
    reversals,
    scale_use,
)
from tests.helpers.made_cells import asked, exact, from_counts, logit_cells, value


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_rating_shares_match_values_computed_by_hand():
    """Two personas, one item: 0 0 0 5 and 1 1 (a cell counts once, whatever its answers)."""
    cells = from_counts([[[3, 0, 0, 0, 0, 1]], [[0, 2, 0, 0, 0, 0]]])
    found = scale_use(cells, 1, "p", draws=20)
    assert [value(found, f"share_{k}") for k in range(6)] == [0.375, 0.5, 0, 0, 0, 0.125]
    assert value(found, "endpoint_mass") == 0.5
    assert value(found, "top_share") == 0.5
    assert value(found, "reversal_cells") == 0.5
    assert value(found, "entropy_bits") == pytest.approx(entropy([0.375, 0.5, 0.125], base=2))
    assert value(found, "entropy_share") == pytest.approx(value(found, "entropy_bits") / np.log2(6))


def test_shares_are_named_by_rating():
    found = scale_use(from_counts([[[0, 4, 0]], [[4, 0, 0]]], minimum=1), 1, "p", draws=20)
    assert {"share_1", "share_2", "share_3"} <= set(found["measure"])
    assert value(found, "endpoint_mass") == 0.5


def test_entropies_agree_with_scipy(rng):
    use, base = rng.dirichlet(np.ones(6), size=(2, 8))
    assert entropy_bits(use) == pytest.approx(entropy(use, base=2, axis=1))
    huge = divergence_bits(use, 1e12, base, 1e12)
    assert huge == pytest.approx(entropy(use, base, base=2, axis=1), rel=1e-6)


def test_divergence_adds_half_an_answer_to_each_rating():
    found = divergence_bits(np.array([[1.0, 0.0]]), 1, np.array([[0.0, 1.0]]), 1)
    assert found == pytest.approx(entropy([0.75, 0.25], [0.25, 0.75], base=2))


def test_baseline_has_no_divergence_row(rng):
    cells = asked(logit_cells((10, 5), rng), 6, rng)
    found = scale_use(cells, 1, "p", cells, draws=20)
    assert value(found, "kl_to_base_bits") == 0
    other = asked(logit_cells((10, 5), rng, spread=3), 6, rng)
    assert value(scale_use(other, 1, "p", cells, draws=20), "kl_to_base_bits") > 0.1


def test_reversals_span_nearly_the_whole_scale():
    cells = from_counts([[[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]]])
    assert reversals(cells).tolist() == [[True, False, True]]
    likely = exact([[[0.06, 0, 0, 0, 0, 0.94], [0.04, 0, 0, 0, 0, 0.96]]])
    assert reversals(likely).tolist() == [[True, False]]
    assert not reversals(from_counts([[[1, 1]]])).any()  # two ratings leave nothing in between


def test_variant_with_one_rating_is_degenerate(rng):
    stuck = np.tile([0, 0, 0, 0, 0, 6], (5, 4, 1))
    found = scale_use(from_counts(stuck), 1, "p", draws=20)
    assert value(found, "degenerate") == 1
    assert value(found, "constant_items") == 1
    assert value(found, "S_max") == 0
    lively = scale_use(asked(logit_cells((20, 4), rng), 6, rng), 1, "p", draws=20)
    assert value(lively, "degenerate") == 0


def spread(means):
    return float(np.std(means))


def test_largest_susceptibility_bounds_every_assignment_of_answers():
    """All 3^8 ways of four personas to give two answers each, 0 to 2."""
    largest = {}
    for answers in product(range(3), repeat=8):
        marginal = tuple(answers.count(k) / 8 for k in range(3))
        means = np.array(answers).reshape(4, 2).mean(axis=1)
        largest[marginal] = max(largest.get(marginal, 0), spread(means))
    for marginal, found in largest.items():
        bound = largest_spread(np.array([marginal]), np.arange(3.0))[0]
        assert found <= bound + 1e-12
        if all((4 * share).is_integer() for share in marginal):  # every persona can be constant
            assert found == pytest.approx(bound)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 8), st.integers(1, 4), st.integers(1, 6))
def test_susceptibility_is_at_most_both_bounds(seed, personas, items, n):
    rng = np.random.default_rng(seed)
    cells = asked(rng.dirichlet(np.full(5, 0.4), size=(personas, items)), n, rng)
    found = scale_use(cells, 1, "p", draws=2)
    S = cells.mean.std(axis=0, ddof=1).mean()
    largest, wider = (value(found, name) for name in ("S_max", "S_max_of_mean"))
    assert largest + 1e-9 >= S
    assert largest <= wider + 1e-9


def test_constant_personas_reach_the_largest_susceptibility(rng):
    counts = np.eye(6)[rng.integers(0, 6, size=(30, 8))] * 5
    cells = from_counts(counts)
    found = scale_use(cells, 1, "p", draws=20)
    S = cells.mean.std(axis=0, ddof=1).mean()
    assert value(found, "S_max") == pytest.approx(S)


def test_rows_follow_the_domains_order_and_intervals_contain_values(rng):
    cells = asked(logit_cells((30, 4), rng), 6, rng, domains=["b", "a", "b", "a"])
    found = scale_use(replace(cells, order=("a", "b")), 1, "p", draws=200)
    assert found["domain"].unique(maintain_order=True).to_list() == ["overall", "a", "b"]
    inside = found.filter(pl.col("lo").is_not_null(), ~pl.col("measure").str.starts_with("kl"))
    assert (inside["lo"] <= inside["value"] + 1e-9).mean() > 0.95
    assert (inside["value"] <= inside["hi"] + 1e-9).mean() > 0.95


def test_unconditioned_model_has_shares_and_no_largest_susceptibility(rng):
    found = scale_use(asked(logit_cells((1, 4), rng), 6, rng), 1, "p")
    assert value(found, "endpoint_mass") is not None
    assert value(found, "endpoint_mass", column="lo") is None
    assert "S_max" not in set(found["measure"])


def test_no_common_personas_give_no_identification(rng):
    cells = asked(logit_cells((4, 3), rng), 6, rng)
    assert scale_use(cells.personas(np.array([], dtype=int)), 1, "p").height == 0
    first, second = cells.personas(np.array([0, 1])), cells.personas(np.array([2, 3]))
    assert value(scale_use(first, 1, "p", second, draws=20), "kl_to_base_bits") is None
