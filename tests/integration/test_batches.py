"""Batches: one is paid, whatever happens to the process, the server's files and its replies."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.asking import batching, collecting, journal, limits, sending
from persona_collapse.asking.breaker import TRIED, Breaker
from persona_collapse.asking.budget import Budget
from persona_collapse.asking.journal import Patience
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.submissions import FOLDER, Try, is_waiting, names_of
from persona_collapse.commands import batch_probe
from persona_collapse.commands.costs import answer_rows
from persona_collapse.commands.plan import with_total
from persona_collapse.commands.probes import Canary
from persona_collapse.commands.store import running_batches, store_contents
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.batches import fill
from persona_collapse.endpoints.openai import OpenAI
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.compaction import compact_store
from persona_collapse.store.files import CellFilter, store_files, stream_attempts, stream_folder
from persona_collapse.tasks import Task
from tests.helpers import scripted_files as scripted
from tests.helpers.made_tasks import make_task
from tests.helpers.preflights import preflight
from tests.helpers.scripted_batches import (
    BatchServer,
    doubled,
    half_expired,
    shuffled,
    without_half,
)
from tests.helpers.scripted_server import ScriptedServer, rating_of
from tests.helpers.waiting import PATIENCE_S, until
from tests.integration.conftest import KEY

ITEMS, REPETITIONS = 12, 3
SLOTS = ITEMS * REPETITIONS
PRICES = (
    'as_of: "2026-11-20"\nsource: made\nunit: USD per million tokens\nmodels:\n'
    '- {host: "*", model: "*", prompt: 1000.0, completion: 10000.0}\n'
)
LIVE = 1  # request that is sent before a batch, to learn what the server takes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send few requests in batches, too, and wait for nothing."""
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    monkeypatch.setattr(batching, "FEW", 2)
    monkeypatch.setattr(batching, "FEW_AGAIN", 0.0)
    for module in (limits, journal):
        monkeypatch.setattr(module, "backoff", lambda _: 0.01)


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as running:
        yield running


def task() -> Task:
    return make_task(items=ITEMS, repetitions=REPETITIONS)


def settings_for(server: ScriptedServer, store: Path, **changes: Any) -> dict[str, Any]:
    return {
        "base_url": server.base_url,
        "model": "scripted",
        "api_key_env": "SCRIPTED_KEY",
        "store": str(store),
        "rescued": str(store.parent / "rescued_answers"),
        "batching": "batch",
        "poll_s": 0.01,
        "settle_s": 0.3,
        "timeout_s": 60.0,
        "progress": False,
        **changes,
    }


def filled(server: ScriptedServer, store: Path, **changes: Any) -> list[dict[str, Any]]:
    return fill([task()], {"probe": settings_for(server, store, **changes)})


def answers(server: ScriptedServer, store: Path, **changes: Any) -> pl.DataFrame:
    return OpenAI().answer(task(), settings_for(server, store, **changes))


def attempts_in(server: ScriptedServer, store: Path) -> list[Any]:
    folder = stream_folder(store, Settings.of(settings_for(server, store)).stream)
    return list(stream_attempts(folder, CellFilter(None), []))


def check_whole(server: BatchServer, store: Path, batches: int = 1) -> None:
    """Check that every slot has one answer, and that nothing was billed twice."""
    found = attempts_in(server, store)
    got = Counter((a.cell, n) for a in found if a.cause is None for n in a.repetitions)
    assert len(got) == SLOTS
    assert set(got.values()) == {1}
    assert len(server.batches) == batches
    assert len(server.billed) == len(set(server.billed)) == ITEMS - len(server.calls)
    sent = server.count
    frame = answers(server, store)
    assert server.count == sent
    assert frame["status"].to_list() == ["ok"] * SLOTS
    prompts = [f"How much do you agree: statement {n}? Answer 0-5." for n in range(1, ITEMS + 1)]
    expected = [int(rating_of(f"You are person 0. {text}")) for text in prompts]
    assert frame["rating"].to_list() == [one for one in expected for _ in range(REPETITIONS)]
    assert not is_waiting(store, Settings.of(settings_for(server, store)).stream)
    assert not list(store.rglob("*.lease"))


