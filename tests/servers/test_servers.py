"""Asking third-party servers: what each does, and how its answers are read."""

from __future__ import annotations

import math
import re
import statistics
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.asking.learned import learned_file, read_allowed
from persona_collapse.asking.settings import Settings
from persona_collapse.commands.probes import Canary, N
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.openai import OpenAI
from persona_collapse.tasks import Task
from tests.helpers.preflights import preflight
from tests.servers.conftest import CELLS, REPETITIONS, SLOTS, Servers, asking, lines
from tests.servers.running import Server

DRAWS = 12  # of each cell, where draws are compared with computed probabilities


@dataclass(frozen=True)
class Habits:
    """What a server does with the parts of the protocol that servers differ in."""

    logprobs: str  # as preflight says it
    listed: bool  # transformers lists what was downloaded, and no folder
    served_model: str
    both_limits: bool = True  # max_completion_tokens is heeded like max_tokens
    fingerprint: bool = False
    most_alternatives: int | None = None  # refused above
    unknown_model: str | None = None  # how it refuses one; None: it answers


def habits(server: Server) -> Habits:
    """Return what the pinned version of a server was seen to do."""
    if server.program.name == "llama":
        return Habits("usable", True, "tiny", both_limits=False)
    if server.program.name == "mlx":
        refusal = "Cannot find an appropriate cached snapshot folder"
        return Habits(
            *("usable", True, server.model),
            fingerprint=True,
            most_alternatives=11,
            unknown_model=refusal,
        )
    refusal = f"pinned to '{server.model}'; requested 'another'"
    none = "the reply has no log-probabilities"
    return Habits(none, False, f"{server.model}@main", unknown_model=refusal)


def repeated(task: Task, repetitions: int) -> Task:
    """Return the task with so many repetitions."""
    return replace(task, shard=replace(task.shard, repetitions=(1, repetitions + 1)))


def once(task: Task) -> Task:
    """Return the task with one repetition, which is one asking for log-probabilities."""
    return repeated(task, 1)


def test_every_slot_is_answered_and_paid_once(
    server: Server, settings: dict[str, Any], store: Path, task: Task
) -> None:
    """All ignore n: each request brings one reply, and the rest is asked for again."""
    before = server.requests
    frame = OpenAI().answer(task, settings)
    assert len(frame) == SLOTS
    assert set(frame["status"]) == {"ok"}
    assert set(frame["rating"]) == set(range(6))
    assert set(frame["served_model"]) == {habits(server).served_model}
    assert frame["system_fingerprint"].null_count() == SLOTS * (not habits(server).fingerprint)
    kept = lines(store)
    assert all(entry["status"] == 200 and len(entry["choices"]) == 1 for entry in kept)
    assert {len(entry["repetitions"]) for entry in kept} == set(range(1, REPETITIONS + 1))
    assert {entry["completion_tokens"] for entry in kept} == {1}
    assert all(entry["prompt_tokens"] > 100 for entry in kept)
    assert len(kept) == frame["attempts"].sum() == server.requests - before
    assert frame["parse_failures"].sum() == len(kept) - SLOTS > 0
    assert OpenAI().answer(task, settings).equals(frame)
    assert server.requests - before == len(kept)


def test_single_batching_sends_the_same_number_of_requests(
    server: Server, settings: dict[str, Any], store: Path, task: Task
) -> None:
    before = server.requests
    frame = OpenAI().answer(task, {**settings, "batching": "single"})
    assert set(frame["status"]) == {"ok"}
    assert {len(entry["repetitions"]) for entry in lines(store)} == {1}
    assert frame["attempts"].sum() == server.requests - before


