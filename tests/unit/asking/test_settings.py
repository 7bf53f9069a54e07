"""Every setting is identity or run; the key of an answer depends on identity settings only."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.keys import HIDDEN, find_key, redacted
from persona_collapse.asking.settings import Identity, Run, Settings, normalised_url
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
