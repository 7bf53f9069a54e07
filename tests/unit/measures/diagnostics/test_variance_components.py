"""Variance components against the textbook analysis, planted components and degenerate designs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.diagnostics.variance_components import (
    SOURCES,
    components,
    effective_dimension,
    variance_components,
)
from tests.helpers.made_cells import asked, exact, from_counts, normal, value


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def planted(rng, personas, items, persona, item, both):
    return (
        persona * rng.normal(size=(personas, 1))
        + item * rng.normal(size=(1, items))
        + both * rng.normal(size=(personas, items))
    )


def test_components_are_those_of_the_textbook_analysis(rng):
    """Mean squares by statsmodels, components by their expected mean squares."""
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    P, Q, n = 7, 5, 3
    answers = rng.integers(0, 6, size=(P, Q, n))
    counts = (answers[..., None] == np.arange(6)).sum(axis=2)
    p, q, _ = np.indices(answers.shape)
    frame = pd.DataFrame({"y": answers.ravel(), "p": p.ravel(), "q": q.ravel()})
    squares = anova_lm(ols("y ~ C(p) * C(q)", frame).fit())["mean_sq"]
    persona, item, both, repetition = squares
    expected = {
        "persona": (persona - both) / (Q * n),
        "item": (item - both) / (P * n),
        "persona_item": (both - repetition) / n,
        "repetition": repetition,
    }
    found = variance_components(from_counts(counts))
    for name in SOURCES:
        assert value(found, f"variance_{name}") == pytest.approx(expected[name], abs=1e-10)
    floored = {name: max(x, 0) for name, x in expected.items()}
    for name in SOURCES:
        share = floored[name] / sum(floored.values())
        assert value(found, f"share_{name}") == pytest.approx(share, abs=1e-10)


def test_planted_components_are_recovered_with_unequal_repetitions(rng):
    found = []
    for _ in range(40):
        truth = planted(rng, 60, 20, 0.8, 1.0, 0.5)
        few, many = normal(truth, 1.2, 2, rng), normal(truth, 1.2, 9, rng)
        some = rng.random(truth.shape) < 0.5
        mixed = {k: np.where(some, getattr(few, k), getattr(many, k)) for k in ("mean", "sd", "n")}
        found.append(
            variance_components(type(few)(**{**few.__dict__, **mixed}))["value"].to_list()[:4]
        )
    expected = [0.64, 1.0, 0.25, 1.44]
    assert np.mean(found, axis=0) == pytest.approx(expected, rel=0.12)


def test_jackknife_interval_covers_a_planted_share(rng):
    covered = 0
    truth = 0.64 / (0.64 + 0.25 + 0.36)  # no item variance: its share would vary with the items
    for _ in range(80):
        cells = normal(planted(rng, 40, 25, 0.8, 0.0, 0.5), 0.6, 4, rng)
        found = variance_components(cells)
        lo, hi = (value(found, "share_persona", column=end) for end in ("lo", "hi"))
        covered += lo <= truth <= hi
    assert covered >= 70


def test_relative_coefficient_is_cronbachs_alpha(rng):
    from persona_collapse.measures.diagnostics.reliability import alpha

    cells = normal(planted(rng, 30, 8, 0.8, 1.0, 0.5), 1.0, 5, rng)
    expected = alpha(cells.mean, np.ones((1, 30)))[0]
    assert value(variance_components(cells), "generalisability") == pytest.approx(expected)


def test_dependability_matches_value_computed_by_hand(rng):
    cells = normal(planted(rng, 30, 8, 0.8, 1.0, 0.5), 1.0, 5, rng)
    found = variance_components(cells)
    persona, item, both, repetition = (value(found, f"variance_{name}") for name in SOURCES)
    error = (item + both) / 8 + repetition / 40
    assert value(found, "dependability") == pytest.approx(persona / (persona + error))


def test_negative_component_is_reported_and_has_share_zero():
    # The personas' means agree exactly, their answers to single items do not.
    counts = np.zeros((2, 2, 3))
    counts[[0, 1], [0, 1], 0] = 4
    counts[[0, 1], [1, 0], 2] = 4
    found = variance_components(from_counts(counts))
    assert value(found, "variance_persona") < 0
    assert value(found, "share_persona") == 0
    assert value(found, "share_persona_item") == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(2, 5), st.integers(2, 5))
def test_shares_sum_to_one_or_are_undefined(seed, personas, items, n):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(4, 0.3), size=(personas, items))
    found = variance_components(asked(probabilities, n, rng))
    shares = [value(found, f"share_{name}") for name in SOURCES]
    assert shares == [None] * 4 or sum(shares) == pytest.approx(1)


def test_jackknife_by_weights_equals_removing_the_persona(rng):
    cells = normal(planted(rng, 6, 4, 0.8, 1.0, 0.5), 1.0, 3, rng)
    noise = cells.sd**2 / cells.n
    weights = np.array([[1.0, 1, 0, 1, 1, 1]])
    kept, whole = np.flatnonzero(weights[0]), np.ones((1, 5))
    for function in (
        lambda m, v, w: components(m, v * 3, v, w),
        lambda m, v, w: effective_dimension(m, v, w),
    ):
        assert function(cells.mean, noise, weights) == pytest.approx(
            function(cells.mean[kept], noise[kept], whole)
        )


@pytest.mark.parametrize("dimensions", [1, 3, 8])
def test_effective_dimension_is_recovered_despite_noise(dimensions, rng):
    found, naive = [], []
    loadings = np.linalg.qr(rng.normal(size=(20, dimensions)))[0].T * np.sqrt(20)
    for _ in range(30):
        cells = normal(rng.normal(size=(60, dimensions)) @ loadings, 3.0, 3, rng)
        found.append(value(variance_components(cells), "effective_dimension"))
        eigenvalues = np.linalg.eigvalsh(np.cov(cells.mean, rowvar=False))
        naive.append(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
    assert np.mean(found) == pytest.approx(dimensions, rel=0.12)
    assert abs(np.mean(naive) - dimensions) > 0.15 * dimensions


@pytest.mark.parametrize("unit", [0.001, 0.1, 10, 1000])
def test_effective_dimension_does_not_depend_on_the_unit_of_ratings(unit, rng):
    cells = normal(planted(rng, 8, 5, 0.8, 1.0, 0.5), 0.5, 3, rng)
    noise, whole = cells.sd**2 / cells.n, np.ones((1, 8))
    found = effective_dimension(cells.mean * unit, noise * unit**2, whole)
    expected = effective_dimension(cells.mean, noise, whole)
    assert np.isfinite(expected)
    assert found == pytest.approx(expected)


def test_log_probabilities_have_repetition_variance_but_no_noise_in_means():
    found = variance_components(exact(np.random.default_rng(1).dirichlet(np.ones(6), size=(8, 4))))
    assert value(found, "share_repetition") > 0
    persona, both = (value(found, f"variance_{name}") for name in ("persona", "persona_item"))
    if persona > 0:
        expected = persona / (persona + both / 4)
        assert value(found, "generalisability") == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (1, 1)])
def test_one_persona_or_one_item_gives_nulls(shape, rng):
    found = variance_components(asked(np.full((*shape, 3), 1 / 3), 4, rng))
    assert set(found.filter(found["measure"].str.contains("share"))["value"]) == {None}


def test_equal_answers_give_null_shares_and_single_answers_null_noise(rng):
    equal = variance_components(from_counts(np.tile([5, 0], (4, 3, 1))))
    assert value(equal, "variance_persona") == 0
    assert value(equal, "share_persona") is None
    assert value(equal, "effective_dimension") is None
    single = variance_components(asked(np.full((4, 3, 2), 0.5), 1, rng))
    assert value(single, "variance_repetition") is None


def test_no_personas_left_gives_nulls(rng):
    cells = asked(np.full((3, 2, 2), 0.5), 4, rng).personas(np.array([], dtype=int))
    assert set(variance_components(cells)["value"]) == {None}


def left_out(cells, measure):
    """Return the jackknife's SE of a measure, from analyses of all personas but one."""
    personas = cells.mean.shape[0]
    values = [
        value(variance_components(cells.personas(np.delete(np.arange(personas), p))), measure)
        for p in range(personas)
    ]
    return np.sqrt((personas - 1) / personas * ((values - np.mean(values)) ** 2).sum())