def test_failure_protocol_is_followed(
    server: Server, settings: dict[str, Any], store: Path, task: Task
) -> None:
    """One attempt of one token, then two tokens, then none; each answer records its attempt."""
    before = server.requests
    frame = OpenAI().answer(task, {**settings, "max_attempts": 1, "fallback_max_tokens": 2})
    first, fallback = frame.filter(~pl.col("fallback")), frame.filter("fallback")
    assert len(frame) == SLOTS
    assert set(first["status"]) == {"ok"}
    assert set(first["parse_failures"]) == {0}
    assert set(fallback["status"]) == {"ok", "unparseable"}
    given_up = fallback["status"] == "unparseable"
    assert fallback["rating"].is_null().equals(given_up)
    assert fallback["parse_failures"].to_list() == [1 + lost for lost in given_up]
    assert frame["transport_failures"].sum() == 0
    assert server.requests - before == SLOTS + len(fallback)
    limits = [entry["max_tokens"] for entry in lines(store)]
    assert (limits.count(1), limits.count(2)) == (SLOTS, len(fallback))
    assert max(entry["completion_tokens"] for entry in lines(store)) == 2


def test_log_probabilities_are_read_or_refused_with_a_reason(
    server: Server, settings: dict[str, Any], store: Path, task: Task
) -> None:
    before = server.requests
    frame = OpenAI().answer(once(task), {**settings, "method": "logprobs"})
    assert len(frame) == CELLS
    assert server.requests - before == CELLS
    if habits(server).logprobs != "usable":
        assert set(frame["status"]) == {"error"}
        assert set(frame["response"]) == {habits(server).logprobs}
        return
    assert set(frame["status"]) == {"ok"}
    for probabilities in frame["probabilities"]:
        assert sum(probabilities) == pytest.approx(1)
    assert len({tuple(p) for p in frame["probabilities"].to_list()}) > CELLS / 2
    stream = Settings.of(settings).stream
    assert (
        read_allowed(learned_file(store, stream)).top_logprobs == habits(server).most_alternatives
    )


@pytest.mark.parametrize(("drawing", "reporting"), [("transformers", "llama"), ("mlx", "mlx")])
def test_draws_match_log_probabilities_of_the_same_weights(
    drawing: str, reporting: str, servers: Servers, store: Path, task: Task
) -> None:
    """What one server draws at T = 1, another one, or the same, reports as log-probabilities.

    Each rating is drawn as often as computed, and the cells' means rise as the computed ones do:
    both within four standard errors, which distinguish a slope of 1 from 0.
    """
    drawn = OpenAI().answer(repeated(task, DRAWS), asking(servers[drawing], store))
    reported = OpenAI().answer(
        once(task), {**asking(servers[reporting], store), "method": "logprobs"}
    )
    shares = [list(p) for p in reported["probabilities"]]
    for rating in range(6):
        expected = DRAWS * sum(p[rating] for p in shares)
        error = math.sqrt(DRAWS * sum(p[rating] * (1 - p[rating]) for p in shares))
        assert abs((drawn["rating"] == rating).sum() - expected) < 4 * error
    means = [sum(k * share for k, share in enumerate(p)) for p in shares]
    variances = [
        sum((k - mean) ** 2 * share for k, share in enumerate(p))
        for p, mean in zip(shares, means, strict=True)
    ]
    by_cell = drawn.group_by("persona_id", "item_id", maintain_order=True)
    found = by_cell.agg(pl.col("rating").mean())["rating"].to_list()
    offsets = [mean - statistics.fmean(means) for mean in means]
    squares = sum(offset**2 for offset in offsets)
    slope = sum(o * value for o, value in zip(offsets, found, strict=True)) / squares
    spread = sum(o**2 * v / DRAWS for o, v in zip(offsets, variances, strict=True))
    error = math.sqrt(spread) / squares
    assert 4 * error < 1
    assert abs(slope - 1) < 4 * error


def canary(settings: dict[str, Any], task: Task) -> Canary:
    """Return a canary with the first cell's prompt."""
    text = task.instrument.messages(task.instrument.items[0], task.personas.descriptions[0])
    return Canary("tiny", "base", Settings.of(settings), text, task.instrument.scale)


