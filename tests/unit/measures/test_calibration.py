"""The machinery of ``benchmarks.calibration``: its truths, its counting, its page."""

from __future__ import annotations

from math import comb, sqrt

import numpy as np
import polars as pl
import pytest

from benchmarks import calibration as bench
from benchmarks import calibration_page as page
from benchmarks.calibration_populations import Finite
from benchmarks.calibration_worlds import (
    SMOOTH_INSTRUMENT,
    Carried,
    Respondents,
    Smooth,
    Truth,
    compositions,
    expected_sample_sd,
    normal_nodes,
    truth_of,
)
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.table import contrasts_of


def test_compositions_list_all_counts() -> None:
    assert compositions(2, 2) == [(0, 2), (1, 1), (2, 0)]
    assert len(compositions(10, 6)) == 3003


def test_expected_sample_sd_agrees_with_the_binomial_and_with_drawing() -> None:
    two = np.array([0.0, 0.95, 0.05, 0.0])
    ways = [comb(10, k) * 0.05**k * 0.95 ** (10 - k) for k in range(11)]
    expected = sum(way * sqrt(k * (10 - k) / 90) for k, way in enumerate(ways))
    assert expected_sample_sd(two, 10) == pytest.approx(expected, rel=1e-12)
    assert expected / sqrt(0.0475) == pytest.approx(0.63, abs=0.005)
    assert expected_sample_sd(np.array([0.0, 1.0]), 10) == pytest.approx(0)
    law = np.array([0.2, 0.5, 0.1, 0.2])
    drawn = np.random.default_rng(1).multinomial(5, law, 200_000)
    squares, sums = drawn @ np.arange(4) ** 2, drawn @ np.arange(4)
    sd = np.sqrt((squares - sums**2 / 5) / 4)
    assert expected_sample_sd(law, 5) == pytest.approx(sd.mean(), abs=4 * sd.std() / 200_000**0.5)


def test_true_values_match_values_computed_by_hand() -> None:
    # Two personas in equal shares: one always answers 0, the other 0 or 2 by the toss of a coin.
    laws = np.array([[[1.0, 0.0, 0.0]], [[0.5, 0.0, 0.5]]])
    truth = truth_of(laws, np.array([0.5, 0.5]), 2)
    values = [float(part.item()) for part in (truth.S_clean, truth.sigma_clean)]
    assert values == pytest.approx([0.5, 0.5])  # means 0 and 1, SDs 0 and 1
    # S takes in the mean variance / n; two answers differ, SD sqrt(2), in a quarter of the cases.
    values = [float(part.item()) for part in (truth.S, truth.sigma)]
    assert values == pytest.approx([(0.25 + 0.5 / 2) ** 0.5, 2**0.5 / 4])


@pytest.mark.parametrize("variant", ["base", "twin"])
def test_respondents_truth_is_what_was_planted(variant: str) -> None:
    world = Respondents()
    z, weights = normal_nodes(5.5, 0.02)
    items = len(world.instrument.items)
    truth = truth_of(world._law(variant, np.repeat(z[:, None], items, axis=1)), weights, 10)
    for name, S, R in (("Harm/Care", 0.66, 11.6), ("Purity/Sanctity", 0.92, 7.8)):
        of = [item.domain == name for item in world.instrument.items]
        assert truth.S[of].mean() == pytest.approx(S, rel=0.003)
        assert 1 / truth.sigma[of].mean() == pytest.approx(R, rel=0.003)


