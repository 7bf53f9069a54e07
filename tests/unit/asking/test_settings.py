"""Every setting is identity or run; the key of an answer depends on identity settings only."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.keys import HIDDEN, find_key, redacted
from persona_collapse.asking.settings import (
    NEUTRAL,
    Identity,
    Run,
    Settings,
    job_settings,
    normalised_url,
    slots,
)
from persona_collapse.common.errors import UserError

MESSAGES = [{"role": "user", "content": "a question"}]
BASE = Settings.of({"base_url": "https://api.example.org/v1", "model": "m"})
# A different value for every setting. A setting added later must be entered here, and so decided.
OTHER_IDENTITY: dict[str, Any] = {
    "base_url": "https://other.example.org/v1",
    "model": "n",
    "extra_body": {"provider": {"only": ["a"]}},
    "method": "logprobs",
    "temperature": 0.2,
    "top_p": 0.9,
    "seed": 1,
    "sampling_defaults": "neutral",
    "thinking": {"max_tokens": 4096},
    "top_logprobs": 5,  # with log-probabilities
}
OTHER_RUN: dict[str, Any] = {
    "api_key_env": None,
    "max_in_flight": 1,
    "requests_per_minute": 5.0,
    "tokens_per_minute": 5.0,
    "timeout_s": 1.0,
    "token_limit_parameter": "max_completion_tokens",
    "batching": "single",
    "max_n": 4,
    "poll_s": 1.0,
    "settle_s": 1.0,
    "max_attempts": 1,
    "transport_attempts": 1,
    "store": "elsewhere",
    "budget": {"max_requests": 1},
    "prices": "elsewhere.yaml",
    "scope": "other",
    "stops": "elsewhere",
    "rescued": "elsewhere",
    "accept_errors": True,
    "accepted": "elsewhere",
    "progress": False,
}
# Identity by length: the store keeps a reply's length beside its key.
LENGTHS = {"fallback_max_tokens", "max_tokens", "reply_tokens"}


def test_every_setting_is_identity_or_run() -> None:
    assert {entry.name for entry in fields(Identity)} == set(OTHER_IDENTITY) | LENGTHS
    assert {entry.name for entry in fields(Run)} == set(OTHER_RUN)
    assert {entry.name for entry in fields(Settings)} == {
        *OTHER_IDENTITY,
        *OTHER_RUN,
        *LENGTHS,
    }


@pytest.mark.parametrize("name", OTHER_IDENTITY)
def test_identity_setting_changes_the_key(name: str) -> None:
    base = replace(BASE, method="logprobs") if name == "top_logprobs" else BASE
    changed = replace(base, **{name: OTHER_IDENTITY[name]})
    assert changed.cell_key(MESSAGES) != base.cell_key(MESSAGES)


@pytest.mark.parametrize("name", OTHER_RUN)
def test_run_setting_does_not_change_the_key(name: str) -> None:
    changed = replace(BASE, **{name: OTHER_RUN[name]})
    assert changed.cell_key(MESSAGES) == BASE.cell_key(MESSAGES)
    assert changed.stream == BASE.stream


def test_key_is_sha256_of_canonical_request() -> None:
    """Paid answers depend on this value: if it changes, they are paid for again."""
    text = (
        '{"base_url":"https://api.example.org/v1","extra_body":{},"generation":{"temperature":0.1},'
        '"messages":[{"content":"a question","role":"user"}],"model":"m"}'
    )
    assert BASE.cell_key(MESSAGES) == hashlib.sha256(text.encode()).hexdigest()
    assert replace(BASE, max_tokens=600).cell_key(MESSAGES) == BASE.cell_key(MESSAGES)
    integer = replace(BASE, temperature=1).cell_key(MESSAGES)
    assert integer == replace(BASE, temperature=1.0).cell_key(MESSAGES)


# What the questionnaire's keys were before replies and judge calls went the same way.
FIXED = {
    "553e75aaeaf052656e46d8088065a7df8da3d783b7a7a80789e3bd035f50998d": {},
    "0b7ec018e3a0c2ae79d06db9e3b47642a0dea398d5e38b6f5ff703ff8cb5e622": {"method": "logprobs"},
    "418229dcafbf0516477c949424e8891058ee51b6cc3b5fd3a4948c47a09dedab": {
        "temperature": 1.0,
        "top_p": 0.9,
        "seed": 3,
    },
}


@pytest.mark.parametrize("key", FIXED)
def test_known_keys_are_unchanged(key: str) -> None:
    server = {"base_url": "https://api.openai.com/v1", "model": "gpt-4o-2024-08-06"}
    asked = [{"role": "user", "content": "How much do you agree?"}]
    assert Settings.of({**server, **FIXED[key]}).cell_key(asked) == key


@pytest.mark.parametrize(
    "url",
    [
        "https://API.example.org/v1",
        "https://api.example.org:443/v1/",
        " https://api.example.org/v1 ",
    ],
)
def test_equal_addresses_are_normalised_to_one(url: str) -> None:
    assert normalised_url(url) == "https://api.example.org/v1"


@pytest.mark.parametrize("url", ["ftp://x/v1", "api.example.org", "https://", "http://x:port/"])
def test_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="base_url"):
        normalised_url(url)


def test_length_of_tries_must_be_below_that_of_fallback_replies() -> None:
    with pytest.raises(UserError, match=r"reply_tokens: 64 must be below .*fallback_max_tokens"):
        Settings.of({"base_url": "https://h/v1", "model": "m", "reply_tokens": 64})


DOCUMENTED = {
    **{"max_in_flight": 64, "timeout_s": 60, "transport_attempts": 8, "batching": "`n`"},
    **{"poll_s": 15, "settle_s": 30, "max_attempts": 10, "fallback_max_tokens": 64},
    **{"temperature": 0.1, "method": "`repeats`", "accept_errors": "false"},
    **{"reply_tokens": 1, "top_logprobs": 20},
}


def test_setting_that_a_study_leaves_out_has_the_documented_value() -> None:
    text = Path("config/README.md").read_text(encoding="utf-8")
    for name, value in DOCUMENTED.items():
        assert re.search(rf"\| `{name}` \| [^|]*\| {re.escape(str(value))}[ ;]", text), name
    found = {name: getattr(BASE, name) for name in DOCUMENTED}
    found |= {"reply_tokens": BASE.short, "accept_errors": str(BASE.accept_errors).lower()}
    found |= {name: f"`{found[name]}`" for name in ("batching", "method")}
    found["top_logprobs"] = replace(BASE, method="logprobs").generation["top_logprobs"]
    assert found == DOCUMENTED
    assert not BASE.logprobs
    assert (BASE.progress, BASE.scope, BASE.thinking, BASE.extra_body) == (True, "study", None, {})


def test_model_that_thinks_has_more_time_and_fewer_tries() -> None:
    given = {"base_url": "https://h/v1", "model": "m", "thinking": {"max_tokens": 50}}
    thinking = Settings.of(given)
    assert (thinking.timeout_s, thinking.tries, thinking.short) == (600.0, 3, 50)
    assert Settings.of({**given, "timeout_s": 5.0}).timeout_s == 5.0
    assert Settings.of({**given, "max_attempts": 2}).tries == 2
    assert Settings.of({**given, "reply_tokens": 99}).short == 50
    assert replace(BASE, max_attempts=2).tries == 2
    with pytest.raises(UserError, match="ask it with method: repeats"):
        Settings.of({**given, "method": "logprobs"})


@pytest.mark.parametrize(("length", "ok"), [(63, True), (64, False)])
def test_first_try_is_shorter_than_the_reply_that_is_read_last(length: int, ok: bool) -> None:
    given = {"base_url": "https://h/v1", "model": "m", "reply_tokens": length}
    if ok:
        assert Settings.of(given).short == length
    else:
        with pytest.raises(UserError, match=f"reply_tokens: {length} must be below"):
            Settings.of(given)


@pytest.mark.parametrize("name", ["base_url", "model"])
@pytest.mark.parametrize("value", [None, ""])
def test_missing_or_unknown_setting_is_named(name: str, value: str | None) -> None:
    given = {"base_url": "https://h/v1", "model": "m"}
    with pytest.raises(UserError, match=f"the setting '{name}' is missing"):
        Settings.of({**given, name: value})
    with pytest.raises(UserError, match=r"unknown setting 'modle'.*did you mean 'model'"):
        Settings.of({**given, "modle": "m"})


def test_limits_that_the_study_states_are_not_learned() -> None:
    assert BASE.stated == []
    assert replace(BASE, token_limit_parameter="max_tokens").stated == ["token_parameter"]
    assert replace(BASE, top_logprobs=0, max_n=0).stated == ["top_logprobs", "max_n"]


@pytest.mark.parametrize(
    ("endpoint", "claimed"),
    [({}, (32, 64)), ({"max_in_flight": 31}, (31, 31)), ({"max_in_flight": 33}, (32, 33))],
)
def test_job_claims_a_part_of_the_endpoints_slots(
    endpoint: dict[str, int], claimed: tuple[int, int]
) -> None:
    assert slots(endpoint) == claimed


def test_settings_of_a_job_are_the_known_ones_with_its_budget() -> None:
    given = {"model": "m", "kind": "openai"}
    assert job_settings(given, {}, "s") == {"model": "m", "budget": None, "scope": "s"}
    assert job_settings(given, {"max_usd": 1}, "s")["budget"] == {"max_usd": 1}


def test_neutral_values_change_no_sampling() -> None:
    assert {name: float(value) for name, value in NEUTRAL.items()} == {
        "top_p": 1.0,
        "top_k": -1.0,  # vLLM's value for all tokens
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
    logprobs = replace(BASE, method="logprobs", sampling_defaults="neutral", temperature=0.3)
    assert logprobs.generation == {
        **NEUTRAL,
        "temperature": 1.0,
        "logprobs": True,
        "top_logprobs": 20,
    }
    assert replace(BASE, temperature=None).generation == {}
    assert isinstance(replace(BASE, temperature=1).generation["temperature"], float)


def test_neutral_sampling_keeps_what_the_study_sets() -> None:
    neutral = replace(BASE, sampling_defaults="neutral", top_p=0.9).generation
    assert (neutral["top_p"], neutral["temperature"]) == (0.9, 0.1)
    assert (neutral["top_k"], neutral["repetition_penalty"]) == (-1, 1.0)


@pytest.mark.parametrize(
    ("setting", "sizes"),
    [
        ({}, [10]),
        ({"max_n": 4}, [4, 4, 2]),
        ({"batching": "single", "max_n": 4}, [1] * 10),
        ({"method": "logprobs", "max_n": 4}, [1] * 10),
    ],
)
def test_repetitions_are_asked_in_blocks_that_the_settings_allow(
    setting: dict[str, Any], sizes: list[int]
) -> None:
    blocks = replace(BASE, **setting).blocks(range(1, 11))
    assert [len(block) for block in blocks] == sizes
    assert [one for block in blocks for one in block] == list(range(1, 11))


def test_one_request_is_for_128_repetitions_at_most() -> None:
    assert [len(block) for block in BASE.blocks(range(129))] == [128, 1]


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://h:443/v1/", "https://h/v1"),
        ("http://h:443/v1", "http://h:443/v1"),
        ("http://h:80", "http://h"),
        ("https://h:80//", "https://h:80"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_port_of_the_scheme_is_left_out_of_an_address(url: str, normal: str) -> None:
    assert normalised_url(url) == normal


def test_address_with_password_is_refused() -> None:
    with pytest.raises(UserError, match="api_key_env") as fault:
        normalised_url("https://user:secret@example.org/v1")
    assert "secret" not in str(fault.value)


def test_api_key_is_read_and_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", " secret-123 ")
    assert find_key("A_KEY", "http://h") == "secret-123"
    assert find_key(None, "http://h") is None
    monkeypatch.setenv("A_KEY", " ")
    with pytest.raises(UserError, match="A_KEY"):
        find_key("A_KEY", "http://h")
    assert redacted("key secret-123!", "secret-123") == f"key {HIDDEN}!"
    assert redacted("none of it", "none") == "none of it"
    assert redacted("text", None) == "text"


@pytest.mark.parametrize("value", ["sk-café-0123456789", "sk-01 2345", "sk-01\n23", "sk-01\x0023"])
def test_key_that_no_header_can_hold_is_refused_without_repeating_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {"A_KEY": value})
    with pytest.raises(UserError, match=r"A_KEY .*copy the key again") as fault:
        find_key("A_KEY", "http://h")
    assert value not in str(fault.value)


LONG = "sk-scripted-0123456789abcdef"


@given(st.text(), st.integers(12, len(LONG)), st.text())
def test_whole_and_cut_keys_are_redacted(before: str, length: int, after: str) -> None:
    found = redacted(before + LONG[:length] + after, LONG)
    assert LONG[:12] not in found
    assert HIDDEN in found


def test_key_is_redacted_each_time_and_other_text_stays() -> None:
    text = f"{LONG}, {LONG[:15]}... or {LONG[:11]}"
    assert redacted(text, LONG) == f"{HIDDEN}, {HIDDEN}... or {LONG[:11]}"


@pytest.mark.parametrize(
    "query",
    [
        "key=abc",
        "api-version=1&api_key=abc",
        "apiKey=abc",
        "access_token=abc",
        "code=abc",
        "sig=abc",
        "subscription-key=abc",
        "Password=abc",
        "v=sk-proj-Abc0123456789xyz",
        "v=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ],
)
def test_address_with_a_key_in_its_query_is_refused(query: str) -> None:
    with pytest.raises(UserError, match="looks like a key") as fault:
        normalised_url(f"https://example.org/v1?{query}")
    assert query.rpartition("=")[2] not in str(fault.value)


@pytest.mark.parametrize(
    "query", ["api-version=2024-10-21", "api-version=2025-01-01-preview&region=eu-west-1", "beta"]
)
def test_address_with_another_query_is_kept(query: str) -> None:
    assert normalised_url(f"https://example.org/v1?{query}") == f"https://example.org/v1?{query}"


@pytest.mark.parametrize(
    "url",
    [
        "user:hunter22@example.org/v1",
        "ftp://user:hunter22@example.org",
        "https://hunter22@example.org/v1",
        "https://example.org/sk-hunter22Abc0123456/v1",
    ],
)
def test_no_message_repeats_what_may_be_a_password(url: str) -> None:
    with pytest.raises(UserError) as fault:
        normalised_url(url)
    assert "hunter22" not in str(fault.value)
