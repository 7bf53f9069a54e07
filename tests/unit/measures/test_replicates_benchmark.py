"""The machinery of ``benchmarks.replicates``: its truths, its counting, its page."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks import calibration_worlds as worlds
from benchmarks import replicates as bench
from benchmarks.calibration_worlds import SMOOTH, Smooth


def test_true_value_of_a_seed_is_that_of_its_world(monkeypatch: pytest.MonkeyPatch) -> None:
    # Few ways to fall on the ratings, so the truths are quick.
    monkeypatch.setattr(bench, "REPETITIONS", 3)
    monkeypatch.setattr(worlds, "REPETITIONS", 3)
    truth = Smooth().truths["base"]
    base = bench.values_at(*SMOOTH["base"])
    assert base["S"] == pytest.approx(truth.S.mean(), rel=1e-4)
    assert base["R"] == pytest.approx(1 / truth.sigma.mean(), rel=1e-4)
    assert bench.Seeds(*SMOOTH["base"], 0.0).truth() == base


def test_crossing_is_zero_when_replicate_mean_equals_baseline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "REPETITIONS", 3)
    base = bench.values_at(*SMOOTH["base"])
    spread = bench.Seeds(*SMOOTH["base"], 0.2)
    # R is convex in the noise: seeds around a middle raise its mean.
    assert spread.truth()["R"] > 1.01 * base["R"]
    kind = spread.centred(base)
    assert kind.truth() == pytest.approx(base, rel=1e-3)
    assert kind.noise > SMOOTH["base"][1]


def test_a_study_is_compared_with_the_mean_over_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PERSONAS", 30)
    monkeypatch.setattr(bench, "ANALYSIS", bench.ANALYSIS | {"bootstrap_personas": 100})
    monkeypatch.setattr(bench, "COUNTS", (1, 3))
    kind = bench.Seeds(*SMOOTH["insecure"], 0.1)
    base, mean = bench.values_at(*SMOOTH["base"]), bench.values_at(*SMOOTH["insecure"])
    found = bench.study("w", kind, base, mean, 4)
    assert found == bench.study("w", kind, base, mean, 4)
    frame = pl.DataFrame(found, schema=["check", "name", "k", "value"], orient="row")

    def values(check: str, k: int) -> list[float]:
        return frame.filter(check=check, k=k).sort("name")["value"].to_list()

    for name in ("width, personas alone", "width, personas and seeds"):
        assert len(values(name, 3)) == 2
    alone, both = (
        np.array(values(f"width, {errors}", 3))
        for errors in ("personas alone", "personas and seeds")
    )
    assert (both > alone).all()
    assert values("width, personas alone", 1) == values("width, personas and seeds", 1)
    assert len(values("p <= 0.05", 3)) == len(values("p_exchange <= 0.05", 3)) == 2
    far = {name: 9 * value for name, value in mean.items()}
    missed = [row for row in bench.study("w", kind, base, far, 4) if row[0].startswith("coverage")]
    assert {value for check, _, k, value in missed if k == 1} == {0.0}


def test_page_shows_the_committed_results() -> None:
    found = pl.read_csv(bench.RESULTS)
    assert found["studies"].min() >= 500
    text = bench.PAGE.read_text(encoding="utf-8")
    for table in (bench.coverage_table(found), bench.tests_table(found)):
        assert table in text
