"""Servers that allow less than a study asks: what is sent then, and what is remembered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.common.errors import UserError
from tests.helpers import scripted_server as scripted
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import Fault, ScriptedServer
from tests.integration.conftest import Asker

Body = dict[str, Any]


def refusing(wrong: Callable[[Body], bool], message: str, code: int = 400) -> Fault:
    """Refuse requests whose body is wrong; answer others."""

    async def rule(call: scripted.Call) -> Any:
        await asyncio.sleep(0.01)  # so that several requests are under way
        refused = wrong(call.payload)
        return await (
            scripted.status(code, message=message)(call) if refused else call.server.plain(call)
        )

    return rule


def length(body: Body) -> int:
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


LIMITS: dict[str, tuple[Fault, Body, Callable[[Body], bool]]] = {
    "a smallest length": (
        refusing(lambda body: length(body) < 16, "Expected max_tokens >= 16, but got 1"),
        {},
        lambda body: length(body) == 16,
    ),
    "five alternatives": (
        refusing(lambda body: body["top_logprobs"] > 5, "at most 5 top_logprobs"),
        {"method": "logprobs"},
        lambda body: body["top_logprobs"] == 5,
    ),
    "eleven alternatives": (
        refusing(lambda body: body["top_logprobs"] > 11, "top_logprobs: must be <= 11", 422),
        {"method": "logprobs"},
        lambda body: body["top_logprobs"] == 11,
    ),
    "four replies": (
        refusing(lambda body: body.get("n", 1) > 4, "n is at most 4"),
        {},
        lambda body: body.get("n", 1) <= 4,
    ),
    "one reply": (
        refusing(lambda body: "n" in body, "Only one completion choice is allowed", 500),
        {},
        lambda body: "n" not in body,
    ),
    "one reply, without a word about it": (
        refusing(lambda body: "n" in body, "Something is wrong"),
        {},
        lambda body: "n" not in body,
    ),
    "another name of the length": (
        refusing(
            lambda body: "max_tokens" in body,
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ),
        {},
        lambda body: "max_completion_tokens" in body,
    ),
    "no top_k": (
        refusing(lambda body: "top_k" in body, "Unrecognized request argument: top_k"),
        {"sampling_defaults": "neutral"},
        lambda body: "top_k" not in body and body["top_p"] == 1.0,
    ),
}


@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("name", LIMITS)
def test_limit_is_learned_from_the_refusal_and_remembered(
    name: str, in_flight: int, server: ScriptedServer, ask: Asker, store: Path
) -> None:
    server.always, settings, allowed = LIMITS[name]
    repetitions = 1 if "method" in settings else 10
    task = make_task(items=6, repetitions=repetitions)
    frame = ask(server, task, max_in_flight=in_flight, **settings)
    assert frame["status"].to_list() == ["ok"] * frame.height
    refused = sum(not allowed(call) for call in server.calls)
    assert 1 <= refused <= in_flight + 1
    assert server.choices == frame.height  # nothing was paid twice
    before = len(server.calls)
    ask(server, make_task(items=8, repetitions=repetitions), **settings)  # in a later run
    assert all(allowed(call) for call in server.calls[before:])
    assert len(list((store / "learned").iterdir())) == 1


def test_limit_that_the_study_states_is_kept_from_the_start(
    server: ScriptedServer, ask: Asker
) -> None:
    ask(server, make_task(items=2, repetitions=10), max_n=4)
    assert sorted(call.get("n", 1) for call in server.calls) == [2, 2, 4, 4, 4, 4]
    ask(server, make_task(items=1, repetitions=2), reply_tokens=16, model="b")
    assert server.calls[-1]["max_tokens"] == 16
    ask(server, make_task(items=1, repetitions=1), top_logprobs=5, method="logprobs", model="c")
    assert server.calls[-1]["top_logprobs"] == 5


def test_refusal_that_no_answer_confirmed_is_not_remembered(
    server: ScriptedServer, ask: Asker, store: Path
) -> None:
    server.always = scripted.status(400, message="n must be at most 4: we refuse everything")
    with pytest.raises(Exception, match="refuse everything"):
        ask(server, make_task(items=8, repetitions=10))
    assert not (store / "learned").exists()


def test_answers_of_a_shorter_limit_stay_valid(server: ScriptedServer, ask: Asker) -> None:
    """A server that begins to refuse short replies: what was paid before is not asked again."""
    ask(server, make_task(items=3))
    server.always, _, _ = LIMITS["a smallest length"]
    before = server.choices
    assert ask(server, make_task(items=4))["status"].to_list() == ["ok"] * 16
    assert server.choices == before + 4


def test_key_is_sent_behind_an_address_with_a_query(ask: Asker) -> None:
    seen: list[tuple[str, str | None]] = []

    class Azure(ScriptedServer):
        def add_routes(self, app: scripted.web.Application) -> None:
            app.router.add_post("/openai/deployments/mine/chat/completions", self._look)

        async def _look(self, request: scripted.web.Request) -> scripted.web.StreamResponse:
            assert "Authorization" not in request.headers
            seen.append((request.query_string, request.headers.get("api-key")))
            return await self._chat(request)

    with Azure() as azure:
        root = azure.base_url.removesuffix("/v1")
        url = f"{root}/openai/deployments/mine?api-version=2024-10-21"
        frame = ask(azure, base_url=url)
    assert frame["status"].to_list() == ["ok"] * 4
    assert seen == [("api-version=2024-10-21", "sk-scripted-0123456789abcdef")]


def test_environment_of_another_account_is_not_sent(
    server: ScriptedServer, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ORG_ID", "PROJECT_ID", "CUSTOM_HEADERS"):
        monkeypatch.setenv(f"OPENAI_{name}", "x-of-another: account")
    monkeypatch.setenv("HTTP_PROXY", "http://[broken")
    monkeypatch.setenv("SSL_CERT_FILE", "/gone/cacert.pem")
    seen: list[str] = []

    async def look(call: scripted.Call) -> Any:
        seen.append(json.dumps(dict(call.request.headers)))
        return await call.server.plain(call)

    server.always = look
    assert ask(server)["status"].to_list() == ["ok"] * 4
    assert "account" not in "".join(seen)


REFUSALS = {
    "n": ({"extra_body": {"n": 4}}, "n must be 1", "batching: single"),
    "choices": ({"extra_body": {"n": 4}}, "Multiple completions are off", "batching: single"),
    "log-probabilities": (
        {"method": "logprobs"},
        "logprobs is not supported with this model",
        "method: repeats",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_of_all_requests_names_the_key_to_set(
    name: str, server: ScriptedServer, ask: Asker
) -> None:
    settings, message, key = REFUSALS[name]
    server.always = scripted.status(400, message=message)
    with pytest.raises(UserError, match=key):
        ask(server, make_task(items=8, repetitions=1), max_in_flight=1, **settings)
    assert server.count <= 20


def test_request_for_one_reply_alone_names_the_key_where_it_is_learned(
    server: ScriptedServer, ask: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    server.always = refusing(lambda body: "n" in body, "n must be 1")
    ask(server, make_task(items=8, repetitions=4), max_in_flight=1)
    assert capsys.readouterr().err.count("batching: single sets it") == 1
    assert (server.count, server.choices) == (33, 32)
