"""Why a run stops: the key that the reason is about, and what to do."""

from __future__ import annotations

import pytest

from persona_collapse.asking.settings import Settings
from persona_collapse.asking.stops import GO_ON, THEN_GO_ON, cached, no_answer, stopped
from persona_collapse.store.attempts import Attempt

URL = "https://a.test/v1"
SETTINGS = Settings.of({"base_url": URL, "model": "m", "api_key_env": "A_KEY"})
KEYLESS = Settings.of({"base_url": URL, "model": "m", "api_key_env": None})


def failure(cause: str, detail: str | None = "It says so.") -> Attempt:
    return Attempt("cell", (1,), 1, "2026", cause=cause, detail=detail, response_id="r-1")


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("http_401", "It does not accept the key in A_KEY; check the key"),
        ("invalid_api_key", "It does not accept the key in A_KEY; check the key"),
        ("http_402", "The account of the key in A_KEY has no credit left; add credit"),
        ("http_403", "The key in A_KEY may not use the model 'm'"),
        ("http_404", "It has no model 'm', or base_url is not the address"),
        ("redirect", "Redirects are not followed"),
        ("insufficient_quota", "has reached its own spending limit"),
    ],
)
def test_refusal_of_everything_says_what_to_do(cause: str, words: str) -> None:
    fault = stopped(failure(cause), SETTINGS)
    text = str(fault)
    number = cause.removeprefix("http_")
    answered = f"HTTP {number} (" if number.isdecimal() else f"{cause}: "
    assert text.startswith(f"{URL} answered {answered}")
    assert ": It says so. " in text
    assert words in text
    assert text.endswith(f"; then {THEN_GO_ON}")
    assert fault.cause == cause
    assert "no reason given. " in str(stopped(failure(cause, None), SETTINGS))
    if "A_KEY" in words:
        assert "o key (api_key_env: null)" in str(stopped(failure(cause), KEYLESS))


def test_cache_that_answers_is_named_by_the_reply_it_gave_again() -> None:
    fault = cached(failure("replay"), SETTINGS)
    assert f"{URL}, model m: a cache answers instead of the model: it gave the reply r-1" in str(
        fault
    )
    assert fault.cause == "replay"


def test_no_answer_names_the_model_unless_no_connection_came_about() -> None:
    text = str(no_answer(failure("http_500"), SETTINGS, "5 requests in a row"))
    assert text.startswith(f"{URL}, model m: no answer for 5 requests in a row; the last failure: ")
    assert "HTTP 500 (Internal Server Error): It says so. Check that" in text
    assert text.endswith(GO_ON)
    assert str(no_answer(failure("timeout"), SETTINGS, "60 s")).startswith(f"{URL}, model m: ")
    text = str(no_answer(failure("no_connection", "cannot connect"), SETTINGS, "60 s"))
    assert text.startswith("cannot connect; no answer for 60 s. Check that")
