"""Files of requests: announced as one file whatever the order, and read back from any results."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persona_collapse.asking import submissions
from persona_collapse.asking.collecting import read_results
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.submissions import (
    ASKS,
    Submission,
    announce,
    names_of,
    read_submission,
    slots_of,
    submissions_of,
)

SIZE = 7


def requests_in(store: Path, **changes: Any) -> Requests:
    given = {"base_url": "https://api.example.org/v1", "model": "m", "store": str(store), **changes}
    return Requests(Settings.of(given), None)


def asks(by: Requests, count: int = SIZE) -> list[tuple[Requests, Ask]]:
    found = []
    for number in range(count):
        messages = [{"role": "user", "content": f"question {number}"}]
        found.append((by, Ask(by.settings.cell_key(messages), messages, (1, 2, 4), 1, 0)))
    return found


def announced(store: Path) -> Submission:
    (one,) = announce(asks(requests_in(store)), "study", "m base")
    return one


def line(name: str, text: str, status: int = 200) -> dict[str, Any]:
    choices = [
        {"index": n, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for n in range(3)
    ]
    body = {"choices": choices} if status == 200 else {"error": {"message": text}}
    return {"custom_id": name, "response": {"status_code": status, "body": body}, "error": None}


@given(order=st.permutations(range(SIZE)), twice=st.booleans())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equal_requests_are_one_file_whoever_announces_them_in_whatever_order(
    order: list[int], twice: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one, other = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    first = announced(one)
    found = asks(requests_in(other))
    mixed = [found[place] for place in order] * (1 + twice)
    (second,) = announce(mixed, "study", "m base")
    assert (second.key, second.name, second.content()) == (first.key, first.name, first.content())
    names = [entry.custom_id for entry in second.lines]
    assert names == sorted(set(names))


def test_announcement_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    one = announced(tmp_path)
    (again,) = submissions_of(tmp_path, requests_in(tmp_path).settings.stream)
    assert vars(again) == vars(one)
    assert [line.ask.messages for line, _ in again.bodies()] == [
        body["messages"] for _, body in one.bodies()
    ]
    assert announced(tmp_path).at == one.at


def test_announcement_that_is_incomplete_or_damaged_does_not_count(tmp_path: Path) -> None:
    one = announced(tmp_path)
    (one.folder / "requests.jsonl").write_bytes(one.content()[:-9])
    assert read_submission(one.folder) is None
    one = announced(tmp_path)  # written again
    (one.folder / ASKS).unlink()
    assert read_submission(one.folder) is None
    assert names_of(tmp_path, requests_in(tmp_path).settings.stream) == [one.folder.name]


@pytest.mark.parametrize(
    ("limit", "value", "sizes"),
    [
        ("MOST_BYTES", 700, [3, 3, 1]),
        ("MOST_TOKENS", 6, [2, 2, 2, 1]),
    ],
)
def test_requests_beyond_a_limit_become_several_files(
    limit: str, value: int, sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, limit, value)
    made = announce(asks(requests_in(tmp_path)), "study", "m base")
    assert [len(one.lines) for one in made] == sizes


def test_log_probabilities_and_repetitions_share_a_file_with_settings_of_their_own(
    tmp_path: Path,
) -> None:
    repeats, logprobs = requests_in(tmp_path), requests_in(tmp_path, method="logprobs")
    (one,) = announce([*asks(repeats, 2), *asks(logprobs, 2)], "study", "m base")
    methods = [one.settings[entry.settings]["method"] for entry, _ in one.bodies()]
    assert sorted(methods) == ["logprobs", "logprobs", "repeats", "repeats"]
    for entry, body in one.bodies():
        assert ("logprobs" in body) == (one.settings[entry.settings]["method"] == "logprobs")


@given(
    kept=st.lists(st.booleans(), min_size=SIZE, max_size=SIZE),
    copies=st.integers(1, 3),
    seed=st.integers(0, 999),
    files=st.integers(1, 3),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_results_are_matched_by_id_in_any_order_number_and_file(
    kept: list[bool], copies: int, seed: int, files: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one = announced(tmp_path_factory.mktemp("store"))
    answered = [entry.custom_id for entry, keep in zip(one.lines, kept, strict=True) if keep]
    lines = [line(name, f"reply to {name}") for name in answered for _ in range(copies)]
    random.Random(seed).shuffle(lines)
    contents = [
        b"".join(json.dumps(x).encode() + b"\n" for x in lines[n::files]) for n in range(files)
    ]
    found, useless = read_results(one, contents, None)
    assert useless == 0
    assert found.keys() == set(answered)
    for name, answer in found.items():
        assert [choice.text for choice in answer.reply.choices] == [f"reply to {name}"] * 3


def test_an_answer_counts_before_a_failure_of_the_same_request(tmp_path: Path) -> None:
    one = announced(tmp_path)
    name = one.lines[0].custom_id
    for lines in (
        [line(name, "bad", 500), line(name, "good")],
        [line(name, "good"), line(name, "x", 500)],
    ):
        content = b"".join(json.dumps(entry).encode() + b"\n" for entry in lines)
        found, _ = read_results(one, [content], None)
        assert found[name].reply.choices[0].text == "good"


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
def test_a_request_that_was_never_begun_has_no_result(code: str, tmp_path: Path) -> None:
    one = announced(tmp_path)
    entry = {"custom_id": one.lines[0].custom_id, "response": None, "error": {"code": code}}
    assert read_results(one, [json.dumps(entry).encode()], None) == ({}, 0)


# As vLLM's run_batch.py writes them: the status in a response without a body.
VLLM_ERRORS = {
    "error body": {"error": {"message": "too long", "type": "BadRequestError", "code": 400}},
    "error": {"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},
    "text": "too long",
}


@pytest.mark.parametrize("error", VLLM_ERRORS.values(), ids=VLLM_ERRORS)
def test_failure_of_vllm_run_batch_keeps_its_status_and_reason(error: Any, tmp_path: Path) -> None:
    one = announced(tmp_path)
    name = one.lines[0].custom_id
    response = {"status_code": 400, "request_id": "vllm-batch-1", "body": None}
    entry = {"id": "vllm-1", "custom_id": name, "response": response, "error": error}
    found, useless = read_results(one, [json.dumps(entry).encode()], None)
    assert (found[name].reply.cause, found[name].reply.detail) == ("http_400", "too long")
    assert (found[name].status, useless) == (400, 0)


def test_the_key_is_removed_from_results(tmp_path: Path) -> None:
    one = announced(tmp_path)
    key = "sk-secret-0123456789abcdef"
    entry = line(one.lines[0].custom_id, f"the key {key} is odd")
    found, _ = read_results(one, [json.dumps(entry).encode()], key)
    assert "0123456789" not in str(found)


def test_slots_of_running_batches_are_those_of_their_lines(tmp_path: Path) -> None:
    one = announced(tmp_path)
    assert slots_of([one.next_try()]) == {entry.ask.cell: {1, 2, 4} for entry in one.lines}
    assert one.running() is None
