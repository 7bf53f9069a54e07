"""The body of a request, and what is learned and kept of its reply."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.learned import Allowed, learned_file, read_allowed
from persona_collapse.asking.requests import TEACHING, UNCACHED_FIELD, Requests
from persona_collapse.asking.response import read_reply
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.common.seeds import derived_seed
from persona_collapse.store.attempts import Attempt

MESSAGES = [{"role": "user", "content": "question"}]
ASK = Ask("cell", MESSAGES, (1, 2, 4), 1, 0)
ONE = replace(ASK, repetitions=(2,))
SECRET = "sk-secret-0123456789abcdef"


def requests_of(store: Path, **changes: Any) -> Requests:
    given = {"base_url": "https://api.test/v1", "model": "m", "store": str(store), **changes}
    return Requests(Settings.of(given), SECRET)


def allowing(store: Path, allowed: Allowed, **changes: Any) -> Requests:
    made = requests_of(store, **changes)
    made.allowed = allowed
    return made


def answered(
    by: Requests,
    ask: Ask,
    status: int,
    content: dict[str, Any],
    sent: dict[str, Any] | None = None,
) -> tuple[Attempt, str]:
    reply = read_reply(status, json.dumps(content).encode(), len(ask.repetitions), SECRET)
    return by.taken(ask, by.body(ask) if sent is None else sent, reply, status, 1.23456)


def good(n: int, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "3"}
    choices = [{"index": at, "message": message, "finish_reason": "length"} for at in range(n)]
    return {"choices": choices, "usage": {"prompt_tokens": 9, "completion_tokens": n}, **fields}


def refused(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "code": None, "type": "invalid_request_error"}}


def test_body_has_the_settings_the_prompt_and_the_number_of_replies(tmp_path: Path) -> None:
    plain = {"model": "m", "temperature": 0.1, "messages": MESSAGES, "max_tokens": 1}
    assert requests_of(tmp_path).body(ASK) == {**plain, "n": 3}
    assert requests_of(tmp_path).body(ONE) == plain
    assert requests_of(tmp_path).body(replace(ONE, max_tokens=64)) == {**plain, "max_tokens": 64}
    extra = {"provider": {"only": ["a"]}, "temperature": 0.5}
    assert requests_of(tmp_path, extra_body=extra).body(ONE) == {**plain, **extra}
    logprobs = requests_of(tmp_path, method="logprobs").body(ONE)
    assert logprobs == {**plain, "temperature": 1.0, "logprobs": True, "top_logprobs": 20}


def test_body_is_what_the_server_allows(tmp_path: Path) -> None:
    shorter = allowing(tmp_path, Allowed(smallest_tokens=16))
    assert [shorter.tokens(replace(ONE, max_tokens=n)) for n in (1, 16, 64)] == [16, 16, 64]
    assert shorter.body(ONE)["max_tokens"] == 16
    name = "max_completion_tokens"
    renamed = allowing(tmp_path, Allowed(token_parameter=name)).body(ONE)
    assert (renamed[name], "max_tokens" in renamed) == (1, False)
    stated = allowing(tmp_path, Allowed(token_parameter=name), token_limit_parameter="max_tokens")
    assert stated.body(ONE)["max_tokens"] == 1
    for most, sent in ((5, 5), (30, 20)):
        by = allowing(tmp_path, Allowed(top_logprobs=most), method="logprobs")
        assert by.body(ONE)["top_logprobs"] == sent
    assert "top_logprobs" not in allowing(tmp_path, Allowed(top_logprobs=5)).body(ONE)
    assert "temperature" not in allowing(tmp_path, Allowed(left_out=("temperature",))).body(ONE)
    uncached = Allowed(uncached=True)
    assert allowing(tmp_path, uncached).body(ONE)["cache"] == UNCACHED_FIELD["cache"]
    for headers_alone in (replace(uncached, cache_field=False), Allowed()):
        assert "cache" not in allowing(tmp_path, headers_alone).body(ONE)


def test_request_is_fitted_to_the_most_replies_that_the_server_gives(tmp_path: Path) -> None:
    assert requests_of(tmp_path).fitted(ASK) is ASK
    assert allowing(tmp_path, Allowed(max_n=2)).fitted(ASK).repetitions == (1, 2)
    assert allowing(tmp_path, Allowed(max_n=9)).fitted(ASK).repetitions == (1, 2, 4)


def test_each_request_has_a_seed_of_its_own_in_31_bits(tmp_path: Path) -> None:
    by = requests_of(tmp_path, seed=7)
    changed: list[dict[str, Any]] = [
        *({}, {"cell": "b"}, {"repetitions": (2, 1)}, {"max_tokens": 2}, {"number": 1})
    ]
    seeds = [by.body(replace(ASK, **change))["seed"] for change in changed]
    assert len(set(seeds)) == len(changed)
    assert seeds[0] == derived_seed(7, "cell", 1, 1, 0) % 2**31
    assert by.body(replace(ASK, repetitions=(1,)))["seed"] == seeds[0]
    assert any(seed >= 2**30 for seed in seeds)
    assert "seed" not in requests_of(tmp_path).body(ASK)


def test_attempt_is_what_was_asked_and_what_came(tmp_path: Path) -> None:
    attempt, verdict = answered(requests_of(tmp_path), ASK, 200, good(3, id="r", model="served"))
    assert verdict == "answered"
    assert (attempt.cell, attempt.repetitions, attempt.max_tokens) == ("cell", (1, 2, 4), 1)
    assert (attempt.status, attempt.seconds, attempt.cause) == (200, 1.235, None)
    assert (attempt.prompt_tokens, attempt.completion_tokens, attempt.estimated) == (9, 3, None)
    assert (attempt.served_model, attempt.response_id) == ("served", "r")
    assert (attempt.detail, attempt.left_out) == (None, None)
    failed, verdict = answered(requests_of(tmp_path), ASK, 500, refused(f"{SECRET} broke"))
    assert (verdict, failed.cause, failed.detail) == ("retry", "http_500", "[api key] broke")


def test_settings_that_were_left_out_are_named_where_the_study_sets_them(tmp_path: Path) -> None:
    allowed = Allowed(left_out=("seed", "temperature", "top_k"))
    by = allowing(tmp_path, allowed, seed=1)
    assert answered(by, ONE, 200, good(1))[0].left_out == "temperature, seed"
    by = allowing(tmp_path, allowed, temperature=None)
    assert answered(by, ONE, 200, good(1))[0].left_out is None


def test_estimate_is_for_all_replies_at_the_limit_that_was_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    by = allowing(tmp_path, Allowed(smallest_tokens=16))
    without = {name: value for name, value in good(3).items() if name != "usage"}
    for _ in range(2):
        attempt, _ = answered(by, ASK, 200, without)
        assert attempt.completion_tokens == 3 * 16
        assert attempt.estimated == "prompt_tokens, completion_tokens"
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    answered(by, ASK, 200, {**without, "usage": {"prompt_tokens": 9, "completion_tokens": -1}})
    assert len(caplog.records) == 2  # another count than before


def test_refusal_is_learned_sent_differently_and_remembered_once_it_proves_true(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    by = requests_of(tmp_path)
    file = learned_file(tmp_path, by.settings.stream)
    before = by.body(ASK)
    attempt, verdict = answered(by, ASK, 400, refused("n must be at most 2"))
    assert (verdict, attempt.cause, attempt.detail) == ("adapted", "adapted", "n must be at most 2")
    assert by.allowed == Allowed(max_n=2)
    assert read_allowed(file) == Allowed()
    # Another request that was on its way: nothing new, and it would be sent differently, too.
    assert answered(by, ASK, 400, refused("n must be at most 2"), before)[1] == "adapted"
    assert len(caplog.messages) == 1
    # An answer to what was sent before shows nothing.
    answered(by, ASK, 200, good(3), {**before, "n": 9})
    assert read_allowed(file) == Allowed()
    answered(by, by.fitted(ASK), 200, good(2))
    assert read_allowed(file) == Allowed(max_n=2)
    assert requests_of(tmp_path).allowed == Allowed(max_n=2)
    assert requests_of(tmp_path, max_n=5).allowed == Allowed()
    file.unlink()
    answered(by, by.fitted(ASK), 200, good(2))
    assert not file.exists()  # written once


def test_two_lessons_are_remembered_together(tmp_path: Path) -> None:
    by = requests_of(tmp_path)
    answered(by, ASK, 400, refused("n must be at most 2"))
    answered(by, by.fitted(ASK), 422, refused("max_tokens must be at least 16"))
    answered(by, by.fitted(ASK), 200, good(2))
    found = read_allowed(learned_file(tmp_path, by.settings.stream))
    assert found == Allowed(max_n=2, smallest_tokens=16)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 500, 501, 502])
def test_only_refusals_of_a_request_teach(status: int, tmp_path: Path) -> None:
    by = requests_of(tmp_path)
    attempt, _ = answered(by, ASK, status, refused("n must be at most 2"))
    assert (attempt.cause == "adapted") == (f"http_{status}" in TEACHING)
    assert (by.allowed.max_n == 2) == (f"http_{status}" in TEACHING)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("the prompt is strange", {}),
        ("the content filter says: n must be at most 2", {}),
        (
            "use max_completion_tokens instead of max_tokens",
            {"token_limit_parameter": "max_tokens"},
        ),
    ],
)
def test_refusal_that_changes_no_request_is_a_failure(
    text: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    by = allowing(tmp_path, Allowed(max_n=3), **settings)
    attempt, verdict = answered(by, ASK, 400, refused(text))
    assert attempt.cause != "adapted"
    assert verdict != "adapted"
    assert by.allowed == Allowed(max_n=3)


def test_choices_with_one_index_are_taken_in_order_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    by = requests_of(tmp_path)
    same = good(3)
    for place, choice in enumerate(same["choices"]):
        choice |= {"index": 0, "message": {"role": "assistant", "content": str(place)}}
    for _ in range(2):
        attempt, _ = answered(by, ASK, 200, same)
        assert [choice.text for choice in attempt.choices] == ["0", "1", "2"]
    assert ["same index" in text for text in caplog.messages] == [True]
    assert answered(requests_of(tmp_path), ASK, 200, good(3))[1] == "answered"
    assert len(caplog.messages) == 1
