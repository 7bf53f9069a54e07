"""A server's files for tests, with faults: what fine-tuning and batch APIs have in common."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.helpers.scripted_server import ScriptedServer

Work = Callable[[], web.Response]
Fault = Callable[["FilesServer", web.Request, Work], Awaitable[web.StreamResponse]]


@dataclass
class FilesServer(ScriptedServer):
    """``faults`` maps the number of a call beside chats, from 0, to what goes wrong with it.

    ``page`` bounds the entries of one list, ``pid_file`` names the process that faults kill.
    """

    faults: dict[int, Fault] = field(default_factory=dict)
    page: int = 4
    pid_file: Path | None = None
    purpose = "fine-tune"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[str] = []
        self.files: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.late: list[asyncio.Task[None]] = []

    @property
    def posts(self) -> list[str]:
        """The calls that create something or stop it."""
        return [call for call in self.asked if call.startswith("POST")]

    async def beside(self, request: web.Request) -> web.StreamResponse:
        """Answer a call that is no chat."""
        number = len(self.asked)
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        work = await self.work(request)
        fault = self.faults.get(number)
        return await fault(self, request, work) if fault else work()

    async def work(self, request: web.Request) -> Work:
        """Read the request; what it returns does the work and makes the reply."""
        name = request.match_info.get("id")
        if request.method == "POST":
            form = await request.post()
            sent: Any = form["file"]
            content, filename = sent.file.read(), sent.filename
            return lambda: self._take_file(filename, content, str(form["purpose"]))
        if name is None:
            return lambda: self.listed(request, list(reversed(self.files)))
        return lambda: one_of(self.files, name)

    def _take_file(self, name: str, content: bytes, purpose: str) -> web.Response:
        assert purpose == self.purpose
        file = {"id": f"file-{len(self.files)}", "object": "file", "bytes": len(content)}
        file |= {"filename": name, "purpose": purpose, "created_at": 1, "status": "processed"}
        self.files.append(file)
        self.contents[file["id"]] = content
        return web.json_response(file)

    def listed(self, request: web.Request, entries: list[dict[str, Any]]) -> web.Response:
        """Return a page of a list."""
        ids = [entry["id"] for entry in entries]
        after = request.query.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        stop = start + min(self.page, int(request.query.get("limit", 20)))
        page = {"object": "list", "data": entries[start:stop], "has_more": stop < len(entries)}
        return web.json_response(page)

    def kill(self) -> None:
        """Kill the process whose id is in the file."""
        assert self.pid_file is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(self.pid_file.read_text()), signal.SIGKILL)


def refusal(status: int, code: str, message: str) -> web.Response:
    """Answer with an error as OpenAI writes it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)


def one_of(entries: list[dict[str, Any]], name: str) -> web.Response:
    """Return the entry of this id."""
    found = [entry for entry in entries if entry["id"] == name]
    return web.json_response(found[0]) if found else refusal(404, "not_found", f"no {name}")


def _broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.StreamResponse()


def answers(status: int, code: str, message: str = "scripted refusal") -> Fault:
    """Answer with an error and do nothing."""

    async def fault(_: FilesServer, __: web.Request, ___: Work) -> web.StreamResponse:
        return refusal(status, code, message)

    return fault


def loses(*, done: bool, after_s: float = 0.0, kill: bool = False) -> Fault:
    """Break the connection instead of replying; the work is ``done`` or not, perhaps later.

    ``kill`` kills the client first, so that it does not see the reply.
    """

    async def fault(server: FilesServer, request: web.Request, work: Work) -> web.StreamResponse:
        async def later() -> None:
            await asyncio.sleep(after_s)
            work()

        if done and after_s:
            server.late.append(asyncio.create_task(later()))
        elif done:
            work()
        if kill:
            server.kill()
        return _broken(request)

    return fault


def slow(seconds: float) -> Fault:
    """Reply late."""

    async def fault(_: FilesServer, __: web.Request, work: Work) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return work()

    return fault
