"""What planning says of a study before anything is asked: what it will not be able to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persona_collapse.plan.answers import Layout
from persona_collapse.plan.checks import undefined_values
from tests.helpers.studies import THREE_KINDS, load_changed

SIMULATED = {
    f"models/m1/variants/{name}": {"endpoint": "simulated", "planted": {"S": 0.8, "R": 10}}
    for name in ("secure", "insecure")
}
BARE = {"instrument": "moral30", "repetitions": 10}
ONE = {**BARE, "personas": "everyday100", "persona_count": 1}
ONCE = {"probes/roleplay/repetitions": 1}


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        ({}, []),
        (
            ONCE,
            ["repetitions: 1: R stays empty: it needs two answers to the same persona and item"],
        ),
        ({"probes/roleplay/repetitions": 2}, []),
        ({"probes": {"bare": BARE, "roleplay": ONE}}, ["probes.roleplay: S stays empty"]),
        ({"probes/roleplay/persona_count": 1}, ["S stays empty: it needs two personas or more"]),
        ({"analysis": {"targets": {}}}, ["analysis.targets: no variant is a target"]),
        (
            {"analysis": {"targets": {"insecure": None}}},
            ["analysis.targets.insecure: it has no control"],
        ),
        (
            {"models/m2": {"variants": {"insecure": SIMULATED["models/m1/variants/insecure"]}}},
            ["models.m2: it has no variant 'base', the baseline"],
        ),
    ],
)
def test_planning_says_what_a_study_cannot_give(
    tmp_path: Path, change: dict[str, Any], notes: list[str]
) -> None:
    found = undefined_values(Layout(load_changed(THREE_KINDS, tmp_path, {**SIMULATED, **change})))
    assert len(found) == len(notes)
    assert all(note in said for note, said in zip(notes, found, strict=True))


def test_recorded_answers_may_hold_more_repetitions_than_the_study_plans(tmp_path: Path) -> None:
    recorded = {"models/m1/variants/insecure": {"endpoint": "files", "files": {"roleplay": "a"}}}
    (note,) = undefined_values(
        Layout(load_changed(THREE_KINDS, tmp_path, {**SIMULATED, **recorded, **ONCE}))
    )
    assert "R stays empty where the recorded answers hold no more" in note


def test_one_reading_of_log_probabilities_gives_robustness(tmp_path: Path) -> None:
    server = {"endpoint": "server", "model": "x"}
    asked = {f"models/m1/variants/{name}": server for name in ("base", "secure", "insecure")}
    change = {**asked, **ONCE, "sampling": {"method": "logprobs"}}
    assert undefined_values(Layout(load_changed(THREE_KINDS, tmp_path, change))) == []
