"""Nothing paid is lost or paid twice: killed runs, two writers, a full disk, a growing study."""

from __future__ import annotations

import asyncio
import errno
import json
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from persona_collapse.asking.breaker import DROP_S
from persona_collapse.asking.budget import Budget
from persona_collapse.asking.engine import Engine
from persona_collapse.asking.limits import FIRST_IN_FLIGHT
from persona_collapse.commands.store import store_contents
from persona_collapse.common.errors import UserError
from persona_collapse.store import writer
from persona_collapse.store.compaction import compact_store
from tests.helpers import driver
from tests.helpers import scripted_server as scripted
from tests.helpers.made_tasks import make_task, reworded
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.waiting import PATIENCE_S, until
from tests.integration.conftest import KEY, Asker

WHEN = ["created_at"]  # the only column that two runs of one study do not share


def order(server: ScriptedServer, store: Path, out: Path, **task: Any) -> dict[str, Any]:
    settings = {
        "base_url": server.base_url,
        "model": "scripted",
        "api_key_env": "SCRIPTED_KEY",
        "store": str(store),
        "max_in_flight": 16,
        "timeout_s": PATIENCE_S,
        "progress": False,
    }
    return {"settings": settings, "task": task, "out": str(out)}


def start(
    server: ScriptedServer, store: Path, out: Path, stderr: Any = subprocess.PIPE, **task: Any
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, driver.__file__, json.dumps(order(server, store, out, **task))],
        env={**os.environ, "SCRIPTED_KEY": KEY},
        stderr=stderr,
    )


def stored(store: Path) -> int:
    """Return the number of whole lines of attempts."""
    texts = [path.read_bytes() for path in store.rglob("*.jsonl")]
    lines = [line for text in texts for line in text.splitlines(keepends=True)]
    return sum(line.startswith(b'{"cell"') and line.endswith(b"\n") for line in lines)


