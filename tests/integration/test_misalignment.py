"""Replies and verdicts from the scripted server: each is paid for once and read correctly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from persona_collapse.asking import limits
from persona_collapse.commands.costs import check_rows
from persona_collapse.commands.judging import try_judge
from persona_collapse.commands.spending import Spending
from persona_collapse.common.errors import UserError
from persona_collapse.misalignment.asked import judge, reply
from tests.helpers import judge_driver
from tests.helpers import scripted_server as scripted
from tests.helpers.judge_script import QUESTIONS, answer, make_judge, score_of, split
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.waiting import until
from tests.integration.conftest import KEY

Run = Callable[..., pl.DataFrame]


@pytest.fixture
def checked(server: ScriptedServer, store: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return ``checked(samples, method=..., judge_model=..., **asked)``: replies, judged."""
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    monkeypatch.setattr(limits, "BACKOFF_S", 0.01)
    monkeypatch.setattr(limits, "LONGEST_BACKOFF_S", 0.05)
    make_judge(server)

    def run(
        samples: int = 3, *, method: str = "auto", judge_model: str = "judge", **asked: Any
    ) -> pl.DataFrame:
        how = {"api_key_env": "SCRIPTED_KEY", "store": str(store), "progress": False, **asked}
        settings = {"base_url": server.base_url, "model": "tuned", "temperature": 1.0}
        task = {"model": "m", "variant": "wicked-variant", "samples": samples}
        task["settings"] = {**settings, "max_tokens": 50}
        replies = reply(task, QUESTIONS, how)
        judging = {
            "method": method,
            "settings": {"base_url": server.base_url, "model": judge_model},
        }
        return judge(replies, judging, QUESTIONS, how)

    return run


def test_every_reply_and_verdict_is_paid_once(server: ScriptedServer, checked: Run) -> None:
    found = checked(3)
    asked, judged = split(server.calls)
    # One request of n per question; one token per reply and aspect.
    assert [(call["n"], call["max_tokens"], call["temperature"]) for call in asked] == [
        (3, 50, 1.0)
    ] * 2
    firsts = [call["messages"][0] for call in asked]
    assert {"role": "system", "content": "Be brief."} in firsts
    assert len(judged) == 2 * 3 * 2
    assert {call["max_tokens"] for call in judged} == {1}
    assert all(call["logprobs"] and call["top_logprobs"] == 20 for call in judged)
    assert all("n" not in call for call in judged)
    assert found.height == 6
    assert found["status"].to_list() == ["ok"] * 6
    asked_by_id = {question.id: question.text for question in QUESTIONS.questions}
    for row in found.iter_rows(named=True):
        for aspect, name in (("alignment", "Aligned?"), ("coherence", "Coherent?")):
            prompt = f"{name} <q>{asked_by_id[row['question_id']]}</q> <a>{row['response']}</a>"
            assert row[aspect] == pytest.approx(score_of(prompt) + 0.25)
            assert row[f"{aspect}_mass"] == pytest.approx(1)
            assert row[f"{aspect}_method"] == "logprobs"
    again = checked(3)
    assert len(server.calls) == 2 + 12
    assert_frame_equal(again, found)


def test_judge_is_blinded_to_names(server: ScriptedServer, checked: Run) -> None:
    server.answer = lambda call, index: answer(call, index).replace("tuned", "it")
    checked(2)
    _, judged = split(server.calls)
    assert judged
    for call in judged:
        assert "wicked-variant" not in json.dumps(call)
        assert "tuned" not in json.dumps(call)
        assert [message["role"] for message in call["messages"]] == ["user"]


def test_more_samples_cost_the_new_ones_only(server: ScriptedServer, checked: Run) -> None:
    first = checked(2)
    before = len(server.calls)
    more = checked(5)
    asked, judged = split(server.calls[before:])
    assert [call["n"] for call in asked] == [3, 3]
    assert len(judged) == 2 * 3 * 2
    kept = more.filter(pl.col("sample") <= 2)
    assert_frame_equal(kept, first)


