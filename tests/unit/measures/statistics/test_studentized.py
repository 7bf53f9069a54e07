"""Bootstrap-t intervals: they agree with their p-values, whatever the law of the draws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from persona_collapse.measures.statistics.studentized import Studentized, studentized

LEVELS = (0.5, 0.9, 0.95, 0.99, 0.9999)


def of(value: float, se: float, t: np.ndarray, freedom: int = 30, **errors: float) -> Studentized:
    replicates = (np.array([errors["variance"]]), np.array([errors["k"]])) if errors else None
    return Studentized(np.array([value]), np.array([se]), np.sort(t)[:, None], freedom, replicates)


numbers = st.floats(-5, 5)
laws = arrays(float, st.integers(1, 60), elements=st.floats(-8, 8))


@given(
    numbers,
    st.floats(0, 3),
    laws,
    st.integers(1, 60),
    st.none() | st.tuples(st.floats(0, 2), st.floats(1, 5)),
)
def test_interval_excludes_zero_exactly_where_p_is_below_its_level(
    value: float, se: float, law: np.ndarray, freedom: int, error: tuple[float, float] | None
) -> None:
    errors = {} if error is None else {"variance": error[0], "k": error[1]}
    found = of(value, se, law, freedom, **errors)
    (p,) = found.p()
    assert 0 < p <= 1
    for level in LEVELS:
        (low,), (high,) = found.interval(level)
        assert low <= high or se == 0
        # Within rounding of the level either answer is right.
        if abs(p - (1 - level)) > 1e-9:
            assert (p < 1 - level) == (not low <= 0 <= high)


@given(numbers, st.floats(0.1, 3), laws)
def test_exchanging_the_variants_mirrors_the_interval(
    value: float, se: float, law: np.ndarray
) -> None:
    one, other = of(value, se, law), of(-value, se, -law)
    low, high = one.interval()
    assert np.array(other.interval()) == pytest.approx(np.array((-high, -low)))
    assert other.p() == pytest.approx(one.p())


@given(st.floats(0.1, 3), laws)
def test_intervals_are_nested_and_p_falls_with_the_distance(se: float, law: np.ndarray) -> None:
    ends = [of(1.0, se, law).interval(level) for level in LEVELS]
    for (low, high), (lower, higher) in itertools.pairwise(ends):
        assert lower <= low + 1e-12
        assert high <= higher + 1e-12
    p = [of(value, se, law).p()[0] for value in (10, 100, 1000)]
    assert p == sorted(p, reverse=True)


def test_normal_draws_give_the_t_interval() -> None:
    t = stats.t(40).ppf((np.arange(4000) + 0.5) / 4000)
    found = of(1.0, 0.4, t, 40)
    half = 0.4 * stats.t.ppf(0.975, 40)
    assert np.array(found.interval()).ravel() == pytest.approx([1 - half, 1 + half], abs=1e-3)
    for value in (0.1, 1.0, 3.0):  # inside the draws, and far beyond them
        exact = 2 * stats.t.sf(value / 0.4, 40)
        assert of(value, 0.4, t, 40).p()[0] == pytest.approx(exact, rel=0.1)


def test_skewed_draws_move_the_interval_to_the_other_side() -> None:
    skewed = -stats.expon().ppf((np.arange(4000) + 0.5) / 4000)
    low, high = of(0.0, 1.0, skewed).interval()
    # Draws that fall short of the sample: the truth lies above it.
    assert low == pytest.approx(-stats.expon().ppf(0.025) * -1, abs=0.01)
    assert high == pytest.approx(stats.expon().ppf(0.975), abs=0.02)


def test_few_personas_take_student_t_instead_of_their_draws() -> None:
    found = of(1.0, 0.4, np.zeros(500), freedom=4)
    half = 0.4 * stats.t.ppf(0.975, 4)
    assert np.array(found.interval()).ravel() == pytest.approx([1 - half, 1 + half])
    assert found.p()[0] == pytest.approx(2 * stats.t.sf(1 / 0.4, 4))


def test_values_without_error_are_certain_and_undefined_ones_unknown() -> None:
    value = np.array([[0.0, 2.0, np.inf, np.nan, 1.0]] * 31)
    se = np.array([[0.0, 0.0, 1.0, 1.0, np.nan]] * 31)
    found = studentized(value, se[1:], se[0], 30)
    low, high = found.interval()
    assert low.tolist()[:2] == high.tolist()[:2] == [0.0, 2.0]
    assert found.p()[:2] == pytest.approx([1.0, 0.0], abs=1e-15)
    for part in (low, high, found.p()):
        assert np.isnan(part[2:]).all()


def test_draws_without_any_spread_count_as_far_out() -> None:
    value, errors = np.zeros((41, 1)), np.ones((40, 1))
    value[1:11], errors[:10] = -1.0, 0.0  # a quarter of the draws repeat one persona
    low, high = studentized(value, errors, np.ones(1), 30).interval()
    assert (low[0], high[0]) == (0.0, np.inf)


def test_quantile_lies_between_two_draws_in_proportion() -> None:
    law = (np.arange(1999.0) - 999)[:, None]
    found = Studentized(np.array([10.0]), np.array([2.0]), law, freedom=99)
    low, high = found.interval(1 - 2 * 66.5 / 2000)  # between the 66th and the 67th draw
    assert low[0] == pytest.approx(10 - 2 * 933.5)
    assert high[0] == pytest.approx(10 + 2 * 933.5)


def test_errors_of_rounding_are_none() -> None:
    values, errors = np.array([[1.0], [1 + 1e-12], [1.5]]), np.array([[1e-12], [0.5]])
    found = studentized(values, errors, np.array([1e-12]), freedom=20)
    assert found.t.ravel().tolist() == [0, 1]
    assert found.se.tolist() == [0]