@pytest.mark.parametrize("measure", ["variance_persona", "share_item", "effective_dimension"])
def test_interval_is_the_t_interval_of_the_jackknife_over_personas(measure, rng):
    from scipy.stats import t

    cells = normal(planted(rng, 9, 6, 0.8, 1.0, 0.5), 1.0, 3, rng)
    found = variance_components(cells)
    middle = value(found, measure)
    half = t.ppf(0.975, 8) * left_out(cells, measure)
    limits = {"share_item": (0, 1), "effective_dimension": (1, 6)}.get(measure, (-np.inf, np.inf))
    assert value(found, measure, column="lo") == pytest.approx(max(limits[0], middle - half))
    assert value(found, measure, column="hi") == pytest.approx(min(limits[1], middle + half))


def test_intervals_end_at_the_limits_of_shares_and_dimension_and_nowhere_for_variances(rng):
    weak, strong = [], []
    for _ in range(20):
        weak.append(variance_components(normal(planted(rng, 6, 3, 0.5, 0, 0.6), 1.0, 3, rng)))
        strong.append(variance_components(normal(planted(rng, 6, 3, 1, 0, 0.1), 0.1, 3, rng)))

    def ends(tables, measure):
        found = [value(table, measure, column=end) for table in tables for end in ("lo", "hi")]
        seen = [end for end in found if end is not None]
        return min(seen), max(seen)

    assert ends(weak, "share_persona")[0] == 0
    assert ends(strong, "share_persona")[1] == 1
    assert ends(weak, "effective_dimension") == (1, 3)
    assert ends(weak, "variance_persona")[0] < 0


def test_two_personas_have_values_without_intervals_and_no_dimension(rng):
    found = variance_components(normal(planted(rng, 2, 4, 0.8, 1.0, 0.5), 1.0, 3, rng))
    assert value(found, "variance_persona") is not None
    assert set(found["lo"]) == set(found["hi"]) == {None}
    assert value(found, "effective_dimension") is None


def test_dimension_of_three_personas_has_no_interval_as_two_have_no_dimension(rng):
    tables = [
        variance_components(normal(planted(rng, 3, 4, 0.8, 1.0, 0.9), 0.1, 3, rng))
        for _ in range(10)
    ]
    assert any(value(table, "effective_dimension") is not None for table in tables)
    assert all(value(table, "effective_dimension", column="lo") is None for table in tables)
    assert all(value(table, "variance_item", column="lo") is not None for table in tables)


def test_dimension_of_noise_alone_is_undefined():
    """Answers that vary more within personas than between them leave no spread."""
    counts = np.tile([5, 0, 5], (4, 3, 1))
    assert value(variance_components(from_counts(counts)), "effective_dimension") is None
