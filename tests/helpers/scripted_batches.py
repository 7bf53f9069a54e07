"""A batch API for tests, with faults: files, batches and their results.

It also answers chats, as ``ScriptedServer`` does, and answers the lines of a batch by the same
rules. A batch moves on each time it is asked for.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.helpers.scripted_files import FilesServer, Work, refusal
from tests.helpers.scripted_server import Call

STAGES = ("validating", "in_progress", "finalizing")
Results = tuple[list[dict[str, Any]], list[dict[str, Any]]]  # lines of replies, and of failures


@dataclass
class BatchServer(FilesServer):
    """A batch needs ``stages`` looks until it is done.

    ``refuses`` returns the failure (status, error) of a line's request, None where it is answered.
    ``spoils`` changes the results of each batch in turn, ``endings`` its final state. The files
    whose ids are in ``missing`` are not found.
    """

    stages: int = 1
    purpose = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.batches: list[dict[str, Any]] = []
        self.missing: set[str] = set()
        self.billed: list[str] = []  # ids of requests in batches that were answered
        self.refuses: Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None] = lambda _: None
        self.spoils: list[Callable[[Results], Results] | None] = []
        self.endings: list[dict[str, Any]] = []

    def add_routes(self, app: web.Application) -> None:
        for what in ("files", "batches"):
            for path in (what, f"{what}/{{id}}", f"{what}/{{id}}/{{part}}"):
                app.router.add_route("*", f"/v1/{path}", self.beside)

    async def work(self, request: web.Request) -> Work:
        name, part = request.match_info.get("id"), request.match_info.get("part")
        if request.path.startswith("/v1/files"):
            return (lambda: self._content(name)) if part else await super().work(request)
        if name is None and request.method == "POST":
            body = await request.json()
            return lambda: self._take_batch(body)
        if name is None:
            return lambda: self.listed(request, list(reversed(self.batches)))
        return (lambda: self._cancel(name)) if part == "cancel" else (lambda: self._state(name))

    def _take_batch(self, body: dict[str, Any]) -> web.Response:
        if body["input_file_id"] not in self.contents:
            return refusal(400, "invalid_request_error", "no such file")
        assert (body["endpoint"], body["completion_window"]) == ("/v1/chat/completions", "24h")
        batch = {"id": f"batch_{len(self.batches)}", "object": "batch", "asked": 0, "errors": None}
        batch |= {"input_file_id": body["input_file_id"], "metadata": body["metadata"]}
        batch |= {"endpoint": body["endpoint"], "completion_window": "24h", "created_at": 4e9}
        batch |= {"status": STAGES[0], "output_file_id": None, "error_file_id": None}
        batch["request_counts"] = {"total": 0, "completed": 0, "failed": 0}
        self.batches.append(batch)
        return web.json_response(batch)

    def _state(self, name: str) -> web.Response:
        batch = next((batch for batch in self.batches if batch["id"] == name), None)
        if batch is None:
            return refusal(404, "not_found", f"no batch {name}")
        batch["asked"] += 1
        if batch["status"] in STAGES:
            if batch["asked"] < self.stages:
                batch["status"] = STAGES[min(batch["asked"], len(STAGES) - 1)]
            else:
                self._end(batch)
        return web.json_response(batch)

    def _end(self, batch: dict[str, Any]) -> None:
        ending = self.endings.pop(0) if self.endings else {}
        spoil = self.spoils.pop(0) if self.spoils else None
        if ending.get("status") == "failed":
            batch |= ending
            return
        lines = [json.loads(line) for line in self.contents[batch["input_file_id"]].splitlines()]
        assert len({line["custom_id"] for line in lines}) == len(lines)
        good, bad = [], []
        for line in lines:
            failed = self.refuses(line["body"])
            found = {"id": f"r-{line['custom_id']}", "custom_id": line["custom_id"], "error": None}
            if failed is None:
                call = Call(self.count, None, line["body"], self)  # type: ignore[arg-type]
                self.count += 1
                found["response"] = {
                    "status_code": 200,
                    "request_id": "q",
                    "body": self.reply(call),
                }
                good.append(found)
            else:
                status, error = failed
                found["response"] = {"status_code": status, "body": {"error": error}}
                bad.append(found)
        if spoil is not None:
            good, bad = spoil((good, bad))
        answered = {
            line["custom_id"] for line in good if isinstance(line, dict) and line.get("response")
        }
        self.billed += [line["custom_id"] for line in lines if line["custom_id"] in answered]
        for name, found in (("output_file_id", good), ("error_file_id", bad)):
            if found:
                file = f"{batch['id']}-{name}"
                self.contents[file] = b"".join(json.dumps(line).encode() + b"\n" for line in found)
                batch[name] = file
        counts = {"total": len(lines), "completed": len(good), "failed": len(bad)}
        batch |= {"status": "completed", "completed_at": 1_790_000_000, "request_counts": counts}
        batch |= ending

    def _content(self, name: str | None) -> web.Response:
        if name in self.missing or name not in self.contents:
            return refusal(404, "not_found", f"no file {name}")
        return web.Response(body=self.contents[name], content_type="application/octet-stream")

    def _cancel(self, name: str) -> web.Response:
        batch = next(batch for batch in self.batches if batch["id"] == name)
        batch["status"] = "cancelled"
        return web.json_response(batch)


def shuffled(results: Results) -> Results:
    """Return replies in another order."""
    good, bad = results
    random.Random(0).shuffle(good)
    return good, bad


def doubled(results: Results) -> Results:
    """Return every reply twice."""
    return [line for line in results[0] for _ in range(2)], results[1]


def without_half(results: Results) -> Results:
    """Leave out every second reply without a word."""
    return results[0][::2], results[1]


def half_expired(results: Results) -> Results:
    """Say of every second request that it was never begun."""
    good, bad = results
    error = {"code": "batch_expired", "message": "This request could not be executed in time."}
    expired = [{**line, "response": None, "error": error} for line in good[1::2]]
    return good[::2], bad + expired
