"""A server that does not answer costs the first job its patience, and later ones one request."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking import engine, limits
from persona_collapse.asking.breaker import TRIED, Breaker
from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError
from persona_collapse.misalignment.asked import judge, reply
from tests.helpers import scripted_server as scripted
from tests.helpers.judge_script import QUESTIONS, make_judge
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import Fault, ScriptedServer
from tests.integration.conftest import KEY, Asker

ITEMS = 8
GIVEN_UP = 5 + 1  # requests of the first job: five in a row, and a neutral prompt
Run = dict[str, Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return settings of the jobs of one run, by which a job gives up soon."""
    return {"stops": str(tmp_path / "run"), "max_in_flight": 1, "transport_attempts": 1}


def notes(run: Run) -> list[Path]:
    return sorted(Path(run["stops"]).glob("silent-*"))


def give_up(ask: Asker, server: ScriptedServer, run: Run, **changes: Any) -> str:
    """Let a job give the server up; return its message."""
    with pytest.raises(UserError, match="no answer for 5 requests in a row") as fault:
        ask(server, make_task(items=ITEMS, repetitions=1), **{**run, **changes})
    return str(fault.value)


FAULTS: dict[str, tuple[Fault, str]] = {  # with words of the message
    "error": (scripted.status(500), "HTTP 500"),
    "gateway": (scripted.status(502, text="<html>Bad Gateway</html>"), "HTTP 502"),
    "broken connection": (scripted.reset("before headers"), "broke off"),
    "web page": (scripted.body("<html>hello</html>"), "instead of JSON"),
    "nothing in time": (scripted.silence(), "no complete answer within"),
}


@pytest.mark.parametrize(
    "name", ["error", *(pytest.param(name, marks=pytest.mark.slow) for name in [*FAULTS][1:])]
)
def test_job_after_one_that_gave_up_sends_one_request_and_stops(
    name: str, server: ScriptedServer, ask: Asker, run: Run
) -> None:
    server.always, words = FAULTS[name]
    if name == "nothing in time":
        run["timeout_s"] = 0.2
    reason = give_up(ask, server, run)
    assert words in reason
    assert len(server.calls) == GIVEN_UP
    for later, items in enumerate([ITEMS, 1], start=1):
        with pytest.raises(UserError) as fault:
            ask(server, make_task(items=items, repetitions=2), **run)
        assert str(fault.value) == f"{TRIED}{reason}"
        assert len(server.calls) == GIVEN_UP + later


def test_job_stops_at_once_where_nothing_listens(ask: Asker, run: Run, store: Path) -> None:
    with ScriptedServer() as gone:
        pass
    reason = give_up(ask, gone, run)
    assert "nothing listens on port" in reason
    before = requests_in(store)
    for model in ("scripted", "another"):  # no model of that address is reached
        with pytest.raises(UserError) as fault:
            ask(gone, make_task(items=ITEMS), **run, model=model)
        assert str(fault.value) == f"{TRIED}{reason}"
    assert requests_in(store) == before + 2


def requests_in(store: Path) -> int:
    texts = [path.read_bytes() for path in store.rglob("*.jsonl")]
    return sum(line.startswith(b'{"cell"') for text in texts for line in text.splitlines())


def test_server_that_is_up_again_is_asked_as_ever(
    server: ScriptedServer, ask: Asker, run: Run
) -> None:
    server.always = scripted.status(500)
    give_up(ask, server, run)
    server.always = None
    frame = ask(server, make_task(items=3, repetitions=2), **run)
    assert frame["status"].eq("ok").all()
    assert len(server.calls) == GIVEN_UP + 1 + 3  # one request tries the server out
    assert notes(run) == []
    ask(server, make_task(items=5, repetitions=2), **run)
    assert len(server.calls) == GIVEN_UP + 1 + 5
    # The first job, which failed, asks for what it lacks.
    ask(server, make_task(items=ITEMS, repetitions=2), **run)
    assert len(server.calls) == GIVEN_UP + 1 + ITEMS


@pytest.mark.parametrize(
    "fault", [scripted.status(429), scripted.status(400, message="context too long")]
)
def test_server_that_refuses_one_request_is_up(
    fault: Fault, server: ScriptedServer, ask: Asker, run: Run
) -> None:
    server.always = scripted.status(500)
    give_up(ask, server, run)
    server.always, server._faults = None, iter([fault])
    assert ask(server, make_task(items=3), **run)["status"].eq("ok").all()
    assert len(server.calls) == GIVEN_UP + 1 + 3


def test_another_run_knows_nothing_of_an_earlier_one(
    server: ScriptedServer, ask: Asker, run: Run, tmp_path: Path
) -> None:
    server.always = scripted.status(500)
    give_up(ask, server, run)
    give_up(ask, server, run, stops=str(tmp_path / "next run"))
    assert len(server.calls) == 2 * GIVEN_UP


