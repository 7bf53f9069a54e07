import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.diagnostics.fidelity import (
    _correlation,
    fidelity,
    fidelity_of,
    noise_of,
    persona_fidelity,
    products_of,
)
from tests.helpers.made_cells import normal, value
from tests.helpers.measures_data import instrument, moments, simulated_ratings


@pytest.fixture
def rng():
    return np.random.default_rng(4)


ITEMS = np.linspace(-1, 2, 30)  # what all personas agree on


def pair(relation, rng, personas=150, noise=1.0, n=4):
    """A base and a variant whose personas are related as ``relation`` says."""
    own = rng.normal(size=(personas, 30))
    other = relation(own, rng)
    return normal(own + ITEMS, noise, n, rng), normal(other + ITEMS, noise, n, rng)


def amplified(own, rng):
    return 2 * own


def dysregulated(own, rng):
    return 2 * rng.normal(size=own.shape)


def blended(own, rng):
    return 0.6 * own + 0.8 * rng.normal(size=own.shape)


@pytest.mark.parametrize(
    ("relation", "kept", "amplitude"), [(amplified, 1, 2), (dysregulated, 0, 2), (blended, 0.6, 1)]
)
def test_fidelity_separates_amplified_from_dysregulated_personas(relation, kept, amplitude, rng):
    base, other = pair(relation, rng)
    found = fidelity(base, other, 1, "roleplay", draws=300)
    assert value(found, "fidelity") == pytest.approx(kept, abs=0.05)
    assert value(found, "fidelity_with_level") == pytest.approx(kept, abs=0.05)
    assert value(found, "amplitude") == pytest.approx(amplitude, abs=0.1)


def test_noise_lowers_only_the_observed_fidelity(rng):
    base, other = pair(lambda own, rng: own, rng, n=2)  # as much noise in a mean as 0.5
    found = fidelity(base, other, 1, "roleplay", draws=50)
    assert value(found, "fidelity_observed") == pytest.approx(1 / 1.5, abs=0.04)
    assert value(found, "fidelity") == pytest.approx(1, abs=0.05)


def test_interval_covers_the_truth(rng):
    covered = 0
    for seed in range(60):
        base, other = pair(blended, rng, personas=50)
        found = fidelity(base, other, seed, "roleplay", draws=300)
        covered += (
            value(found, "fidelity", column="lo") <= 0.6 <= value(found, "fidelity", column="hi")
        )
    assert covered >= 51


def test_fidelity_ignores_a_shift_of_a_personas_level(rng):
    own = rng.normal(size=(80, 20))
    lifted = own + 2 * rng.normal(size=(80, 1))
    cells = [normal(x, 0.01, 3, rng) for x in (own, lifted)]
    found = fidelity(*cells, 1, "roleplay", draws=50)
    assert value(found, "fidelity") > 0.999
    assert value(found, "fidelity_with_level") < 0.7


def test_items_with_full_agreement_do_not_raise_fidelity(rng):
    cells = [normal(rng.normal(size=(80, 30)) + 5 * ITEMS, 0.1, 3, rng) for _ in range(2)]
    raw = np.corrcoef(cells[0].mean[0], cells[1].mean[0])[0, 1]
    assert raw > 0.8
    assert abs(value(fidelity(*cells, 1, "roleplay", draws=50), "fidelity")) < 0.1


def test_observed_values_agree_with_numpy(rng):
    base, other = pair(blended, rng, personas=12)
    x, y = (c.mean - c.mean.mean(axis=0) for c in (base, other))
    table = persona_fidelity(base, other)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]
    assert table["fidelity_observed"].to_numpy() == pytest.approx(np.array(expected))
    flat = [(a - a.mean(axis=1, keepdims=True)).ravel() for a in (x, y)]
    pooled = flat[0] @ flat[1] / np.sqrt((flat[0] @ flat[0]) * (flat[1] @ flat[1]))
    found = fidelity(base, other, 1, "roleplay", draws=50)
    assert value(found, "fidelity_observed") == pytest.approx(pooled)
    change = other.mean - base.mean
    assert table["shift"].to_numpy() == pytest.approx(np.sqrt((change**2).mean(axis=1)))
    assert table["level_shift"].to_numpy() == pytest.approx(change.mean(axis=1))


def test_weighted_metrics_equal_those_of_the_repeated_personas(rng):
    base, other = pair(blended, rng, personas=6)
    weights = np.array([[2.0, 0, 1, 1, 2, 0]])
    rows = np.repeat(np.arange(6), weights[0].astype(int))
    drawn = _correlation(products_of(base.mean, other.mean, weights), [0.0, 0.0])
    laid = products_of(base.mean[rows], other.mean[rows], np.ones((1, 6)))
    assert drawn == pytest.approx(_correlation(laid, [0.0, 0.0]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.2, 5), st.floats(-3, 3))
def test_fidelity_ignores_the_order_of_personas_and_the_scale(seed, factor, shift):
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(9, 5))
    base, other = normal(own, 0.3, 4, rng), normal(own + rng.normal(size=(9, 5)), 0.3, 4, rng)
    order = rng.permutation(9)
    moved = normal(own, 0.0, 4, rng)
    moved = type(moved)(
        **{**other.__dict__, "mean": factor * other.mean + shift, "sd": factor * other.sd}
    )
    names = ("fidelity", "fidelity_observed", "fidelity_with_level")
    first, second, third = (
        [value(fidelity(*cells, 1, "p", draws=2), name) for name in names]
        for cells in (
            (base, other),
            (base, moved),
            (base.personas(order), other.personas(order)),
        )
    )
    assert second == pytest.approx(first, nan_ok=True)
    assert third == pytest.approx(first, nan_ok=True)