@pytest.mark.slow
def test_killed_run_pays_no_answer_twice_at_twenty_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 answers, killed 20 times: the same table, and only what was in flight paid twice."""
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    task = {"personas": 100, "items": 20, "repetitions": 5}
    chance, in_flight = random.Random(20260512), 16
    # Processes come ready-made from a fork server: the time goes into asking, not into imports.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.driver", "openai"])

    def begin(store: Path, out: Path) -> multiprocessing.process.BaseProcess:
        run = context.Process(target=driver.run, args=(order(server, store, out, **task),))
        run.start()
        return run

    def finish(store: Path, out: Path) -> pl.DataFrame:
        run = begin(store, out)
        run.join()
        assert run.exitcode == 0
        return pl.read_parquet(out)

    with ScriptedServer(latency=0.02) as server:
        whole = finish(tmp_path / "undisturbed", tmp_path / "whole.parquet")
        assert len(whole) == 10_000
        least = server.count
        assert least == 2000
        server.count, store = 0, tmp_path / "store"
        for _ in range(20):
            moment = server.count + chance.randrange(1, 90)
            server.hold_from = moment + 2 * in_flight  # no run comes to its end, however late it is
            run = begin(store, tmp_path / "killed.parquet")
            until(lambda moment=moment: server.count >= moment, every_s=0.001)
            time.sleep(chance.uniform(0, 0.02))
            run.kill()
            run.join()
            server.open()
        resumed = finish(store, tmp_path / "resumed.parquet")
        assert stored(store) == least
        assert 0 < server.count - least <= 20 * in_flight
    assert_frame_equal(resumed.drop(WHEN), whole.drop(WHEN), check_exact=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_run_after_requests_in_flight(number: signal.Signals, tmp_path: Path) -> None:
    task = {"personas": 5, "items": 20, "repetitions": 2}
    with ScriptedServer() as server:
        server.hold_from = 20
        run = start(server, tmp_path / "store", tmp_path / "out.parquet", **task)
        until(lambda: server.in_flight == 16, run)
        run.send_signal(number)
        server.open()
        assert run.wait(PATIENCE_S) == 1
        assert run.stderr is not None
        said = run.stderr.read().decode()
        assert f"stopped by {number.name}" in said
        assert "run the same command again" in said
        assert stored(tmp_path / "store") == server.count < 100
        assert start(server, tmp_path / "store", tmp_path / "out.parquet", **task).wait() == 0
        assert server.count == 100


@pytest.mark.slow
def test_second_interrupt_keeps_requests_and_a_third_drops_them(tmp_path: Path) -> None:
    task = {"personas": 5, "items": 20, "repetitions": 2}
    store, said = tmp_path / "store", tmp_path / "said"
    answers = ("stopping; waiting for 16 requests", "16 requests are on their way, the oldest for")

    def interrupted(times: int) -> subprocess.Popen[bytes]:
        """Interrupt a run, each time after it has answered the interrupt before."""
        with said.open("wb") as file:
            run = start(server, store, tmp_path / "out.parquet", stderr=file, **task)
        until(lambda: server.in_flight == 16, run)
        for _, answer in zip(range(times), (*answers, ""), strict=False):
            run.send_signal(signal.SIGINT)
            until(lambda answer=answer: answer in said.read_text())
        return run

    with ScriptedServer() as server:
        server.hold_from = 0
        run = interrupted(2)
        assert run.poll() is None
        server.open()
        assert run.wait(PATIENCE_S) == 1
        assert "of at most 600 s" in said.read_text()
        assert "interrupt once more within 10 seconds" in said.read_text()
        assert "Traceback" not in said.read_text()
        assert stored(store) == server.count == 16
        server.hold_from = 0
        run = interrupted(3)
        assert run.wait(PATIENCE_S) == 1
        assert "16 requests are dropped on their way" in said.read_text()
        assert "Traceback" not in said.read_text()
        assert stored(store) == 16


def test_third_interrupt_after_a_long_time_asks_again() -> None:
    engine = Engine.__new__(Engine)
    engine._stopped, engine._fault = asyncio.Event(), None
    engine._stopped.set()
    said: list[str] = []
    engine.progress = SimpleNamespace(say=said.append)  # type: ignore[assignment]
    engine.settings = SimpleNamespace(timeout_s=60.0)  # type: ignore[assignment]
    engine._on_their_way = {None: time.monotonic()}
    engine._warned_at = time.monotonic() - DROP_S - 1
    engine._workers = []
    engine._interrupt(signal.SIGINT)
    assert "1 requests are on their way" in said[0]


def test_processes_that_lack_the_same_answers_pay_once(tmp_path: Path) -> None:
    """One asks, the other waits and reads the store; later readers agree."""
    task = {"personas": 10, "items": 10, "repetitions": 3}
    store, outs = tmp_path / "store", [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    with ScriptedServer(latency=0.02) as server:
        runs = [start(server, store, out, **task) for out in outs]
        assert [run.wait() for run in runs] == [0, 0]
        assert start(server, store, tmp_path / "c.parquet", **task).wait() == 0
        assert server.count == 100
    frames = [pl.read_parquet(path).drop(WHEN) for path in [*outs, tmp_path / "c.parquet"]]
    assert_frame_equal(frames[0], frames[1])
    assert_frame_equal(frames[0], frames[2])
    assert len(list(store.rglob("*.jsonl"))) == 1
    assert not list(store.rglob("*.lease"))


@pytest.mark.slow
def test_process_that_was_paused_pays_only_what_was_in_flight(tmp_path: Path) -> None:
    """Another one takes its cells over; when it goes on, it reads what was stored meanwhile."""
    task = {"personas": 10, "items": 10, "repetitions": 3}
    store, in_flight, valid_s = tmp_path / "store", 16, 5.0

    def begin(name: str, **seconds: float) -> subprocess.Popen[bytes]:
        given = order(server, store, tmp_path / f"{name}.parquet", **task)
        command = [sys.executable, driver.__file__, json.dumps({**given, "leases": seconds})]
        environment = {**os.environ, "SCRIPTED_KEY": KEY}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    with ScriptedServer() as server:
        server.hold_from = 2 * in_flight
        paused = begin("paused", RENEW_S=0.1, VALID_S=valid_s)
        until(lambda: server.in_flight == in_flight, paused)
        paused.send_signal(signal.SIGSTOP)
        invalid_at = time.monotonic() + valid_s
        server.open()
        other = begin("other", EXPIRY_S=2.0)
        _, said = other.communicate(timeout=PATIENCE_S)
        assert other.returncode == 0
        assert b"waiting for answers that another process asks for: process " in said
        assert 100 <= server.count <= 100 + in_flight
        until(lambda: time.monotonic() > invalid_at)
        paused.send_signal(signal.SIGCONT)
        assert paused.wait(PATIENCE_S) == 0
        assert server.count <= 100 + in_flight
    frames = [pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("paused", "other")]
    assert_frame_equal(frames[0].drop(WHEN), frames[1].drop(WHEN))


class FullDisk:
    """Stands for ``os.write``: takes so many bytes, then says that the disk is full."""

    def __init__(self, room: int) -> None:
        self.room, self.real = room, os.write

    def __call__(self, file: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.real(file, bytes(data[: self.room]))
        self.room -= written
        return written


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    disk = FullDisk(4000)
    monkeypatch.setattr(writer.os, "write", disk)
    monkeypatch.setattr(writer, "LAST_TRIES_S", (0.0, 0.01))
    return disk


def test_full_disk_saves_answers_beside_the_results_and_imports_them(
    server: ScriptedServer, ask: Asker, store: Path, full_disk: FullDisk
) -> None:
    server.latency = 0.02
    task = make_task(items=60, repetitions=2)
    with pytest.raises(UserError, match=r"No space left.*already paid, are in (\S+):") as full:
        ask(server, task, max_in_flight=4)
    paid = server.count
    assert 4 < paid < 30
    rescued = Path(str(full.value).split("are in ")[1].split(":")[0])
    assert rescued.parent.parent == store.parent / "rescued_answers"
    full_disk.room = 1 << 30
    assert ask(server, task)["status"].to_list() == ["ok"] * 120
    assert server.count == 60
    assert not rescued.exists()


def test_full_disk_with_a_budget_saves_answers_in_another_file(
    server: ScriptedServer, ask: Asker, full_disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count of what is spent cannot be written either: what is paid comes first."""
    pwrite = os.pwrite

    def count(file: int, data: bytes, offset: int) -> int:
        if full_disk.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(file, data, offset)

    monkeypatch.setattr(os, "pwrite", count)
    server.latency = 0.02
    task = make_task(items=60, repetitions=2)
    with pytest.raises(UserError, match=r"No space left.*already paid, are in (\S+):"):
        ask(server, task, max_in_flight=4, budget={"max_requests": 100})
    assert 0 < server.count < 60
    full_disk.room = 1 << 30
    assert ask(server, task)["status"].to_list() == ["ok"] * 120
    assert server.count == 60


