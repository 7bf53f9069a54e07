"""A chat-completions server for tests: it answers by rule, misbehaves by plan and counts.

An answer depends on the prompt alone, so that a disturbed run can be compared with an undisturbed
one. Run in a thread of the test (``with ScriptedServer() as server``) or by itself
(``python tests/helpers/scripted_server.py --port 8001 --latency 0.2``).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Reply = dict[str, Any]
Fault = Callable[["Call"], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    """One chat request as the server saw it; ``number`` counts from 0."""

    number: int
    request: web.Request
    payload: dict[str, Any]
    server: ScriptedServer

    @property
    def prompt(self) -> str:
        return str(self.payload["messages"][-1]["content"])

    @property
    def n(self) -> int:
        return int(self.payload.get("n") or 1)

    @property
    def limit(self) -> int | None:
        return self.payload.get("max_tokens") or self.payload.get("max_completion_tokens")


def rating_of(prompt: str) -> str:
    """Return the digit 0-5 that the server answers a prompt with."""
    return str(hashlib.sha256(prompt.encode()).digest()[0] % 6)


def alternatives_of(prompt: str) -> dict[str, float]:
    """Return first-token log-probabilities: six digits, one of them twice, and words."""
    top = int(rating_of(prompt))
    weights = {str(k): math.exp(-abs(k - top)) for k in range(6)}
    weights |= {f" {top}": 0.25, "I": 0.05, "As": 0.01}
    total = sum(weights.values())
    return {token: math.log(weight / total) for token, weight in weights.items()}


@dataclass
class Rise:
    """How many requests of a model are to be in flight: ``wanted`` now, ``last`` in the end."""

    wanted: int
    last: int
    stays: bool


@dataclass
class ScriptedServer:
    """``plan`` gives the fault of each call in turn (None: a plain reply); then ``always``.

    A test that depends on what is in flight holds requests back, as no latency is long enough on a
    busy machine: calls from number ``hold_from`` on wait until ``release``.
    """

    plan: Iterable[Fault | None] = ()
    always: Fault | None = None
    latency: float = 0.0
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "scripted"}])
    host: str = "127.0.0.1"
    port: int = 0
    keep: bool = True

    def __post_init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.count = 0
        self.choices = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.flying: Counter[str] = Counter()  # requests in flight by model
        self.hold_from = math.inf
        self._held: list[tuple[str, asyncio.Future[None]]] = []
        self._rises: dict[str, Rise] = {}
        self.answer: Callable[[Call, int], str] = lambda call, index: rating_of(call.prompt)
        self.alternatives: Callable[[Call], dict[str, float]] = lambda call: alternatives_of(
            call.prompt
        )
        self.served_model = "scripted-2026-01-01"
        self.fingerprint = "fp_1"
        self._faults = iter(self.plan)
        self._ready = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    def __enter__(self) -> ScriptedServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(600)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def release(self, most: int | None = None, model: str | None = None) -> None:
        """Let requests that are held back go on, the oldest first: of a model, so many at most."""
        self._loop.call_soon_threadsafe(self._release, most, model)

    def open(self) -> None:
        """Hold no request back from now on."""
        self.hold_from = math.inf
        self._rises.clear()
        self.release()

    def rise(self, model: str, first: int, last: int, *, stays: bool = False) -> None:
        """Answer a model's oldest request once ``first`` are in flight, then at one more each time.

        Every answer so lets the client keep one more in flight. From ``last`` on nothing is held
        back any more, or, where it ``stays``, everything is.
        """
        self._rises[model] = Rise(first, last, stays)

    def _release(self, most: int | None = None, model: str | None = None) -> None:
        chosen = [held for held in self._held if model in (None, held[0])][:most]
        self._held = [held for held in self._held if held not in chosen]
        for _, place in chosen:
            place.set_result(None)

    async def _hold(self, call: Call, model: str) -> None:
        rise = self._rises.get(model)
        if rise is None and call.number < self.hold_from:
            return
        place = asyncio.get_running_loop().create_future()
        self._held.append((model, place))
        if rise is not None and self.flying[model] >= rise.wanted:
            if rise.wanted < rise.last:
                rise.wanted += 1
                self._release(1, model)
            elif not rise.stays:
                del self._rises[model]
                self._release(model=model)
        await place

    async def serve(self) -> None:
        """Serve until stopped."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._list)
        self.add_routes(app)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port, backlog=1024)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def add_routes(self, app: web.Application) -> None:
        """Add routes in a subclass."""

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.models})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        call = Call(self.count, request, await request.json(), self)
        self.count += 1
        if self.keep:
            self.calls.append(call.payload)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        model = str(call.payload.get("model"))
        self.flying[model] += 1
        try:
            await self._hold(call, model)
            if self.latency:
                await asyncio.sleep(self.latency)
            fault = next(self._faults, self.always)
            return await (fault(call) if fault else self.plain(call))
        finally:
            self.in_flight -= 1
            self.flying[model] -= 1

    async def plain(self, call: Call) -> web.StreamResponse:
        """Answer as a good server does."""
        return web.json_response(self.reply(call))

    def reply(self, call: Call) -> Reply:
        """Return the body of a good answer."""
        self.choices += call.n
        choices = [self._choice(call, index) for index in range(call.n)]
        prompt_tokens = len(call.prompt) // 4 + 8
        return {
            "id": f"chatcmpl-{call.number}",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": self.served_model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": call.n,
                "total_tokens": prompt_tokens + call.n,
            },
        }

    def _choice(self, call: Call, index: int) -> dict[str, Any]:
        text = self.answer(call, index)
        choice: dict[str, Any] = {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": None,
            "finish_reason": "length",
        }
        if call.payload.get("logprobs"):
            found = self.alternatives(call)
            top = [{"token": token, "logprob": value} for token, value in found.items()]
            top = top[: call.payload["top_logprobs"]]
            choice["logprobs"] = {
                "content": [{"token": text, "logprob": found.get(text, -1.0), "top_logprobs": top}]
            }
        return choice


