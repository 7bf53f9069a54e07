"""Reading HTTP responses: thoughts beside the text, and the tokens that were billed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persona_collapse.asking.response import LONGEST_DETAIL, filtered_choices, read_reply, said
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
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 13}, 5, None),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 15}, 6, 1),
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


@pytest.mark.parametrize(
    ("status", "code", "verdict", "cause"),
    [
        *((status, None, "stop", f"http_{status}") for status in (401, 402, 404)),
        *((status, None, "retry", f"http_{status}") for status in (409, 425, 500, 502, 599)),
        *((status, None, "throttled", f"http_{status}") for status in (408, 429, 503, 504, 529)),
        *(
            (status, None, "doubtful", f"http_{status}")
            for status in (300, 302, 400, 403, 418, 499)
        ),
        (429, "insufficient_quota", "stop", "insufficient_quota"),
        (500, "insufficient_credits", "stop", "insufficient_quota"),
        *((status, "invalid_api_key", "stop", "invalid_api_key") for status in (400, 403, 422)),
        (500, "invalid_api_key", "retry", "http_500"),
    ],
)
def test_status_and_code_of_a_refusal_decide_what_is_done(
    status: int, code: str | None, verdict: str, cause: str
) -> None:
    body = {"error": {"message": "no", "code": code}}
    found = read_reply(status, json.dumps(body).encode(), 1)
    assert (found.verdict, found.cause, found.choices) == (verdict, cause, ())


@pytest.mark.parametrize(
    ("status", "text", "code", "verdict"),
    [
        (400, "unsupported parameter: temperature", None, "rejected"),
        (403, "unsupported parameter: temperature", None, "doubtful"),
        (500, "unsupported parameter: temperature", None, "retry"),
        (400, "blocked by the content filter", None, "filtered"),
        (500, "blocked by the content filter", None, "filtered"),
        (401, "blocked by the content filter", None, "stop"),
        (400, "no", "content_filter", "answered"),
        (500, "no", "content_filter", "answered"),
        (401, "no", "content_filter", "stop"),
    ],
)
def test_words_of_a_refusal_count_where_the_status_leaves_them_open(
    status: int, text: str, code: str | None, verdict: str
) -> None:
    body = {"error": {"message": text, "code": code}}
    found = read_reply(status, json.dumps(body).encode(), 2)
    assert found.verdict == verdict
    assert len(found.choices) == (2 if verdict == "answered" else 0)


def test_error_inside_a_reply_has_the_status_of_its_code() -> None:
    own = (("busy", "http_502"), (1113, "http_502"), ("9" * 5000, "http_502"))
    for code, cause in ((429, "http_429"), ("503", "http_503"), *own):
        body = {"error": {"message": "no", "code": code}}
        assert read_reply(200, json.dumps(body).encode(), 1).cause == cause
    assert read_reply(200, b'{"error": "no"}', 1).cause == "http_502"
    both = {"error": {"code": 500}, **reply({"content": "4"})}
    assert read_reply(200, json.dumps(both).encode(), 1).verdict == "answered"


def test_reply_without_choices_is_tried_again_unless_its_words_are_those_of_a_filter() -> None:
    for body in ({"choices": []}, {"choices": [None]}, {"choices": "4"}, {"x": 1}):
        found = read_reply(200, json.dumps(body).encode(), 1)
        assert (found.verdict, found.cause) == ("retry", "no_choices")
    body = {"choices": [], "message": "the content filter blocked the prompt"}
    assert read_reply(200, json.dumps(body).encode(), 1).verdict == "filtered"
    # What a reply quotes of a filter, without a reason of its own, is none.
    body = {"choices": [None], "id": "content filter"}
    assert read_reply(200, json.dumps(body).encode(), 1).verdict == "retry"


def test_choices_are_renumbered_where_all_came_under_too_few_indices_or_all_under_one() -> None:
    def read(*indices: int | None, n: int) -> tuple[list[int | None], bool]:
        choices = [{"index": index, "message": {"content": "4"}} for index in indices]
        found = read_reply(200, json.dumps({"choices": choices}).encode(), n)
        return [choice.index for choice in found.choices], found.renumbered

    assert read(0, 0, 0, n=3) == ([0, 1, 2], True)
    assert read(0, 0, n=3) == ([0, 1], True)
    assert read(1, n=3) == ([1], False)
    assert read(0, 1, 1, n=4) == ([0, 1, 1], False)
    assert read(0, 0, n=1) == ([0, 0], False)
    assert read(2, 1, 0, n=3) == ([2, 1, 0], False)
    assert read(None, None, n=2) == ([None, None], False)
    assert read(1, None, n=2) == ([0, 1], True)


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_detail_is_cut_at_its_longest_whole(letter: str) -> None:
    for count, shown in (
        (LONGEST_DETAIL, letter * LONGEST_DETAIL),
        (LONGEST_DETAIL + 1, f"{letter * (LONGEST_DETAIL - 3)}..."),
    ):
        body = {"error": {"message": letter * count}}
        assert read_reply(500, json.dumps(body).encode(), 1).detail == shown
    text = read_reply(200, (letter * LONGEST_DETAIL).encode(), 1).detail
    assert text == f"no JSON object: {letter * LONGEST_DETAIL}"[: LONGEST_DETAIL - 3] + "..."


def test_failure_is_said_by_its_detail_where_that_says_it_all() -> None:
    def failure(cause: str, detail: str | None) -> str:
        return said(Attempt("c", (1,), 1, "2026", cause=cause, detail=detail))

    assert failure("timeout", None) == "timeout: no reason given"
    assert failure("http_500", "broke") == "HTTP 500 (Internal Server Error): broke"
    assert failure("not_json", "a web page") == "a web page"
    assert [choice.index for choice in filtered_choices(3)] == [0, 1, 2]


def first_token(logprobs: Any) -> Any:
    choice = {"index": 0, "message": {"content": "4"}, "logprobs": logprobs}
    return read_reply(200, json.dumps({"choices": [choice]}).encode(), 1).choices[0].alternatives


def test_alternatives_of_the_first_token_are_read_from_both_formats() -> None:
    top = [{"token": "4", "logprob": -0.5}, {"token": "5", "logprob": None}, 3, {"token": 6}]
    second = {"token": "9", "logprob": -9.0}
    new = {"content": [{"token": "4", "logprob": -0.5, "top_logprobs": top}, second]}
    assert first_token(new) == (("4", -0.5), ("4", -0.5), ("5", None))
    assert first_token({"content": [{"token": "4", "logprob": -1}]}) == (("4", -1.0),)
    old = {"tokens": ["4", "9"], "token_logprobs": [-0.5, -1], "top_logprobs": [{"5": -2.0}, {}]}
    assert first_token(old) == (("4", -0.5), ("5", -2.0))
    assert first_token({**old, "top_logprobs": [None]}) == (("4", -0.5),)
    for none in (None, {}, {"content": []}, {"content": [3]}, {**old, "tokens": []}, {"tokens": 3}):
        assert first_token(none) is None
    assert first_token({"content": [{"token": "4", "logprob": float("nan")}]}) == (("4", None),)


@pytest.mark.parametrize("cut", [1, 8, 11])
@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_key_that_only_joined_parts_of_a_reply_show_is_removed(kind: str, cut: int) -> None:
    key = "sk-secret-0123456789abcdef"
    parts = [{"type": kind, "text": f"it is {key[:cut]}"}, {"type": kind, "text": f"{key[cut:]}!"}]
    message = {"content": parts} if kind == "text" else {"content": "4", "reasoning": parts}
    body = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    (read,) = read_reply(200, body, 1, key).choices
    assert (read.text if kind == "text" else read.thoughts) == "it is [api key]!"
