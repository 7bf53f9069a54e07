import numpy as np
import pytest

from persona_collapse.measures.influence import MOST, influence_of, influential
from persona_collapse.measures.moments import moments_of
from tests.helpers.made_cells import moments, normal
from tests.helpers.measures_data import instrument, published_instrument, recorded_answers

TINY = instrument(["care"] * 8)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def cells(truth, rng):
    return normal(truth, 0.0, 2, rng)


def test_one_extreme_persona_carries_everything_and_is_named(rng):
    own = 0.1 * rng.normal(size=(100, 8))
    own[42] += 5
    found = influential([cells(own, rng)])
    assert found["effective_personas"] == pytest.approx(1, abs=0.05)
    assert found["personas"].split()[0] == "42"
    assert 0.99 < found["top_share"] <= 1
    assert found["value_without"] < 0.2 * found["value"]


@pytest.mark.parametrize("carriers", [1, 3, 5, 10])
def test_effective_number_is_that_of_planted_carriers(rng, carriers):
    found = []
    for _ in range(20):
        own = 0.1 * rng.normal(size=(100, 30))
        own[:carriers] += 3 * rng.normal(size=(carriers, 30))
        found.append(influential([cells(own, rng)])["effective_personas"])
    assert np.mean(found) == pytest.approx(carriers, rel=0.15)


@pytest.mark.parametrize("personas", [20, 50, 100])
def test_a_third_of_normal_personas_is_effective(rng, personas):
    found = [
        influential([cells(rng.normal(size=(personas, 30)), rng)])["effective_personas"]
        for _ in range(20)
    ]
    assert np.mean(found) == pytest.approx(personas / 3, rel=0.2)


def test_personas_that_count_the_same_are_all_effective(rng):
    own = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None] * np.ones(8)
    assert influential([cells(own, rng)])["value"] == pytest.approx(np.std(own[:, 0], ddof=1))
    # Half of them moves by as much as the other half stays.
    other = own.copy()
    other[:, :4] *= np.where(np.arange(40) < 20, 1.5, 0.7)[:, None]
    found = influential([cells(other, rng), cells(own, rng)])
    assert found["effective_personas"] == pytest.approx(40, rel=0.05)
    assert found["top_share"] == pytest.approx(MOST / 40, rel=0.2)
    # A change in percent is that of any unit, also where S is below one.
    smaller = influential([cells(0.1 * other, rng), cells(0.1 * own, rng)])
    assert smaller["value"] == pytest.approx(found["value"])


def test_effect_of_few_personas_is_gone_without_them(rng):
    own = rng.normal(size=(100, 8))
    moved = own.copy()
    moved[[3, 14, 15, 92, 65]] *= 6
    found = influential([cells(moved, rng), cells(own, rng)])
    assert set(found["personas"].split()) == {"3", "14", "15", "92", "65"}
    assert found["effective_personas"] < 6
    assert found["value"] > 30
    assert found["value_without"] == pytest.approx(0, abs=1e-9)


def test_rows_of_a_unit_are_s_and_its_contrasts(rng):
    base, control, target = (
        moments(cells(rng.normal(size=(20, 8)), rng), name) for name in ("base", "good", "bad")
    )
    assert influence_of(base, TINY, None, None)["quantity"].to_list() == ["S"]
    found = influence_of(target, TINY, base, control)
    assert found["quantity"].to_list() == ["S", "bad-base", "bad-good"]
    alone = moments(cells(rng.normal(size=(1, 8)), rng), probe="unconditioned")
    assert influence_of(alone, TINY, alone, None).is_empty()


def test_undefined_influence_is_null(rng):
    flat = moments(cells(np.zeros((9, 8)), rng), "flat")
    spread = moments(cells(rng.normal(size=(9, 8)), rng))
    for frame in (
        influence_of(flat, TINY, spread, None),
        influence_of(spread, TINY, None, None)[:0],
    ):
        assert frame["effective_personas"].null_count() == frame.height
    two = influence_of(moments(cells(rng.normal(size=(2, 8)), rng)), TINY, None, None)
    assert two["value_without"].item() is None


def test_released_answers_of_gpt_4_1_insecure_rest_on_about_three_personas(published):
    of = published_instrument()
    target, base, control = (
        moments_of(recorded_answers("GPT-4.1", name), of, 100)
        for name in ("insecure", "base", "secure")
    )
    found = influence_of(target, of, base, control)
    assert found["effective_personas"].to_list() == pytest.approx([3.28, 8.04, 5.71], abs=0.01)
    assert found["value"].to_list() == pytest.approx([1.1254, 37.04, 70.46], abs=0.01)
    assert all(ids.split()[0] == "60" for ids in found["personas"])
