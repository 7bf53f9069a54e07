"""One request on its way: what it says, how long it may take, and what its end is called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from persona_collapse.asking import client as module
from persona_collapse.asking.client import UNCACHED_HEADERS, Client, Outcome
from persona_collapse.asking.learned import Allowed
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.store.attempts import Attempt

ASK = Ask("cell", [{"role": "user", "content": "question"}], (1,), 1, 0)
SECRET = "sk-secret-0123456789abcdef"
GOOD = {"choices": [{"index": 0, "message": {"content": "3"}}]}


def sent(
    tmp_path: Path,
    reply: Callable[[httpx2.Request], httpx2.Response],
    allowed: Allowed | None = None,
    **changes: Any,
) -> tuple[Outcome, httpx2.Request]:
    """Send one request to a server in memory; return its outcome, and what was sent."""
    asked: list[httpx2.Request] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return reply(request)

    async def run() -> Outcome:
        given = {"base_url": "https://a.test/v1?v=2", "model": "m", "store": str(tmp_path)}
        client = Client(Settings.of({**given, "timeout_s": 5.0, **changes}), SECRET)
        await client.close()
        client.allowed = allowed or client.allowed
        client._http = httpx2.AsyncClient(transport=httpx2.MockTransport(note))  # type: ignore[assignment]
        try:
            return await client.send(ASK)
        finally:
            await client.close()

    outcome = asyncio.run(run())
    return outcome, asked[0]


def good(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json=GOOD, headers={"X-Cache": "HIT"})


def test_request_goes_to_the_chat_of_the_address_with_key_and_limits(tmp_path: Path) -> None:
    outcome, request = sent(tmp_path, good)
    assert (outcome.verdict, outcome.attempt.status) == ("answered", 200)
    assert str(request.url) == "https://a.test/v1/chat/completions?v=2"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["user-agent"] == "persona-collapse"
    assert json.loads(request.content)["max_tokens"] == 1
    limits = request.extensions["timeout"]
    assert (limits["read"], limits["write"], limits["connect"]) == (10.0, 10.0, 15.0)
    assert outcome.headers["x-cache"] == "HIT"
    assert not outcome.uncached
    assert not Outcome(outcome.attempt, "answered", {}, 0.0).uncached


def test_caches_are_switched_off_by_headers_only_where_one_answered(tmp_path: Path) -> None:
    _, request = sent(tmp_path, good)
    assert not {name.lower() for name in UNCACHED_HEADERS} & set(request.headers)
    outcome, request = sent(tmp_path, good, Allowed(uncached=True))
    assert {name: request.headers[name] for name in UNCACHED_HEADERS} == UNCACHED_HEADERS
    assert outcome.uncached


def test_redirect_is_named_without_its_query_and_stops_the_run(tmp_path: Path) -> None:
    target = "https://b.test/v2/chat/completions?key=abc"
    outcome, _ = sent(tmp_path, lambda _: httpx2.Response(307, headers={"location": target}))
    assert (outcome.verdict, outcome.attempt.cause) == ("stop", "redirect")
    assert outcome.attempt.detail == "ask https://b.test/v2"


def test_reply_is_read_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.MOST_BYTES == 64 * 1024**2
    content = json.dumps(GOOD).encode()

    def reply(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=content)

    for most, cause in ((len(content), None), (len(content) - 1, "too_large")):
        monkeypatch.setattr(module, "MOST_BYTES", most)
        assert sent(tmp_path, reply)[0].attempt.cause == cause


@pytest.mark.parametrize(
    ("fault", "cause", "verdict"),
    [
        (httpx2.ReadTimeout("slow"), "timeout", "throttled"),
        (TimeoutError(), "timeout", "throttled"),
        (httpx2.ReadError("gone"), "connection_lost", "retry"),
        (httpx2.RemoteProtocolError("half"), "connection_lost", "retry"),
    ],
)
def test_lost_reply_is_a_failure_with_its_kind(
    fault: Exception, cause: str, verdict: str, tmp_path: Path
) -> None:
    def lose(_: httpx2.Request) -> httpx2.Response:
        raise fault

    outcome, _ = sent(tmp_path, lose)
    attempt: Attempt = outcome.attempt
    assert (attempt.cause, outcome.verdict, attempt.status) == (cause, verdict, None)
    said = "no complete answer within 5 s" if cause == "timeout" else f"broke off ({fault})"
    assert said in (attempt.detail or "")


def test_connection_that_broke_during_a_timeout_is_lost(tmp_path: Path) -> None:
    def lose(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("late") from ConnectionResetError("reset")

    outcome, _ = sent(tmp_path, lose)
    assert (outcome.attempt.cause, outcome.verdict) == ("connection_lost", "retry")
    assert "(reset)" in (outcome.attempt.detail or "")

    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("x") from ConnectionRefusedError()

    outcome, _ = sent(tmp_path, refuse)
    assert (outcome.attempt.cause, outcome.verdict) == ("no_connection", "retry")
    assert "nothing listens on port 443" in (outcome.attempt.detail or "")
