"""Models that think before they answer, asked on purpose and found out by preflight."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.settings import Settings
from persona_collapse.asking.thinking import requested
from persona_collapse.commands.costs import answer_rows
from persona_collapse.commands.findings import Finding
from persona_collapse.commands.probes import Canary
from persona_collapse.common.errors import UserError
from persona_collapse.tasks import Task
from tests.helpers.made_tasks import make_task
from tests.helpers.preflights import preflight
from tests.helpers.scripted_server import rating_of
from tests.helpers.thinking_server import DIALECTS, LENGTH, REFUSALS, ThinkingServer
from tests.integration.conftest import KEY, Asker

THINKING = {"thinking": {"max_tokens": 4096, "effort": "low"}}


@pytest.fixture(params=DIALECTS)
def thinker(request: pytest.FixtureRequest) -> Iterator[ThinkingServer]:
    """Return a server of each dialect in turn."""
    with ThinkingServer(dialect=DIALECTS[request.param]) as running:
        yield running


@pytest.fixture
def hidden() -> Iterator[ThinkingServer]:
    """Return a server that refuses what models that think often refuse."""
    with ThinkingServer(dialect=DIALECTS["hidden"]) as running:
        yield running


def stored(store: Path) -> list[dict[str, Any]]:
    lines = [line for path in store.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return [entry for entry in map(json.loads, lines) if "cell" in entry]


def expected(task: Task) -> list[int]:
    messages = [task.instrument.messages(item, persona) for _, persona, item in task.cells()]
    return [int(rating_of(one[-1]["content"])) for one in messages for _ in task.repetitions]


def test_rating_is_read_from_the_answer_after_thoughts(
    thinker: ThinkingServer, ask: Asker, store: Path
) -> None:
    task = make_task(personas=2, items=2, repetitions=3)
    frame = ask(thinker, task, **THINKING)
    assert set(frame["status"]) == {"ok"}
    assert frame["rating"].to_list() == expected(task)
    assert set(frame["read_from"]) == {"after_thoughts"}
    assert not frame["fallback"].any()
    assert frame["parse_failures"].sum() == 0
    limits = {call.get("max_tokens") or call.get("max_completion_tokens") for call in thinker.calls}
    assert limits == {4096}
    assert {call["reasoning_effort"] for call in thinker.calls} == {"low"}
    assert not any("logprobs" in call or "thinking" in call for call in thinker.calls)
    tokens = [
        sum(entry.get(f"{part}_tokens", 0) for entry in stored(store))
        for part in ("prompt", "completion")
    ]
    assert tokens == thinker.billed
    before = thinker.count
    assert ask(thinker, task, **THINKING).equals(frame)
    assert thinker.count == before


def test_refused_settings_are_left_out_remembered_and_kept_with_the_answers(
    hidden: ThinkingServer, ask: Asker, store: Path
) -> None:
    first = make_task(repetitions=2)
    frame = ask(hidden, first, top_p=0.9, max_in_flight=1, **THINKING)
    assert set(frame["status"]) == {"ok"}
    assert set(frame["left_out"]) == {"temperature, top_p"}
    before = hidden.count
    ask(hidden, make_task(items=2, repetitions=2), top_p=0.9, max_in_flight=1, **THINKING)
    later = hidden.calls[before:]
    assert len(later) == 2  # nothing refused is sent again
    refused = {"temperature", "top_p", "n", "max_tokens"}
    assert not any(refused & set(call) for call in later)


def test_temperature_null_sends_none_and_leaves_nothing_out(
    hidden: ThinkingServer, ask: Asker
) -> None:
    frame = ask(hidden, temperature=None, **THINKING)
    assert set(frame["status"]) == {"ok"}
    assert frame["left_out"].null_count() == len(frame)
    assert not any("temperature" in call for call in hidden.calls)


@pytest.mark.parametrize(
    "text",
    ["temperature must be between 0 and 2", "Invalid value: temperature is out of range [0, 2]"],
)
def test_temperature_outside_the_server_range_is_no_reason_to_leave_it_out(
    text: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REFUSALS, "temperature", text)
    with ThinkingServer(dialect=DIALECTS["hidden"]) as server:
        frame = ask(
            server,
            make_task(repetitions=1),
            temperature=3,
            batching="single",
            accept_errors=True,
            **THINKING,
        )
    assert frame["left_out"].null_count() == 1
    assert frame["status"].to_list() == ["error"]
    assert "temperature" in frame["response"][0]


def test_thoughts_that_are_cut_off_are_tried_again_and_then_unparseable(
    thinker: ThinkingServer, ask: Asker
) -> None:
    task = make_task(repetitions=1)
    short = {"thinking": {"max_tokens": LENGTH // 2}}
    frame = ask(thinker, task, batching="single", **short)
    (row,) = frame.to_dicts()
    assert (row["status"], row["rating"], row["read_from"]) == ("unparseable", None, None)
    assert (row["parse_failures"], row["fallback"]) == (3, False)
    before = thinker.count
    ask(thinker, task, batching="single", **short)
    assert thinker.count == before
    # Another length limit is another question to the model.
    assert ask(thinker, task, batching="single", **THINKING)["status"].to_list() == ["ok"]


def test_thinking_with_log_probabilities_is_refused_before_anything_is_sent(
    thinker: ThinkingServer, ask: Asker
) -> None:
    with pytest.raises(UserError, match="method: repeats"):
        ask(thinker, method="logprobs", **THINKING)
    assert thinker.count == 0


Given = Callable[..., Settings]


@pytest.fixture
def given(store: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)

    def settings(server: ThinkingServer, **more: Any) -> Settings:
        where = {"base_url": server.base_url, "model": "scripted", "store": str(store)}
        return Settings.of({**where, "api_key_env": "SCRIPTED_KEY", **more})

    return settings


def found(settings: Settings) -> list[Finding]:
    task = make_task()
    _, persona, item = next(task.cells())
    text = task.instrument.messages(item, persona)
    return preflight([Canary("m", "base", settings, text, task.instrument.scale)], "base")[1]


@pytest.mark.parametrize("method", ["repeats", "logprobs"])
def test_preflight_recognises_a_model_that_thinks(
    method: str, thinker: ThinkingServer, given: Given
) -> None:
    fatal = [finding.text for finding in found(given(thinker, method=method)) if finding.fatal]
    assert any("thinking: {max_tokens: 4096}" in text for text in fatal) or method == "logprobs"
    assert fatal


def test_preflight_of_a_model_asked_to_think_sends_few_requests(
    thinker: ThinkingServer, given: Given
) -> None:
    findings = found(given(thinker, temperature=None, **THINKING))
    assert [finding.text for finding in findings if finding.fatal] == []
    answered = [call for call in thinker.calls if call.get("n", 1) <= 2]
    assert len(answered) == thinker.count <= 8
    assert thinker.billed[1] <= 8 * (LENGTH + 1)


def test_preflight_says_what_the_server_refuses(hidden: ThinkingServer, given: Given) -> None:
    texts = [finding.text for finding in found(given(hidden, **THINKING))]
    assert any("takes no temperature" in text and "temperature: null" in text for text in texts)


def test_preflight_says_that_the_length_limit_is_too_small(
    thinker: ThinkingServer, given: Given
) -> None:
    short = {"thinking": {"max_tokens": LENGTH // 2}}
    texts = [finding.text for finding in found(given(thinker, **short)) if finding.fatal]
    assert any("raise thinking.max_tokens" in text for text in texts)


def test_plan_counts_thoughts_as_far_as_the_store_knows(
    thinker: ThinkingServer, ask: Asker, given: Given
) -> None:
    task = make_task(repetitions=(1, 11))
    settings = given(thinker, **THINKING)
    (row,) = answer_rows([(task, settings)])
    assert row["completion_tokens"] == 10 * 4096
    assert "thinks before it answers: 4096 tokens a reply" in row["note"]
    ask(thinker, make_task(repetitions=2), **THINKING)
    (row,) = answer_rows([(task, settings)])
    assert row["completion_tokens"] == 8 * (LENGTH + 1)


def test_answers_with_and_without_thinking_have_different_keys(given: Given) -> None:
    server = ThinkingServer()
    messages = [{"role": "user", "content": "?"}]
    keys = {
        given(server, **more).cell_key(messages)
        for more in (
            {},
            {"thinking": {"max_tokens": 4096}},
            {"thinking": {"max_tokens": 2048}},
            THINKING,
            {"temperature": None},
        )
    }
    assert len(keys) == 5
    plain = given(server, thinking={"max_tokens": 4096, "effort": None})
    assert plain.cell_key(messages) in keys


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("https://api.openai.com/v1", {"reasoning_effort": "low"}),
        ("http://127.0.0.1:8000/v1", {"reasoning_effort": "low"}),
        ("https://openrouter.ai/api/v1", {"reasoning": {"effort": "low"}}),
        (
            "https://api.anthropic.com/v1",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
    ],
)
def test_effort_is_sent_as_the_server_wants_it(address: str, fields: dict[str, Any]) -> None:
    assert requested(THINKING["thinking"], address) == fields
    without = requested({"max_tokens": 4096}, address)
    assert without == ({} if "anthropic" not in address else without)
    assert requested(None, address) == {}