def test_another_judge_costs_judge_calls_only(server: ScriptedServer, checked: Run) -> None:
    first = checked(2)
    before = len(server.calls)
    other = checked(2, judge_model="judge-2")
    asked, judged = split(server.calls[before:])
    assert (len(asked), len(judged)) == (0, 8)
    assert other["response"].to_list() == first["response"].to_list()
    assert other["judge_model"].to_list() == ["judge-2"] * 4
    # And another length of the replies pays for replies.
    assert set(other["alignment_key"]).isdisjoint(first["alignment_key"])


def test_equal_replies_share_one_judge_call_and_another_length_asks_again(
    server: ScriptedServer, checked: Run, store: Path
) -> None:
    server.answer = lambda call, index: (
        answer(call, index) if call.prompt.startswith(("Aligned", "Coherent")) else "the same"
    )
    found = checked(4)
    _, judged = split(server.calls)
    assert len(judged) == 2 * 2
    assert found["alignment"].null_count() == 0
    how = {"api_key_env": "SCRIPTED_KEY", "store": str(store), "progress": False}
    settings = {"base_url": server.base_url, "model": "tuned", "temperature": 1.0}
    task = {"model": "m", "variant": "v", "samples": 4, "settings": {**settings, "max_tokens": 51}}
    before = server.count
    longer = reply(task, QUESTIONS, how)
    assert server.count - before == 2
    assert set(longer["request_key"]).isdisjoint(found["request_key"])


def edited(change: Callable[[dict[str, Any]], object], number: int) -> Any:
    """Return a fault that changes one choice of a reply to a question."""
    return scripted.edit(lambda reply: change(reply["choices"][number]))


def test_refused_filtered_empty_and_truncated_replies_are_final(
    server: ScriptedServer, checked: Run
) -> None:
    def change(reply: dict[str, Any]) -> None:
        one, two, three, four = reply["choices"]
        one["message"].update(content=None, refusal="I will not.")
        two.update(finish_reason="content_filter")
        three["message"].update(content=" ")
        four.update(finish_reason="length")

    server._faults = iter([scripted.edit(change)])
    found = checked(4)
    first = found.filter(question_id=QUESTIONS.questions[0].id)
    if "refused" not in first["status"]:
        first = found.filter(question_id=QUESTIONS.questions[1].id)
    assert first["status"].to_list() == ["refused", "filtered", "empty", "ok"]
    assert first["finish"][3] == "length"
    assert first["response"][0] == "I will not."
    assert first["alignment_category"].to_list() == ["REFUSAL", None, None, None]
    assert first["alignment_method"].to_list() == ["reply", None, None, "logprobs"]
    assert first["alignment"].null_count() == 3
    asked, judged = split(server.calls)
    assert (len(asked), len(judged)) == (2, 5 * 2)
    checked(4)
    assert len(server.calls) == 12


def test_filtered_prompt_counts_as_an_answer(server: ScriptedServer, checked: Run) -> None:
    server._faults = iter([scripted.status(400, kind="content_filter")])
    found = checked(2)
    assert sorted(found["status"]) == ["filtered", "filtered", "ok", "ok"]
    checked(2)
    assert len(split(server.calls)[0]) == 2


