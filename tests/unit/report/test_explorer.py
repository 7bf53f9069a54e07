"""The persona explorer's data: profiles in hundredths, and who moved most and least."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from persona_collapse.report.explorer import MOVERS, explorer_of
from persona_collapse.tables import contract, read
from tests.helpers.pages import DOMAINS, look_of, write_study


@pytest.fixture
def personas(tmp_path: Path) -> pl.DataFrame:
    write_study(tmp_path, models=2, personas=8)
    return read(contract("personas"), tmp_path / "tables" / "personas.csv")


def test_profiles_are_means_of_the_table_in_hundredths(personas: pl.DataFrame) -> None:
    data = explorer_of(personas, look_of(2), (0, 5))
    assert data is not None
    assert data["domains"] == list(DOMAINS)
    assert data["personas"] == [f"Persona {who} of Model" for who in range(8)]
    assert [variant["name"] for variant in data["variants"]] == ["base", "secure", "insecure"]
    model = data["models"][0]
    assert model["personas"]["insecure"][4] == [250, 250, 250]
    assert model["alone"]["base"] == [200, 200, 200]


def test_movers_match_a_direct_computation(personas: pl.DataFrame) -> None:
    noise = np.random.default_rng(1).normal(0, 0.8, personas.height)
    moved = personas.with_columns(pl.col("mean") + pl.Series(noise))
    data = explorer_of(moved, look_of(2), (0, 5))
    assert data is not None
    played = moved.filter(pl.col("probe") == "roleplay", pl.col("model") == "m1")
    wide = played.pivot("variant", index=["persona_id", "domain"], values="mean")
    shifts = (
        wide.group_by("persona_id", maintain_order=True)
        .agg(((pl.col("insecure") - pl.col("base")) ** 2).mean().sqrt().alias("shift"))
        .sort("shift", descending=True)
    )
    most, least = data["models"][1]["most"], data["models"][1]["least"]
    assert [place for place, _ in most] == shifts["persona_id"].head(MOVERS).to_list()
    assert [place for place, _ in least] == shifts["persona_id"].reverse().head(MOVERS).to_list()
    assert [s for _, s in most] == pytest.approx(100 * shifts["shift"].head(MOVERS), abs=1)


def test_dropped_persona_leaves_a_gap_in_the_list(personas: pl.DataFrame) -> None:
    gone = (pl.col("persona_id") == 3) & (pl.col("variant") == "insecure")
    left = personas.filter(~gone.fill_null(False))
    data = explorer_of(left, look_of(2), (0, 5))
    assert data is not None
    profiles = data["models"][0]["personas"]["insecure"]
    assert profiles[3] is None
    assert profiles[4] == [250, 250, 250]
    assert 3 not in {place for place, _ in data["models"][0]["most"] + data["models"][0]["least"]}


def test_explorer_is_none_without_personas(personas: pl.DataFrame) -> None:
    assert explorer_of(personas.filter(pl.col("probe") != "roleplay"), look_of(2), (0, 5)) is None


def test_missing_variant_and_probe_are_left_out(personas: pl.DataFrame) -> None:
    left = personas.filter(pl.col("variant") != "secure", pl.col("probe") == "roleplay")
    data = explorer_of(left, look_of(2), (0, 5))
    assert data is not None
    assert list(data["models"][0]["personas"]) == ["base", "insecure"]
    assert data["models"][0]["alone"] == {"base": None, "secure": None, "insecure": None}


def test_data_of_a_full_size_study_is_small(tmp_path: Path) -> None:
    write_study(tmp_path, models=4, personas=100)
    data = explorer_of(
        read(contract("personas"), tmp_path / "tables" / "personas.csv"), look_of(4), (0, 5)
    )
    assert len(json.dumps(data)) < 100_000
