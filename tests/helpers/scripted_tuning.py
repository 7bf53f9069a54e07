"""A fine-tuning API for tests, with faults: files, jobs, events, checkpoints.

It also answers chats, as ``ScriptedServer`` does. A job moves on each time it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.helpers.scripted_files import FilesServer, Work, refusal

STEPS = 10
STAGES = ("validating_files", "queued", "running", "running")


@dataclass
class TuningServer(FilesServer):
    """``ending`` is what a job ends with."""

    ending: dict[str, Any] = field(default_factory=lambda: {"status": "succeeded"})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.trained_tokens: Any = 1234
        self.jobs: list[dict[str, Any]] = []

    def add_routes(self, app: web.Application) -> None:
        jobs = "fine_tuning/jobs"
        for path in ("files", "files/{id}", jobs, f"{jobs}/{{id}}", f"{jobs}/{{id}}/{{part}}"):
            app.router.add_route("*", f"/v1/{path}", self.beside)

    async def work(self, request: web.Request) -> Work:
        name, part = request.match_info.get("id"), request.match_info.get("part")
        if request.path.startswith("/v1/files"):
            return await super().work(request)
        if request.method == "POST" and part is None:
            body = await request.json()
            return lambda: self._take_job(body)
        if name is None:
            return lambda: self.listed(request, list(reversed(self.jobs)))
        if part == "events":
            return lambda: self.listed(request, list(reversed(self._events(name))))
        if part == "checkpoints":
            return lambda: self.listed(request, self._checkpoints(name))
        if part == "cancel":
            return lambda: self._cancel(name)
        return lambda: self._state(name)

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
