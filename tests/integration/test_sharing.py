"""Processes that ask one endpoint at once share its limits."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking import sharing
from persona_collapse.asking.limits import FIRST_IN_FLIGHT
from persona_collapse.asking.prices import most_prompt_tokens
from persona_collapse.asking.settings import Settings
from tests.helpers import driver
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.waiting import PATIENCE_S, until
from tests.integration.conftest import KEY, Asker


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
        "timeout_s": 600.0,
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


def claims(folder: Path) -> list[sharing.Entry]:
    """Return what the processes that ask now claim."""
    found = []
    for path in (folder / "store" / sharing.FOLDER).glob("*/*.json"):
        with contextlib.suppress(FileNotFoundError, ValueError):  # it left, or is written just now
            demand, slots, rate = json.loads(path.read_text())
            found.append(sharing.Entry(demand, sharing.Part(slots, rate)))
    return found


def test_lone_shard_has_all_slots_of_the_endpoint(server: ScriptedServer, ask: Asker) -> None:
    server.rise("scripted", FIRST_IN_FLIGHT, 64)
    ask(server, make_task(items=400, repetitions=1), max_in_flight=64)
    assert server.most_in_flight == 64


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_two_shards_share_the_slots_and_the_last_has_all(
    end: signal.Signals, server: ScriptedServer, tmp_path: Path
) -> None:
    """The server answers only what lets the two change their parts."""
    server.rise("one", FIRST_IN_FLIGHT, 64, stays=True)
    server.rise("two", FIRST_IN_FLIGHT, 32, stays=True)

    def shared() -> bool:
        if server.flying["one"] > 32:
            server.release(server.flying["one"] - 32, "one")
        return server.flying == {"one": 32, "two": 32}

    with asking(server, tmp_path, "one", 10_000) as one:
        until(lambda: server.flying["one"] == 64, one)
        with asking(server, tmp_path, "two", 10_000) as two:
            until(shared, two, every_s=0.1)
            assert server.most_in_flight == 64
            two.send_signal(end)
            server.release(model="two")
            until(lambda: server.release(model="two") or two.poll() is not None)
        until(lambda: server.flying["one"] == 64, one)
        one.terminate()
        until(lambda: server.release(model="one") or one.poll() is not None)
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
    monkeypatch.setattr(sharing.Sharing, "step", lambda *_: sharing.Part(1, share))
    ask(server, make_task(items=11, repetitions=1), max_in_flight=1, **limit)
    cost = 1.0
    if "tokens_per_minute" in limit:
        prompts = [call["messages"][0]["content"] for call in server.calls]
        cost = sum(most_prompt_tokens([{"content": text}]) + 1 for text in prompts[:-1]) / 10 / 40
    assert sum(patient) == pytest.approx(10 * cost / share, rel=0.1)


@pytest.mark.slow
def test_limit_per_minute_holds_over_processes(server: ScriptedServer, tmp_path: Path) -> None:
    a_second, began = 10, time.monotonic()
    limit = {"requests_per_minute": 60 * a_second}

    def rates() -> list[float]:
        return sorted(round(entry.claim.rate, 3) for entry in claims(tmp_path))

    def kept() -> bool:
        """Return whether no more came than the limit allows, with one before time of each."""
        return server.count <= a_second * (time.monotonic() - began) + 2

    with asking(server, tmp_path, "one", 10_000, **limit) as one:
        until(lambda: server.count and rates() == [1.0], one)
        with asking(server, tmp_path, "two", 10_000, **limit) as two:
            until(lambda: rates() == [0.5, 0.5], two)
            asked = server.count
            until(lambda: server.count >= asked + 2 * a_second, two)
            assert kept()
            models = [call["model"] for call in server.calls[asked:]]
            assert set(models) == {"one", "two"}
            two.kill()
            two.wait()
        until(lambda: rates() == [1.0], one)
        assert kept()
        one.kill()


def test_shard_that_waits_for_slots_sends_nothing_and_stops_at_a_signal(
    server: ScriptedServer, tmp_path: Path
) -> None:
    given = {"base_url": server.base_url, "model": "m", "api_key_env": "SCRIPTED_KEY"}
    other = sharing.Sharing(Settings.of({**given, "store": str(tmp_path / "store")}))
    with asking(server, tmp_path, "one", 100) as one:
        until(lambda: other.step(64, 64) and len(list(other.folder.iterdir())) == 2, one)
        time.sleep(1)
        one.terminate()
        assert one.wait(PATIENCE_S) == 1
    assert server.count == 0


def test_shard_is_answered_where_nothing_can_be_shared(
    server: ScriptedServer, ask: Asker, store: Path
) -> None:
    store.mkdir()
    (store / sharing.FOLDER).write_text("no folder")
    server.rise("scripted", FIRST_IN_FLIGHT, 32)
    frame = ask(server, make_task(items=200, repetitions=1), max_in_flight=64)
    assert frame["status"].eq("ok").all()
    assert server.most_in_flight == 32
