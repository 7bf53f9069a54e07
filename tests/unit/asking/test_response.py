"""Reading HTTP responses: thoughts beside the text, and the tokens that were billed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persona_collapse.asking.response import read_reply
from persona_collapse.store.attempts import Attempt, from_fields


def reply(message: dict[str, Any], **usage: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message}], "usage": usage}


PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "2 or"}, {"text": " 3"}]}]


@pytest.mark.parametrize(
    "message",
    [
        {"content": "4", "reasoning_content": "2 or 3"},
        {"content": "4", "reasoning": "2 or 3"},
        {"content": "4", "thinking": "2 or 3", "reasoning_content": None},
        {"content": "4", "reasoning_details": [{"type": "reasoning.text", "text": "2 or 3"}]},
        {"content": [*PARTS, {"type": "text", "text": "4"}]},
        {"content": [{"type": "reasoning", "text": "2 or 3"}, {"type": "text", "text": "4"}]},
    ],
)
def test_thoughts_beside_the_text_are_kept_apart(message: dict[str, Any]) -> None:
    (choice,) = read_reply(200, json.dumps(reply(message)).encode(), 1).choices
    assert (choice.text, choice.thoughts) == ("4", "2 or 3")
    attempt = Attempt("ab" * 32, (1,), 1, "2026-11-27T00:00:00Z", choices=(choice,))
    assert from_fields(json.loads(attempt.to_line()), ("", 0)) == attempt


@pytest.mark.parametrize("empty", [None, "", "  ", [], {}])
def test_empty_thoughts_are_none(empty: Any) -> None:
    message = {"content": "4", "reasoning_content": empty}
    (choice,) = read_reply(200, json.dumps(reply(message)).encode(), 1).choices
    assert (choice.text, choice.thoughts) == ("4", None)


@pytest.mark.parametrize(
    ("usage", "completion", "thought"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}, 1, None),
        ({"prompt_tokens": 9, "completion_tokens": 1}, 1, None),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 80,
                "total_tokens": 89,
                "completion_tokens_details": {"reasoning_tokens": 79},
            },
            80,
            79,
        ),
        ({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 89}, 80, 79),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "total_tokens": 89,
                "completion_tokens_details": {"reasoning_tokens": 79},
            },
            80,
            79,
        ),
        ({}, None, None),
        ({"prompt_tokens": 9, "completion_tokens": 1.0, "total_tokens": 10.0}, 1, None),
        ({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10**25}, 1, None),
        ({"prompt_tokens": 9, "completion_tokens": -1, "total_tokens": 8}, None, None),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": -4}}, 9, None),
    ],
)
def test_tokens_of_thoughts_count_as_completion(
    usage: dict[str, Any], completion: int | None, thought: int | None
) -> None:
    about = read_reply(200, json.dumps(reply({"content": "4"}, **usage)).encode(), 1).about
    assert (about["completion_tokens"], about["reasoning_tokens"]) == (completion, thought)


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**25])
def test_numbers_beyond_reason_are_read(value: int) -> None:
    """No float holds the first two: a reply with them was a traceback."""
    choice = {
        "index": value,
        "message": {"content": "4"},
        "logprobs": {"content": [{"token": "4", "logprob": value, "top_logprobs": []}]},
    }
    (read,) = read_reply(200, json.dumps({"choices": [choice]}).encode(), 1).choices
    assert (read.text, read.index) == ("4", None)


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"error":', b"}")])
def test_body_nested_beyond_reading_is_no_answer(
    status: int, brackets: tuple[bytes, bytes]
) -> None:
    content = brackets[0] * 100_000 + b"1" + brackets[1] * 100_000
    found = read_reply(status, content, 1, "sk-a-long-key-of-mine")
    assert found.cause == ("not_json" if status == 200 else f"http_{status}")
    assert len(found.detail or "") <= 300


def test_json_nested_in_a_text_is_shown_as_text() -> None:
    body = {"error": {"message": "[" * 100_000}}
    assert (read_reply(400, json.dumps(body).encode(), 1).detail or "").startswith("[[[")


@pytest.mark.parametrize("index", ["0", "one", None, True, 1.0, 10**30, [0], {}])
def test_index_that_is_no_number_is_replaced_by_the_place(index: Any) -> None:
    choices = [{"index": index, "message": {"content": text}} for text in ("4", "5")]
    found = read_reply(200, json.dumps({"choices": choices}).encode(), 2)
    attempt = Attempt("ab" * 32, (7, 8), 1, "2026-11-27T00:00:00Z", choices=found.choices)
    assert {at: choice.text for at, choice in attempt.replies().items()} == {7: "4", 8: "5"}


def test_choices_in_another_order_go_to_their_index() -> None:
    choices = [{"index": 1, "message": {"content": "5"}}, {"index": 0, "message": {"content": "4"}}]
    found = read_reply(200, json.dumps({"choices": choices}).encode(), 2)
    attempt = Attempt("ab" * 32, (7, 8), 1, "2026-11-27T00:00:00Z", choices=found.choices)
    assert {at: choice.text for at, choice in attempt.replies().items()} == {7: "4", 8: "5"}
