"""Saturation and the toxic comparison: exact profiles, planted truth, printed references."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.diagnostics.saturation import (
    drawn_profiles,
    profile,
    saturation,
    toxic_comparison,
)
from tests.helpers.made_cells import asked, exact, from_counts, value

DOMAINS = ["care", "duty", "care", "duty"]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def constant(ratings, personas=1):
    """Personas that always give these ratings."""
    counts = np.eye(6)[np.broadcast_to(ratings, (personas, 4))] * 5
    return from_counts(counts, domains=DOMAINS)


@pytest.mark.parametrize(
    ("ratings", "expected"), [([5, 5, 5, 5], 1), ([0, 0, 0, 0], 0), ([0, 5, 0, 5], 1 - 0.5**0.5)]
)
def test_saturation_of_simple_profiles_matches_values_computed_by_hand(ratings, expected):
    found = saturation(constant(ratings), 1, "unconditioned", draws=50)
    assert value(found, "saturation") == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=4))
def test_saturation_is_the_distance_to_the_ceiling(ratings):
    cells = constant(ratings)
    found = saturation(cells, 1, "unconditioned", draws=2)
    distance = np.sqrt(((5 - profile(cells)[0]) ** 2).mean())
    assert value(found, "saturation") == pytest.approx(1 - distance / 5)
    assert value(found, "ceiling_gap") == pytest.approx(5 - profile(cells).mean())
    assert value(found, "unevenness") == pytest.approx(profile(cells)[0].std())


def test_constant_answers_to_equal_items_have_no_interval_width():
    found = saturation(constant([4, 2, 4, 2]), 1, "unconditioned", draws=50)
    lo, hi = (value(found, "saturation", column=end) for end in ("lo", "hi"))
    assert lo == hi == value(found, "saturation")


def test_interval_covers_a_population_of_items(rng):
    """Items drawn from a population, two domains of 12: the true gap is known."""
    covered, names = 0, ["care", "duty"] * 12
    for seed in range(60):
        level = rng.beta(4, 2, size=(1, 24, 1))
        steps = np.arange(6)
        from scipy.stats import binom

        cells = asked(binom.pmf(steps, 5, level), 10, rng, domains=names)
        found = saturation(cells, seed, "unconditioned", draws=300)
        lo, hi = (value(found, "ceiling_gap", column=end) for end in ("lo", "hi"))
        covered += lo <= 5 - 5 * 4 / 6 <= hi
    assert covered >= 51


def test_log_probabilities_have_item_variance_only():
    steady = exact(np.full((1, 3, 6), 1 / 6))
    found = saturation(steady, 1, "unconditioned", draws=50)
    assert value(found, "saturation", column="lo") == pytest.approx(value(found, "saturation"))


def test_nearest_reference_is_named():
    own, base = constant([5, 4, 5, 4]), constant([4, 1, 4, 1])
    toxic = from_counts(np.eye(6)[[[0, 5, 0, 5], [5, 3, 5, 3]]] * 4, domains=DOMAINS, ids=[2, 7])
    found = toxic_comparison(own, base, toxic, 1, "u", draws=50)
    table = dict(found.select("reference", "value").iter_rows())
    assert table == pytest.approx(
        {"base": 10**0.5, "toxic 2": 26**0.5, "toxic 7": 1.0, "ceiling": 1.0}
    )
    assert set(found.filter("nearest")["reference"]) == {"toxic 7", "ceiling"}  # a tie is shown


def test_base_is_not_compared_with_itself():
    base = constant([4, 1, 4, 1])
    found = toxic_comparison(base, base, None, 1, "u", draws=50)
    assert found["reference"].to_list() == ["ceiling"]


def test_published_profiles_are_references_like_measured_ones():
    own, base = constant([5, 4, 5, 4]), constant([4, 4, 4, 4])
    toxic = from_counts(np.eye(6)[[[4, 1, 4, 1]]] * 4, domains=DOMAINS, ids=[0])
    names = [name for name in own.groups() if name != "overall"]
    printed = {"printed": dict(zip(reversed(names), (1.0, 4.0), strict=True))}
    asked_for = toxic_comparison(own, base, toxic, 1, "u", draws=50)
    read = toxic_comparison(own, base, None, 1, "u", draws=50, printed=printed)
    assert read["reference"].to_list() == ["base", "printed", "ceiling"]
    numbers = ["value", "lo", "hi", "nearest"]
    assert read.select(numbers).equals(asked_for.select(numbers))
    assert read["value"][1] == pytest.approx(10**0.5)


def test_distance_lies_within_its_interval(rng):
    probabilities = rng.dirichlet(np.ones(6), size=(1, 4))
    own = asked(probabilities, 10, rng, domains=DOMAINS)
    found = toxic_comparison(own, constant([0, 0, 0, 0]), None, 1, "u", draws=400)
    row = found.row(0, named=True)
    assert row["lo"] < row["value"] < row["hi"]


def test_no_personas_left_gives_no_rows():
    none = constant([1, 1, 1, 1]).personas(np.array([], dtype=int))
    assert saturation(none, 1, "u").height == 0
    assert toxic_comparison(none, none, None, 1, "u").height == 0
    alone = toxic_comparison(constant([1, 1, 1, 1]), none, none, 1, "u", draws=20)
    assert alone["reference"].to_list() == ["ceiling"]


def test_repetitions_are_redrawn_within_cells():
    """One item per domain leaves the repetitions as the only source of error."""
    counts = np.array([[[0, 0, 4, 0, 0, 6], [2, 0, 0, 8, 0, 0]]])
    cells = from_counts(counts, domains=["care", "duty"])
    drawn = drawn_profiles(cells, 1, "u", 4000)[:, 0]
    shares = counts[0] / counts[0].sum(axis=1, keepdims=True)
    means = shares @ np.arange(6)
    errors = np.sqrt((shares @ np.arange(6) ** 2 - means**2) / 10)
    assert drawn.mean(axis=0) == pytest.approx(means, abs=0.05)
    assert drawn.std(axis=0) == pytest.approx(errors, rel=0.05)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.06  # cells are redrawn apart from each other
    found = saturation(cells, 1, "u", draws=500)
    assert value(found, "saturation", column="lo") < value(found, "saturation")
    assert value(found, "saturation", column="hi") > value(found, "saturation")


def test_repetitions_of_another_probe_are_drawn_anew_and_items_are_not():
    mixed = from_counts(np.array([[[0, 0, 4, 0, 0, 6]] * 4]), domains=DOMAINS)
    one, other = (drawn_profiles(mixed, 1, probe, 50) for probe in ("u", "v"))
    assert not np.array_equal(one, other)
    steady = constant([5, 1, 3, 0])
    one, other = (drawn_profiles(steady, 1, probe, 50) for probe in ("u", "v"))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, drawn_profiles(steady, 2, "u", 50))