@pytest.mark.parametrize("room", [0, 20])
def test_store_that_cannot_be_written_is_noticed_before_the_first_request(
    server: ScriptedServer, ask: Asker, store: Path, full_disk: FullDisk, tmp_path: Path, room: int
) -> None:
    """No shard sends a request, also those that begin later; the next run asks everything."""
    full_disk.room = room
    run = {"stops": str(tmp_path / "run")}
    with pytest.raises(UserError, match="No space left on device: answers cannot be stored"):
        ask(server, make_task(items=2), **run)
    full_disk.room = 1 << 30
    with pytest.raises(UserError, match="no request was sent for this shard"):
        ask(server, make_task(items=3), model="another", **run)
    assert server.count == 0
    assert ask(server, make_task(items=3))["status"].to_list() == ["ok"] * 12


def test_store_of_another_user_is_noticed_before_the_first_request(
    server: ScriptedServer, ask: Asker, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(writer, "open_own_file", refused)
    with pytest.raises(UserError, match=r"Read-only file system.*no request was sent"):
        ask(server)
    assert server.count == 0


def test_disk_that_fills_up_in_one_shard_stops_the_others(
    server: ScriptedServer, ask: Asker, full_disk: FullDisk, tmp_path: Path
) -> None:
    run = {"stops": str(tmp_path / "run"), "max_in_flight": 4}
    server.latency = 0.02
    with pytest.raises(UserError, match="No space left"):
        ask(server, make_task(items=60, repetitions=2), **run)
    paid, full_disk.room = server.count, 1 << 30
    with pytest.raises(UserError, match=r"no request was sent for this shard.*No space left"):
        ask(server, make_task(personas=2, items=60, repetitions=2), **run)
    assert server.count == paid


def test_disk_freed_in_time_loses_no_answer(
    server: ScriptedServer, ask: Asker, full_disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cleared(_: float) -> None:
        full_disk.room = 1 << 30

    monkeypatch.setattr(writer.time, "sleep", cleared)
    task = make_task(items=60, repetitions=2)
    with pytest.raises(UserError, match="No space left on device: the run stopped asking"):
        ask(server, task, max_in_flight=4)
    assert ask(server, task)["status"].to_list() == ["ok"] * 120
    assert server.count == 60


def test_torn_last_line_is_reported_and_asked_again(
    server: ScriptedServer, ask: Asker, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = make_task(items=3, repetitions=2)
    ask(server, task, max_in_flight=1)
    path = next(store.rglob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]) + lines[-2][:-30])
    assert ask(server, task)["status"].to_list() == ["ok"] * 6
    assert server.count == 4
    assert f"{path}, line 4: cut off" in capsys.readouterr().err


def test_grown_study_pays_for_new_answers_alone(
    server: ScriptedServer, ask: Asker, store: Path
) -> None:
    task = make_task(personas=3, items=4, repetitions=10)
    ask(server, task)
    assert (server.count, server.choices) == (12, 120)
    ask(server, make_task(personas=3, items=4, repetitions=20))
    assert (server.count, server.choices) == (24, 240)
    assert {call["n"] for call in server.calls} == {10}
    ask(server, make_task(personas=4, items=4, repetitions=20))
    assert (server.count, server.choices) == (28, 320)
    ask(server, reworded(task, 2, "another wording"))
    assert (server.count, server.choices) == (31, 350)
    run = {"max_in_flight": 3, "timeout_s": 9.0, "requests_per_minute": 1e6, "batching": "single"}
    ask(server, task, max_attempts=4, transport_attempts=2, scope="other", **run)
    ask(server, make_task(personas=2, items=2, repetitions=(5, 9)))
    assert (server.count, server.choices) == (31, 350)
    compact_store(store, idle_s=0)
    assert not list(store.rglob("*.jsonl"))
    ask(server, make_task(personas=4, items=4, repetitions=20))
    assert (server.count, server.choices) == (31, 350)


def test_budget_of_requests_holds_across_runs(server: ScriptedServer, ask: Asker) -> None:
    server.latency = 0.02
    task = make_task(items=40, repetitions=2)
    for _ in range(2):
        with pytest.raises(UserError, match=r"25 of max_requests 25.*raise the budget"):
            ask(server, task, max_in_flight=8, budget={"max_requests": 25})
        assert server.count == 25
    ask(server, task, max_in_flight=8, budget={"max_requests": 40})
    assert server.count == 40


def test_budget_of_dollars_counts_requests_in_flight(
    server: ScriptedServer, ask: Asker, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    entry = '{host: "*", model: scripted, prompt: 1000, completion: 0}'
    head = 'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\nmodels:\n'
    prices.write_text(f"{head}  - {entry}\n")
    server.latency = 0.02
    task = make_task(items=40, repetitions=2)
    with pytest.raises(UserError, match=r"of max_usd 0.50"):
        ask(server, task, max_in_flight=8, budget={"max_usd": 0.5}, prices=str(prices))
    tokens = sum(len(call["messages"][0]["content"]) // 4 + 8 for call in server.calls)
    assert 0.4 < tokens / 1000 <= 0.5
    empty = tmp_path / "empty.yaml"
    empty.write_text(head.replace("models:", "models: []"))
    with pytest.raises(UserError, match="has no price for the model 'scripted'"):
        ask(server, make_task(items=50), budget={"max_usd": 1}, prices=str(empty))


LOST = {
    "timeout": scripted.silence(0.5),
    "connection lost before the reply": scripted.reset("before headers"),
    "connection lost in the reply": scripted.reset("mid-body"),
    "not JSON": scripted.body("no JSON"),
    "no choices": scripted.body({"choices": []}),
}
UNPAID = {"failed": scripted.status(500), "refused": scripted.status(400, message="no")}


@pytest.mark.parametrize("name", [*LOST, *UNPAID])
def test_lost_reply_counts_its_estimate_against_the_budget_and_a_refusal_nothing(
    name: str, server: ScriptedServer, ask: Asker, tmp_path: Path
) -> None:
    """A dollar a request by the upper estimate: with three dollars the third is the last."""
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\nmodels:\n'
        '  - {host: "*", model: scripted, prompt: 0, completion: 1000000}\n'
    )
    server.always = {**LOST, **UNPAID}[name]
    message = "would exceed the budget" if name in LOST else "no answer for 5 requests in a row"
    with pytest.raises(UserError, match=message):
        ask(
            server,
            make_task(items=8, repetitions=1),
            max_in_flight=1,
            budget={"max_usd": 3},
            prices=str(prices),
            timeout_s=0.2 if name == "timeout" else 5.0,
            transport_attempts=2,
        )
    assert (server.count == 3) == (name in LOST)


USAGES = {
    "negative": {"prompt_tokens": -(10**6), "completion_tokens": -(10**6)},
    "negative total": {"prompt_tokens": 5, "completion_tokens": -9, "total_tokens": -4},
    "missing": None,
    "zero": {"prompt_tokens": 0, "completion_tokens": 0},
    "absurd": {"prompt_tokens": 10**25, "completion_tokens": 10**400},
    "text": {"prompt_tokens": "9", "completion_tokens": [1]},
}


@pytest.mark.parametrize("name", USAGES)
def test_usage_that_cannot_be_right_is_estimated_for_budget_and_store(
    name: str,
    server: ScriptedServer,
    ask: Asker,
    tmp_path: Path,
    store: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dollar a request by the upper estimate: the tenth is the last that is sent."""
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\nmodels:\n'
        '  - {host: "*", model: scripted, prompt: 0, completion: 500000}\n'
    )
    server.always = scripted.edit(lambda reply: reply.update(usage=USAGES[name]))
    task = make_task(items=40, repetitions=2)
    with pytest.raises(UserError, match=r"10.00 of max_usd 10.00"):
        ask(server, task, max_in_flight=1, budget={"max_usd": 10.0}, prices=str(prices))
    assert server.count == 10
    assert capsys.readouterr().err.count("count upper estimates instead") == 1
    for _ in range(2):
        row = store_contents(store, prices).row(0, named=True)
        assert row["estimated"] == row["attempts"] == 10
        assert row["prompt_tokens"] >= 50
        assert row["usd"] == pytest.approx(10.0)
        compact_store(store)


@pytest.mark.slow
def test_reservation_of_a_killed_run_comes_back(server: ScriptedServer, tmp_path: Path) -> None:
    """Two killed runs sent 6 requests each of the 32 they reserved; the third can send its own."""
    store, out = tmp_path / "store", tmp_path / "out.parquet"
    given = order(server, store, out, items=6, repetitions=2)
    given["settings"] |= {"max_in_flight": 32, "budget": {"max_requests": 40}, "scope": "killed"}
    command = [sys.executable, driver.__file__, json.dumps(given)]
    for sent, kill in ((6, True), (12, True), (18, False)):
        server.hold_from = 0 if kill else math.inf
        run = subprocess.Popen(command, env={**os.environ, "SCRIPTED_KEY": KEY})
        if kill:
            until(lambda sent=sent: server.count >= sent, run)
            run.kill()
        assert run.wait(PATIENCE_S) == (-signal.SIGKILL if kill else 0)
        assert server.count == Budget(store, "killed", {}, 1).spent()[0] == sent


def test_api_key_is_written_to_no_file(server: ScriptedServer, tmp_path: Path) -> None:
    """A server that writes the key into its errors; everything that a run leaves is searched."""
    leak = scripted.status(500, message=f"bad key {KEY}")
    server._faults = iter([leak, leak])
    out = tmp_path / "out.parquet"
    run = start(server, tmp_path / "store", out, personas=2, items=3, repetitions=2)
    assert run.wait() == 0
    assert run.stderr is not None
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    table = str(pl.read_parquet(out).to_dicts()).encode()
    assert any(b"bad key [api key]" in text for text in texts)
    assert not any(KEY.encode() in text for text in [*texts, table, run.stderr.read()])


def quote_key(text: str) -> scripted.Fault:
    """Answer with a reply that quotes a text everywhere."""

    def change(reply: dict[str, Any]) -> None:
        reply |= {"system_fingerprint": text, "provider": text, "model": text}
        for choice in reply["choices"]:
            choice["message"] |= {"content": f"4, says {text}", "reasoning": text}

    return scripted.edit(change)


QUOTING: dict[str, scripted.Fault] = {
    "at the cut of a reason": scripted.status(500, message="x" * 280 + KEY),
    "at the cut of a body": scripted.body("y" * 290 + KEY + "z" * 2000),
    "cut by the server": scripted.status(500, message=f"the key {KEY[:20]}..."),
    "cut by the server inside a message": scripted.body({"error": {"message": KEY[:13] + "***"}}),
    "escaped": scripted.body(json.dumps({"error": f"bad {KEY}"}).replace("sk-", "\\u0073k-")),
    "in a reply": quote_key(KEY),
    "in a reply, cut": quote_key(KEY[:-4]),
    "in a refusal": scripted.edit(lambda reply: reply["choices"][0]["message"].update(refusal=KEY)),
    "as HTML": scripted.status(502, text=f"<html>{KEY}</html>"),
}


@pytest.mark.parametrize("name", QUOTING)
def test_key_that_a_server_quotes_is_written_nowhere(
    name: str, server: ScriptedServer, ask: Asker, store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server._faults = iter([QUOTING[name]])
    said = str(ask(server, make_task(items=2, repetitions=2)).to_dicts())
    texts = [path.read_text() for path in store.rglob("*") if path.is_file()]
    said += "".join([*texts, *capfd.readouterr()])
    assert KEY[:12] not in said
    assert "[api key]" in said or "cut" in name
    if name.startswith("in a reply"):
        assert server.count == 2  # the reply counts


def test_rate_limit_is_kept(server: ScriptedServer, ask: Asker, patient: list[float]) -> None:
    ask(server, make_task(items=31, repetitions=1), requests_per_minute=10, max_in_flight=4)
    assert server.count == 31
    assert 170 < sum(patient) < 200


def test_concurrency_grows_to_its_limit(server: ScriptedServer, ask: Asker) -> None:
    server.rise("scripted", FIRST_IN_FLIGHT, 48)
    ask(server, make_task(items=300, repetitions=1), max_in_flight=48)
    assert server.most_in_flight == 48
