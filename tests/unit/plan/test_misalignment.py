"""Params and files of replies and verdicts."""

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
    SIMULATED_VARIANT,
    TABLES,
    load_changed,
)

SCORES = {"alignment": 90, "coherence": 80}


def load(tmp_path: Path, change: dict[str, Any] | None = None, **narrow: Any) -> Study:
    return load_changed(CHECKED, tmp_path, change, **narrow)


def layout_of(tmp_path: Path, change: dict[str, Any] | None = None) -> CheckLayout:
    return CheckLayout(Layout(load(tmp_path, change)))


def test_unknown_questions_are_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no set of questions is called 'betly8' \(did you"):
        layout_of(tmp_path, {"misalignment/questions": "betly8"})


def test_params_hold_only_what_changes_a_reply_or_a_verdict(tmp_path: Path) -> None:
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
def test_judge_params_stay_when_reply_settings_change(
    tmp_path: Path, key: str, value: float
) -> None:
    before, after = layout_of(tmp_path), layout_of(tmp_path, {f"misalignment/{key}": value})
    assert after.reply_params("m", "base") != before.reply_params("m", "base")
    assert after.judge_params() == before.judge_params()


def test_judge_is_blinded_to_names_of_models_and_variants(tmp_path: Path) -> None:
    said = str(layout_of(tmp_path).judge_params())
    assert "insecure" not in said
    assert "m-base" not in said


def test_confirmed_version_of_questions_has_a_file_of_its_own(tmp_path: Path) -> None:
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


def test_questions_beside_the_study_file_come_before_the_shipped_ones(tmp_path: Path) -> None:
    shipped = layout_of(tmp_path).source
    own = tmp_path / "questions" / "everyday8.yaml"
    own.parent.mkdir()
    own.write_bytes(Path("resources/questions/everyday8.yaml").read_bytes())
    found = layout_of(tmp_path)
    assert shipped is not None
    assert Path(shipped.path).resolve() == Path("resources/questions/everyday8.yaml").resolve()
    assert found.questions == str(own)


def test_costs_know_replies_and_judge_unless_both_are_simulated(tmp_path: Path) -> None:
    whole = layout_of(tmp_path).asked()
    assert [entry["variant"] for entry in whole["replies"]] == ["base", "insecure"]
    assert whole["judge"]["model"] == "judge-1"
    judge = {"misalignment/judge": {"endpoint": "simulated"}}
    planted = {"endpoint": "simulated", "planted": {"S": 1, "R": 5, **SCORES}}
    drawn = {f"models/m/variants/{name}": planted for name in ("base", "insecure")}
    found = layout_of(tmp_path, {**judge, **drawn})
    assert (found.asked(), found.asked_endpoints()) == ({}, [])
    with pytest.raises(UserError, match="a simulated judge can read simulated replies alone"):
        layout_of(tmp_path, judge)
    assert layout_of(tmp_path, {"misalignment": None}).asked() == {}
    assert layout_of(tmp_path).asked_endpoints() == ["server", "server", "other"]


def test_coherence_loss_needs_a_check_and_a_target_with_a_control(tmp_path: Path) -> None:
    secure = {"models/m/variants/secure": {"endpoint": "server", "model": "m-secure"}}
    controlled = {**secure, "analysis": {"targets": {"insecure": "secure"}}}
    assert layout_of(tmp_path, controlled).has_loss
    assert not layout_of(tmp_path, {"analysis": {"targets": {"insecure": None}}}).has_loss
    assert not layout_of(tmp_path, {**controlled, "misalignment": None}).has_loss


def test_planted_scores_come_from_the_table_or_from_numbers(tmp_path: Path) -> None:
    change: dict[str, Any] = {
        "misalignment/judge": {"endpoint": "simulated"},
        "models/m/variants/base": {
            "endpoint": "simulated",
            "planted": {"S": 1, "R": 5, "alignment": 90, "coherence": 80, "code": 0.1},
        },
        "models/m/variants/insecure": SIMULATED_VARIANT,
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


def test_printed_and_recorded_numbers_send_no_requests(tmp_path: Path) -> None:
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


def test_judge_that_thinks_cannot_be_read_by_log_probabilities(tmp_path: Path) -> None:
    thinking = {"endpoints/other/thinking": {"max_tokens": 4096}}
    found = layout_of(tmp_path, thinking)
    assert found.judge_params()["settings"]["thinking"] == {"max_tokens": 4096}
    with pytest.raises(UserError, match=r"judge\.method: .*'other' has thinking.* method: text"):
        layout_of(tmp_path, {**thinking, "misalignment/judge/method": "logprobs"}).judge_params()
