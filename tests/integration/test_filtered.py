"""Prompts that a server refuses, beside prompts that it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.progress import counts
from persona_collapse.common.errors import UserError
from tests.helpers import scripted_server as scripted
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import Fault, ScriptedServer
from tests.integration.conftest import Asker

SERVER_SAYS = {
    "403 without a reason": scripted.status(403, message="Forbidden"),
    "403 of a moderation": scripted.status(403, message="Your input was flagged"),
    "400 content risk": scripted.status(400, message="Content Exists Risk"),
    "400 without a reason": scripted.status(400, message="Request rejected"),
    "400 in Chinese": scripted.status(400, kind="1301", message="输入内容包含敏感内容"),
    "451": scripted.status(451, text="<html>Unavailable</html>"),
    "code of a filter": scripted.status(400, kind="content_filter"),
    "error inside 200": scripted.body({"error": {"message": "flagged", "code": 403}}),
    "500 of a gateway": scripted.status(500, message="ContentPolicyViolationError: blocked"),
    "finish SAFETY": scripted.edit(
        lambda reply: [
            choice.update(finish_reason="SAFETY", message={"role": "assistant", "content": None})
            for choice in reply["choices"]
        ]
    ),
}


def for_persona(number: int, fault: Fault) -> Fault:
    """Answer the prompts of one persona by a fault, all others well."""

    async def rule(call: scripted.Call) -> Any:
        wanted = f"person {number}." in call.prompt
        return await (fault(call) if wanted else call.server.plain(call))

    return rule


def requests_of(server: ScriptedServer, number: int) -> int:
    return sum(f"person {number}." in json.dumps(call) for call in server.calls)


@pytest.mark.parametrize("name", SERVER_SAYS)
@pytest.mark.parametrize(("refused", "in_flight"), [(0, 1), (0, 8), (1, 8)])
def test_refused_prompt_is_filtered_where_others_are_answered(
    name: str, refused: int, in_flight: int, server: ScriptedServer, ask: Asker
) -> None:
    """Nine prompts of one persona are refused, first or last in the run."""
    server.always = for_persona(refused, SERVER_SAYS[name])
    task = make_task(personas=2, items=9, repetitions=3)
    frame = ask(server, task, max_in_flight=in_flight)
    found = dict(frame.group_by("persona_id", "status").len().select("persona_id", "status").rows())
    assert found == {refused: "filtered", 1 - refused: "ok"}
    assert frame.filter(status="filtered").height == 27
    assert requests_of(server, refused) <= 2 * 9
    before = len(server.calls)
    assert ask(server, task).equals(frame)
    assert len(server.calls) == before


def test_count_of_a_run_tells_filtered_answers_from_those_without_a_rating(
    server: ScriptedServer, ask: Asker, tmp_path: Path
) -> None:
    server.always = for_persona(1, SERVER_SAYS["403 of a moderation"])
    server.answer = lambda call, _: "Hmm" if "person 2." in call.prompt else "3"
    task = make_task(personas=3, items=2, repetitions=3)
    frame = ask(server, task, stops=str(tmp_path))
    assert frame["status"].to_list().count("unparseable") == 6
    (count,) = counts(tmp_path)
    assert (count.answers, count.filtered, count.unrated) == (18, 6, 6)


def test_reason_of_a_filter_is_the_response(server: ScriptedServer, ask: Asker) -> None:
    task = make_task(personas=2, items=1, repetitions=1)
    server.always = for_persona(1, scripted.status(403, message="Your input was flagged"))
    assert ask(server, task)["response"][1] == "http_403: Your input was flagged"
    server.always = for_persona(1, SERVER_SAYS["finish SAFETY"])
    assert ask(server, task, model="another")["response"][1] == "SAFETY"


def test_control_is_a_prompt_that_was_answered_before(server: ScriptedServer, ask: Asker) -> None:
    """Also in a later run that begins with the refused prompts: the store knows one."""
    task = make_task(personas=2, items=1, repetitions=1)
    server.always = for_persona(1, scripted.silence(0.0))
    ask(server, make_task(personas=1, items=1, repetitions=1))
    server.always = for_persona(1, scripted.status(403, message="Forbidden"))
    frame = ask(server, task)
    assert frame["status"].to_list() == ["ok", "filtered"]
    assert [f"person {n}." in str(call) for n, call in zip((0, 1, 1, 0), server.calls, strict=True)]
    assert len({json.dumps(server.calls[place]) for place in (0, 3)}) == 1


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (scripted.status(403, message="Forbidden"), "may not use the model"),
        (scripted.status(403, message="Your account was flagged"), "may not use the model"),
        (scripted.status(400, message="Request rejected"), "no answer for 5 requests in a row"),
    ],
)
def test_account_that_is_refused_stops_the_run(
    fault: Fault, advice: str, server: ScriptedServer, ask: Asker
) -> None:
    server.always = fault
    with pytest.raises(UserError, match=advice):
        ask(server, make_task(personas=2, items=20), max_in_flight=2)
    assert len(server.calls) < 25


def test_account_that_is_refused_in_mid_run_filters_nothing(
    server: ScriptedServer, ask: Asker, store: Path
) -> None:
    server._faults = iter([None] * 7)
    server.always = scripted.status(403, message="Forbidden")
    task = make_task(personas=2, items=20, repetitions=1)
    with pytest.raises(UserError, match="HTTP 403"):
        ask(server, task, max_in_flight=3)
    server.always = None
    assert ask(server, task)["status"].to_list() == ["ok"] * 40


def test_prompts_with_a_server_fault_do_not_stop_the_others(
    server: ScriptedServer, ask: Asker
) -> None:
    """A prompt that is too long, and one on which the server breaks, are errors."""
    for fault in (
        scripted.status(400, message="maximum context length is 10 tokens"),
        scripted.status(500),
    ):
        server.always = for_persona(0, fault)
        task = make_task(personas=2, items=7, repetitions=1)
        how = {"max_in_flight": 1, "transport_attempts": 2}
        frame = ask(server, task, accept_errors=True, **how)
        assert frame["status"].to_list() == ["error"] * 7 + ["ok"] * 7


def test_one_more_try_may_be_answered(server: ScriptedServer, ask: Asker) -> None:
    server._faults = iter([None, scripted.status(403, message="Forbidden")])
    frame = ask(server, make_task(items=3), max_in_flight=1)
    assert frame["status"].to_list() == ["ok"] * 12
