"""Recorded files through the workflow: faults before anything is asked, reruns of a new layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.recorded_studies import instrument, write_materials, write_study
from tests.helpers.scripted_server import ScriptedServer
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project, copy_project

pytestmark = pytest.mark.slow

ITEMS: list[dict[str, Any]] = [{"id": n, "text": f"Matter number {n} counts"} for n in (1, 2)]
PEOPLE = ["A baker.", "A judge.", "A pilot."]
DRAWS = {
    "bootstrap_personas": 20,
    "bootstrap_reruns": 10,
    "bootstrap_diagnostics": 10,
    "permutations": 99,
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("recorded"))


def mixed_study(folder: Path, server: ScriptedServer, layout: dict[str, Any]) -> tuple[str, ...]:
    """Write a study whose baseline is asked and whose fine-tunes are recorded; return its words."""
    probe = write_materials(folder, instrument((0, 5), ITEMS), PEOPLE)
    rows = [f"{p},{q},{r},{(p * q + r) % 5}.0" for p in range(3) for q in (1, 2) for r in (0, 1)]
    for name in ("secure", "insecure"):
        (folder / f"{name}.csv").write_text("persona,item,run,score\n" + "\n".join(rows) + "\n")
    columns = {"persona": "persona", "item": "item", "repetition": "run", "rating": "score"}
    theirs = {
        "kind": "recorded",
        "root": str(folder),
        "files": {"roleplay": "{variant}.csv"},
        "layout": {"columns": columns, "first": {"repetition": 0}},
    }
    scripted = {"kind": "openai", "base_url": server.base_url, "api_key_env": "SCRIPTED_KEY"}
    variants = {
        "base": {"endpoint": "scripted", "model": "m"},
        "secure": {"endpoint": "theirs"},
        "insecure": {"endpoint": "theirs", **({"layout": layout} if layout else {})},
    }
    keys = {
        "endpoints": {"scripted": scripted, "theirs": theirs},
        "models": {"m": {"variants": variants}},
        "analysis": DRAWS,
    }
    path = write_study(folder, {**probe, "repetitions": 2}, keys)
    results = (f"results={folder}/results", f"store={folder}/store")
    return ("--config", f"study={path}", *results)


def test_fault_of_a_recorded_file_stops_the_run_before_anything_is_asked(
    project: Project, server: ScriptedServer, tmp_path: Path
) -> None:
    config = mixed_study(tmp_path, server, {"columns": {"rating": "scor"}})
    text = project.fail(*config, "--", "all_answers")
    assert "models.m.variants.insecure, probe roleplay" in text
    assert "the column 'scor' is missing (did you mean 'score'?)" in text
    assert "layout.columns.rating" in text
    assert server.count == 0


def test_changed_layout_reruns_its_variant_and_asks_nothing(
    project: Project, server: ScriptedServer, tmp_path: Path
) -> None:
    config = mixed_study(tmp_path, server, {})
    project.run(*config, "--", "all_metrics")
    asked = server.count
    assert asked == len(PEOPLE) * len(ITEMS)
    assert project.planned(*config, "--", "all_metrics") == {}
    mixed_study(tmp_path, server, {"missing": [4]})
    again = project.planned(*config, "--", "all_metrics")
    again.pop("all_metrics")
    assert again == {"answer_shard": 1, "measure_unit": 1}
    project.run(*config, "--", "all_metrics")
    assert server.count == asked
    plan = project.run(*config, "--", "plan")
    assert "Recorded answers:" in plan
    assert server.count == asked