def status(
    code: int,
    *,
    headers: dict[str, str] | None = None,
    kind: str | None = None,
    message: str = "scripted fault",
    text: str | None = None,
) -> Fault:
    """Answer with an HTTP error: a JSON error with code ``kind``, or ``text`` as HTML."""

    async def fault(_: Call) -> web.StreamResponse:
        if text is not None:
            return web.Response(status=code, text=text, content_type="text/html", headers=headers)
        body = {"error": {"message": message, "type": "scripted", "param": None, "code": kind}}
        return web.json_response(body, status=code, headers=headers)

    return fault


def body(content: Any, headers: dict[str, str] | None = None) -> Fault:
    """Answer 200 with this body: bytes and texts as they are, anything else as JSON."""

    async def fault(_: Call) -> web.StreamResponse:
        raw = content if isinstance(content, bytes) else str(content).encode()
        if not isinstance(content, bytes | str):
            raw = json.dumps(content).encode()
        return web.Response(body=raw, content_type="application/json", headers=headers)

    return fault


def edit(change: Callable[[Reply], object]) -> Fault:
    """Answer with the good reply, modified by ``change``."""

    async def fault(call: Call) -> web.StreamResponse:
        reply = call.server.reply(call)
        change(reply)
        return web.Response(text=json.dumps(reply), content_type="application/json")

    return fault


def reset(when: str) -> Fault:
    """Break the connection ``before headers``, ``after headers`` or ``mid-body``."""

    async def fault(call: Call) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        raw = json.dumps(call.server.reply(call)).encode()
        response.content_length = len(raw)
        if when != "before headers":
            await response.prepare(call.request)
            await response.write(raw[: len(raw) // 2] if when == "mid-body" else b" ")
            await asyncio.sleep(0.02)
        assert call.request.transport is not None
        call.request.transport.abort()
        return response

    return fault


def wrong_length(extra: int) -> Fault:
    """Announce ``extra`` bytes more (or fewer) than are sent, then close."""

    async def fault(call: Call) -> web.StreamResponse:
        raw = json.dumps(call.server.reply(call)).encode()
        transport = call.request.transport
        assert transport is not None
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(raw) + extra}\r\nConnection: close\r\n\r\n"
        )
        transport.write(head.encode() + raw)
        transport.close()
        return web.Response()

    return fault


def silence(seconds: float = 30.0) -> Fault:
    """Send nothing for so many seconds."""

    async def fault(call: Call) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await call.server.plain(call)

    return fault


def drip(every: float = 0.1) -> Fault:
    """Send the good reply byte by byte, fast enough to avoid a read timeout."""

    async def fault(call: Call) -> web.StreamResponse:
        raw = json.dumps(call.server.reply(call)).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(raw)
        await response.prepare(call.request)
        for place in range(len(raw)):
            await response.write(raw[place : place + 1])
            await asyncio.sleep(every)
        return response

    return fault


def main() -> None:
    """Serve in a process of its own; print the port once it listens."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    server = ScriptedServer(latency=options.latency, port=options.port, keep=False)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    server._ready.wait()
    print(server.port, flush=True)
    thread.join()


if __name__ == "__main__":
    main()
