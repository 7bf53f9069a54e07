import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.plane import MOST_RUNS, persona_map_of, persona_runs_of
from tests.helpers.made_cells import moments, normal
from tests.helpers.measures_data import answers, instrument

ITEMS = 6
SIX = instrument(["care"] * ITEMS)


def placed(base, other=None):
    frames = [moments(cells, name) for cells, name in ((base, "base"), (other or base, "tuned"))]
    return persona_map_of(frames[1], SIX, frames[0])


def cells(truth, seed=1, noise=0.5):
    return normal(truth, noise, 5, np.random.default_rng(seed))


@given(seed=st.integers(0, 2**32 - 1), personas=st.integers(3, 30))
@settings(max_examples=40)
def test_coordinates_keep_the_baselines_two_largest_variances(seed, personas):
    truth = np.random.default_rng(seed).normal(size=(personas, ITEMS))
    found = placed(cells(truth, noise=0.0))
    centred = truth - truth.mean(axis=0)
    sizes = np.linalg.svd(centred, compute_uv=False) ** 2
    assert (found["x"] ** 2).sum() == pytest.approx(sizes[0])
    assert (found["y"] ** 2).sum() == pytest.approx(sizes[1])
    assert found["x_share"][0] == pytest.approx(sizes[0] / sizes.sum())
    assert found["y_share"][0] == pytest.approx(sizes[1] / sizes.sum())
    assert found["x"].mean() == pytest.approx(0, abs=1e-9)
    for axis in "xy":  # the largest loading of each component is positive
        loadings = centred.T @ found[axis].to_numpy()
        assert loadings.max() >= -loadings.min()


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-3, 3), factor=st.floats(0.1, 4))
@settings(max_examples=40)
def test_variant_keeps_the_baselines_axes_and_its_own_centre(seed, shift, factor):
    truth = np.random.default_rng(seed).normal(size=(12, ITEMS))
    base = cells(truth, noise=0.0)
    moved = placed(base, cells(shift + factor * truth, noise=0.0))
    for axis in "xy":
        assert moved[axis].to_numpy() == pytest.approx(factor * placed(base)[axis].to_numpy())


@pytest.mark.parametrize("unit", [1, 0.1])
def test_share_counts_only_the_variance_within_the_baselines_plane(unit):
    plane = np.zeros((4, ITEMS))
    plane[:, 0], plane[:, 1] = unit * np.array([[2, -2, 2, -2], [1, 1, -1, -1]])
    beyond = np.zeros((4, ITEMS))
    beyond[:, 2] = unit * np.array([1, -1, -1, 1])
    found = placed(cells(plane, noise=0.0), cells(plane + beyond, noise=0.0))
    assert found["x_share"][0] == pytest.approx(16 / 24)
    assert found["y_share"][0] == pytest.approx(4 / 24)


@pytest.mark.parametrize("personas", [1, 2])
def test_too_few_personas_have_no_plane(personas):
    assert placed(cells(np.random.default_rng(1).normal(size=(personas, ITEMS)))).is_empty()


def test_personas_that_differ_in_no_plane_have_none():
    assert placed(cells(np.zeros((5, ITEMS)), noise=0.0)).is_empty()
    assert placed(cells(np.outer(np.arange(5.0), np.ones(ITEMS)), noise=0.0)).is_empty()


def test_single_item_has_no_plane():
    one = instrument(["care"])
    frame = moments(cells(np.arange(5.0)[:, None], noise=0.0), "base")
    assert persona_map_of(frame, one, frame).is_empty()


def test_variant_without_its_baseline_has_no_plane():
    frame = moments(cells(np.random.default_rng(1).normal(size=(5, ITEMS))), "tuned")
    assert persona_map_of(frame, SIX, None).is_empty()


def test_variant_whose_personas_do_not_differ_has_no_share():
    base = cells(np.random.default_rng(1).normal(size=(5, ITEMS)))
    found = placed(base, cells(np.ones((5, ITEMS)), noise=0.0))
    assert found["x_share"].is_null().all()
    assert found["x"].to_numpy() == pytest.approx(0)


def asked(rng, runs, personas=5):
    ratings = rng.integers(0, 6, size=(personas, ITEMS, runs))
    ratings[0], ratings[1, :3] = 0, 5
    return answers(ratings)


def test_mean_of_a_personas_runs_is_its_place_and_their_sd_its_blur():
    frame = asked(np.random.default_rng(3), MOST_RUNS)
    unit = moments_of(frame, SIX, 5)
    runs = persona_runs_of(unit, frame, SIX, unit)
    assert runs.height == 5 * MOST_RUNS
    found = persona_map_of(unit, SIX, unit)
    mean = runs.group_by("persona_id", maintain_order=True).agg(pl.col("x", "y").mean())
    for axis in "xy":
        assert mean[axis].to_numpy() == pytest.approx(found[axis].to_numpy())
    assert found["x_sd"][0] == pytest.approx(0)  # a persona that never varies
    assert (runs.filter(persona_id=0)["x"].to_numpy()) == pytest.approx(found["x"][0])


def test_sd_of_a_run_is_that_of_many_runs():
    frame = asked(np.random.default_rng(4), 400)
    unit = moments_of(frame, SIX, 5)
    found = persona_map_of(unit, SIX, unit)
    runs = persona_runs_of(unit, frame, SIX, unit)
    assert runs["repetition"].max() == MOST_RUNS
    spread = runs.filter(persona_id=4)["x"].std()
    assert spread == pytest.approx(found["x_sd"][4], rel=0.6)


def test_missing_answer_of_a_run_takes_the_personas_mean():
    frame = asked(np.random.default_rng(5), 3)
    gone = (pl.col("persona_id") == 2) & (pl.col("repetition") == 2)
    part = frame.with_columns(
        rating=pl.when(gone & (pl.col("item_id") == 1)).then(None).otherwise("rating"),
        status=pl.when(gone & (pl.col("item_id") == 1)).then(pl.lit("refused")).otherwise("status"),
    )
    unit = moments_of(part, SIX, 5)
    assert persona_runs_of(unit, part, SIX, unit).height == 15
    whole = part.with_columns(
        rating=pl.when(gone).then(None).otherwise("rating"),
        status=pl.when(gone).then(pl.lit("refused")).otherwise("status"),
    )
    unit = moments_of(whole, SIX, 5)
    runs = persona_runs_of(unit, whole, SIX, unit)
    assert runs.filter(persona_id=2)["repetition"].to_list() == [1, 3]
