"""The OpenAI backend: files and fine-tuning jobs through the official client, without retries."""

import json
import time
from collections.abc import Callable, Collection, Iterator
from functools import cached_property, partial
from typing import Any, TypeVar

import httpx2
import openai

from persona_collapse.asking.connection import api_options, http_options, isolate
from persona_collapse.asking.keys import redacted
from persona_collapse.asking.limits import requested_wait
from persona_collapse.asking.response import OUT_OF_MONEY
from persona_collapse.finetuning.backends.base import (
    CANCELLED,
    FAILED,
    Checkpoint,
    Event,
    Job,
    RefusedError,
    ThrottledError,
    UnansweredError,
)
from persona_collapse.finetuning.orders import Order
from persona_collapse.store.attempts import possible_count

KEY = "persona_collapse_key"  # the entry of a job's metadata that holds an order's key
CONNECT_S = 15.0
PAGE = 100
MOST_PAGES = 1000
LONGEST_TEXT = 500
T = TypeVar("T")


class OpenAIBackend:
    """A server with OpenAI's ``/files`` and ``/fine_tuning/jobs``.

    ``find_key`` is called before the first request; it returns None where no key is needed.
    """

    def __init__(self, base_url: str, find_key: Callable[[], str | None], timeout_s: float) -> None:
        self._base_url, self._find_key, self._timeout_s = base_url, find_key, timeout_s
        self._key: str | None = None

    @cached_property
    def _api(self) -> openai.OpenAI:
        self._key = self._find_key()
        timeout = httpx2.Timeout(self._timeout_s, connect=CONNECT_S)
        http = openai.DefaultHttpxClient(timeout=timeout, **http_options(self._base_url))
        api = openai.OpenAI(
            **api_options(self._base_url, self._key), timeout=timeout, http_client=http
        )
        isolate(api)
        return api

    def close(self) -> None:
        """Close the connections."""
        if "_api" in self.__dict__:
            self._api.close()

    def find_file(self, name: str, size: int) -> str | None:
        """Look up a file by its size and its name, which holds the digest of its content."""
        for page in self._pages(self._api.files.list, purpose="fine-tune"):
            for file in page:
                wrong = getattr(file, "status", None) == "error"
                if file.filename == name and file.bytes == size and not wrong:
                    return str(file.id)
        return None

    def has_file(self, file: str) -> bool:
        """Return whether a file exists; raise ``RefusedError`` for one that the server rejected."""
        try:
            found = self._call(lambda: self._api.files.retrieve(file))
        except RefusedError as fault:
            if fault.status == 404:
                return False
            raise
        if found.status == "error":
            raise RefusedError(
                200, "invalid_file", self._text(found.status_details) or "no reason given"
            )
        return True

    def upload(self, name: str, content: bytes) -> str:
        """Upload training data."""
        part = (name, content, "application/jsonl")
        return self._id(self._call(lambda: self._api.files.create(file=part, purpose="fine-tune")))

    def find_job(self, order: Order) -> str | None:
        """Look up a job by the key in its metadata or, without metadata, by its suffix."""
        ended: str | None = None
        for page in self._pages(self._api.fine_tuning.jobs.list):
            for job in page:
                if not _carries(job, order):
                    continue
                if job.status not in (FAILED, CANCELLED):
                    return str(job.id)
                ended = ended or str(job.id)
        return ended

    def create_job(self, order: Order, file: str) -> str:
        """Start a supervised job."""
        parameters = dict(order.hyperparameters)
        method = parameters.pop("method", "supervised")
        body: Any = {
            "model": order.base,
            "training_file": file,
            "method": {"type": method, method: {"hyperparameters": parameters}},
            "seed": order.seed,
            "suffix": order.suffix,
            "metadata": {KEY: order.key, "dataset": order.dataset, "recipe": order.recipe},
        }
        return self._id(self._call(lambda: self._api.fine_tuning.jobs.create(**body)))

    def job(self, job: str) -> Job:
        """Return the state of a job."""
        found = self._call(lambda: self._api.fine_tuning.jobs.retrieve(job))
        error = getattr(found, "error", None)
        return Job(
            id=job,
            status=str(found.status),
            model=found.fine_tuned_model or None,
            error_code=getattr(error, "code", None),
            error=self._text(getattr(error, "message", None)),
            trained_tokens=possible_count(found.trained_tokens),
            created_at=found.created_at,
            finished_at=found.finished_at,
        )

    def events(self, job: str, known: Collection[str]) -> list[Event]:
        """Return new events, read backwards from the newest to one that is known."""
        new: dict[str, Event] = {}
        for page in self._pages(self._api.fine_tuning.jobs.list_events, job):
            fresh = [event for event in page if event.id not in known]
            for event in fresh:
                data = event.data if isinstance(event.data, dict) else {}
                new[event.id] = Event(
                    event.id, event.created_at, self._text(event.message) or "", data
                )
            if len(fresh) < len(page):
                break
        # Servers list the newest first; events of the same second keep their order.
        oldest_first = list(reversed(new.values()))
        return sorted(oldest_first, key=lambda event: event.created_at)

    def checkpoints(self, job: str) -> list[Checkpoint]:
        """Return the checkpoints, none where the server does not list them."""
        found = []
        try:
            for page in self._pages(self._api.fine_tuning.jobs.checkpoints.list, job):
                found += [
                    Checkpoint(entry.id, entry.step_number, entry.fine_tuned_model_checkpoint)
                    for entry in page
                ]
        except RefusedError as fault:
            if fault.status not in (404, 405):
                raise
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    def cancel(self, job: str) -> None:
        """Ask the server to stop a job."""
        self._call(lambda: self._api.fine_tuning.jobs.cancel(job))

    def permission(self) -> None:
        """List one job, which needs the permission to fine-tune."""
        self._call(lambda: self._api.fine_tuning.jobs.list(limit=1))

    def _pages(self, entries_of: Callable[..., Any], *of: str, **given: str) -> Iterator[list[Any]]:
        after: str | openai.Omit = openai.omit
        for _ in range(MOST_PAGES):
            page = self._call(partial(entries_of, *of, limit=PAGE, after=after, **given))
            entries = page.data if isinstance(page.data, list) else []
            yield entries
            if not getattr(page, "has_more", False) or not entries:
                return
            after = str(entries[-1].id)

    def _call(self, ask: Callable[[], T]) -> T:
        """Make one request; raise ``RefusedError`` or ``UnansweredError`` if it fails."""
        try:
            return ask()
        except openai.APIStatusError as fault:
            raise self._error(fault) from None
        except (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError) as fault:
            raise UnansweredError(self._text(str(fault)) or type(fault).__name__) from None

    def _error(self, fault: openai.APIStatusError) -> Exception:
        code = str(fault.code or fault.type or "")
        body = fault.body if isinstance(fault.body, dict) else {}
        text = self._text(str(body.get("message") or fault.message)) or "no reason given"
        wait = requested_wait(fault.response.headers, time.time())
        if any(word in (code, fault.type) for word in OUT_OF_MONEY):
            return RefusedError(fault.status_code, "insufficient_quota", text)
        if fault.status_code == 429:
            return ThrottledError(text, wait)
        if fault.status_code >= 500 or fault.status_code in (408, 409, 425):
            return UnansweredError(f"http_{fault.status_code}: {text}", wait)
        return RefusedError(fault.status_code, code, text)

    def _id(self, made: Any) -> str:
        found = getattr(made, "id", None)
        if not isinstance(found, str) or not found:
            raise UnansweredError("the reply holds no id")
        return found

    def _text(self, text: str | None) -> str | None:
        return redacted(" ".join(text.split()), self._key)[:LONGEST_TEXT] if text else None


def _carries(job: Any, order: Order) -> bool:
    metadata = job.metadata if isinstance(job.metadata, dict) else {}
    if KEY in metadata:
        return bool(metadata[KEY] == order.key)
    given = getattr(job, "user_provided_suffix", None)
    named = (job.fine_tuned_model or "").split(":")
    return order.suffix in (given, *named)
