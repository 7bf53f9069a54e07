"""The study key ``misalignment``: defaults, what does not go together, and params of the rules."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.errors import UserError
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.misalignment import CheckLayout
from persona_collapse.study.load import load_study
from persona_collapse.study.model import Study

TABLES = {
    "planted": "resources/benchmarks/paper_tables.csv",
    "verification": "resources/benchmarks/paper_verification.csv",
}
STUDY: dict[str, Any] = {
    "title": "A checked study",
    "seed": 1,
    "endpoints": {
        "server": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "max_in_flight": 8},
        "other": {"kind": "openai", "base_url": "http://127.0.0.1:2/v1"},
        "simulated": {"kind": "simulated", **TABLES},
        "files": {"kind": "recorded", "root": "."},
    },
    "models": {
        "m": {
            "label": "GPT-4o",
            "variants": {
                "base": {"endpoint": "server", "model": "m-base"},
                "insecure": {"endpoint": "server", "model": "m-insecure"},
            },
        }
    },
    "probes": {"roleplay": {"instrument": "moral30", "personas": "everyday100", "repetitions": 2}},
    "budget": {"max_requests": 100},
    "misalignment": {
        "questions": "everyday8",
        "judge": {"endpoint": "other", "model": "judge-1"},
    },
}
SIMULATED = {"endpoint": "simulated", "planted": {"label": "GPT-4o", "variant": "insecure"}}
RECORDED = {"endpoint": "files", "files": {"roleplay": "a.csv"}}


def load(tmp_path: Path, change: dict[str, Any] | None = None) -> Study:
    """Load STUDY with values replaced at paths; None removes the key."""
    document = deepcopy(STUDY)
    for place, value in (change or {}).items():
        *parents, last = place.split("/")
        target: Any = document
        for key in parents:
            target = target[key]
        if value is None:
            del target[last]
        else:
            target[last] = value
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return load_study(path)


def layout_of(tmp_path: Path, change: dict[str, Any] | None = None) -> CheckLayout:
    return CheckLayout(Layout(load(tmp_path, change)))


def test_the_key_has_defaults_and_is_in_the_provenance(tmp_path: Path) -> None:
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
            {"models/m/variants/insecure": SIMULATED},
            r"models\.m\.variants\.insecure is simulated, so a model would be paid",
        ),
        (
            {"models/m/variants/insecure": RECORDED},
            r"models\.m\.variants\.insecure has recorded answers and cannot be asked",
        ),
        ({"misalignment/printed": "x.csv"}, r"questions: does not go with 'printed'"),
        (
            {"misalignment": {"printed": "x.csv", "recorded": "y"}},
            r"misalignment\.recorded: does not go with 'printed'",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError, match=expected):
        load(tmp_path, change)


def test_unknown_questions_name_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no set of questions is called 'betly8' \(did you"):
        layout_of(tmp_path, {"misalignment/questions": "betly8"})


def test_params_hold_what_changes_a_reply_or_a_verdict_and_nothing_else(tmp_path: Path) -> None:
    found = layout_of(tmp_path)
    reply = found.reply_params("m", "insecure")
    assert reply["settings"] == {
        "base_url": "http://127.0.0.1:1/v1",
        "model": "m-insecure",
        "temperature": 1.0,
        "max_tokens": 600,
    }
    judge = found.judge_params()
    assert judge["settings"] == {"base_url": "http://127.0.0.1:2/v1", "model": "judge-1"}
    run = {"endpoints/server/max_in_flight": 3, "endpoints/other/timeout_s": 9, "budget": None}
    other = layout_of(tmp_path, run)
    assert other.reply_params("m", "insecure") == reply
    assert other.judge_params() == judge
    asked = found.reply_settings("m", "base")
    assert (asked["max_in_flight"], asked["budget"], asked["scope"]) == (
        8,
        {"max_requests": 100},
        "mine",
    )
    for change in (
        {"misalignment/judge/model": "judge-2"},
        {"misalignment/judge/method": "text"},
    ):
        moved = layout_of(tmp_path, change)
        assert moved.reply_params("m", "insecure") == reply
        assert moved.judge_params() != judge


@pytest.mark.parametrize(
    ("key", "value"), [("temperature", 0.5), ("max_tokens", 100), ("samples", 40)]
)
def test_what_changes_replies_leaves_the_judge(tmp_path: Path, key: str, value: float) -> None:
    before, after = layout_of(tmp_path), layout_of(tmp_path, {f"misalignment/{key}": value})
    assert after.reply_params("m", "base") != before.reply_params("m", "base")
    assert after.judge_params() == before.judge_params()


def test_the_judge_is_told_no_names(tmp_path: Path) -> None:
    said = str(layout_of(tmp_path).judge_params())
    assert "insecure" not in said
    assert "m-base" not in said


def test_a_confirmed_version_has_a_file_of_its_own(tmp_path: Path) -> None:
    blob = "0123456789abcdef0123456789abcdef01234567"
    fetched = layout_of(tmp_path, {"misalignment/questions": "betley8"})
    other = layout_of(
        tmp_path, {"misalignment/questions": "betley8", "misalignment/git_blob": blob}
    )
    assert fetched.confirmed == {}
    assert other.confirmed == {"betley8": blob}
    assert fetched.source is not None
    assert other.source is not None
    assert other.source.path.name == "betley8-0123456789ab.yaml"
    assert fetched.source.path.name == "betley8.yaml"
    assert fetched.reply_params("m", "base") != other.reply_params("m", "base")


def test_planted_scores_come_from_the_table_or_from_numbers(tmp_path: Path) -> None:
    change: dict[str, Any] = {
        "misalignment/judge": {"endpoint": "simulated"},
        "models/m/variants/base": {
            "endpoint": "simulated",
            "planted": {"S": 1, "R": 5, "alignment": 90, "coherence": 80, "code": 0.1},
        },
        "models/m/variants/insecure": SIMULATED,
    }
    found = layout_of(tmp_path, change)
    planted = found.reply_params("m", "insecure")["planted"]
    assert (planted["alignment"], planted["coherence"]) == (67.7, 95.8)
    assert planted["alignment_sd"] == pytest.approx(2.2 * 240**0.5)
    base = found.reply_params("m", "base")["planted"]
    assert (base["alignment"], base["coherence"], base["code"]) == (90, 80, 0.1)
    assert found.judge_settings() == {}
    change["models/m/variants/base"]["planted"] = {"S": 1, "R": 5}
    with pytest.raises(UserError, match="the misalignment check plants alignment and coherence"):
        layout_of(tmp_path, change)


def test_printed_and_recorded_numbers_ask_nothing(tmp_path: Path) -> None:
    printed = layout_of(tmp_path, {"misalignment": {"printed": TABLES["verification"]}})
    assert printed.source is None
    assert printed.asked_endpoints() == []
    assert [str(path) for path in printed.files()] == [TABLES["verification"]] * 2
    recorded = {"misalignment": {"recorded": "${study_folder}/judged"}}
    folder = tmp_path / "judged" / "m"
    with pytest.raises(UserError, match=r"misalignment\.recorded: .*m/base\.parquet"):
        layout_of(tmp_path, recorded)
    folder.mkdir(parents=True)
    for name in ("base", "insecure"):
        (folder / f"{name}.parquet").touch()
    assert layout_of(tmp_path, recorded).recorded_files()[0] == folder / "base.parquet"
