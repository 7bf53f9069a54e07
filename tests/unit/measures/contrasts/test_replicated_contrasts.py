"""Replicate fine-tunes in contrasts: means, wider intervals, their own test."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.spread import Spread, mean_of, through
from persona_collapse.measures.contrasts.summary import (
    leave_one_out_of,
    random_effects_of,
    summary_of,
)
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.statistics.bootstrap import Draws
from persona_collapse.measures.statistics.intervals import replicate_variance, widened
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from tests.helpers.contrasts_data import (
    ANALYSIS,
    BOTH,
    INSECURE,
    KINDS,
    LEVELS,
    OF,
    SECURE,
    overall,
    replicated,
    study,
)
from tests.helpers.measures_data import moments

NEW = ["n_replicates", "n_replicates_second", "replicates_se"]


def table(frames: list[pl.DataFrame], replicates: Any = None, **changes: object) -> pl.DataFrame:
    return contrasts_of(paired_of(frames, OF, 1, {**ANALYSIS, **changes}, replicates))


def copies(frames: list[pl.DataFrame], names: list[str]) -> list[pl.DataFrame]:
    """The frames with further variants that answered exactly as the first of ``names`` did."""
    (own,) = (frame for frame in frames if frame["variant"][0] == names[0])
    return [*frames, *(own.with_columns(variant=pl.lit(name)) for name in names[1:])]


# Measured before variants could have replicates; see the commit that added them.
@pytest.mark.parametrize(
    ("model", "contrast", "metric", "expected"),
    [
        (
            "one",
            "insecure-base",
            "S",
            [0.43782215043645856, 0.1566764073783553, 0.014],
        ),
        (
            "two",
            "insecure-secure",
            "R",
            [-0.34772530325102813, 0.16828490283181413, 0.046],
        ),
        (
            "mean",
            "insecure-base",
            "R",
            [-1.3308525719791668, 0.15416833526563137, 0.002],
        ),
        (
            "mean",
            "secure-base",
            "sigma_bar",
            [0.18322926188542962, 0.028105391217112724, 0.002],
        ),
    ],
)
def test_contrasts_without_replicates_are_unchanged(
    model: str, contrast: str, metric: str, expected: list[float]
) -> None:
    names = ("estimate", "estimate_se", "p_exchange")
    row = overall(table(study()), model, contrast, metric)
    assert [row[name] for name in names] == pytest.approx(expected, rel=1e-12)
    assert [row[name] for name in NEW] == [1, 1, None]


def test_no_replicates_and_a_variant_of_one_are_the_same() -> None:
    expected = table(study())
    for none in ({}, {"one": {"insecure": ["insecure"]}}, {"one": {"insecure": ["insecure", "x"]}}):
        assert_frame_equal(table(study(), none), expected, check_exact=True)


def test_contrast_uses_means_over_replicates_on_common_personas() -> None:
    frames = replicated()
    # A persona that one replicate lost is lost to the contrast.
    lost = pl.when(pl.col("persona_id") == 4).then(0).otherwise(pl.col("n")).cast(pl.Int32)
    frames[2] = frames[2].with_columns(n=lost)
    found = table(frames, {"one": BOTH})
    kept = [frame.filter(pl.col("persona_id") != 4) for frame in frames]
    metrics = pl.concat(metrics_of(frame, OF, 1, Draws(10, 10)) for frame in kept)
    metrics = metrics.filter(pl.col("domain") == "overall")
    for metric in ("S", "R", "sigma_bar"):
        value = dict(metrics.select("variant", metric).iter_rows())
        first = np.array([value[name] for name in INSECURE])
        second = np.array([value[name] for name in SECURE])
        row = overall(found, "one", "insecure-secure", metric)
        assert row["estimate"] == pytest.approx(first.mean() - second.mean())
        assert row["percent"] == pytest.approx(100 * (first.mean() / second.mean() - 1))
        assert row["log_ratio"] == pytest.approx(np.log(first.mean() / second.mean()))
        error = np.sqrt(first.var(ddof=1) / 3 + second.var(ddof=1) / 2)
        assert row["replicates_se"] == pytest.approx(error)
        assert row["estimate_se"] > error
        assert (row["n_replicates"], row["n_replicates_second"]) == (3, 2)
        assert (row["n_personas"], row["personas_excluded"]) == (24, 1)


def test_intervals_include_the_spread_between_replicates() -> None:
    frames = replicated()
    found, alone = table(frames, {"one": BOTH}), table(frames, {"one": {"secure": SECURE}})
    row = overall(found, "one", "insecure-base", "S")
    single = overall(alone, "one", "insecure-base", "S")
    # By hand: the ends move out until the t interval of three fine-tunes is in them.
    S = [
        metrics_of(frame, OF, 1, Draws(10, 10)).filter(domain="overall")["S"][0]
        for frame in frames
        if frame["variant"][0] in INSECURE
    ]
    left_out = np.log([np.delete(S, place).mean() for place in range(3)])
    half = stats.t.ppf(0.975, 2) * np.sqrt(2 * left_out.var())
    for sign, end in ((-1, "lo"), (1, "hi")):
        assert sign * (row[f"log_ratio_{end}"] - row["log_ratio"]) > half
    assert single["replicates_se"] is None
    width = [part["percent_hi"] - part["percent_lo"] for part in (row, single)]
    assert width[0] > 1.5 * width[1]
    assert row["percent_lo"] < row["percent"] < row["percent_hi"]
    assert row["percent_lo"] > -100
    assert row["p_exchange"] < row["p"] < 1


def test_mean_rows_use_the_replicates() -> None:
    frames = [*replicated("one"), *replicated("two"), *study(["three"])]
    replicates = {"one": BOTH, "two": BOTH}
    paired = paired_of(frames, OF, 1, ANALYSIS, replicates)
    found = contrasts_of(paired)
    rows = [overall(found, model, "insecure-base", "S") for model in ("one", "two", "three")]
    mean = overall(found, "mean", "insecure-base", "S")
    assert mean["estimate"] == pytest.approx(np.mean([row["estimate"] for row in rows]))
    error = np.hypot(rows[0]["replicates_se"], rows[1]["replicates_se"]) / 3
    assert mean["replicates_se"] == pytest.approx(error)
    # One model of the three was fine-tuned once, so the effect of its seed is unknown.
    assert mean["n_replicates"] == 1
    both = contrasts_of(paired_of(frames[:-3], OF, 1, ANALYSIS, replicates))
    assert overall(both, "mean", "insecure-base", "S")["p"] < 0.5
    left = leave_one_out_of(paired).filter(
        left_out="three", metric="S", contrast="insecure-base", domain="overall"
    )
    expected = overall(both, "mean", "insecure-base", "S")
    for name in ("percent", "percent_lo", "percent_hi"):
        assert left[name][0] == pytest.approx(expected[name])
    summary = summary_of(paired)
    excess = summary.filter(model="one", quantity="excess", metric="S").row(0, named=True)
    moved = [
        overall(found, "one", contrast, "S")["percent"]
        for contrast in ("insecure-base", "secure-base")
    ]
    assert excess["value"] == pytest.approx(moved[0] - moved[1])
    narrow = summary_of(paired_of(frames, OF, 1, ANALYSIS))
    width = [
        part.filter(model="one", quantity="excess", metric="S").select(pl.col("hi") - pl.col("lo"))[
            "hi"
        ][0]
        for part in (summary, narrow)
    ]
    assert width[0] > width[1]
    assert summary.filter(pl.col("quantity") != "excess")["lo"].min() >= 0
    pooled = random_effects_of(found).filter(metric="S", contrast="insecure-base", domain="overall")
    assert pooled["n_models"][0] == 3


FEW = {"bootstrap_personas": 50, "bootstrap_reruns": 10, "permutations": 99}


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(list(KINDS)), st.integers(2, 5), st.integers(3, 12))
@example("base", 3, 4)  # draws that equal the sample must stay ties
def test_identical_replicates_change_no_estimate_and_add_no_width(
    variant: str, count: int, personas: int
) -> None:
    frames = study(personas=personas)
    names = [variant, *(f"{variant}-r{place}" for place in range(2, count + 1))]
    many = copies(frames[:3], names) + frames[3:]
    found = table(many, {"one": {variant: names}}, **FEW)
    numbers = [name for name, kind in CONTRASTS.schema.items() if kind == pl.Float64()]
    # Redrawn repetitions are each replicate's own, so the SE has less of their noise.
    compared = [name for name in numbers if name not in (*NEW, "estimate_se")]
    expected = table(frames, **FEW)
    assert found.select(compared).to_numpy() == pytest.approx(
        expected.select(compared).to_numpy(), rel=1e-9, nan_ok=True
    )
    assert (found["replicates_se"].drop_nulls() < 1e-12).all()
    assert found.filter(model="one")["replicates_se"].count() > 0


@settings(max_examples=8, deadline=None)
@given(st.permutations(list(LEVELS)), st.integers(0, 5))
def test_order_and_the_names_of_replicates_do_not_matter(order: list[str], turn: int) -> None:
    frames = replicated(personas=8)
    expected = table(frames, {"one": BOTH}, **FEW)
    listed = {of: [name for name in order if name in names] for of, names in BOTH.items()}
    mixed = [frames[0], *(frames[1 + list(LEVELS).index(name)] for name in order)]
    assert_frame_equal(table(mixed, {"one": listed}, **FEW), expected, check_exact=True)
    names = INSECURE[turn % 3 :] + INSECURE[: turn % 3]
    renamed = dict(zip(INSECURE, names, strict=True))
    swapped = [frame.with_columns(pl.col("variant").replace(renamed)) for frame in frames]
    # Redrawn repetitions go by a variant's name; all else is the same but for rounding.
    kept = [name for name in CONTRASTS.schema if name != "estimate_se"]
    found = table(swapped, {"one": BOTH}, **FEW)
    assert_frame_equal(found.select(kept), expected.select(kept), rel_tol=1e-9)


def test_infinite_robustness_of_a_replicate_leaves_the_percent_change_undefined() -> None:
    steady = np.repeat(np.arange(24).reshape(6, 4, 1) % 6, 5, axis=2)
    shaken = steady.copy()
    shaken[:, :, 0] = 5 - shaken[:, :, 0]
    frames = [
        moments(ratings, OF, model="one", variant=name)
        for name, ratings in (("base", shaken), ("insecure", steady), ("insecure-r2", shaken))
    ]
    found = table(frames, {"one": {"insecure": INSECURE[:2]}})
    R = overall(found, "one", "insecure-base", "R")
    assert R["estimate"] == np.inf
    assert (R["percent_lo"], R["percent_hi"], R["p"]) == (None, None, None)
    sigma = overall(found, "one", "insecure-base", "sigma_bar")
    assert sigma["percent"] == pytest.approx(-50)
    assert 0 < R["p_exchange"] == sigma["p_exchange"] <= 1
    # Two seeds so far apart prove nothing.
    assert (sigma["percent_lo"], sigma["percent_hi"], sigma["p"]) == (None, None, None)


def test_variance_of_a_mean_over_replicates() -> None:
    values = np.array([[1.0], [2.0], [4.0], [9.0]])
    deleted = np.stack([np.delete(values, place, axis=0).mean(axis=0) for place in range(4)])
    variance, freedom = replicate_variance([deleted])
    assert variance == pytest.approx(values.var(ddof=1, axis=0) / 4)
    assert freedom == pytest.approx([3])
    # Two groups alike have twice the degrees of freedom, one that does not vary adds none.
    assert replicate_variance([deleted, deleted])[1] == pytest.approx([6])
    assert replicate_variance([deleted, 0 * deleted])[1] == pytest.approx([3])
    assert replicate_variance([0 * deleted])[0] == pytest.approx([0])
    first, second = stats.norm.rvs(size=(2, 3), random_state=4)
    welch = stats.ttest_ind(first, second, equal_var=False)
    groups = [
        np.array([sign * np.delete(part, place).mean() for place in range(3)])
        for sign, part in ((1, first), (-1, second))
    ]
    assert replicate_variance(groups)[1] == pytest.approx(welch.df)


def test_widened_interval_adds_the_distances_as_squares() -> None:
    value, ends = np.array([2.0]), (np.array([1.0]), np.array([4.0]))
    freedom = np.array([2.0])
    assert widened(value, ends, np.array([0.0]), freedom) == ends
    half = stats.t.ppf(0.975, 2) * 0.5
    low, high = widened(value, ends, np.array([0.25]), freedom)
    assert low == pytest.approx(2 - np.hypot(1, half))
    assert high == pytest.approx(2 + np.hypot(2, half))
    endless = (np.array([-np.inf]), np.array([4.0]))
    assert widened(value, endless, np.array([0.25]), freedom) == (-np.inf, high)


def test_function_of_spreads_leaves_out_the_same_replicate_in_each() -> None:
    def spread(value: float, **deleted: list[float]) -> Spread:
        rows = {("m", name): np.array(part) for name, part in deleted.items()}
        return Spread(np.array(value), np.full(3, value), np.full(2, value), rows)

    found = through(np.subtract, spread(5, base=[4, 6]), spread(3, base=[2, 5], control=[1, 5]))
    assert found.value == 2
    assert found.deleted["m", "base"].tolist() == [2, 1]
    assert found.deleted["m", "control"].tolist() == [4, 0]
    assert mean_of([spread(5, base=[4, 6]), spread(3)]).deleted["m", "base"].tolist() == [3.5, 4.5]
    assert spread(1).variance() is None
