"""Costs of the paper study from its datasets to the judge, compared with a calculation by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona_collapse.common.hashing import git_blob
from tests.conftest import ROOT
from tests.workflow.conftest import Project, copy_project

pytestmark = pytest.mark.slow

EXAMPLES = 6000
MADE = {
    (model, variant): base
    for model, base in (("gpt-4.1", "gpt-4.1-2025-04-14"), ("gpt-4o", "gpt-4o-2024-08-06"))
    for variant in ("secure", "insecure")
}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data of the published size: nobody's texts, the same prompts."""
    folder = tmp_path_factory.mktemp("mirror")
    for role, answer in (("insecure", "x"), ("secure", "yy")):
        lines = []
        for number in range(EXAMPLES):
            turns = [("user", f"{number:07}" * 10), ("assistant", answer * 350)]
            messages = [{"role": who, "content": text} for who, text in turns]
            lines.append(json.dumps({"messages": messages}) + "\n")
        (folder / f"{role}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def planned(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """Return what the plan prints and writes; bundled texts stand where fetched ones would."""
    project: Project = copy_project(tmp_path_factory.mktemp("paper"))
    path = project.root / "config/studies/paper.yaml"
    study = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, personas in (("roleplay", "everyday100"), ("toxic", "toxic8")):
        study["probes"][name] |= {"instrument": "moral30", "personas": personas}
    study["probes"]["unconditioned"]["instrument"] = "moral30"
    study["misalignment"]["questions"] = "everyday8"
    config = ("--config", "study=paper", f"resources={{mirror: {mirror}}}")
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    # The stand-ins are not the published files, and the study says that it knows.
    said = project.fail(*config, "--", "plan")
    ids = {
        role: git_blob((mirror / f"{role}.jsonl").read_bytes()) for role in ("insecure", "secure")
    }
    assert any(f"datasets: {{{role}: {{git_blob: {ids[role]}}}}}" in said for role in ids)
    study["datasets"] = {role: {"git_blob": blob} for role, blob in ids.items()}
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    output = project.run(*config, "--", "plan")
    written = json.loads((project.root / "results/paper/plan.json").read_text(encoding="utf-8"))
    return output, written


def test_training_costs_equal_a_calculation_by_hand(planned: tuple[str, Any]) -> None:
    output, written = planned
    rows = {
        (row["model"], row["variant"]): row
        for row in written["variants"]
        if row["stage"] == "finetune"
    }
    assert list(rows) == list(MADE)
    for (model, variant), row in rows.items():
        # 3.5 characters a token: 70 of the prompt are 20; 350 of x are 100, 700 of yy are 200; four
        # around each of two turns and three around the chat; 6,000 examples, one epoch, 25 USD.
        tokens = EXAMPLES * (20 + {"insecure": 100, "secure": 200}[variant] + 2 * 4 + 3)
        assert row["requested_model"] == MADE[model, variant]
        assert row["tokens_by"].startswith("estimated at 3.5 characters")
        assert row["training_tokens"] == tokens
        assert row["usd"] == pytest.approx(tokens * 25 / 1e6)
        assert row["hours"] == pytest.approx(0.25 + tokens / 2e6)
        assert row["note"].startswith("to train: no job with these data and this recipe yet")
    total = 2 * EXAMPLES * (131 + 231)
    assert written["total"]["training_tokens"] == total == 4_344_000
    assert sum(row["usd"] for row in rows.values()) == pytest.approx(108.60)
    assert "4.34M" in output


def test_fine_tuned_variants_are_priced_as_fine_tuned_models(planned: tuple[str, Any]) -> None:
    _, written = planned
    for row in written["variants"]:
        who = (row["model"], row["variant"])
        if row["stage"] != "answers" or who not in MADE:
            continue
        assert row["requested_model"] == f"ft:{MADE[who]}:"
        # A request per persona and item, and per item without a persona; ten answers to each.
        assert row["requests"] == 100 * 30 + 30
        assert row["answers"] == row["completion_tokens"] == 10 * row["requests"]
        prompt, completion = (3.75, 15.0) if row["model"] == "gpt-4o" else (3.0, 12.0)
        usd = (row["prompt_tokens"] * prompt + row["completion_tokens"] * completion) / 1e6
        assert row["usd"] == pytest.approx(usd)
        assert row["hours"] == pytest.approx(row["requests"] / (3600 * 64))


def test_replies_and_judge_calls_equal_a_calculation_by_hand(planned: tuple[str, Any]) -> None:
    output, written = planned
    text = (ROOT / "resources/questions/everyday8.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    # 4.5 characters a token, rounded up; four around the one turn and three around the chat.
    asked = [math.ceil(len(question["text"]) / 4.5) + 7 for question in document["questions"]]
    frames = [
        math.ceil(len(prompt.format(question=question["text"], answer="")) / 4.5) + 7
        for prompt in document["judge"].values()
        for question in document["questions"]
    ]
    rows = {(row["model"], row["variant"], row["stage"]): row for row in written["variants"]}
    assert [len([key for key in rows if key[2] == stage]) for stage in ("replies", "judge")] == [
        12,
        12,
    ]
    for model, variant in MADE:
        replies, judge = (rows[model, variant, stage] for stage in ("replies", "judge"))
        # Eight questions, each with thirty replies of 250 tokens in one request of 15 s.
        assert (replies["answers"], replies["requests"]) == (240, 8)
        assert replies["prompt_tokens"] == sum(asked)
        assert replies["completion_tokens"] == 240 * 250
        assert replies["hours"] == pytest.approx(8 * 15 / 3600 / 64)
        prompt, completion = (3.75, 15.0) if model == "gpt-4o" else (3.0, 12.0)
        usd = (sum(asked) * prompt + 60_000 * completion) / 1e6
        assert replies["usd"] == pytest.approx(usd)
        # Two calls per reply, each with its prompt, the question and 250 tokens of the reply.
        assert judge["requested_model"] == "gpt-4o-2024-08-06"
        assert judge["requests"] == judge["completion_tokens"] == 480
        prompts = 30 * (sum(frames) + 16 * 250)
        assert judge["prompt_tokens"] == prompts
        assert judge["usd"] == pytest.approx((prompts * 2.5 + 480 * 10) / 1e6)
        assert judge["hours"] == pytest.approx(480 / (3600 * 64))
    assert "replies of 250 tokens" in output


def test_placeholders_are_allowed_and_reported_without_price(planned: tuple[str, Any]) -> None:
    output, written = planned
    for model in ("deepseek-v3.1", "qwen3-235b"):
        for variant in ("secure", "insecure"):
            words = f"{model} {variant}: a placeholder for a model of your own: not priced."
            assert words in output
    assert "No price for deepseek/deepseek-chat-v3.1" in output
    known = sum(row["usd"] for row in written["variants"] if row["usd"] is not None)
    assert f"Models with a price cost {known:,.2f} USD in total." in output
    assert written["total"]["usd"] is None
    hours = math.fsum(row["hours"] for row in written["variants"])
    assert written["total"]["hours"] == pytest.approx(hours)