def test_prompt_that_breaks_the_server_stops_no_later_job(
    server: ScriptedServer, ask: Asker, run: Run
) -> None:
    """What tries the server out is a prompt that nobody knows to fail."""
    server.always = scripted.status(500)
    give_up(ask, server, run)

    async def breaks(call: scripted.Call) -> Any:
        broken = "statement 1?" in call.prompt
        return await (scripted.status(500)(call) if broken else server.plain(call))

    server.always = breaks
    frame = ask(server, make_task(items=4, repetitions=1), **run, accept_errors=True)
    assert frame["status"].to_list() == ["error", "ok", "ok", "ok"]


def test_job_of_few_requests_warns_later_jobs(server: ScriptedServer, ask: Asker, run: Run) -> None:
    server.always = scripted.status(500)
    with pytest.raises(UserError, match="2 of 2 slots have no answer"):
        ask(server, make_task(items=2, repetitions=1), **run)
    sent = len(server.calls)
    with pytest.raises(UserError, match=rf"^{TRIED}.*no answer for 2 requests in a row.*HTTP 500"):
        ask(server, make_task(items=3, repetitions=1), **run)
    assert len(server.calls) == sent + 1


@pytest.mark.parametrize("accept_errors", [False, True])
def test_job_that_got_answers_or_accepts_errors_warns_nobody(
    accept_errors: bool, server: ScriptedServer, ask: Asker, run: Run
) -> None:
    server.always = scripted.status(500)
    if accept_errors:
        ask(server, make_task(items=2, repetitions=1), **run, accept_errors=True)
    else:
        server._faults = iter([None])
        with pytest.raises(UserError, match="2 of 3 slots have no answer"):
            ask(server, make_task(items=3, repetitions=1), **run)
    assert notes(run) == []


def test_server_of_another_address_is_not_tried_out(
    server: ScriptedServer, ask: Asker, run: Run
) -> None:
    server.always = scripted.status(500)
    give_up(ask, server, run)
    with ScriptedServer() as other:
        ask(other, make_task(items=3), **run)
        assert len(other.calls) == 3


def test_answer_of_one_model_says_nothing_about_another(
    server: ScriptedServer, ask: Asker, run: Run
) -> None:
    """As at a router whose provider of one model is down."""

    async def down(call: scripted.Call) -> Any:
        fails = call.payload["model"] == "down"
        return await (scripted.status(502)(call) if fails else server.plain(call))

    server.always = down
    reason = give_up(ask, server, run, model="down")
    assert ask(server, make_task(items=3), **run)["status"].eq("ok").all()
    assert len(server.calls) == GIVEN_UP + 1 + 3
    with pytest.raises(UserError) as fault:
        ask(server, make_task(items=3), **run, model="down")
    assert str(fault.value) == f"{TRIED}{reason}"
    assert len(server.calls) == GIVEN_UP + 1 + 3 + 1


def test_answers_of_a_job_beside_take_the_note_back(
    server: ScriptedServer, ask: Asker, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that began before the note was left is not stopped by it."""
    monkeypatch.setattr(engine, "TELL_S", 0.01)
    breaker = Breaker(Settings.of({"base_url": server.base_url, "model": "scripted", **run}))

    async def notes_and_answers(call: scripted.Call) -> Any:
        if call.number == 5:
            breaker.silent("cannot connect")
        if notes(run):
            await asyncio.sleep(0.05)
        return await server.plain(call)

    server.always = notes_and_answers
    frame = ask(server, make_task(items=200, repetitions=1), **run)
    assert frame["status"].eq("ok").all()
    assert notes(run) == []


def test_server_that_was_overloaded_for_half_an_hour_is_tried_out(
    server: ScriptedServer,
    ask: Asker,
    run: Run,
    patient: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LONGEST_BACKOFF_S", 60.0)
    server.always = scripted.status(503)
    with pytest.raises(UserError, match=r"no answer for 30 minutes.*HTTP 503"):
        ask(server, make_task(items=2, repetitions=1), **run)
    sent, slept = len(server.calls), sum(patient)
    with pytest.raises(UserError, match=rf"^{TRIED}.*no answer for 30 minutes.*HTTP 503"):
        ask(server, make_task(items=ITEMS, repetitions=1), **run)
    assert len(server.calls) == sent + 1
    assert sum(patient) == slept


def test_replies_and_their_judge_are_tried_out_too(
    server: ScriptedServer,
    ask: Asker,
    run: Run,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    make_judge(server)
    how = {"api_key_env": "SCRIPTED_KEY", "store": str(store), "progress": False, **run}
    settings = {"base_url": server.base_url, "model": "tuned", "max_tokens": 50}
    task = {"model": "m", "variant": "v", "samples": 2, "settings": settings}
    judging = {"method": "auto", "settings": {"base_url": server.base_url, "model": "judge"}}
    replies = reply(task, QUESTIONS, how)
    server.always = scripted.status(500)
    reason = give_up(ask, server, run)
    sent = len(server.calls)
    with pytest.raises(UserError) as judged:
        judge(replies, judging, QUESTIONS, how)
    with pytest.raises(UserError) as replied:
        reply({**task, "samples": 3}, QUESTIONS, how)
    assert [str(fault.value) for fault in (judged, replied)] == [f"{TRIED}{reason}"] * 2
    assert len(server.calls) == sent + 2
