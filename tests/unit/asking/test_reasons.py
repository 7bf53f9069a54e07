"""The reason of a refusal, in bodies of many shapes, and the words of many content filters."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.reasons import DEEPEST, is_filter_finish, reason_of
from persona_collapse.asking.response import (
    ANSWERED,
    DOUBTFUL,
    FILTERED,
    REJECTED,
    RETRY,
    STOP,
    read_reply,
)

WHY = "Country, region, or territory not supported"
RAW = json.dumps({"error": {"code": "unsupported_country", "message": WHY}})

BODIES: dict[str, Any] = {
    "OpenAI": {"error": {"message": WHY, "type": "invalid_request_error", "code": None}},
    "a text as error": {"error": WHY},
    "JSON in metadata.raw": {
        "error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": RAW}}
    },
    "a text in metadata.raw": {
        "error": {"message": "Provider returned error", "metadata": {"raw": WHY}}
    },
    "JSON in JSON in the message": {"error": {"message": json.dumps({"error": RAW})}},
    "FastAPI's text": {"detail": WHY},
    "FastAPI's object": {"detail": {"error": WHY}},
    "pydantic's list": {"detail": [{"loc": ["body", "n"], "msg": WHY, "type": "value_error"}]},
    "a list of errors": {"errors": [{"message": WHY}]},
    "a list": [{"error": {"message": WHY, "status": "INVALID_ARGUMENT"}}],
    "a message alone": {"message": WHY, "code": 400},
    "OAuth": {"error": "invalid_request", "error_description": WHY},
    "Azure's inner error": {"error": {"message": "Bad Request", "innererror": {"message": WHY}}},
}


@pytest.mark.parametrize("name", BODIES)
def test_reason_is_found_in_a_body(name: str) -> None:
    content = json.dumps(BODIES[name]).encode()
    reply = read_reply(400, content, 1)
    assert WHY in (reply.detail or "")
    assert "Provider returned error" not in (reply.detail or "")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"upstream  says\nno", "upstream says no"),
        (b"<html><style>b {}</style><h1>Bad</h1> Gateway</html>", "Bad Gateway"),
        (b"", "no reason given"),
        (b'{"ok": false}', '{"ok": false}'),
    ],
)
def test_body_without_a_known_message_is_told_as_it_is(content: bytes, detail: str) -> None:
    assert (read_reply(400, content, 1).detail or "no reason given") == detail


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["error", "message", "detail", "metadata", "raw", "code", "loc", "msg"]
                ),
                inner,
            )
        ),
        max_leaves=20,
    ),
    st.sampled_from([200, 400, 403, 422, 451, 500]),
)
def test_no_body_raises_an_error(body: Any, status: int) -> None:
    content = json.dumps(body).encode()
    reason_of(body, content)
    read_reply(status, content, 2)


@pytest.mark.parametrize(
    "finish",
    [
        *("content_filter", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "RECITATION", "SPII"),
        *("FinishReason.SAFETY", "content-filter", "Content_Filtered", "sensitive", "refusal"),
        *("guardrail_intervened", "ERROR_TOXIC", "IMAGE_SAFETY", "moderation"),
        *("FINISH_REASON_SAFETY", "content_filter: PROHIBITED_CONTENT"),
    ],
)
def test_finish_of_a_filter_is_recognised(finish: str) -> None:
    assert is_filter_finish(finish)


@pytest.mark.parametrize(
    "finish", [None, "stop", "length", "error", "tool_calls", "STOP", "", "max_tokens"]
)
def test_other_finish_is_no_filter(finish: str | None) -> None:
    assert not is_filter_finish(finish)


def test_filtered_choice_may_have_no_message() -> None:
    body = {"choices": [{"index": 0, "finish_reason": "PROHIBITED_CONTENT"}]}
    reply = read_reply(200, json.dumps(body).encode(), 1)
    assert (reply.verdict, reply.choices[0].finish) == (ANSWERED, "PROHIBITED_CONTENT")


def test_words_of_a_filter_in_an_answer_without_choices_are_recognised() -> None:
    said = {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}
    for body, verdict in ((said, FILTERED), ({"content_filter_results": []}, RETRY)):
        assert read_reply(200, json.dumps({**body, "choices": None}).encode(), 1).verdict == verdict


FILTER_CODES = {
    "OpenAI and Azure": {
        "error": {"code": "content_filter", "message": "The response was filtered"}
    },
    "Azure's inner error": {
        "error": {"code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}
    },
    "LiteLLM": {"error": {"type": "ContentPolicyViolationError", "message": "no"}},
    "Alibaba": {"error": {"code": "data_inspection_failed", "message": "Input data"}},
}


@pytest.mark.parametrize("name", FILTER_CODES)
@pytest.mark.parametrize("status", [400, 403, 200, 500])
def test_code_of_a_filter_is_an_answer_of_each_repetition(name: str, status: int) -> None:
    reply = read_reply(status, json.dumps(FILTER_CODES[name]).encode(), 3)
    assert reply.verdict == ANSWERED
    assert [choice.finish for choice in reply.choices] == ["content_filter"] * 3


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "OTHER"])
def test_prompt_that_gemini_blocks_is_filtered(reason: str) -> None:
    body = {"choices": [], "promptFeedback": {"blockReason": reason}}
    assert read_reply(200, json.dumps(body).encode(), 1).choices[0].finish == "content_filter"


@pytest.mark.parametrize(
    "words",
    [
        "Content Exists Risk",
        "Input data may contain inappropriate content.",
        "The request was rejected because it was considered high risk",
        "Your prompt was flagged as potentially violating our usage policy",
        "openai/gpt-4o requires moderation. Your input was flagged for violence",
        "Violated guardrail policy",
        "This prompt was blocked by our safety system",
        "系统检测到输入或生成内容可能包含不安全或敏感内容",
        "input new_sensitive",
    ],
)
@pytest.mark.parametrize("status", [400, 403, 422, 451])
def test_words_of_a_filter_are_recognised(words: str, status: int) -> None:
    body = {"error": {"message": words, "type": "invalid_request_error", "code": None}}
    assert read_reply(status, json.dumps(body).encode(), 1).verdict == FILTERED


@pytest.mark.parametrize(
    ("words", "status", "verdict"),
    [
        ("This model's maximum context length is 8192 tokens", 400, REJECTED),
        ("Unsupported parameter: 'logprobs'", 400, REJECTED),
        ("Forbidden", 403, DOUBTFUL),
        ("Request rejected", 400, DOUBTFUL),
    ],
)
def test_other_refusals_are_settings_or_doubtful(words: str, status: int, verdict: str) -> None:
    body = {"error": {"message": words, "code": None}}
    assert read_reply(status, json.dumps(body).encode(), 1).verdict == verdict


@pytest.mark.parametrize(
    "error",
    [
        {"message": "API key not valid. Please pass a valid API key.", "code": 400},
        {"message": "Incorrect API key provided", "code": None},
        {"message": "Bad key", "code": "invalid_api_key"},
        {"message": "No connected db.", "type": "no_db_connection", "code": "400"},
    ],
    ids=["Gemini", "xAI", "a code", "LiteLLM without a database"],
)
@pytest.mark.parametrize("status", [400, 403])
def test_refused_key_stops_under_other_statuses_too(error: dict[str, Any], status: int) -> None:
    reply = read_reply(status, json.dumps({"error": error}).encode(), 1)
    assert (reply.verdict, reply.cause) == (STOP, "invalid_api_key")


def in_lists(value: Any) -> Any:
    return [value]


def in_mappings(value: Any) -> Any:
    return {"error": value}


def in_texts(value: Any) -> Any:
    return json.dumps([value])


@pytest.mark.parametrize(("wrap", "each"), [(in_lists, 1), (in_mappings, 1), (in_texts, 2)])
def test_message_is_found_down_to_a_depth_and_no_deeper(
    wrap: Callable[[Any], Any], each: int
) -> None:
    def said(times: int) -> str:
        value: Any = "deep down"
        for _ in range(times):
            value = wrap(value)
        body = {"error": value}
        return reason_of(body, json.dumps(body).encode()).text

    most = (DEEPEST - 1) // each
    assert said(most) == "deep down"
    assert said(most + 1) != "deep down"


def test_last_part_of_a_place_is_the_parameter() -> None:
    fault = {"loc": ["body", "generation", "max_tokens"], "msg": "must be above 16"}
    body = {"detail": [fault]}
    found = reason_of(body, json.dumps(body).encode())
    assert found.parameters == ("max_tokens",)
    assert found.text == "max_tokens: must be above 16"
    fault["loc"] = "body"  # no place: the message is read as any other
    assert reason_of(body, b"").parameters == ()