def test_one_batch_answers_all_cells_but_the_first_and_shards_send_nothing(
    server: BatchServer, store: Path
) -> None:
    (end,) = filled(server, store)
    assert (end["status"], end["answered"]) == ("completed", ITEMS - LIVE)
    assert len(server.calls) == LIVE
    check_whole(server, store)
    assert filled(server, store) == []
    (batch,) = server.batches
    lines = [json.loads(line) for line in server.contents["file-0"].splitlines()]
    assert lines == sorted(lines, key=lambda line: line["custom_id"])
    assert {line["url"] for line in lines} == {"/v1/chat/completions"}
    assert {line["body"]["n"] for line in lines} == {REPETITIONS}
    (name,) = names_of(store, Settings.of(settings_for(server, store)).stream)
    assert server.files[0]["filename"] == f"persona-collapse-{name}.jsonl"
    assert batch["metadata"]["persona_collapse_key"].startswith(name)


# Kills

CALLS = 8  # of an undisturbed run beside chats: checked below


def in_a_process(server: BatchServer, store: Path, **changes: Any) -> int:
    """Fill in a process of its own, which the server may kill; return its exit status."""

    def work() -> None:
        assert server.pid_file is not None
        server.pid_file.write_text(str(os.getpid()))
        try:
            filled(server, store, **changes)
        except UserError:
            os._exit(1)
        os._exit(0)

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(PATIENCE_S)
    assert child.exitcode is not None
    return child.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
def test_a_kill_before_or_after_any_call_leads_to_one_batch(
    call: int, done: bool, store: Path, tmp_path: Path
) -> None:
    fault = scripted.loses(done=done, kill=True)
    with BatchServer(faults={call: fault}, stages=3, pid_file=tmp_path / "pid") as server:
        assert in_a_process(server, store) == -signal.SIGKILL
        assert in_a_process(server, store) == 0
        check_whole(server, store)


def test_a_run_makes_as_many_calls_as_the_kills_are_tried_at(store: Path) -> None:
    with BatchServer(stages=3) as server:
        filled(server, store)
        assert len(server.asked) == CALLS
        assert server.posts == ["POST /files", "POST /batches"]


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True], ids=["not received", "received"])
@pytest.mark.parametrize("call", range(CALLS))
def test_a_lost_reply_to_any_call_leads_to_one_batch(call: int, done: bool, store: Path) -> None:
    with BatchServer(faults={call: scripted.loses(done=done)}, stages=3) as server:
        filled(server, store)
        check_whole(server, store)


