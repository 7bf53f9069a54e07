"""Replies that are judged by what the endpoint gives to other prompts."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.client import Outcome
from persona_collapse.asking.controls import (
    LESSONS,
    NEUTRAL,
    Controls,
    as_filtered,
    is_proof,
)
from persona_collapse.asking.learned import Allowed
from persona_collapse.asking.progress import Progress
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt, Choice

EARLY, LATE = 10.0, 1e12  # before and after every reply that a test notes


def ask(cell: str, repetitions: tuple[int, ...] = (1, 2)) -> Ask:
    return Ask(cell, [{"role": "user", "content": cell}], repetitions, 1, 0)


def outcome(
    verdict: str = "answered",
    cell: str = "a",
    sent_at: float = EARLY,
    headers: dict[str, str] | None = None,
    uncached: bool = False,
    **fields: Any,
) -> Outcome:
    given = {"choices": (Choice(0, "3", "length"),), **fields}
    if verdict != "answered":
        given = {"cause": "http_400", "detail": "no", **given, "choices": ()}
    attempt = Attempt(cell, (1, 2), 1, "2026", **given)
    return Outcome(attempt, verdict, headers or {}, sent_at, uncached)


class World:
    """Controls whose requests get the given outcomes; keeps what was sent and why it stopped."""

    def __init__(self, tmp_path: Path, *outcomes: Outcome | None, known: tuple[Ask, ...] = ()):
        self.left, self.sent, self.stopped = list(outcomes), list[Ask](), list[UserError]()
        given = {"base_url": "https://a.test/v1", "model": "m", "store": str(tmp_path)}
        self.client: Any = Requests(Settings.of(given), None)
        progress = Progress("shard", 1)
        self.controls = Controls(self.client, progress, self.send, self.stopped.append, known)

    async def send(self, request: Ask) -> Outcome | None:
        self.sent.append(request)
        return self.left.pop(0)


def judged(world: World, found: Outcome, by: str = "refusal") -> Outcome:
    if by == "original":
        return asyncio.run(world.controls.original(found))
    return asyncio.run(world.controls.refusal(ask(found.attempt.cell), found))


def test_refused_prompt_is_filtered_where_another_was_answered_since(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.controls.note(ask("b"), outcome(cell="b", sent_at=EARLY))
    found = judged(world, outcome("doubtful", sent_at=EARLY))
    assert (found.verdict, found.attempt.cause, world.sent) == ("answered", None, [])
    assert found.attempt.detail == "http_400: no"
    assert [choice.finish for choice in found.attempt.choices] == ["content_filter"] * 2
    world.controls.note(ask("b"), outcome(cell="b", sent_at=EARLY + 0.5))
    assert judged(world, outcome("doubtful", sent_at=EARLY)).verdict == "answered"
    assert world.sent == []
    # A reply to a request that was sent before shows nothing: a control is asked.
    world.left = [outcome("rejected", cell="b")]
    assert judged(world, outcome("doubtful", sent_at=EARLY + 1)).verdict == "rejected"
    assert [one.cell for one in world.sent] == ["b"]


def test_words_of_a_filter_count_where_another_reply_came_meanwhile(tmp_path: Path) -> None:
    world = World(tmp_path)
    before = time.monotonic()
    world.controls.note(ask("b"), outcome(cell="b", sent_at=EARLY))
    assert judged(world, outcome("filtered", sent_at=before)).verdict == "answered"
    assert world.sent == []
    world.left = [outcome(cell="b")]
    assert judged(world, outcome("filtered", sent_at=LATE)).verdict == "answered"
    assert len(world.sent) == 1


@pytest.mark.parametrize(
    ("control", "verdict", "stops"),
    [
        (outcome(cell="n"), "answered", False),
        (outcome("filtered", cell="n"), "rejected", True),
        (outcome("doubtful", cell="n"), "rejected", True),
        (outcome("rejected", cell="n"), "rejected", True),
        (outcome("stop", cell="n"), "rejected", True),
        (outcome("retry", cell="n"), "rejected", False),
        (outcome("throttled", cell="n"), "rejected", False),
        (outcome(cell="n", choices=(Choice(0, None, "content_filter"),)), "rejected", False),
        (None, "rejected", False),
    ],
)
def test_control_decides_on_a_refusal(
    control: Outcome | None, verdict: str, stops: bool, tmp_path: Path
) -> None:
    world = World(tmp_path, control)
    refused = outcome("doubtful", cause="http_403")
    found = judged(world, refused)
    assert found.verdict == verdict
    assert bool(world.stopped) == stops  # a 403 of everything is about the account
    (sent,) = world.sent
    assert (sent.messages, sent.repetitions, sent.max_tokens) == (NEUTRAL, (1,), 1)
    assert sent.cell == world.client.settings.cell_key(NEUTRAL)
    if control is not None:
        world = World(tmp_path, control)
        for cause in ("http_400", "http_422"):
            world.left = [control]
            judged(world, outcome("doubtful", cause=cause))
        assert world.stopped == []


def test_control_is_a_prompt_of_another_cell_that_was_answered(tmp_path: Path) -> None:
    world = World(tmp_path, known=(ask("a", (1,)),))
    for cell in ("a", "b", "c"):
        world.controls.note(ask(cell), outcome(cell=cell, sent_at=EARLY))
    for cell, control in (("a", "b"), ("b", "a"), ("c", "a")):
        world.left = [outcome("retry")]
        judged(world, outcome("doubtful", cell=cell, sent_at=LATE))
        assert world.sent[-1].cell == control
        assert world.sent[-1].repetitions == (1,)


def test_control_is_sent_again_after_each_lesson_up_to_a_limit(tmp_path: Path) -> None:
    world = World(tmp_path, *[outcome("adapted")] * 2, outcome())
    assert judged(world, outcome("doubtful")).verdict == "answered"
    assert len(world.sent) == 3
    world = World(tmp_path, *[outcome("adapted")] * 20)
    assert judged(world, outcome("doubtful")).verdict == "rejected"
    assert len(world.sent) == LESSONS == 12


def test_reply_of_a_cache_is_asked_again_and_then_stops_the_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    hit = {"x-cache": "HIT"}
    found = judged(world, outcome(headers=hit, response_id="r"), "original")
    assert (found.verdict, found.attempt.cause, found.attempt.choices) == ("replayed", "replay", ())
    assert "response id r" in (found.attempt.detail or "")
    assert world.client.allowed == Allowed(uncached=True)
    assert world.stopped == []
    judged(world, outcome(headers=hit, uncached=True), "original")
    assert len(world.stopped) == 1
    first = outcome(response_id="x")
    assert judged(world, first, "original") is first


def test_repeated_id_is_a_copy_where_another_cell_has_an_id_of_its_own(tmp_path: Path) -> None:
    for other, verdict in (("x", "answered"), ("y", "replayed")):
        world = World(tmp_path, outcome(cell="n", response_id=other))
        judged(world, outcome(response_id="x"), "original")
        found = judged(world, outcome(response_id="x"), "original")
        assert found.verdict == verdict
        assert len(world.sent) == 1
    again = judged(world, outcome(response_id="x"), "original")
    assert (again.verdict, len(world.sent)) == ("replayed", 1)  # decided once


@pytest.mark.parametrize(
    ("repetitions", "found", "learned"),
    [((1, 2), outcome(), 1), ((1,), outcome(), None), ((1, 2), outcome("retry"), None)],
)
def test_single_replies_are_asked_where_only_several_were_refused(
    repetitions: tuple[int, ...], found: Outcome, learned: int | None, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.controls.single_is_answered(ask("a", repetitions), found)
    assert world.client.allowed.max_n == learned


def test_reply_proves_that_settings_are_accepted_unless_all_of_it_was_filtered() -> None:
    kept, gone = Choice(0, "3", "length"), Choice(1, None, "content_filter")
    proofs: list[tuple[tuple[Choice, ...], bool]] = [
        *(((kept,), True), ((kept, gone), True), ((gone,), False), ((gone, gone), False)),
    ]
    for choices, proof in proofs:
        assert is_proof(outcome(choices=choices).attempt, "answered") == proof
        assert not is_proof(outcome(choices=choices).attempt, "retry")


def test_refused_request_becomes_the_filters_answer_to_each_repetition() -> None:
    found = as_filtered(outcome("doubtful").attempt, (4, 5, 6))
    assert (found.repetitions, found.cause, found.detail) == ((4, 5, 6), None, "http_400: no")
    assert sorted(found.replies()) == [4, 5, 6]
