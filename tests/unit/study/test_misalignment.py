"""The study key ``misalignment``: its defaults, and keys that exclude each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.misalignment import CheckLayout
from persona_collapse.study.resolved import Study
from tests.helpers.studies import (
    CHECKED,
    RECORDED_VARIANT,
    SIMULATED_VARIANT,
    load_changed,
)


def load(tmp_path: Path, change: dict[str, Any] | None = None, **narrow: Any) -> Study:
    return load_changed(CHECKED, tmp_path, change, **narrow)


def layout_of(tmp_path: Path, change: dict[str, Any] | None = None) -> CheckLayout:
    return CheckLayout(Layout(load(tmp_path, change)))


def test_defaults_are_in_the_resolved_study(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert study.resolved()["misalignment"] == {
        "questions": "everyday8",
        "samples": 30,
        "temperature": 1.0,
        "max_tokens": 600,
        "judge": {"endpoint": "other", "model": "judge-1", "method": "auto"},
        "variants": None,
    }
    without = load(tmp_path, {"misalignment": None})
    assert without.misalignment is None
    assert CheckLayout(Layout(without)).pairs == []
    assert "misalignment" not in without.resolved()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"misalignment/judge": None}, "misalignment: the key 'judge' is missing"),
        ({"misalignment/questions": None}, "misalignment: the key 'questions' is missing"),
        (
            {"misalignment/sampels": 3},
            r"misalignment\.sampels: unknown key \(did you mean",
        ),
        ({"misalignment/variants": ["bas"]}, r"variants\[0\]: no model has a variant 'bas' \(did"),
        (
            {"misalignment/judge/endpoint": "othr"},
            r"no endpoint is called 'othr' \(did you mean",
        ),
        ({"misalignment/judge/model": None}, "judge: the key 'model' is missing"),
        ({"misalignment/judge/endpoint": "files"}, "kind recorded and judges nothing"),
        (
            {"misalignment/judge": {"endpoint": "simulated", "model": "x"}},
            "a simulated judge has no model",
        ),
        (
            {"misalignment/judge": {"endpoint": "simulated"}},
            r"a simulated judge can read simulated replies alone, and models\.m\.variants\.base is",
        ),
        (
            {"models/m/variants/insecure": SIMULATED_VARIANT},
            r"models\.m\.variants\.insecure is simulated, so a model would be paid",
        ),
        (
            {"models/m/variants/insecure": RECORDED_VARIANT},
            r"models\.m\.variants\.insecure has recorded answers and cannot be asked",
        ),
        ({"misalignment/printed": "x.csv"}, r"questions: does not go with 'printed'"),
        (
            {"misalignment": {"printed": "x.csv", "recorded": "y"}},
            r"misalignment\.recorded: does not go with 'printed'",
        ),
    ],
)
def test_keys_that_exclude_each_other_are_refused(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        load(tmp_path, change)
