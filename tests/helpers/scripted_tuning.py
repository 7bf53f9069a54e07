"""A fine-tuning API for tests, with faults: files, jobs, events, checkpoints.

It also answers chats, as ``ScriptedServer`` does. A job moves on each time it is asked for.
"""

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

STEPS = 10
STAGES = ("validating_files", "queued", "running", "running")
Work = Callable[[], web.Response]
Fault = Callable[["TuningServer", web.Request, Work], Awaitable[web.StreamResponse]]


@dataclass
class TuningServer(ScriptedServer):
    """``faults`` maps the number of a fine-tuning call, from 0, to what goes wrong with it.

    ``ending`` is what a job ends with; ``page`` bounds the entries of one list.
    """

    faults: dict[int, Fault] = field(default_factory=dict)
    ending: dict[str, Any] = field(default_factory=lambda: {"status": "succeeded"})
    page: int = 4
    pid_file: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.trained_tokens: Any = 1234
        self.asked: list[str] = []
        self.files: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.late: list[asyncio.Task[None]] = []

    def add_routes(self, app: web.Application) -> None:
        app.router.add_route("*", "/v1/files", self._tuning)
        app.router.add_route("*", "/v1/files/{id}", self._tuning)
        app.router.add_route("*", "/v1/fine_tuning/jobs", self._tuning)
        app.router.add_route("*", "/v1/fine_tuning/jobs/{id}", self._tuning)
        app.router.add_route("*", "/v1/fine_tuning/jobs/{id}/{part}", self._tuning)

    @property
    def posts(self) -> list[str]:
        """The calls that create something or stop it."""
        return [call for call in self.asked if call.startswith("POST")]

    async def _tuning(self, request: web.Request) -> web.StreamResponse:
        number = len(self.asked)
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        work = await self._work(request)
        fault = self.faults.get(number)
        return await fault(self, request, work) if fault else work()

    async def _work(self, request: web.Request) -> Work:
        """Read the request; what it returns does the work and makes the reply."""
        name, part = request.match_info.get("id"), request.match_info.get("part")
        if request.path == "/v1/files" and request.method == "POST":
            form = await request.post()
            sent: Any = form["file"]
            content, filename = sent.file.read(), sent.filename
            return lambda: self._take_file(filename, content, str(form["purpose"]))
        if request.path.startswith("/v1/files"):
            if name is None:
                return lambda: self._listed(request, list(reversed(self.files)))
            return lambda: _one(self.files, name)
        if request.method == "POST" and part is None:
            body = await request.json()
            return lambda: self._take_job(body)
        if name is None:
            return lambda: self._listed(request, list(reversed(self.jobs)))
        if part == "events":
            return lambda: self._listed(request, list(reversed(self._events(name))))
        if part == "checkpoints":
            return lambda: self._listed(request, self._checkpoints(name))
        if part == "cancel":
            return lambda: self._cancel(name)
        return lambda: self._state(name)

    def _take_file(self, name: str, content: bytes, purpose: str) -> web.Response:
        assert purpose == "fine-tune"
        file = {"id": f"file-{len(self.files)}", "object": "file", "bytes": len(content)}
        file |= {"filename": name, "purpose": purpose, "created_at": 1, "status": "processed"}
        self.files.append(file)
        self.contents[file["id"]] = content
        return web.json_response(file)

    def _take_job(self, body: dict[str, Any]) -> web.Response:
        if body["training_file"] not in self.contents:
            return refusal(400, "invalid_request_error", "no such file")
        job = {"id": f"ftjob-{len(self.jobs)}", "object": "fine_tuning.job", "asked": 0}
        job |= {"model": body["model"], "training_file": body["training_file"], "error": None}
        job |= {"metadata": body["metadata"], "seed": body["seed"], "method": body["method"]}
        job |= {"created_at": 1_790_000_000, "finished_at": None, "fine_tuned_model": None}
        job |= {"status": STAGES[0], "trained_tokens": None, "suffix": body["suffix"]}
        job |= {"hyperparameters": {}, "organization_id": "org", "result_files": []}
        self.jobs.append(job)
        return web.json_response(job)

    def _state(self, name: str) -> web.Response:
        job = next((job for job in self.jobs if job["id"] == name), None)
        if job is None:
            return refusal(404, "not_found", f"no job {name}")
        job["asked"] += 1
        if job["status"] in STAGES:
            if job["asked"] < len(STAGES):
                job["status"] = STAGES[job["asked"]]
            else:
                job |= {"finished_at": 1_790_000_600, **self.ending}
                if job["status"] == "succeeded":
                    job["fine_tuned_model"] = f"ft:{job['model']}:org:{job['suffix']}:{name}"
                    job["trained_tokens"] = self.trained_tokens
        return web.json_response(job)

    def _events(self, name: str) -> list[dict[str, Any]]:
        job = next(job for job in self.jobs if job["id"] == name)
        done = STEPS if job["finished_at"] else min(STEPS, 3 * max(0, job["asked"] - 1))
        head = {"object": "fine_tuning.job.event", "level": "info"}
        events = [{**head, "id": f"{name}-created", "created_at": 1, "message": "Created"}]
        for step in range(1, done + 1):
            data = {"step": step, "train_loss": 2 / step, "train_mean_token_accuracy": 0.5}
            event = {"id": f"{name}-{step}", "created_at": 1 + step // 3, "type": "metrics"}
            events.append({**head, **event, "message": f"Step {step}/{STEPS}", "data": data})
        return events

    def _checkpoints(self, name: str) -> list[dict[str, Any]]:
        return [
            {
                "id": f"ftckpt-{step}",
                "object": "fine_tuning.job.checkpoint",
                "created_at": step,
                "fine_tuned_model_checkpoint": f"ft:checkpoint:{step}",
                "fine_tuning_job_id": name,
                "metrics": {},
                "step_number": step,
            }
            for step in (10, 5)
        ]

    def _cancel(self, name: str) -> web.Response:
        job = next(job for job in self.jobs if job["id"] == name)
        job |= {"status": "cancelled", "finished_at": 1_790_000_100}
        return web.json_response(job)

    def _listed(self, request: web.Request, entries: list[dict[str, Any]]) -> web.Response:
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


def _one(entries: list[dict[str, Any]], name: str) -> web.Response:
    found = [entry for entry in entries if entry["id"] == name]
    return web.json_response(found[0]) if found else refusal(404, "not_found", f"no {name}")


def _broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.StreamResponse()


def answers(status: int, code: str, message: str = "scripted refusal") -> Fault:
    """Answer with an error and do nothing."""

    async def fault(_: TuningServer, __: web.Request, ___: Work) -> web.StreamResponse:
        return refusal(status, code, message)

    return fault


def loses(*, done: bool, after_s: float = 0.0, kill: bool = False) -> Fault:
    """Break the connection instead of replying; the work is ``done`` or not, perhaps later.

    ``kill`` kills the client first, so that it does not see the reply.
    """

    async def fault(server: TuningServer, request: web.Request, work: Work) -> web.StreamResponse:
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

    async def fault(_: TuningServer, __: web.Request, work: Work) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return work()

    return fault
