"""Processes that ask one endpoint at once share its limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking import sharing
from persona_collapse.asking.prices import most_prompt_tokens
from persona_collapse.asking.settings import Settings
from tests.helpers import driver
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import ScriptedServer
from tests.integration.conftest import KEY, Asker

LATENCY = 0.1


@pytest.fixture(autouse=True)
def latency(server: ScriptedServer) -> None:
    server.latency = LATENCY


@contextmanager
def asking(
    server: ScriptedServer, folder: Path, model: str, items: int, **settings: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Ask for a shard in a process of its own; shards of different models share the store."""
    given = {
        "base_url": server.base_url,
        "model": model,
        "api_key_env": "SCRIPTED_KEY",
        "store": str(folder / "store"),
        "progress": False,
        **settings,
    }
    task = {"items": items, "repetitions": 1}
    order = {"settings": given, "task": task, "out": str(folder / f"{model}.parquet")}
    with subprocess.Popen(
        [sys.executable, driver.__file__, json.dumps(order)],
        env={**os.environ, "SCRIPTED_KEY": KEY},
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def until(reached: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def claims(folder: Path) -> list[Path]:
    return list((folder / "store" / sharing.FOLDER).glob("*/*.json"))


def models(server: ScriptedServer) -> set[str]:
    return {call["model"] for call in server.calls}


def test_lone_shard_has_all_slots_of_the_endpoint(server: ScriptedServer, ask: Asker) -> None:
    ask(server, make_task(items=400, repetitions=1), max_in_flight=64)
    assert server.most_in_flight == 64


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_two_shards_share_the_slots_and_the_last_has_all(
    end: signal.Signals, server: ScriptedServer, tmp_path: Path
) -> None:
    with asking(server, tmp_path, "one", 10_000) as one:
        until(lambda: server.most_in_flight == 64)
        with asking(server, tmp_path, "two", 10_000) as two:
            until(lambda: models(server) == {"one", "two"})
            time.sleep(2)
            recent = [call["model"] for call in server.calls[-400:]]
            assert 0.4 < recent.count("two") / len(recent) < 0.6
            assert server.most_in_flight == 64
            two.send_signal(end)
            two.wait()
        until(lambda: len(claims(tmp_path)) == 1)
        time.sleep(2 * LATENCY)  # the server completes what the killed process had in flight
        server.most_in_flight = 0
        until(lambda: server.most_in_flight == 64)
        one.terminate()
        one.wait()
    assert not claims(tmp_path)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.125])
@pytest.mark.parametrize("limit", [{"requests_per_minute": 60}, {"tokens_per_minute": 60 * 40}])
def test_limit_per_minute_is_used_as_far_as_it_is_this_processes_share(
    share: float,
    limit: dict[str, int],
    server: ScriptedServer,
    ask: Asker,
    patient: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.latency = 0.0
    monkeypatch.setattr(sharing.Sharing, "step", lambda *_: sharing.Part(1, share))
    ask(server, make_task(items=11, repetitions=1), max_in_flight=1, **limit)
    cost = 1.0
    if "tokens_per_minute" in limit:
        prompts = [call["messages"][0]["content"] for call in server.calls]
        cost = sum(most_prompt_tokens([{"content": text}]) + 1 for text in prompts[:-1]) / 10 / 40
    assert sum(patient) == pytest.approx(10 * cost / share, rel=0.1)


@pytest.mark.slow
def test_limit_per_minute_holds_over_processes(server: ScriptedServer, tmp_path: Path) -> None:
    server.latency = 0.0
    limit = {"requests_per_minute": 600}
    with asking(server, tmp_path, "one", 10_000, **limit) as one:
        until(lambda: server.count)
        with asking(server, tmp_path, "two", 10_000, **limit) as two:
            until(lambda: models(server) == {"one", "two"})
            before, since = server.count, time.monotonic()
            time.sleep(4)
            a_second = (server.count - before) / (time.monotonic() - since)
            assert 7 < a_second < 11
            assert [call["model"] for call in server.calls[before:]].count("two") > 12
            two.kill()
            two.wait()
        time.sleep(1.5)
        before, since = server.count, time.monotonic()
        time.sleep(2)
        assert (server.count - before) / (time.monotonic() - since) > 7
        one.kill()


def test_shard_that_waits_for_slots_sends_nothing_and_stops_at_a_signal(
    server: ScriptedServer, tmp_path: Path
) -> None:
    given = {"base_url": server.base_url, "model": "m", "api_key_env": "SCRIPTED_KEY"}
    other = sharing.Sharing(Settings.of({**given, "store": str(tmp_path / "store")}))
    other.step(64, 64)
    with asking(server, tmp_path, "one", 100) as one:
        until(lambda: len(list(other.folder.iterdir())) == 2)
        time.sleep(1)
        one.terminate()
        assert one.wait(10) == 1
    assert server.count == 0


def test_shard_is_answered_where_nothing_can_be_shared(
    server: ScriptedServer, ask: Asker, store: Path
) -> None:
    store.mkdir()
    (store / sharing.FOLDER).write_text("no folder")
    frame = ask(server, make_task(items=200, repetitions=1), max_in_flight=64)
    assert frame["status"].eq("ok").all()
    assert server.most_in_flight == 32