def test_preflight_reports_properties_of_the_server(
    server: Server, settings: dict[str, Any], task: Task
) -> None:
    before = server.requests
    frame, findings = preflight([canary(settings, task)], "base")
    row = frame.row(0, named=True)
    assert server.requests - before == N + 2
    assert row["answers"]
    assert row["listed"] is habits(server).listed
    assert row["choices_of_10"] == 1
    assert row["independent"] == "unclear"
    assert row["logprobs"] == habits(server).logprobs
    assert row["token_parameter"] == "max_tokens"
    assert row["served_model"] == habits(server).served_model
    assert [row["shutdown_date"], row["provider"]] == [None, None]
    assert (row["system_fingerprint"] is not None) is habits(server).fingerprint
    assert not any(finding.fatal for finding in findings)
    assert any("gave 1 of 10 choices" in finding.text for finding in findings)


def test_preflight_refuses_a_server_without_log_probabilities(
    server: Server, settings: dict[str, Any], task: Task
) -> None:
    _, findings = preflight([canary({**settings, "method": "logprobs"}, task)], "base")
    fatal = [finding.text for finding in findings if finding.fatal]
    reason = habits(server).logprobs
    text = f"method: logprobs cannot be used: {reason}; use method: repeats"
    assert fatal == ([] if reason == "usable" else [text])


def test_preflight_reports_an_ignored_token_limit(
    server: Server, settings: dict[str, Any], task: Task
) -> None:
    given = {**settings, "token_limit_parameter": "max_completion_tokens"}
    _, findings = preflight([canary(given, task)], "base")
    reported = any("max_completion_tokens is ignored" in finding.text for finding in findings)
    assert reported is not habits(server).both_limits


def test_model_that_the_server_lacks_is_refused_or_reported(
    server: Server, settings: dict[str, Any], task: Task
) -> None:
    """llama-cpp-python answers with the model that it has; the others refuse the name."""
    given = {**settings, "model": "another", "max_in_flight": 1}
    _, findings = preflight([canary(given, task)], "base")
    text = " ".join(finding.text for finding in findings)
    refusal = habits(server).unknown_model
    if refusal is None:
        assert "another answers but is not in the server's list of models" in text
        return
    assert findings[0].fatal
    assert refusal in text
    before = server.requests
    with pytest.raises(UserError, match=re.escape(refusal)):
        OpenAI().answer(task, given)
    assert server.requests == before


def test_killed_server_causes_no_second_payment(
    server: Server, settings: dict[str, Any], store: Path, task: Task
) -> None:
    in_flight, before = settings["max_in_flight"], server.requests
    watch = threading.Thread(target=kill_after, args=(server, before + SLOTS // 4))
    watch.start()
    try:
        with pytest.raises(UserError) as stopped:
            OpenAI().answer(task, {**settings, "transport_attempts": 2})
    finally:
        watch.join()
    assert f"{server.base_url}, model {server.model}: no answer for 5 requests" in str(
        stopped.value
    )
    assert "nothing listens on port" in str(stopped.value)
    assert "run the same command again to continue" in str(stopped.value)
    landed = [entry for entry in lines(store) if "cause" not in entry]
    assert SLOTS // 4 - in_flight <= len(landed) < SLOTS
    server.start()
    frame = OpenAI().answer(task, settings)
    assert set(frame["status"]) == {"ok"}
    assert frame["transport_failures"].sum() > 0
    needed = frame["parse_failures"].sum() + SLOTS
    assert len([entry for entry in lines(store) if "cause" not in entry]) == needed
    assert needed <= server.requests - before <= needed + in_flight


def kill_after(server: Server, requests: int) -> None:
    """Kill a server as soon as it has logged so many requests."""
    deadline = time.monotonic() + 60
    while server.requests < requests and time.monotonic() < deadline:
        time.sleep(0.005)
    server.kill()
