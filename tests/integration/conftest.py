"""Small tasks and settings for runs against the scripted server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.asking import engine, limits
from persona_collapse.endpoints.openai import OpenAI
from persona_collapse.tasks import Task
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import ScriptedServer

KEY = "sk-scripted-0123456789abcdef"

Asker = Callable[..., pl.DataFrame]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def ask(store: Path, monkeypatch: pytest.MonkeyPatch) -> Asker:
    """Return ``ask(server, task, **settings)``: answers from the server through the store."""
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    monkeypatch.setattr(limits, "BACKOFF_S", 0.01)
    monkeypatch.setattr(limits, "LONGEST_BACKOFF_S", 0.05)

    def run(server: ScriptedServer, task: Task | None = None, **settings: Any) -> pl.DataFrame:
        given = {
            "base_url": server.base_url,
            "model": "scripted",
            "api_key_env": "SCRIPTED_KEY",
            "store": str(store),
            "rescued": str(store.parent / "rescued_answers"),
            "timeout_s": 60.0,
            "progress": False,
            **settings,
        }
        return OpenAI().answer(task or make_task(), given)

    return run


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the engine's clock stand still but for its sleeps, which do not wait; return these."""
    slept: list[float] = []
    began, ahead = engine.time.monotonic(), [0.0]

    async def sleep(self: engine.Engine, seconds: float) -> None:
        if seconds > 0 and not self._stopped.is_set():
            slept.append(seconds)
            ahead[0] += max(seconds, 1e-9)  # a shorter rest would not move the sum, for ever

    class Clock:
        monotonic = staticmethod(lambda: began + ahead[0])
        time = staticmethod(engine.time.time)

    monkeypatch.setattr(engine, "time", Clock)
    monkeypatch.setattr(engine.Engine, "_sleep", sleep)
    return slept
