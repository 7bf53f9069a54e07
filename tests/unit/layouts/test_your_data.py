"""Every example of docs/your-data.md is complete and reads as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from persona_collapse.answers import SCHEMA
from persona_collapse.commands.recorded import outcomes, show_outcomes
from persona_collapse.plan.misalignment import CheckLayout
from tests.conftest import ROOT
from tests.helpers.recorded_studies import collapse, layout_at
from tests.helpers.screens import shown

PAGE = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
FILE = re.compile(r"\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)```", re.DOTALL)
START, LAYOUTS, JUDGED = re.split(r"^## (?:Layouts|Replies that.*)$", PAGE, flags=re.MULTILINE)
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", LAYOUTS, re.MULTILINE | re.DOTALL))
ANSWERS = np.array([[[4, 5], [2, 2]], [[1, 2], [3, 5]]])  # persona, item, repetition


def write_files(folder: Path, text: str) -> None:
    for name, content in FILE.findall(text):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def study(folder: Path, section: str) -> Path:
    """Write the study of a section: its keys over those of the first example."""
    write_files(folder, START)
    write_files(folder, section)
    (keys,) = re.findall(r"```yaml\n((?:endpoints|misalignment):.*?)```", section, re.DOTALL)
    document = yaml.safe_load((folder / "study.yaml").read_text()) | yaml.safe_load(keys)
    (folder / "study.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder / "study.yaml"


def test_first_example_is_read_and_planned_as_printed(tmp_path: Path) -> None:
    write_files(tmp_path, START)
    found = collapse(tmp_path / "study.yaml")["base"]
    printed = re.search(r"S is ([\d.]+) and R is ([\d.]+)\.", START)
    assert printed is not None
    assert (f"{found['S']:.2f}", f"{found['R']:.2f}") == printed.groups()
    assert (
        shown(show_outcomes, outcomes(layout_at(tmp_path / "study.yaml").recorded()), width=90)
        in START
    )


@pytest.mark.parametrize("name", [n for n in SECTIONS if n not in ("Log-probabilities", "Means")])
def test_layout_of_the_page_holds_the_same_answers(tmp_path: Path, name: str) -> None:
    found = collapse(study(tmp_path, SECTIONS[name]))["base"]
    assert found["answers"] == ANSWERS.size
    assert found["S"] == pytest.approx(ANSWERS.mean(axis=2).std(axis=0, ddof=1).mean(), rel=1e-12)
    assert found["R"] == pytest.approx(1 / ANSWERS.std(axis=2, ddof=1).mean(), rel=1e-12)


def test_page_has_all_layouts() -> None:
    assert len(SECTIONS) == 7


def test_means_of_the_page_give_the_same_susceptibility(tmp_path: Path) -> None:
    found = collapse(study(tmp_path, SECTIONS["Means"]))["base"]
    assert found["S"] == pytest.approx(ANSWERS.mean(axis=2).std(axis=0, ddof=1).mean(), rel=1e-12)
    assert np.isnan(found["R"])


def test_log_probabilities_of_the_page_are_read(tmp_path: Path) -> None:
    found = collapse(study(tmp_path, SECTIONS["Log-probabilities"]))["base"]
    shares = {(0, 0): [0, 0, 0.1, 0.5, 0.4], (0, 1): [0.2, 0.8, 0, 0, 0]}
    shares |= {(1, 0): [0.6, 0.4, 0.01, 0, 0], (1, 1): [0, 0.1, 0.5, 0.2, 0.2]}
    ratings = np.arange(1, 6)
    laws = {cell: np.array(law) / sum(law) for cell, law in shares.items()}
    means = np.array([[laws[p, q] @ ratings for q in (0, 1)] for p in (0, 1)])
    sds = [np.sqrt(law @ ratings**2 - (law @ ratings) ** 2) for law in laws.values()]
    assert found["S"] == pytest.approx(means.std(axis=0, ddof=1).mean(), rel=1e-4)
    assert found["R"] == pytest.approx(1 / np.mean(sds), rel=1e-4)


def test_judged_replies_of_the_page_are_read(tmp_path: Path) -> None:
    planned = layout_at(study(tmp_path, JUDGED))
    check = CheckLayout(planned)
    check.check_recorded()
    assert check.recorded_as() == {
        "columns": {"question": "question"},
        "where": [{"model": "model-a"}],
    }


def test_page_lists_every_column_of_answers() -> None:
    table = START[START.index("This project's own answers") :]
    assert set(SCHEMA) <= set(re.findall(r"`(\w+)`", table))