@pytest.mark.slow
def test_a_request_for_a_batch_that_is_heard_late_is_not_sent_twice(store: Path) -> None:
    create = 3
    late = scripted.loses(done=True, after_s=0.2)
    with BatchServer(faults={create: late}) as server:
        filled(server, store, settle_s=5.0)
        assert server.asked[create] == "POST /batches"
        assert server.posts.count("POST /batches") == 1
        check_whole(server, store)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["announce", "keep", "hold", "write_whole", "settle_held", "end"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_around_any_write_leads_to_one_batch(
    step: str, when: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"announce": sending, "hold": Budget, "end": Try}
    place: Any = places.get(step, collecting)
    real = getattr(place, step)

    def dies(*given: Any, **named: Any) -> Any:
        found = real(*given, **named) if when == "after" else None
        os.kill(os.getpid(), signal.SIGKILL)
        return found

    limits_of = {"budget": {"max_requests": 100}}
    with BatchServer(pid_file=tmp_path / "pid") as server:
        monkeypatch.setattr(place, step, dies)
        assert in_a_process(server, store, **limits_of) == -signal.SIGKILL
        monkeypatch.setattr(place, step, real)
        assert in_a_process(server, store, **limits_of) == 0
        check_whole(server, store)
    budget = Budget(store, "study", limits_of["budget"], 1)
    assert budget.spent() == (ITEMS, 0.0)


@pytest.fixture
def stops(store: Path) -> str:
    """Return the folder of notes of a run."""
    return str(store.parent / "run")


def test_filling_after_a_job_that_gave_the_server_up_sends_one_request_and_stops(
    server: BatchServer, store: Path, stops: str
) -> None:
    breaker = Breaker(Settings.of(settings_for(server, store, stops=stops)))
    breaker.silent("cannot connect")
    server.faults = dict.fromkeys(range(99), scripted.answers(500, "down"))
    with pytest.raises(UserError, match=rf"^{TRIED}cannot connect"):
        filled(server, store, stops=stops)
    assert (server.asked, server.calls) == (["GET /files"], [])
    server.faults, server.asked = {}, []
    filled(server, store, stops=stops)
    assert server.asked[0] == "GET /files"
    assert len(server.calls) == LIVE + 1  # one more tries out whether live requests are answered
    assert breaker.silence() is None
    assert len(server.batches) == 1


def test_filling_that_gave_the_server_up_warns_later_jobs(
    server: BatchServer, store: Path, stops: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "Patience", lambda *given: Patience(*given, silent_s=0.0))
    server.faults = dict.fromkeys(range(99), scripted.answers(503, "down"))
    with pytest.raises(UserError, match="no response about its batches"):
        filled(server, store, stops=stops)
    asked = len(server.asked)
    with pytest.raises(UserError, match=rf"^{TRIED}.*no response about its batches"):
        filled(server, store, stops=stops)
    assert (len(server.asked), len(server.calls)) == (asked + 1, LIVE)


# Results


@pytest.mark.parametrize("spoil", [shuffled, doubled])
def test_results_in_another_order_or_twice_are_stored_once(
    spoil: Any, server: BatchServer, store: Path
) -> None:
    server.spoils = [spoil]
    filled(server, store)
    check_whole(server, store)


@pytest.mark.parametrize(
    ("spoil", "status"), [(without_half, "completed"), (half_expired, "expired")]
)
def test_requests_without_a_result_are_asked_in_another_batch(
    spoil: Any, status: str, server: BatchServer, store: Path
) -> None:
    server.spoils, server.endings = [spoil], [{"status": status}]
    ends = filled(server, store)
    assert [end["status"] for end in ends] == [status, "completed"]
    assert [end["answered"] for end in ends] == [6, 5]
    check_whole(server, store, batches=2)


def test_few_requests_without_a_result_are_asked_by_the_shards(
    server: BatchServer, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(batching, "FEW", 6)
    server.spoils = [without_half]
    filled(server, store)
    assert "5 requests are left, which are asked one by one" in capsys.readouterr().err
    frame = answers(server, store)
    assert frame["status"].to_list() == ["ok"] * SLOTS
    assert (len(server.batches), len(server.calls)) == (1, LIVE + 5)


def test_a_batch_that_expired_untouched_is_sent_once_more_under_another_name(
    server: BatchServer, store: Path
) -> None:
    server.spoils, server.endings = [lambda _: ([], [])], [{"status": "expired"}]
    filled(server, store)
    first, second = (batch["metadata"]["persona_collapse_key"] for batch in server.batches)
    assert (first[:-2], first[-2:], second[-2:]) == (second[:-2], "-1", "-2")
    assert server.posts.count("POST /files") == 1
    check_whole(server, store, batches=2)


def test_batches_that_answer_nothing_end_the_run(server: BatchServer, store: Path) -> None:
    server.spoils, server.endings = [lambda _: ([], [])] * 9, [{"status": "expired"}] * 9
    with pytest.raises(UserError, match=r"2 batches in a row ended without an answer.*batching: n"):
        filled(server, store)
    assert len(server.batches) == 2


def test_failures_are_read_from_the_error_file_and_asked_again(
    server: BatchServer, store: Path
) -> None:
    refused = [0]

    def refuses(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        refused[0] += 1
        return (500, {"message": "overloaded"}) if refused[0] <= 4 else None

    server.refuses = refuses
    ends = filled(server, store)
    assert [end["answered"] for end in ends] == [ITEMS - LIVE - 4, 4]
    failed = [a for a in attempts_in(server, store) if a.cause is not None]
    assert [(a.cause, a.detail, a.status) for a in failed] == [("http_500", "overloaded", 500)] * 4
    check_whole(server, store, batches=2)


@pytest.mark.parametrize("name", ["output_file_id", "error_file_id"])
def test_a_result_file_that_is_gone_costs_only_its_lines(
    name: str, server: BatchServer, store: Path
) -> None:
    asked = [0]

    def refuses(body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        asked[0] += 1
        return (500, {"message": "overloaded"}) if asked[0] <= 4 else None

    server.refuses, server.missing = refuses, {f"batch_0-{name}"}
    ends = filled(server, store)
    answered = 0 if name == "output_file_id" else ITEMS - LIVE - 4
    assert [end["answered"] for end in ends] == [answered, ITEMS - LIVE - answered]
    got = Counter(
        (a.cell, n) for a in attempts_in(server, store) if not a.cause for n in a.repetitions
    )
    assert set(got.values()) == {1}
    assert len(got) == SLOTS


def test_lines_that_answer_nothing_are_counted_and_ignored(
    server: BatchServer, store: Path, capsys: Any
) -> None:
    def spoil(results: Any) -> Any:
        good, bad = results
        other: list[Any] = [{**good[0], "custom_id": "another"}, ["no object"], {"custom_id": "3"}]
        return good + other, bad

    server.spoils = [spoil]
    filled(server, store)
    assert "3 lines of its results answer nothing that was asked" in capsys.readouterr().err
    check_whole(server, store)


def test_refused_n_is_learned_from_the_results_and_each_slot_becomes_a_request(
    server: BatchServer, store: Path
) -> None:
    message = {"message": "n must be 1 in a batch", "param": "n", "code": "invalid_value"}
    server.refuses = lambda body: (400, message) if body.get("n", 1) > 1 else None
    ends = filled(server, store)
    left = (ITEMS - LIVE) * REPETITIONS
    assert [(end["requests"], end["answered"]) for end in ends] == [(ITEMS - LIVE, 0), (left, left)]
    frame = answers(server, store)
    assert frame["status"].to_list() == ["ok"] * SLOTS


def test_prompts_that_a_filter_refuses_are_filtered_as_in_live_requests(
    server: BatchServer, store: Path
) -> None:
    message = {"message": "The response was filtered", "code": "content_filter"}
    bad = "statement 5?"
    server.refuses = lambda b: (400, message) if bad in b["messages"][-1]["content"] else None
    filled(server, store)
    frame = answers(server, store)
    assert frame.filter(pl.col("item_id") == 5)["status"].to_list() == ["filtered"] * REPETITIONS
    assert len(server.batches) == 1


def test_log_probabilities_are_those_of_live_requests(server: BatchServer, store: Path) -> None:
    given = {"method": "logprobs"}
    filled(server, store, **given)
    by_batch = answers(server, store, **given)
    live = answers(server, store.with_name("live"), batching="n", **given)
    told = ("probabilities", "rating_mass", "status", "read_from", "attempts", "request_key")
    assert by_batch.select(told).equals(live.select(told))
    assert len(server.batches) == 1


def test_batch_answers_have_the_keys_of_live_ones_and_mix_with_them(
    server: BatchServer, store: Path
) -> None:
    few = make_task(items=4, repetitions=REPETITIONS)
    OpenAI().answer(few, settings_for(server, store, batching="n"))
    (end,) = filled(server, store)
    assert end["requests"] == ITEMS - 4
    mixed = answers(server, store)
    live = answers(server, store.with_name("live"), batching="n")
    same = [name for name in mixed.columns if name != "created_at"]
    assert mixed.select(same).equals(live.select(same))


# Refusals


def test_a_rejected_file_is_explained_by_line_and_cell(server: BatchServer, store: Path) -> None:
    fault = {"code": "invalid_model", "line": 2, "message": "scripted is no model for batches"}
    server.endings = [{"status": "failed", "errors": {"data": [fault]}}]
    with pytest.raises(UserError, match=r"line 2 \(persona 0, item \d+\): invalid_model: scripted"):
        filled(server, store)
    assert not is_waiting(store, Settings.of(settings_for(server, store)).stream)
    assert not list(store.rglob("*.lease"))
    filled(server, store)
    check_whole(server, store, batches=2)


def test_a_queue_that_is_too_short_is_given_smaller_files(
    server: BatchServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = {"code": "token_limit_exceeded", "line": None, "message": "Enqueued token limit"}
    server.endings = [{"status": "failed", "errors": {"data": [fault]}}]
    ends = filled(server, store)
    assert [end["answered"] for end in ends] == [0, 5, 5]
    answers(server, store)  # the last request alone is too few
    check_whole(server, store, batches=3)


def test_a_cancelled_batch_keeps_what_it_answered_and_stops_the_run(
    server: BatchServer, store: Path
) -> None:
    server.spoils, server.endings = [without_half], [{"status": "cancelled"}]
    with pytest.raises(UserError, match="batch_0 was cancelled at the server; the 6 requests"):
        filled(server, store)
    filled(server, store)
    check_whole(server, store, batches=2)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "not_found", "set batching: n on the endpoint"),
        (400, "invalid_request_error", "set batching: n"),
        (401, "invalid_api_key", "SCRIPTED_KEY"),
        (429, "insufficient_quota", "no credit left"),
    ],
)
def test_a_server_that_takes_no_batch_says_what_to_do_and_nothing_is_reserved(
    status: int, code: str, words: str, store: Path
) -> None:
    create = 3
    with BatchServer(faults={create: scripted.answers(status, code)}) as server:
        with pytest.raises(UserError, match=words):
            filled(server, store, budget={"max_requests": 50})
        assert Budget(store, "study", {}, 1).spent() == (LIVE, 0.0)
        assert not is_waiting(store, Settings.of(settings_for(server, store)).stream)
        filled(server, store, budget={"max_requests": 50})
        check_whole(server, store)


def test_a_batch_beyond_the_budget_is_not_sent(server: BatchServer, store: Path) -> None:
    with pytest.raises(UserError, match="a batch of 11 requests would exceed the budget"):
        filled(server, store, budget={"max_requests": 11})
    assert not server.batches
    assert Budget(store, "study", {}, 1).spent() == (LIVE, 0.0)
    filled(server, store, budget={"max_requests": 12})
    check_whole(server, store)


@pytest.mark.slow
def test_dollars_are_reserved_at_half_the_price_and_settled_by_usage(
    server: BatchServer, store: Path, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(PRICES)
    server.stages = 10**6
    budget = {"max_usd": 100.0}
    child = multiprocessing.get_context("fork").Process(
        target=filled, args=(server, store), kwargs={"prices": str(prices), "budget": budget}
    )
    child.start()
    until(lambda: server.batches)
    _, reserved = Budget(store, "study", budget, 1).spent()
    child.kill()
    child.join()
    server.stages = 1
    filled(server, store, prices=str(prices), budget=budget)
    requests, usd = Budget(store, "study", budget, 1).spent()
    found = attempts_in(server, store)
    cost = {True: 0.0, False: 0.0}
    for one in found:
        cost[one.in_batch] += (1000 * one.prompt_tokens + 10_000 * one.completion_tokens) / 1e6
    assert requests == ITEMS
    assert usd == pytest.approx(cost[False] + cost[True] / 2)
    assert usd < reserved < 3 * usd


# Waiting


@pytest.mark.slow
def test_a_stopped_run_leaves_the_batch_running_and_says_so(
    store: Path, tmp_path: Path, capfd: Any
) -> None:
    with BatchServer(stages=10**6, pid_file=tmp_path / "pid") as server:

        def stopped() -> None:
            with pytest.raises(UserError) as fault:
                filled(server, store)
            (tmp_path / "said").write_text(str(fault.value))

        child = multiprocessing.get_context("fork").Process(target=stopped)
        child.start()
        until(lambda: server.batches)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)
        child.join(PATIENCE_S)
        said = (tmp_path / "said").read_text()
        assert "stopped by SIGINT; the batch batch_0 goes on at the server" in said
        stream = Settings.of(settings_for(server, store)).stream
        assert is_waiting(store, stream)
        server.stages = 1
        assert answers_wait(server, store)
        filled(server, store)
        check_whole(server, store)


def answers_wait(server: BatchServer, store: Path) -> bool:
    """Return whether a shard that is asked live waits for the batch instead of paying again."""
    child = multiprocessing.get_context("fork").Process(
        target=answers, args=(server, store), kwargs={"batching": "n"}
    )
    before = server.count
    child.start()
    child.join(2.0)
    waits = child.exitcode is None and server.count == before
    child.kill()
    child.join()
    return waits


def test_another_machine_with_the_store_goes_on(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BatchServer(stages=3, faults={6: scripted.loses(done=True, kill=True)}) as server:
        server.pid_file = tmp_path / "pid"
        assert in_a_process(server, store) == -signal.SIGKILL
        moved = tmp_path / "elsewhere" / "store"
        moved.parent.mkdir()
        store.rename(moved)
        filled(server, moved)
        check_whole(server, moved)


@pytest.mark.slow
def test_two_clones_on_one_store_send_one_batch(store: Path) -> None:
    with BatchServer(stages=12) as server:
        clones = [
            multiprocessing.get_context("fork").Process(target=filled, args=(server, store))
            for _ in range(2)
        ]
        for clone in clones:
            clone.start()
        for clone in clones:
            clone.join(PATIENCE_S)
        assert [clone.exitcode for clone in clones] == [0, 0]
        check_whole(server, store)


def test_what_a_study_grew_by_is_sent_while_a_batch_runs(store: Path, tmp_path: Path) -> None:
    with BatchServer(stages=3, faults={6: scripted.loses(done=True, kill=True)}) as server:
        server.pid_file = tmp_path / "pid"
        assert in_a_process(server, store) == -signal.SIGKILL
        more = make_task(items=ITEMS, repetitions=2 * REPETITIONS)
        fill([more], {"probe": settings_for(server, store)})
        assert [batch["request_counts"]["total"] for batch in server.batches] == [11, 12]
        frame = OpenAI().answer(more, settings_for(server, store))
        assert frame["status"].to_list() == ["ok"] * 2 * SLOTS
        assert len(server.billed) == len(set(server.billed))


def test_a_batch_is_collected_where_the_endpoint_does_not_use_batches_any_more(
    store: Path, tmp_path: Path
) -> None:
    with BatchServer(stages=3, faults={6: scripted.loses(done=True, kill=True)}) as server:
        server.pid_file = tmp_path / "pid"
        assert in_a_process(server, store) == -signal.SIGKILL
        filled(server, store, batching="n")
        check_whole(server, store)


def test_nothing_of_a_collected_batch_but_its_journals_stays(
    server: BatchServer, store: Path
) -> None:
    filled(server, store)
    left = {path.name for path in (store / FOLDER).rglob("*") if path.is_file()}
    assert not left & {"requests.jsonl", "asks.json"}
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-.*\.jsonl", name) for name in left)
    folder = stream_folder(store, Settings.of(settings_for(server, store)).stream)
    (file,) = [path for path in store_files(folder) if path.name.startswith("batch-")]
    assert b'{"end":' in file.read_bytes()


def test_a_batch_is_looked_for_no_further_back_than_its_announcement(
    server: BatchServer, store: Path
) -> None:
    old = {"object": "batch", "status": "completed", "metadata": None, "created_at": 1_700_000_000}
    old |= {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": "f"}
    server.batches = [{**old, "id": f"old_{number}"} for number in range(40)]
    filled(server, store)
    assert server.asked.count("GET /batches") == 1
    assert len(server.batches) == 41


# Commands


def test_plan_counts_half_the_price_and_one_day_for_all_batches(
    server: BatchServer, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    given = settings_for(server, store, prices=str(tmp_path / "prices.yaml"))
    large = make_task(items=60, repetitions=REPETITIONS)
    others = replace(large, shard=replace(large.shard, variant="other"))
    asked = [(large, Settings.of(given)), (others, Settings.of({**given, "model": "another"}))]
    *rows, total = with_total(answer_rows(asked))
    for row in rows:
        tokens = 1000 * row["prompt_tokens"] + 10_000 * row["completion_tokens"]
        assert row["usd"] == pytest.approx(tokens / 2e6)
        assert (row["requests"], row["hours"]) == (60, 24.0)
        assert "half the price" in row["note"]
    assert total["hours"] == 24.0
    (few,) = answer_rows([(task(), Settings.of(given))])  # too few for a batch
    tokens = 1000 * few["prompt_tokens"] + 10_000 * few["completion_tokens"]
    assert few["usd"] == pytest.approx(tokens / 1e6)


def test_plan_and_store_know_of_a_running_batch(store: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    with BatchServer(stages=3, faults={6: scripted.loses(done=True, kill=True)}) as server:
        server.pid_file = tmp_path / "pid"
        assert in_a_process(server, store) == -signal.SIGKILL
        given = Settings.of(settings_for(server, store, prices=str(tmp_path / "prices.yaml")))
        (row,) = answer_rows([(task(), given)])
        assert (row["stored"], row["remaining"], row["requests"]) == (REPETITIONS, 0, 0)
        assert f"{SLOTS - REPETITIONS} answers are in a batch that runs" in row["note"]
        (said,) = running_batches(store)
        assert "m base: 11 requests are at the server since" in said
        assert "(batch_0)" in said
        filled(server, store)
        assert running_batches(store) == []
        (contents,) = store_contents(store, tmp_path / "prices.yaml").to_dicts()
    found = attempts_in(server, store)
    full = sum(1000 * one.prompt_tokens + 10_000 * one.completion_tokens for one in found) / 1e6
    live = [one for one in found if not one.in_batch]
    once = sum(1000 * one.prompt_tokens + 10_000 * one.completion_tokens for one in live) / 1e6
    assert contents["usd"] == pytest.approx(once + (full - once) / 2)
    compact_store(store)
    assert store_contents(store, tmp_path / "prices.yaml")["usd"][0] == pytest.approx(
        contents["usd"]
    )


def canary(server: BatchServer, store: Path, **changes: Any) -> Canary:
    messages = [{"role": "user", "content": "a question"}]
    given = Settings.of(settings_for(server, store, **changes))
    return Canary("m", "base", given, messages, Scale(0, 5))


def batch_check(server: BatchServer, store: Path, **changes: Any) -> tuple[str, list[Any]]:
    """Return what a preflight says of batches, and the findings about them."""
    frame, findings = preflight([canary(server, store, **changes)], "base")
    return str(frame["batch"][0]), [one for one in findings if "batch" in one.text]


@pytest.mark.parametrize("changes", [{}, {"method": "logprobs"}])
def test_preflight_sends_a_batch_of_two_requests(
    changes: dict[str, Any], server: BatchServer, store: Path
) -> None:
    assert batch_check(server, store, **changes) == ("usable", [])
    lines = [json.loads(line)["body"] for line in server.contents["file-0"].splitlines()]
    assert sorted((body.get("n", 1), "logprobs" in body) for body in lines) == [
        (1, True),
        (10, False),
    ]
    assert batch_check(server, store, batching="n", **changes)[0] == "None"
    assert len(server.batches) == 1


@pytest.mark.parametrize(
    ("refused", "code", "shown", "fatal", "words"),
    [
        ("n", "invalid_value", "one reply to a request", False, "set max_n: 1"),
        ("logprobs", "unsupported", "usable", False, "gives no log-probabilities"),
        ("model", "model_not_found", "no: ", True, "set batching: n"),
    ],
)
def test_preflight_says_what_is_refused_in_batches_alone(
    refused: str,
    code: str,
    shown: str,
    fatal: bool,
    words: str,
    server: BatchServer,
    store: Path,
) -> None:
    message = {"message": f"{refused} is not supported in batches", "param": refused, "code": code}
    server.refuses = lambda body: (400, message) if refused in body else None
    said, findings = batch_check(server, store)
    assert said.startswith(shown)
    assert [one.fatal for one in findings] == [fatal]
    assert words in findings[0].text


def test_preflight_explains_a_rejected_file_and_a_server_without_batches(store: Path) -> None:
    fault = {"code": "invalid_model", "line": 1, "message": "no model for batches"}
    ending = {"status": "failed", "errors": {"data": [fault]}}
    with BatchServer() as server:
        server.endings = [ending]
        said, (finding,) = batch_check(server, store)
        assert (said, finding.fatal) == ("the file is refused", True)
        assert "line 1: invalid_model: no model for batches" in finding.text
    with BatchServer(faults={1: scripted.answers(404, "not_found")}) as server:
        said, (finding,) = batch_check(server, store)
        assert said.startswith("refused")
        assert finding.fatal
        assert "set batching: n on the endpoint" in finding.text


def test_preflight_looks_again_at_a_batch_that_still_ran(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_probe, "WAIT_S", 0.1)
    with BatchServer(stages=10**6) as server:
        said, (finding,) = batch_check(server, store)
        assert (said, finding.fatal) == ("still running", False)
        server.stages = 1
        assert batch_check(server, store) == ("usable", [])
        assert len(server.batches) == 1
