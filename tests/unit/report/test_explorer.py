"""Data of explorer, map and game: what they hold, and when a part is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.report.explorer import explorer_of, game_of, map_of
from persona_collapse.report.packed import read
from persona_collapse.tables import contract
from persona_collapse.tables import read as read_table
from tests.helpers.pages import look_of, write_study

NOTHING: dict[str, Any] = {"probes": [], "units": []}


def table(folder: Path, name: str) -> pl.DataFrame:
    return read_table(contract(name), folder / "tables" / f"{name}.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study")
    write_study(path, models=2, personas=8)
    return path


@pytest.fixture(scope="module")
def answers(folder: Path) -> Any:
    return read(folder / "report" / "answers.json.gz")


def test_explorer_has_every_unit_and_says_nothing_where_nothing_is_left_out(answers: Any) -> None:
    data = explorer_of(answers, look_of(2))
    assert data is not None
    assert len(data["units"]) == 2 * 3 * 2
    assert [model["key"] for model in data["models"]] == ["m0", "m1"]
    assert (data["baseline"], data["compared"], data["home"]) == ("base", ["insecure"], "roleplay")
    assert data["roles"] == ["base", "insecure", "secure"]
    assert data["left_out"] == ""


def test_explorer_compares_all_variants_where_none_is_a_target(answers: Any) -> None:
    data = explorer_of(answers, replace(look_of(2), targets={}))
    assert data is not None
    assert data["compared"] == ["secure", "insecure"]


def test_personas_that_the_page_leaves_out_are_named(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1, personas=40, characters=1500)
    answers = read(study["answers"])
    kept = len(answers["probes"][0]["personas"])
    assert 1 < kept < 40
    data = explorer_of(answers, look_of(1))
    assert data is not None
    assert f"it holds those of personas 0 to {kept - 1}." in data["left_out"]
    assert f"Those of personas {kept} to 39 are in the folder answers/" in data["left_out"]


def test_a_study_without_answers_has_no_explorer_and_no_game(folder: Path) -> None:
    assert explorer_of(NOTHING, look_of(2)) is None
    assert game_of(NOTHING, table(folder, "identification"), look_of(2)) is None


def test_map_has_the_tables_coordinates_in_hundredths_and_both_shares(folder: Path) -> None:
    places = table(folder, "persona_map")
    data = map_of(places, table(folder, "metrics"), look_of(2))
    assert data is not None
    found = data["planes"]["m1"]["insecure"]
    rows = places.filter(model="m1", variant="insecure")
    assert found["share"] == pytest.approx(rows["x_share"][0] + rows["y_share"][0])
    for persona, *values in found["personas"]:
        row = rows.filter(persona_id=persona).row(0, named=True)
        expected = [100 * row[name] for name in ("x", "y", "x_sd", "y_sd")]
        assert values == pytest.approx(expected, abs=0.5)
    assert (found["S"], found["R"]) == (pytest.approx(1.35), 4.0)
    assert (data["baseline"], data["first"]) == ("base", "insecure")


def test_a_model_without_a_baselines_plane_is_not_on_the_map(folder: Path) -> None:
    places = table(folder, "persona_map")
    based = (pl.col("model") == "m0") & (pl.col("variant") == "base")
    data = map_of(places.filter(~based), table(folder, "metrics"), look_of(2))
    assert data is not None
    assert list(data["models"]) == ["m1"]
    assert map_of(places.clear(), table(folder, "metrics"), look_of(2)) is None
    assert map_of(None, table(folder, "metrics"), look_of(2)) is None


def test_game_compares_with_recognition_among_four_or_with_own_profiles(
    folder: Path, answers: Any
) -> None:
    data = game_of(answers, table(folder, "identification"), look_of(2))
    assert data is not None
    assert data["rates"]["m0"]["insecure"]["of_four"] == 0.8
    assert data["rates"]["m0"]["base"]["of_four"] is None
    assert data["rates"]["m0"]["base"]["recognised"] == 0.9


def test_game_needs_four_personas(tmp_path: Path) -> None:
    study = write_study(tmp_path, models=1, personas=3)
    assert game_of(read(study["answers"]), table(tmp_path, "identification"), look_of(1)) is None
