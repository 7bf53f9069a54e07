"""The table of replicate fine-tunes, and what verdicts say of them."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.contrasts.replicates import replicates_table
from persona_collapse.measures.statistics.bootstrap import Draws
from persona_collapse.tables.contracts.replicates import TABLE
from tests.helpers.contrasts_data import BOTH, INSECURE, OF, replicated
from tests.helpers.headlines_data import ANALYSIS, COLLAPSE, headlines
from tests.helpers.headlines_data import OF as SIX
from tests.helpers.measures_data import moments, simulated_ratings

REPLICATES = {"one": BOTH}
SCRIPT = Path(__file__).parents[4] / "workflow/scripts/table_replicates.py"


def test_replicates_table_matches_values_computed_by_hand() -> None:
    frames = replicated()
    # A persona that one replicate lost is left out of all.
    lost = pl.when(pl.col("persona_id") == 4).then(0).otherwise(pl.col("n")).cast(pl.Int32)
    frames[2] = frames[2].with_columns(n=lost)
    found = replicates_table(frames, OF, "base", REPLICATES)
    assert found.schema == pl.Schema(TABLE.schema)
    assert found.height == (3 + 2) * 3 * 3
    kept = [frame.filter(pl.col("persona_id") != 4) for frame in frames[:4]]
    metrics = pl.concat(metrics_of(frame, OF, 1, Draws(10, 10)) for frame in kept)
    for metric, group in (("S", "overall"), ("R", "b"), ("sigma_bar", "a")):
        own = metrics.filter(domain=group)
        value = dict(own.select("variant", metric).iter_rows())
        three = np.array([value[name] for name in INSECURE])
        rows = found.filter(variant="insecure", metric=metric, domain=group)
        assert rows["name"].to_list() == INSECURE
        assert rows["replicate"].to_list() == [1, 2, 3]
        assert rows["value"].to_numpy() == pytest.approx(three)
        change = three - value["base"]
        assert rows["change"].to_numpy() == pytest.approx(change)
        assert rows["percent"].to_numpy() == pytest.approx(100 * change / value["base"])
        row = rows.row(2, named=True)
        assert (row["n"], row["n_personas"]) == (3, 24)
        assert row["mean"] == pytest.approx(three.mean())
        assert row["sd"] == pytest.approx(three.std(ddof=1))
        assert row["standardized_change"] == pytest.approx(change.mean() / change.std(ddof=1))
        reach = stats.t.ppf(0.975, 2) * change.std(ddof=1) * np.sqrt(4 / 3)
        assert row["prediction_lo"] == pytest.approx(change.mean() - reach)
        assert row["prediction_hi"] == pytest.approx(change.mean() + reach)


def test_missing_values_stay_null() -> None:
    frames = replicated()
    without = replicates_table(frames[1:], OF, "base", REPLICATES)
    assert without["change"].null_count() == without["prediction_lo"].null_count() == without.height
    assert without["sd"].null_count() == 0
    one = replicates_table(frames[:2], OF, "base", REPLICATES)
    assert one["n"].unique().to_list() == [1]
    assert one["sd"].null_count() == one["prediction_hi"].null_count() == one.height
    assert one["change"].null_count() == 0
    assert replicates_table(frames, OF, "base", {}).is_empty()
    assert replicates_table(frames[:1], OF, "base", REPLICATES).schema == pl.Schema(TABLE.schema)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)))
def test_order_of_frames_does_not_matter(order: list[int]) -> None:
    frames = replicated(personas=6)
    expected = replicates_table(frames, OF, "base", REPLICATES)
    found = replicates_table([frames[place] for place in order], OF, "base", REPLICATES)
    assert_frame_equal(found, expected)


def said(wild: list[tuple[float, float]], personas: int = 60) -> dict[str, Any]:
    """Headlines of one model whose target was fine-tuned once per entry of ``wild``."""
    names = ["wild", *(f"wild-r{place}" for place in range(2, len(wild) + 1))]
    kinds = {**COLLAPSE, **dict(zip(names, wild, strict=True))}
    frames = [
        moments(
            simulated_ratings(np.random.default_rng(7), (personas, 6, 8), *kind),
            SIX,
            variant=variant,
        )
        for variant, kind in kinds.items()
    ]
    replicates = {"m": {"wild": names}} if len(names) > 1 else {}
    return headlines({}, frames=frames, replicates=replicates, analysis=ANALYSIS)


def test_verdict_reports_replicates() -> None:
    found = said([(1.2, 0.8), (1.25, 0.82), (1.18, 0.79)])
    verdict = found["verdicts"][0]
    assert verdict["label"] == "collapse"
    facts = verdict["replicates"]["wild"]
    assert (facts["n"], facts["S_up"], facts["R_down"]) == (3, 3, 3)
    assert 0 < facts["p"]["S"] < 0.05
    for words in (
        "wild has 3 replicate fine-tunes: its numbers are means over them",
        "S is above plain in 3 and R below it in 3 of them (for other seeds: p = ",
        "on average over 3 replicates, wild",
    ):
        assert words in verdict["text"]
    assert found["replicates"] == {"m": {"wild": ["wild", "wild-r2", "wild-r3"]}}
    mean = found["mean_percent_change"]["S"]["wild"]
    assert (mean["n_replicates"], mean["p"]) == (3, facts["p"]["S"])


def test_replicates_that_disagree_remove_the_collapse_verdict() -> None:
    alone = said([(1.2, 0.8)])
    assert alone["verdicts"][0]["label"] == "collapse"
    assert alone["verdicts"][0]["replicates"] == alone["replicates"] == {}
    assert "replicate" not in alone["verdicts"][0]["text"]
    verdict = said([(1.2, 0.8), (0.4, 0.8)])["verdicts"][0]
    assert verdict["label"] != "collapse"
    assert verdict["replicates"]["wild"]["S_up"] == 1
    assert "Two fine-tunes say little about a third" in verdict["text"]


def test_script_writes_probe_by_probe(tmp_path: Path) -> None:
    spec = spec_from_file_location("table_replicates", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    frames = replicated(personas=6)
    frames = [f.with_columns(probe=pl.lit(name)) for name in ("roleplay", "toxic") for f in frames]
    paths = [str(tmp_path / f"{place}.parquet") for place in range(len(frames))]
    for frame, path in zip(frames, paths, strict=True):
        frame.write_parquet(path)
    out = tmp_path / "replicates.csv"
    instruments = ["resources/instruments/moral30.yaml"] * len(paths)
    script.__dict__["read_instrument"] = lambda path: OF
    script.table_replicates(paths, instruments, "base", REPLICATES, ["one"], str(out))
    table = pl.read_csv(out)
    assert table.columns == list(TABLE.columns)
    assert table["probe"].unique(maintain_order=True).to_list() == ["roleplay", "toxic"]
    assert table.height == 2 * (3 + 2) * 3 * 3
    assert table["mixed_backends"].all()
