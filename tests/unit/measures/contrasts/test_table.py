"""Contrasts: paired draws, sign-flip tests, means over models, and their summaries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from persona_collapse.common.errors import UserError
from persona_collapse.measures.cells import Cells, cells_from_moments
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.permutation import log_ratio, sign_flip_tests
from persona_collapse.measures.contrasts.summary import (
    leave_one_out_of,
    random_effects_of,
    summary_of,
)
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.statistics.bootstrap import Draws, averages
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.leave_one_out import TABLE as LEAVE_ONE_OUT
from persona_collapse.tables.contracts.random_effects import TABLE as RANDOM_EFFECTS
from persona_collapse.tables.contracts.summary import TABLE as SUMMARY
from tests.helpers.contrasts_data import ANALYSIS, KINDS, OF, overall, row, study
from tests.helpers.measures_data import moments, simulated_ratings

NAN = float("nan")


def table(frames: Sequence[pl.DataFrame], **changes: object) -> pl.DataFrame:
    return contrasts_of(paired_of(frames, OF, 1, {**ANALYSIS, **changes}))


def test_estimates_are_differences_of_the_metrics() -> None:
    frames = study()
    found = table(frames)
    assert found.schema == pl.Schema(CONTRASTS.schema)
    assert found.height == 3 * 3 * 3 * 3
    metrics = pl.concat(metrics_of(frame, OF, 1, Draws(200, 40)) for frame in frames)
    for model, metric, group in itertools.product(("one", "two"), ("S", "R"), ("overall", "b")):
        keys = {"model": model, "domain": group}
        first, second = (
            row(metrics, variant=variant, **keys)[metric] for variant in ("insecure", "base")
        )
        contrast = row(found, contrast="insecure-base", metric=metric, **keys)
        assert contrast["estimate"] == pytest.approx(first - second)
        assert contrast["percent"] == pytest.approx(100 * (first - second) / second)
        assert contrast["log_ratio"] == pytest.approx(np.log(first / second))
        for scale in ("log_ratio", "percent"):
            assert contrast[f"{scale}_lo"] < contrast[scale] < contrast[f"{scale}_hi"]
            ends = [contrast[f"log_ratio_{end}"] for end in ("lo", "hi")]
            assert [contrast[f"percent_{end}"] for end in ("lo", "hi")] == pytest.approx(
                100 * np.expm1(ends)
            )
    assert found["n_personas"].unique().to_list() == [25]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**20), st.integers(2, 14), st.floats(0.3, 1.5), st.floats(0.2, 0.9))
def test_interval_percent_and_p_of_a_contrast_never_disagree(
    seed: int, personas: int, spread: float, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    frames = [
        moments(simulated_ratings(rng, (personas, 4, 4), *kind), OF, model=model, variant=variant)
        for model in ("one", "two")
        for variant, kind in (("base", (0.7, 0.3)), ("insecure", (spread, noise)))
    ]
    found = table(frames, bootstrap_personas=100, bootstrap_reruns=2, permutations=99)
    ends = found.select("log_ratio_lo", "log_ratio_hi")
    assert found.select("percent_lo", "percent_hi").to_numpy() == pytest.approx(
        100 * np.expm1(ends.to_numpy().astype(float)), nan_ok=True
    )
    assert (found["p"].is_null() == ends["log_ratio_lo"].is_null()).all()
    known = found.drop_nulls("p")
    excludes = (known["log_ratio_lo"] > 0) | (known["log_ratio_hi"] < 0)
    assert ((known["p"] < 0.05) == excludes).all()
    R, sigma = (known.filter(pl.col("model") != "mean", metric=m) for m in ("R", "sigma_bar"))
    assert R["p"].to_numpy() == pytest.approx(sigma["p"].to_numpy())


def test_interval_is_unknown_where_one_persona_carries_all_spread() -> None:
    base = simulated_ratings(np.random.default_rng(1), (12, 4, 5))
    carried = np.full((12, 4, 5), 3.0)
    carried[4] = 5.0
    S = overall(table([moments(base, OF), moments(carried, OF, variant="insecure")]),
                "m", "insecure-base", "S")  # fmt: skip
    # Without persona 4 nothing is left of S: any interval would be too short.
    assert (S["percent_lo"], S["percent_hi"], S["p"]) == (None, None, None)
    assert S["percent"] is not None


def test_mean_row_averages_the_models() -> None:
    found = table(study())
    for metric in ("S", "R", "sigma_bar"):
        rows = [overall(found, model, "insecure-base", metric) for model in ("one", "two")]
        mean = overall(found, "mean", "insecure-base", metric)
        for name in ("estimate", "percent"):
            assert mean[name] == pytest.approx(np.mean([part[name] for part in rows]))
        assert mean["log_ratio"] == pytest.approx(np.log1p(mean["percent"] / 100))
        assert mean["n_models"] == 2
    R, sigma = (overall(found, "mean", "insecure-base", metric) for metric in ("R", "sigma_bar"))
    assert R["p_exchange"] == sigma["p_exchange"]
    assert R["percent"] != pytest.approx(100 * (1 / (1 + sigma["percent"] / 100) - 1))


def test_standard_errors_combine_personas_and_reruns() -> None:
    frames = study(["one"], 40)
    contrast = overall(table(frames, bootstrap_personas=2000), "one", "insecure-base", "sigma_bar")
    metrics = pl.concat(metrics_of(frame, OF, 1, Draws(2000, 40)) for frame in frames)
    apart = [
        row(metrics, variant=variant, domain="overall")["sigma_bar_se"]
        for variant in ("insecure", "base")
    ]
    # Personas have independent noise levels here, so pairing neither helps nor hurts much.
    assert contrast["estimate_se"] == pytest.approx(np.hypot(*apart), rel=0.15)


def test_another_model_changes_only_adjusted_p_values() -> None:
    adjusted = ["p_adjusted", "p_bh"]
    # Model one has lost persona 4, which the other model kept.
    lost = pl.when(pl.col("persona_id") == 4).then(0).otherwise(pl.col("n"))
    one = [frame.with_columns(n=lost.cast(pl.Int32)) for frame in study(["one"])]
    alone = table(one).filter(pl.col("model") == "one").drop(adjusted)
    assert alone["n_personas"].unique().to_list() == [24]
    both = table([*one, *study(["two"])]).filter(pl.col("model") == "one").drop(adjusted)
    assert both.equals(alone)


def test_order_of_rows_and_frames_changes_nothing() -> None:
    frames = study()
    keys = ["model", "contrast", "domain", "metric"]
    expected = table(frames).sort(keys)
    turned = table([frame.reverse() for frame in reversed(frames)]).sort(keys)
    assert turned.select(keys).equals(expected.select(keys))
    numbers = [name for name, kind in CONTRASTS.schema.items() if kind == pl.Float64()]
    assert turned.select(numbers).to_numpy() == pytest.approx(
        expected.select(numbers).to_numpy(), rel=1e-6, nan_ok=True
    )


def test_unequal_persona_sets_are_intersected_and_counted() -> None:
    ratings = {
        variant: simulated_ratings(np.random.default_rng(place), (12, 4, 3), *kind)
        for place, (variant, kind) in enumerate(KINDS.items())
    }
    ratings["insecure"][3, 1] = NAN
    ratings["base"][7, 0] = NAN
    found = table([moments(part, OF, variant=variant) for variant, part in ratings.items()])
    counted = {
        contrast: overall(found, "m", contrast, "S")["n_personas"]
        for contrast in ("insecure-base", "secure-base", "insecure-secure")
    }
    assert counted == {"insecure-base": 10, "secure-base": 11, "insecure-secure": 11}
    contrast = overall(found, "m", "insecure-base", "S")
    assert contrast["personas_excluded"] == 2
    kept = np.delete(np.arange(12), [3, 7])
    S = [
        ratings[variant][kept].mean(axis=2).std(axis=0, ddof=1).mean()
        for variant in ("insecure", "base")
    ]
    assert contrast["estimate"] == pytest.approx(S[0] - S[1])
    assert contrast["percent_lo"] < contrast["percent"] < contrast["percent_hi"]


def test_contrast_of_a_missing_variant_is_left_out() -> None:
    frames = study(["one", "two"])
    found = table([frame for frame in frames if frame["variant"][0] != "secure"])
    assert found["contrast"].unique().to_list() == ["insecure-base"]
    without = table(frames[:3] + frames[3:4])
    assert without.filter(pl.col("model") == "two").is_empty()
    assert overall(without, "mean", "insecure-base", "S")["n_models"] == 1
    assert table(frames[:1]).is_empty()
    assert table(frames[:1]).schema == pl.Schema(CONTRASTS.schema)


def test_model_whose_variants_share_one_persona_has_no_contrast() -> None:
    frames = study(["one", "two"], personas=6)
    kept = {("two", "base"): pl.col("persona_id") <= 2, ("two", "insecure"): pl.lit(True)}
    for least, models in ((2, {"one", "mean"}), (1, {"one", "two", "mean"})):
        kept["two", "insecure"] = pl.col("persona_id") >= least
        shared = [
            frame.filter(kept.get((frame["model"][0], frame["variant"][0]), pl.lit(True)))
            for frame in frames
            if frame["variant"][0] != "secure"
        ]
        assert set(table(shared)["model"]) == models


def test_infinite_robustness_has_no_percent_change() -> None:
    steady = np.repeat(np.arange(12).reshape(3, 4, 1) % 6, 5, axis=2)
    shaken = steady.copy()
    shaken[:, :, 0] = 5 - shaken[:, :, 0]
    frames = [moments(steady, OF), moments(shaken, OF, variant="insecure")]
    found = table(frames)
    R = overall(found, "m", "insecure-base", "R")
    assert R["estimate"] == -np.inf
    assert (R["percent"], R["percent_lo"], R["p"]) == (None, None, None)
    sigma = overall(found, "m", "insecure-base", "sigma_bar")
    assert sigma["percent"] == np.inf
    assert 0 < sigma["p_exchange"] == R["p_exchange"] <= 1
    same = table([moments(steady, OF), moments(steady, OF, variant="insecure")])
    assert overall(same, "m", "insecure-base", "R")["p_exchange"] == 1.0
    S = overall(same, "m", "insecure-base", "S")
    assert (S["p"], S["p_exchange"], S["log_ratio_lo"], S["log_ratio_hi"]) == (1.0, 1.0, 0.0, 0.0)


def cells(ratings: np.ndarray) -> Cells:
    return cells_from_moments(moments(ratings, OF), OF)


def by_group() -> np.ndarray:
    return averages({"overall": np.arange(4)}, 4)


def test_sign_flip_tests_agree_with_all_permutations() -> None:
    rng = np.random.default_rng(8)
    one = cells(simulated_ratings(rng, (8, 4, 5), 1.2, 0.6))
    other = cells(simulated_ratings(rng, (8, 4, 5), 0.8, 0.4))
    pair = ("c", np.arange(8), [one], [other])
    (found,), _ = sign_flip_tests([pair], by_group(), 8, np.random.default_rng(1), 20_000)

    def ratio(first: np.ndarray, second: np.ndarray) -> float:
        spreads = [part.std(axis=0, ddof=1).mean() for part in (first, second)]
        return float(log_ratio(*np.array(spreads)))

    centred = [part.mean - part.mean.mean(axis=0) for part in (one, other)]
    swapped = np.array(list(itertools.product([False, True], repeat=8)))[:, :, None]
    all_ratios = [
        ratio(np.where(swap, *centred[::-1]), np.where(swap, *centred)) for swap in swapped
    ]
    exact = np.mean(np.abs(all_ratios) >= abs(ratio(*centred)) - 1e-12)
    assert found[0, 0] == pytest.approx(exact, abs=0.012)
    sigma = stats.permutation_test(
        (one.sd.mean(axis=1), other.sd.mean(axis=1)),
        lambda x, y: np.mean(x) - np.mean(y),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert found[1, 0] == found[2, 0] == pytest.approx(sigma.pvalue, abs=0.012)


def test_p_is_never_zero_and_ignores_shifts() -> None:
    rng = np.random.default_rng(2)
    one = cells(simulated_ratings(rng, (30, 4, 5), 1.5, 0.9))
    other = cells(simulated_ratings(rng, (30, 4, 5), 0.3, 0.1))
    (p,), _ = sign_flip_tests(
        [("c", np.arange(30), [one], [other])], by_group(), 30, np.random.default_rng(1), 199
    )
    assert (p == 1 / 200).all()
    base = np.random.default_rng(5).integers(1, 4, (30, 4, 1)).repeat(4, axis=2)
    shifted = sign_flip_tests(
        [("c", np.arange(30), [cells(base + 1)], [cells(base)])],
        by_group(),
        30,
        np.random.default_rng(1),
        199,
    )[0][0]
    assert shifted[0, 0] == 1.0


def test_labels_of_a_persona_are_exchanged_in_all_models_at_once() -> None:
    rng = np.random.default_rng(6)
    one = cells(simulated_ratings(rng, (20, 4, 5), 1.0, 0.5))
    other = cells(simulated_ratings(rng, (20, 4, 5), 0.9, 0.4))
    pair = ("c", np.arange(20), [one], [other])
    alone, mean = sign_flip_tests([pair, pair, pair], by_group(), 20, np.random.default_rng(1), 999)
    # Three copies of one model are no more evidence than one.
    assert np.array_equal(mean["c"], alone[0])


def test_sign_flip_tests_reject_five_percent_under_no_difference() -> None:
    rng = np.random.default_rng(10)
    rejected = np.zeros(3)
    studies = 500
    for _ in range(studies):
        trait = rng.normal(0, 1, (25, 1, 1))
        pair = [
            np.clip(np.rint(2.5 + shift + trait + rng.normal(0, 0.8, (25, 4, 4))), 0, 5)
            for shift in (0.0, 0.5)
        ]
        one, other = ([cells_of(part)] for part in pair)
        (p,), _ = sign_flip_tests([("c", np.arange(25), one, other)], by_group(), 25, rng, 199)
        rejected += p[:, 0] <= 0.05
    # Three standard errors of 500 studies at 5 % are 2.9 points.
    assert (np.abs(rejected / studies - 0.05) < 0.03).all()


def cells_of(ratings: np.ndarray) -> Cells:
    """Lay ratings out as cells without the frames, for speed."""
    personas, items, n = ratings.shape
    return Cells(
        np.arange(personas),
        np.arange(items) + 1,
        ("a",) * items,
        ratings.mean(axis=2),
        ratings.std(axis=2, ddof=1),
        np.full((personas, items), n),
        np.zeros((personas, items, 6)),
        0,
        False,
        (),
    )


def test_adjustment_families() -> None:
    found = table(study())
    family = found.filter(
        (pl.col("contrast") == "secure-base")
        & (pl.col("domain") == "overall")
        & (pl.col("model") != "mean")
        & (pl.col("metric") != "sigma_bar")
    )
    assert family.height == 4
    expected = stats.false_discovery_control(family["p"].to_numpy())
    assert family["p_bh"].to_numpy() == pytest.approx(expected)
    smallest = family["p"].min()
    assert family["p_adjusted"].min() == pytest.approx(min(1.0, 4 * smallest))


def test_leaving_one_model_out() -> None:
    paired = paired_of(study(), OF, 1, ANALYSIS)
    found, contrasts = leave_one_out_of(paired), contrasts_of(paired)
    assert found.schema == pl.Schema(LEAVE_ONE_OUT.schema)
    keys = {"contrast": "insecure-base", "metric": "S", "domain": "overall"}
    left = row(found, left_out="one", **keys)
    other = row(contrasts, model="two", **keys)
    assert (left["percent"], left["percent_lo"]) == (other["percent"], other["percent_lo"])
    mean = row(contrasts, model="mean", **keys)
    assert left["shift"] == pytest.approx(other["percent"] - mean["percent"])
    assert leave_one_out_of(paired_of(study(["one"]), OF, 1, ANALYSIS)).is_empty()


def test_random_effects_of_contrasts() -> None:
    contrasts = table(study(["one", "two", "three"]))
    found = random_effects_of(contrasts)
    assert found.schema == pl.Schema(RANDOM_EFFECTS.schema)
    assert found.height == 3 * 3 * 3
    keys = {"contrast": "insecure-base", "domain": "overall"}
    S, R, sigma = (row(found, metric=metric, **keys) for metric in ("S", "R", "sigma_bar"))
    assert S["n_models"] == 3
    assert S["prediction_lo"] <= S["percent_lo"] < S["percent"] < S["percent_hi"]
    assert R["log_ratio"] == pytest.approx(-sigma["log_ratio"])
    assert random_effects_of(table(study(["one"]))).is_empty()


def test_summary_of_excess_and_unevenness() -> None:
    frames = study()
    paired = paired_of(frames, OF, 1, ANALYSIS)
    found, contrasts = summary_of(paired), contrasts_of(paired)
    assert found.schema == pl.Schema(SUMMARY.schema)
    excess = row(found, quantity="excess", metric="R", model="one")
    change = [overall(contrasts, "one", name, "R") for name in ("insecure-base", "secure-base")]
    assert excess["value"] == pytest.approx(change[0]["percent"] - change[1]["percent"])
    assert excess["lo"] < excess["value"] < excess["hi"]
    metrics = metrics_of(frames[0], OF, 1, Draws(20, 10))
    S = metrics.filter(pl.col("domain") != "overall")["S"].to_numpy()
    cv = row(found, quantity="domain_cv", metric="S", model="one", variant="base")
    assert cv["value"] == pytest.approx(S.std() / S.mean())
    parts = contrasts.filter(
        (pl.col("model") == "one")
        & (pl.col("contrast") == "secure-base")
        & (pl.col("metric") == "S")
        & (pl.col("domain") != "overall")
    )["percent"].to_numpy()
    spread = row(found, quantity="domain_spread", metric="S", model="one", variant="secure-base")
    assert spread["value"] == pytest.approx(parts.std())
    means = [
        row(found, quantity="excess", metric="S", model=model)["value"]
        for model in ("one", "two", "mean")
    ]
    assert means[2] == pytest.approx(np.mean(means[:2]))
    assert summary_of(paired_of(frames[:1], OF, 1, ANALYSIS)).is_empty()


def test_wrong_moments_are_refused() -> None:
    frames = study(["one"])
    with pytest.raises(UserError, match="no personas to draw"):
        table([moments(np.ones((4, 3)), OF)])
    with pytest.raises(UserError, match="one probe"):
        table([*frames, moments(np.ones((3, 4, 2)), OF, probe="toxic")])