def test_personas_are_matched_by_id(rng):
    base, other = pair(amplified, rng, personas=20)
    order = rng.permutation(20)[:15]
    found = persona_fidelity(base, other.personas(order))
    assert found["persona_id"].to_list() == sorted(order.tolist())
    assert found["fidelity"].median() > 0.8


def test_per_persona_fidelity_is_noise_adjusted(rng):
    base, other = pair(lambda own, rng: own, rng, n=2, personas=300)
    table = persona_fidelity(base, other)
    assert table["fidelity_observed"].mean() < 0.7
    assert table["fidelity"].mean() > 0.9
    assert table["fidelity"].max() <= 1


def test_correlation_of_degenerate_pairs_is_null(rng):
    one = normal(rng.normal(size=(1, 5)), 0.1, 3, rng)
    assert value(fidelity(one, one, 1, "p"), "fidelity") is None
    item = normal(rng.normal(size=(8, 1)), 0.1, 3, rng)
    found = fidelity(item, normal(item.mean * 2, 0.1, 3, rng), 1, "p", draws=50)
    assert value(found, "fidelity") is None
    assert value(found, "fidelity_with_level") == pytest.approx(1, abs=0.1)
    flat = normal(np.zeros((8, 5)), 0.0, 3, rng)
    found = fidelity(flat, flat, 1, "p", draws=50)
    assert set(found["value"]) == {None}
    single = normal(rng.normal(size=(8, 5)), 0.1, 1, rng)
    found = fidelity(single, single, 1, "p", draws=50)
    assert value(found, "fidelity") is None
    assert value(found, "fidelity_observed") == pytest.approx(1)


def test_fidelity_needs_common_personas_and_equal_items(rng):
    base = normal(rng.normal(size=(6, 4)), 0.1, 3, rng)
    first, second = base.personas(np.array([0, 1])), base.personas(np.array([2, 3]))
    assert fidelity(first, second, 1, "p").height == 0
    assert persona_fidelity(first, second).height == 0
    with pytest.raises(UserError, match="different items"):
        fidelity(base, normal(rng.normal(size=(6, 3)), 0.1, 3, rng), 1, "p")


def test_unit_has_rows_only_with_personas_and_a_baseline_other_than_itself(rng):
    questionnaire = instrument(["a"] * 6)
    base, other = (
        moments(simulated_ratings(rng, (8, 6, 3)), questionnaire, variant=variant)
        for variant in ("base", "insecure")
    )
    rows = fidelity_of(other, questionnaire, base)
    cells = (cells_from_moments(part, questionnaire) for part in (base, other))
    assert rows.drop("model", "variant", "probe", "simulated").equals(persona_fidelity(*cells))
    assert rows["variant"].unique().to_list() == ["insecure"]
    alone = moments(np.ones((6, 3)), questionnaire, variant="insecure")
    for none in (fidelity_of(base, questionnaire, None), fidelity_of(alone, questionnaire, alone)):
        assert none.is_empty()
        assert none.schema == rows.schema


def test_noise_of_drawn_personas_is_expected_exactly(rng):
    """A persona drawn three times has its noise three times, and in the item mean too."""
    weights, scale = np.array([[3.0, 0, 1]]), np.array([[1.0, 2.0], [3.0, 0.5], [0.5, 1.5]])
    made = [products_of(n, n, weights)[0][0] for n in scale * rng.normal(size=(20_000, 3, 2))]
    assert noise_of(scale**2, weights)[0] == pytest.approx(np.mean(made), rel=0.02)


@pytest.mark.parametrize("shape", [(4, 150), (300, 2)])
def test_fidelity_adjustment_is_unbiased_for_few_personas_and_items(shape, rng):
    """Centring takes a part of the noise away: much of it with few personas or few items."""
    found, alone = [], []
    for _ in range(60):
        own = rng.normal(size=shape)
        other = 0.6 * own + 0.8 * rng.normal(size=shape)
        cells = [normal(x, 1.0, 2, rng) for x in (own, other)]
        found.append(value(fidelity(*cells, 1, "p", draws=2), "fidelity"))
        alone += persona_fidelity(*cells)["fidelity"].to_list()
    assert np.mean(found) == pytest.approx(0.6, abs=0.04)
    if shape[1] > 100:
        assert np.mean(alone) == pytest.approx(0.6, abs=0.04)


def test_fidelity_of_single_personas_matches_a_direct_computation(rng):
    """The expected noise of a doubly centred profile, from the centring matrices themselves."""
    base, other = pair(blended, rng, personas=5, n=3)
    P, Q = base.mean.shape
    by_persona, by_item = (np.eye(size) - 1 / size for size in (P, Q))
    sums, noise = [], []
    for cells in (base, other):
        profile = by_persona @ cells.mean @ by_item
        sums.append(profile)
        noise.append((by_persona**2 @ (cells.sd**2 / cells.n) @ by_item**2).sum(axis=1))
    x, y = sums
    xx, yy = ((profile**2).sum(axis=1) for profile in sums)
    expected = np.clip((x * y).sum(axis=1) / np.sqrt((xx - noise[0]) * (yy - noise[1])), -1, 1)
    found = persona_fidelity(base, other)
    assert found["fidelity"].to_numpy() == pytest.approx(expected)
    assert found["fidelity_observed"].to_numpy() == pytest.approx(
        (x * y).sum(axis=1) / np.sqrt(xx * yy)
    )


def test_persona_without_spread_beyond_noise_has_no_fidelity(rng):
    steady = np.tile(ITEMS, (6, 1))
    found = persona_fidelity(normal(steady, 0.0, 3, rng), normal(steady, 0.0, 3, rng))
    assert found["fidelity"].to_list() == [None] * 6
    assert found["fidelity_observed"].to_list() == [None] * 6
    assert found["shift"].to_list() == pytest.approx([0] * 6)