def test_smooth_study_has_the_true_variance() -> None:
    world = Smooth()
    z, weights = normal_nodes(5.5, 0.1)
    w, w_weights = normal_nodes(4.5, 0.5)
    ratings = np.arange(6)
    traits = np.repeat(np.repeat(z, w.size)[:, None], 30, axis=1)
    law = world._law("secure", traits, np.tile(w, z.size)[:, None])
    joint = np.repeat(weights, w.size) * np.tile(w_weights, z.size)
    mean = law @ ratings
    across = np.sqrt(joint @ (mean - joint @ mean) ** 2)
    drawn = world.probabilities(3, 4000)["secure"]
    assert drawn.sum(axis=2) == pytest.approx(np.ones((4000, 30)))
    assert (drawn @ ratings).std(axis=0).mean() == pytest.approx(across.mean(), rel=0.02)
    first, again = (world.probabilities(study, 5)["base"] for study in (1, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, world.probabilities(2, 5)["base"])


def test_carried_spread_has_the_planned_values() -> None:
    world = Carried()
    base, twin, insecure = (world.truths[name] for name in ("base", "twin", "insecure"))
    assert pytest.approx(base.S, rel=1e-5) == twin.S
    assert twin.sigma == pytest.approx(base.sigma, rel=1e-5)
    assert pytest.approx(1.3 * base.S, rel=1e-5) == insecure.S
    laws = world.probabilities(3, 4000)
    means = laws["twin"] @ np.arange(6)
    squares = (means - means.mean(axis=0)) ** 2
    # 5 % of the personas account for most of the variance.
    share = np.sort(squares, axis=0)[-200:].sum(axis=0) / squares.sum(axis=0)
    assert share.mean() > 0.5
    assert means.std(axis=0).mean() == pytest.approx(twin.S_clean.mean(), rel=0.05)


@pytest.mark.slow
def test_equal_spread_carried_by_few_personas_is_not_exchangeable_but_p_keeps_its_level() -> None:
    world, rejected = Carried(), np.zeros(2)
    analysis = {**bench.ANALYSIS, "baseline": "base", "targets": {"twin": None}}
    for number in range(150):
        rng = np.random.default_rng(number)
        laws = world.probabilities(number, 100)
        frames = [
            bench.frame_of(rng.multinomial(10, laws[name]), name, world.instrument)
            for name in ("base", "twin")
        ]
        found = contrasts_of(paired_of(frames, world.instrument, number, analysis))
        row = found.filter(model="m", domain="overall", metric="S").row(0, named=True)
        rejected += [row["p"] <= 0.05, row["p_exchange"] <= 0.05]
    p, exchange = rejected / 150
    assert p < 0.09
    assert exchange > 0.1


def small_world() -> Finite:
    rng = np.random.default_rng(2)
    laws = {
        variant: rng.dirichlet(np.full(6, sharp), size=(40, 30))
        for variant, sharp in (("base", 0.2), ("secure", 0.3), ("insecure", 0.6))
    }
    return Finite("small", SMOOTH_INSTRUMENT, laws)


def test_a_study_is_compared_with_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ANALYSIS", bench.ANALYSIS | {"bootstrap_personas": 100})
    monkeypatch.setattr(bench, "PERSONAS", 40)
    world = small_world()
    found = [bench.study(world, number) for number in range(1, 5)]
    assert found[0] == bench.study(world, 1)
    summary = bench.summary_of(world.name, found)
    assert summary.columns == list(bench.COLUMNS)
    assert set(summary["studies"]) == {4}

    def value(check: str, name: str) -> float:
        keys = {"check": check, "name": name, "domain": "overall"}
        (row,) = summary.filter(**keys).iter_rows(named=True)
        return float(row["value"])

    assert abs(value("bias", "S of base")) < 15
    assert -15 < value("bias", "sigma_bar of base") < 0 < value("bias", "R of base")
    # Against a truth that is far away, no interval holds and the errors say how far.
    far = {key: Truth(*(3 * part for part in vars(t).values())) for key, t in world.truths.items()}
    world.__dict__["truths"] = far
    summary = bench.summary_of(world.name, [bench.study(world, 1)])
    assert value("coverage", "S of base") == value("coverage", "R of insecure") == 0
    assert value("bias", "S of base") < -60


def test_repeated_domains_are_counted_once() -> None:
    rows = [("coverage", "S", name, hit) for name, hit in (("a", 1.0), ("b", 0.0))]
    studies = [[*rows, ("coverage", "S", "overall", 1.0)] for _ in range(4)]
    studies.append([("coverage", "S", name, 0.0) for name in ("a", "b", "overall")])
    found = bench.summary_of("w", studies)
    assert found["domain"].to_list() == ["overall", "domains"]
    assert found["value"].to_list() == [80.0, 40.0]
    assert found["se"].to_list() == pytest.approx([20.0, 10.0])
    assert found.select("low", "high").rows() == [(93.0, 97.0)] * 2


def test_single_study_has_no_standard_error() -> None:
    part = pl.DataFrame({"value": [1.25], "se": [None]}, schema_overrides={"se": pl.Float64()})
    assert page._with_error(part, 1, sign=True) == "+1.2"


def test_page_shows_the_committed_results() -> None:
    found = pl.read_csv(bench.RESULTS)
    assert found.filter(~pl.col("name").str.contains("corrected"))["studies"].min() >= 100
    text = page.PAGE.read_text(encoding="utf-8")
    tables = (
        *(page.coverage_table, page.rejection_table),
        *(page.bias_table, page.corrected_table),
    )
    for table in tables:
        assert table(found) in text
    assert page.coverage_table(pl.read_csv(page.BEFORE)) in text


def test_recorded_intervals_cover_better_than_before() -> None:
    lowest = []
    for path in (page.BEFORE, bench.RESULTS):
        found = pl.read_csv(path).filter(
            pl.col("world").str.starts_with("recorded"), check="coverage", domain="overall"
        )
        names = [label for labels in page.COVERAGE.values() for label in labels]
        cells = found.filter(pl.col("name").is_in(names))
        assert cells.height == 24
        lowest.append(cells["value"].min())
    assert lowest[0] < 88
    assert lowest[1] > lowest[0]
