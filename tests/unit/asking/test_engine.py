"""The engine with a scripted client: when it gives up, and what it says when it is interrupted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking import engine as module
from persona_collapse.asking.breaker import Breaker, halt
from persona_collapse.asking.client import Outcome
from persona_collapse.asking.controls import LESSONS
from persona_collapse.asking.engine import Engine
from persona_collapse.asking.learned import Allowed
from persona_collapse.asking.progress import Progress
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask, ReplyJob
from persona_collapse.store.attempts import Attempt, Choice
from persona_collapse.store.files import stream_folder
from persona_collapse.store.leases import Leases
from persona_collapse.store.writer import Writer

CELL = "ab" * 32
Reply = Callable[[Ask], tuple[str, str | None]]  # a verdict, and the cause of a failure


class Scripted(Requests):
    """A client whose requests come to what ``reply`` says."""

    def __init__(self, settings: Settings, reply: Reply) -> None:
        super().__init__(settings, None)
        self.reply, self.asked = reply, list[Ask]()

    async def send(self, ask: Ask) -> Outcome:
        self.asked.append(ask)
        verdict, cause = self.reply(ask)
        made = Attempt(ask.cell, ask.repetitions, ask.max_tokens, "2026", status=200, cause=cause)
        if cause is None:
            choices = tuple(Choice(n, "3") for n in range(len(ask.repetitions)))
            made = replace(made, choices=choices)
        return Outcome(made, verdict, {}, module.time.monotonic())

    async def close(self) -> None:
        pass


class World:
    """An engine of its own store; ``said`` are its messages."""

    def __init__(self, tmp_path: Path, reply: Reply, **changes: Any) -> None:
        given = {"base_url": "https://a.test/v1", "model": "m", "store": str(tmp_path / "store")}
        given |= {"stops": str(tmp_path / "stops"), "progress": False}
        self.settings = Settings.of({**given, **changes})
        self.client: Any = Scripted(self.settings, reply)
        self.said: list[str] = []

    def engine(self, lease: Any) -> Engine:
        store = Path(self.settings.store)
        writer = Writer(store, self.settings.stream, {CELL}, {}, store.parent / "rescued")
        progress = Progress("shard", 1, shown=False)
        progress.say = self.said.append  # type: ignore[method-assign]
        return Engine(self.client, writer, self.settings, progress, lease)

    def run(self, repetitions: tuple[int, ...] = (1,)) -> None:
        leases = Leases(
            stream_folder(Path(self.settings.store), self.settings.stream),
            "shard",
            self.said.append,
        )
        job = ReplyJob(CELL, [{"role": "user", "content": "q"}], repetitions, [], 5)

        async def run(lease: Any) -> None:
            made = self.engine(lease)
            try:
                await made.run(iter([job]))
            finally:
                made.writer.close()

        with leases.claim({CELL}, repetitions) as lease:
            asyncio.run(run(lease))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "backoff", lambda _: 0.0)


def test_answered_request_is_sent_once(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _: ("answered", None))
    world.run((1, 2))
    assert [ask.repetitions for ask in world.client.asked] == [(1, 2)]


@pytest.mark.parametrize("attempts", [1, 3])
def test_server_that_answered_nothing_is_noted_for_other_jobs(
    attempts: int, tmp_path: Path
) -> None:
    def silent(_: Ask) -> tuple[str, str | None]:
        return "retry", "timeout"

    world = World(tmp_path, silent, transport_attempts=attempts)
    world.run()
    assert len(world.client.asked) == attempts
    assert "no answer for its only request" in (Breaker(world.settings).silence() or "")
    world = World(tmp_path / "a", silent, transport_attempts=attempts, accept_errors=True)
    world.run()
    assert Breaker(world.settings).silence() is None


def test_server_that_answered_once_is_not_noted_as_silent(tmp_path: Path) -> None:
    def half(ask: Ask) -> tuple[str, str | None]:
        return ("answered", None) if len(ask.repetitions) > 1 else ("retry", "timeout")

    world = World(tmp_path, half, transport_attempts=1)
    world.client.allowed = Allowed(max_n=2)
    world.run((1, 2, 3))
    assert [ask.repetitions for ask in world.client.asked] == [(1, 2), (3,)]
    assert Breaker(world.settings).silence() is None


def test_lessons_in_a_row_are_limited(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _: ("adapted", "adapted"), accept_errors=True)
    world.run()
    assert len(world.client.asked) == LESSONS + 1


def test_change_of_the_served_model_is_said_from_the_second_on(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _: ("answered", None))

    async def run() -> None:
        made = world.engine(None)
        for name in ("b", None, "b", "a", "a", "b"):
            made._note_model(name)

    asyncio.run(run())
    assert world.said == ["the server changed its model during the run: a, b"]


def test_run_that_the_user_halts_stops(tmp_path: Path) -> None:
    world = World(tmp_path, lambda _: ("answered", None))
    halt(tmp_path / "stops")

    async def run() -> bool:
        made = world.engine(None)
        telling = asyncio.create_task(made._tell())
        try:
            await asyncio.wait_for(made._stopped.wait(), 20)
        finally:
            telling.cancel()
        return "stopped by SIGTERM" in str(made._fault)

    assert asyncio.run(run())
    assert world.said == ["stopping; waiting for 0 requests in flight"]


def test_third_interruption_within_ten_seconds_drops_what_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, now = World(tmp_path, lambda _: ("answered", None)), [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

    monkeypatch.setattr(module, "time", Clock)

    async def run() -> list[bool]:
        made = world.engine(None)
        waiting = asyncio.create_task(asyncio.sleep(60))
        made._workers = [waiting]
        made._on_their_way = {waiting: 990.0}
        dropped = []
        for seconds in (0, 1, 11, 9):
            now[0] += seconds
            made._interrupt(signal.SIGINT)
            dropped.append(bool(waiting.cancelling()))
        made._on_their_way = {}
        made._interrupt(signal.SIGINT)
        return dropped

    assert asyncio.run(run()) == [False, False, False, True]
    assert [text.split(";")[0] for text in world.said] == [
        "stopping",
        "1 requests are on their way, the oldest for 11 s of at most 60 s",
        "1 requests are on their way, the oldest for 22 s of at most 60 s",
        "1 requests are dropped on their way",
        "stopping",
    ]
