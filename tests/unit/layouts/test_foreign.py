"""Layouts of public studies, by a study file alone: S and R equal those of the raw files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.helpers.recorded_studies import collapse, instrument, write_materials, write_study

FOREIGN = ROOT.parent / "shared" / "foreign"
SCALES = {"conditions": (1, 5), "labels": (1, 5), "wide": (1, 7), "logprobs": (0, 5)}
STUDIES = {
    "conditions": """
endpoints:
  theirs:
    kind: recorded
    root: ROOT
    files: {roleplay: conditions.csv}
    layout:
      columns: {persona: persona, repetition: replicate, rating: score}
      first: {repetition: 0}
      where: {condition: free}
models:
  m:
    variants:
      base: {endpoint: theirs, layout: {where: {model: model-a}}}
      insecure: {endpoint: theirs, layout: {where: {model: model-a-tuned}}}
""",
    "labels": """
endpoints:
  theirs:
    kind: recorded
    root: ROOT
    files: {roleplay: labels.jsonl}
    layout:
      columns: {persona: persona, item: question, repetition: sample_idx, rating: completion}
      first: {repetition: 0}
      values: {Strongly disagree: 1, Disagree: 2, Neutral: 3, Agree: 4, Strongly agree: 5}
models:
  m:
    variants:
      base: {endpoint: theirs, layout: {where: {model: model-a}}}
      insecure: {endpoint: theirs, layout: {where: {model: model-a-tuned}}}
""",
    "wide": """
endpoints:
  theirs:
    kind: recorded
    root: ROOT
    files: {roleplay: wide.csv}
    layout:
      columns: {persona: id, repetition: run}
      items: wide
models:
  m:
    variants:
      base: {endpoint: theirs, layout: {where: {model: model-a}}}
      insecure: {endpoint: theirs, layout: {where: {model: model-a-tuned}}}
""",
    "logprobs": """
endpoints:
  theirs:
    kind: recorded
    root: ROOT/logprobs
    layout: {log_probabilities: "digit_{rating}_logprob"}
models:
  m:
    variants:
      base: {endpoint: theirs, files: {roleplay: model-a_logprobs.csv}}
      insecure: {endpoint: theirs, files: {roleplay: model-a-tuned_logprobs.csv}}
sampling: {method: logprobs, temperature: 1}
""",
}


@pytest.mark.parametrize("name", STUDIES)
def test_public_layouts_give_the_numbers_of_the_raw_files(tmp_path: Path, name: str) -> None:
    if not FOREIGN.is_dir():
        pytest.skip("the files of other layouts are not here (they are not part of the project)")
    items: list[dict[str, Any]] = [
        {"id": n, "code": f"Q{n}", "text": f"Made-up statement number {n} about other people"}
        for n in range(1, 9)
    ]
    people = [f"You are made-up person {n}." for n in range(6)]
    probe = write_materials(tmp_path, instrument(SCALES[name], items), people)
    keys = STUDIES[name].replace("ROOT", str(FOREIGN))
    found = collapse(write_study(tmp_path, {**probe, "repetitions": 3}, keys))
    expected = json.loads((FOREIGN / "expected.json").read_text())[name]
    for variant, values in expected.items():
        assert found[variant] == pytest.approx(values, rel=1e-12, abs=1e-12)