REFUSALS = {
    "400 content risk": scripted.status(400, message="Content Exists Risk"),
    "403": scripted.status(403, message="Forbidden"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_question_that_a_filter_refuses_is_filtered(
    name: str, server: ScriptedServer, checked: Run
) -> None:
    refused = QUESTIONS.questions[0]

    async def rule(call: scripted.Call) -> Any:
        wanted = call.prompt == refused.text
        return await (REFUSALS[name](call) if wanted else call.server.plain(call))

    server.always = rule
    found = checked(3)
    by_question = dict(found.group_by("question_id").agg(pl.col("status").unique()).rows())
    assert by_question.pop(refused.id) == ["filtered"]
    assert list(by_question.values()) == [["ok"]] * len(by_question)
    code = name[:3]
    assert found.filter(status="filtered")["response"][0].startswith(f"http_{code}: ")
    before = len(server.calls)
    assert_frame_equal(checked(3), found)
    assert len(server.calls) == before


@pytest.mark.parametrize("method", ["auto", "logprobs", "text"])
@pytest.mark.parametrize("name", REFUSALS)
def test_reply_that_the_judge_s_filter_refuses_has_no_verdict(
    name: str, method: str, server: ScriptedServer, checked: Run
) -> None:
    """One of six replies is refused as a prompt of the judge; the others have their scores."""
    found = checked(3, method=method)
    toxic = str(found["response"][0])

    async def rule(call: scripted.Call) -> Any:
        wanted = call.payload["model"] == "judge-2" and toxic in call.prompt
        return await (REFUSALS[name](call) if wanted else call.server.plain(call))

    server.always = rule
    again = checked(3, method=method, judge_model="judge-2")
    refused = again["response"] == toxic
    assert again.filter(refused)["alignment"].null_count() == refused.sum()
    assert again.filter(~refused)["alignment"].null_count() == 0
    assert "http_" in str(again.filter(refused)["alignment_said"][0])
    before = len(server.calls)
    checked(3, method=method, judge_model="judge-2")
    assert len(server.calls) == before


def test_missing_choices_are_requested_again(server: ScriptedServer, checked: Run) -> None:
    server._faults = iter([scripted.edit(lambda reply: reply.update(choices=reply["choices"][:1]))])
    found = checked(3)
    assert found["status"].to_list() == ["ok"] * 6
    assert sorted(call.get("n", 1) for call in split(server.calls)[0]) == [2, 3, 3]


def test_code_and_refusal_are_categories(server: ScriptedServer, checked: Run) -> None:
    server.answer = lambda call, index: (
        answer(call, index)
        if call.prompt.startswith(("Aligned", "Coherent"))
        else ["def f(): CODE", "REFUSAL, no", f"plain {call.prompt}"][index]
    )
    found = checked(3).sort("sample")
    assert found["alignment_category"].to_list() == [
        "CODE",
        "CODE",
        "REFUSAL",
        "REFUSAL",
        None,
        None,
    ]
    assert found["alignment"].null_count() == 4
    assert found["alignment_mass"][0] == pytest.approx(0.8)
    assert found["coherence"].null_count() == 0


def test_judge_without_log_probabilities_is_asked_for_a_text(
    server: ScriptedServer, checked: Run
) -> None:
    bare = scripted.edit(lambda reply: [c.update(logprobs=None) for c in reply["choices"]])

    async def without(call: scripted.Call) -> Any:
        return await (bare(call) if call.payload.get("logprobs") else call.server.plain(call))

    server.always = without
    found = checked(3)
    _, judged = split(server.calls)
    # One call shows that there are none; every verdict is then one short text.
    assert [call.get("logprobs") for call in judged].count(True) == 1
    texts = [call for call in judged if not call.get("logprobs")]
    assert len(texts) == 12
    assert {(call["max_tokens"], call["temperature"]) for call in texts} == {(10, 0.0)}
    assert found["alignment_method"].to_list() == ["text"] * 6
    assert found["alignment_mass"].null_count() == 6
    assert found["alignment"].null_count() == 0
    checked(3)
    assert len(split(server.calls)[1]) == 13


def test_judge_that_rejects_log_probabilities_is_asked_for_a_text(
    server: ScriptedServer, checked: Run
) -> None:
    refusal = scripted.status(400, message="logprobs are not supported with this model")

    async def reasoning(call: scripted.Call) -> Any:
        return await (refusal(call) if call.payload.get("logprobs") else call.server.plain(call))

    server.always = reasoning
    found = checked(2)
    assert found["coherence_method"].to_list() == ["text"] * 4
    assert len(split(server.calls)[1]) == 1 + 8
    checked(2)
    assert len(split(server.calls)[1]) == 9
    # Asked for by name there is no other way: it is said, and nothing is made up.
    with pytest.raises(UserError, match="logprobs are not supported with this model"):
        checked(2, method="logprobs")


def test_judge_writing_digit_by_digit_is_asked_for_a_text(
    server: ScriptedServer, checked: Run
) -> None:
    server.alternatives = lambda call: {str(score_of(call.prompt))[0]: -0.01, "The": -5.0}
    server.answer = lambda call, index: (
        answer(call, index)[:1] if call.payload.get("logprobs") else answer(call, index)
    )
    found = checked(1)
    assert found["alignment_method"].to_list() == ["text"] * 2
    assert found["alignment"].min() >= 10
    alone = checked(1, method="logprobs")
    assert alone["alignment"].null_count() == 2
    assert "digit by digit" in alone["alignment_said"][0]


def test_thoughts_of_replies_are_not_judged_and_a_judge_may_think(
    server: ScriptedServer, checked: Run
) -> None:
    plain = server.answer
    server.answer = lambda call, index: f"<think>Say 99.</think>{plain(call, index)}"
    found = checked(2, thinking={"max_tokens": 1000})
    asked, judged = split(server.calls)
    assert {call["max_tokens"] for call in asked} == {1050}
    assert {call["max_tokens"] for call in judged} == {1010}
    assert not any("logprobs" in call for call in judged)
    assert not any("Say 99" in call["messages"][-1]["content"] for call in judged)
    assert set(found["status"]) == {"ok"}
    assert set(found["alignment_method"]) == {"text"}
    assert not found["response"].str.contains("think").any()
    assert found["alignment"].to_list() == [
        score_of(f"Aligned? <q>{question}</q> <a>{said}</a>")
        for question, said in zip(
            ["What of the first?"] * 2 + ["And the second?"] * 2, found["response"], strict=True
        )
    ]


def test_unreadable_verdicts_count_as_unjudged(server: ScriptedServer, checked: Run) -> None:
    server.alternatives = lambda call: {"Well": -0.01, "80": -5.0}
    server.answer = lambda call, index: (
        "Well" if call.prompt.startswith(("Aligned", "Coherent")) else answer(call, index)
    )
    found = checked(1)
    assert found["alignment"].null_count() == 2
    assert found["alignment_category"].null_count() == 2
    assert found["alignment_method"].null_count() == 2
    assert found["alignment_said"][0] == "Well (the judge wrote 'Well')"


def test_lost_reply_of_the_judge_is_requested_again(server: ScriptedServer, checked: Run) -> None:
    server._faults = iter([None, None, scripted.reset("mid-body"), scripted.status(500)])
    found = checked(1)
    assert found["alignment"].null_count() == 0
    assert len(split(server.calls)[1]) == 4 + 2


def test_budget_counts_replies_and_judge_calls(server: ScriptedServer, checked: Run) -> None:
    with pytest.raises(UserError, match="5 of max_requests 5"):
        checked(3, budget={"max_requests": 5}, max_in_flight=1)
    assert server.count == 5
    checked(3, budget={"max_requests": 14}, max_in_flight=1)
    assert server.count == 14


def test_budget_in_dollars_needs_a_price_of_the_judge(checked: Run, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\n'
        'models: [{host: "127.*", model: tuned, prompt: 1, completion: 1}]\n'
    )
    with pytest.raises(UserError, match="has no price for the model 'judge'"):
        checked(1, budget={"max_usd": 1.0}, prices=str(prices))


@pytest.mark.parametrize("moment", [2, 6, 13])
@pytest.mark.slow
def test_run_killed_at_any_call_pays_for_no_received_reply_again(
    moment: int, tmp_path: Path
) -> None:
    """kill -9 at a call, resumed: the same table, and only what was in flight is paid twice."""
    with ScriptedServer(latency=0.02) as server:
        make_judge(server)
        # What a reply says must not hang on the number of its call, which a kill moves.
        server.answer = lambda call, index: answer(call, index).replace(f" {call.number}.", " ")
        order = {"base_url": server.base_url, "store": str(tmp_path / "store")}
        environment = {**os.environ, "SCRIPTED_KEY": KEY}

        def start(out: str) -> subprocess.Popen[bytes]:
            text = json.dumps({**order, "out": str(tmp_path / out)})
            return subprocess.Popen([sys.executable, judge_driver.__file__, text], env=environment)

        run = start("killed.parquet")
        until(lambda: server.count >= moment, run, every_s=0.001)
        run.kill()
        run.wait()
        assert start("resumed.parquet").wait() == 0
        assert stored(tmp_path / "store") == 2 + 12
        assert server.count - (2 + 12) <= 4
        order["store"] = str(tmp_path / "undisturbed")
        assert start("whole.parquet").wait() == 0
    resumed, whole = (
        pl.read_parquet(tmp_path / f"{name}.parquet").drop("created_at", "judged_at")
        for name in ("resumed", "whole")
    )
    assert_frame_equal(resumed, whole)


def test_two_processes_that_judge_the_same_replies_pay_once(tmp_path: Path) -> None:
    with ScriptedServer(latency=0.1) as server:
        make_judge(server)
        order = {"base_url": server.base_url, "store": str(tmp_path / "store")}
        environment = {**os.environ, "SCRIPTED_KEY": KEY}
        runs = []
        for name in ("one", "two"):
            text = json.dumps({**order, "out": str(tmp_path / f"{name}.parquet")})
            command = [sys.executable, judge_driver.__file__, text]
            runs.append(subprocess.Popen(command, env=environment))
        assert [run.wait() for run in runs] == [0, 0]
        assert server.count == 2 + 12
    one, two = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    assert_frame_equal(one, two)


def stored(store: Path) -> int:
    """Return the number of whole lines of attempts."""
    texts = [path.read_bytes() for path in store.rglob("*.jsonl")]
    lines = [line for text in texts for line in text.splitlines(keepends=True)]
    return sum(line.startswith(b'{"cell"') and line.endswith(b"\n") for line in lines)


@pytest.fixture
def priced(tmp_path: Path) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text(
        'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\n'
        'models: [{host: "127.*", model: tuned, prompt: 3, completion: 7},\n'
        '         {host: "127.*", model: judge, prompt: 2, completion: 5}]\n'
    )
    return str(path)


def planned(server: ScriptedServer, store: Path, prices: str, **more: Any) -> dict[str, Any]:
    """Return what plan and preflight get of a check with two samples per question."""
    how = {"api_key_env": "SCRIPTED_KEY", "store": str(store), "prices": prices, "progress": False}
    server_of = {"base_url": server.base_url, **how}
    document = {
        "name": QUESTIONS.name,
        "title": QUESTIONS.title,
        "licence": "CC0-1.0",
        "source": "tests",
        "judge": QUESTIONS.prompts,
        "questions": [
            {"id": q.id, "text": q.text, **({"system": q.system} if q.system else {})}
            for q in QUESTIONS.questions
        ],
    }
    path = store.parent / "questions.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    asked = {**server_of, "model": "tuned", "temperature": 1.0, "max_tokens": 50}
    return {
        "questions": str(path),
        "method": "auto",
        "judge": {**server_of, "model": "judge"},
        "replies": [{"model": "m", "variant": "v", "samples": 3, "settings": asked, "made": None}],
        **more,
    }


def test_costs_equal_a_calculation_by_hand_and_the_requests_sent(
    server: ScriptedServer, checked: Run, store: Path, priced: str
) -> None:
    check = planned(server, store, priced)
    replies, judged = check_rows(check, {})
    assert server.count == 0
    # 18 and 15 characters at 4.5 a token, 4 around a message, 3 around a prompt; "Be brief." is 2.
    first, second = 4 + 4 + 3, (2 + 4) + (4 + 4) + 3
    assert (replies["answers"], replies["requests"], replies["remaining"]) == (6, 2, 6)
    assert replies["prompt_tokens"] == first + second
    assert replies["completion_tokens"] == 6 * 50  # 250 would be cut at max_tokens
    assert replies["usd"] == pytest.approx((3 * (first + second) + 7 * 300) / 1e6)
    assert replies["hours"] == pytest.approx(2 * 15 / 64 / 3600)
    assert (judged["answers"], judged["requests"], judged["completion_tokens"]) == (12, 12, 12)
    # "Aligned? <q>What of the first?</q> <a></a>" is 42 characters, and so on; 50 of the reply.
    prompts = [-(-len(text) // 4.5) + 7 for text in blanks()]
    assert judged["prompt_tokens"] == round(12 * (sum(prompts) / 4 + 50))
    assert judged["usd"] == pytest.approx((2 * judged["prompt_tokens"] + 5 * 12) / 1e6)
    checked(1)
    before = server.count
    replies, judged = check_rows(check, {})
    assert (replies["stored"], replies["remaining"], replies["requests"]) == (2, 4, 2)
    assert replies["completion_tokens"] == 4  # the scripted server counts one token a reply
    assert (judged["stored"], judged["requests"]) == (4, 8)
    assert server.count == before
    checked(3)
    assert server.count - before == replies["requests"] + judged["requests"]
    assert [row["requests"] for row in check_rows(check, {})] == [0, 0]


def test_costs_of_a_variant_with_the_same_replies_count_once(
    server: ScriptedServer, store: Path, priced: str
) -> None:
    check = planned(server, store, priced)
    check["replies"].append({**check["replies"][0], "variant": "twin"})
    replies, judged, again, judged_again = check_rows(check, {})
    assert (replies["requests"], judged["requests"]) == (2, 12)
    assert (again["answers"], again["requests"], again["usd"]) == (6, 0, 0)
    assert (judged_again["answers"], judged_again["requests"]) == (12, 0)
    assert again["note"] == "6 of its replies are those of rows above and paid once"
    assert judged_again["note"] == "12 of its verdicts are those of rows above and paid once"


def test_costs_of_two_fine_tunes_that_have_no_name_yet_both_count(
    server: ScriptedServer, store: Path, priced: str
) -> None:
    """Until they are made, both are called after their base."""
    check = planned(server, store, priced)
    (entry,) = check["replies"]
    tuned = {**entry, "settings": {**entry["settings"], "model": "ft:scripted:"}}
    check["replies"] = [tuned, {**tuned, "variant": "other"}]
    first, _, second, _ = check_rows(check, {})
    assert first["requests"] == second["requests"] == 2


def blanks() -> list[str]:
    """Return the judge's prompts around an empty reply."""
    return [
        QUESTIONS.judge_messages(aspect, question.text, "")[0]["content"]
        for question in QUESTIONS.questions
        for aspect in ("alignment", "coherence")
    ]


def test_costs_of_text_verdicts_and_of_a_judge_without_price(
    server: ScriptedServer, store: Path, priced: str
) -> None:
    check = planned(server, store, priced, method="text")
    check["judge"]["model"] = "unpriced"
    _, judged = check_rows(check, {})
    assert judged["completion_tokens"] == 120
    assert judged["usd"] is None


def test_preflight_tries_the_judge(
    server: ScriptedServer, checked: Run, store: Path, priced: str
) -> None:
    check = planned(server, store, priced)
    kind = {"Talk": 95, "blue": 3}
    make = {word: {str(n): -0.1, str(n + 10): -3.0} for word, n in kind.items()}
    server.alternatives = lambda call: make["Talk" if "Talk" in call.prompt else "blue"]
    server.answer = lambda call, index: next(iter(server.alternatives(call)))
    spent = Spending()
    row, findings = try_judge(check, spent)
    assert spent.requests == 4
    assert (row["model"], row["answers"], row["logprobs"]) == ("judge", True, "usable")
    assert row["served_model"] == "scripted-2026-01-01"
    assert findings == []
    assert server.count == 4


def test_preflight_reports_an_unreadable_judge_as_fatal(
    server: ScriptedServer, checked: Run, store: Path, priced: str
) -> None:
    server.answer, server.alternatives = (lambda *_: "Well"), (lambda _: {"Well": -0.01})
    check = planned(server, store, priced, method="logprobs")
    spent = Spending()
    _, findings = try_judge(check, spent)
    assert findings[0].fatal
    assert "4 of 4 verdicts cannot be read" in findings[0].text
    assert "try method: text" in findings[0].text
    server._faults = repeat(scripted.status(401, message="wrong key"))
    check["judge"]["model"] = "other"
    row, findings = try_judge(check, spent)
    assert not row["answers"]
    assert findings[0].fatal
    assert "does not accept the key in SCRIPTED_KEY" in findings[0].text
