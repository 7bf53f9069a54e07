"""The way from an order to a model: data uploaded once, one job begun, followed to its end.

Whatever happens to this process, the next one goes on where it stopped: see ``once`` and
``journal``.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from persona_collapse.asking.budget import Budget
from persona_collapse.finetuning import journal as log
from persona_collapse.finetuning import messages
from persona_collapse.finetuning.backends.base import (
    CANCELLED,
    DONE,
    SUCCEEDED,
    Backend,
    Event,
    Job,
    RefusedError,
    ThrottledError,
    UnansweredError,
)
from persona_collapse.finetuning.journal import Entry, Journal, Patience, ensure
from persona_collapse.finetuning.orders import Order, file_key, file_name

T = TypeVar("T")
WAITING = "another run is at this fine-tune; waiting for it"


class _StoppedError(Exception):
    """A signal asked to stop."""


@dataclass
class Maker:
    """Makes one order on one backend.

    ``content`` gives the training data's bytes. ``budget`` is told ``usd``, the price of ``tokens``
    trained ones, before the job is begun, and what the server counted after it. ``key_name`` is
    the variable that holds the API key, for messages.
    """

    order: Order
    backend: Backend
    store: Path
    content: Callable[[], bytes]
    patience: Patience
    key_name: str | None = None
    budget: Budget | None = None
    usd: float = 0.0
    tokens: int = 0

    def __post_init__(self) -> None:
        self.jobs = Journal(self.store, "job", self.order.key)
        self._job: str | None = None
        self._taken = False

    def make(self) -> Entry:
        """Return the journal's entry of the finished job, with model, losses and checkpoints.

        Nothing is asked of the server for a job that is finished, or that failed: a failed one
        raises, and says how to order another.
        """
        with _signals(), self._explained("making the model"), self.jobs.held(WAITING):
            end = log.ending(self.jobs.entries())
            if end is None:
                self._job = self._begin()
                end = self._follow(self._job)
        if end["event"] == log.CANCELLED:
            raise messages.cancelled(self.order, end["id"])
        if end["event"] == log.FAILED:
            raise messages.failed(self.order, end["id"], end.get("code"), end.get("reason"))
        return end

    def upload(self, verify: bool = False) -> str:
        """Return the id of the data on the server; upload them where they are not there.

        ``verify`` asks the server whether a file that the journal knows is still there.
        """
        files = Journal(self.store, "file", file_key(self.order.base_url, self.order.sha256))
        name = file_name(self.order.sha256)
        with _signals(), self._explained("uploading the data"), files.held(WAITING):
            known = log.known_id(files.entries())
            if known is not None and verify:
                if self._ask(lambda: self.backend.has_file(known)):
                    return known
                files.write(log.GONE, id=known)
            size = len(self.content()) if known is None or verify else 0
            return ensure(
                files,
                find=lambda: self.backend.find_file(name, size),
                post=lambda: self.backend.upload(name, self.content()),
                before=lambda _: {"name": name, "base_url": self.order.base_url},
                patience=self.patience,
            )

    def _begin(self) -> str:
        known = log.known_id(self.jobs.entries())
        if known is not None:
            self._say(f"taking up the job {known}")
            return known
        order = self.order
        # A job that is under way already needs neither data nor money: it is looked up first.
        found = self._ask(lambda: self.backend.find_job(order))
        if found is not None:
            self.jobs.write(log.ID, id=found, adopted=True)
            self._say(f"taking up the job {found}, which the server has already")
            return found
        file = self.upload(verify=True)
        try:
            job = ensure(
                self.jobs,
                find=lambda: self.backend.find_job(order),
                post=lambda: self.backend.create_job(order, file),
                before=lambda unanswered: self._paid(unanswered, file),
                patience=self.patience,
            )
        except (RefusedError, ThrottledError) as fault:
            if self.budget and self._taken:
                self.budget.settle(self.usd, 0.0)
            if isinstance(fault, ThrottledError):
                raise
            raise messages.refused(fault, order, self.key_name, "beginning the job") from None
        what = f"{order.base} on {order.dataset}, recipe {order.recipe}"
        self._say(f"began the job {job}: {what}; {self.tokens:,} tokens, {self.usd:,.2f} USD")
        return job

    def _paid(self, unanswered: Entry | None, file: str) -> dict[str, Any]:
        """Take what the job will cost out of the budget; once, however often it is asked for."""
        if self.budget and (unanswered is None or not unanswered.get("usd")):
            self.budget.take(self.usd)
            self._taken = True
        return {
            "file": file,
            "usd": self.usd,
            "label": self.order.label,
            "base_url": self.order.base_url,
            "base": self.order.base,
            "dataset": self.order.dataset,
            "recipe": self.order.recipe,
            "seed": self.order.seed,
            "attempt": self.order.attempt,
        }

    def _follow(self, job: str) -> Entry:
        """Wait for a job's end and write it down; show its steps meanwhile."""
        events: dict[str, Event] = {}
        told = ""
        while True:
            # The state first: what is done has told everything when the events are read after it.
            state = self._ask(partial(self.backend.job, job))
            new = self._ask(partial(self.backend.events, job, events.keys()))
            events |= {event.id: event for event in new}
            said = " ".join([state.status, *(event.message for event in new[-1:])])
            if said != told and (new or not told):
                self._say(f"{job}: {said}")
                told = said
            if state.status in DONE:
                return self._ended(state, list(events.values()))
            time.sleep(self.patience.poll_s)

    def _ended(self, state: Job, events: list[Event]) -> Entry:
        if state.status == CANCELLED:
            self.jobs.write(log.CANCELLED, id=state.id)
        elif state.status != SUCCEEDED or not state.model:
            code = state.error_code or ("no_model" if state.status == SUCCEEDED else None)
            reason = state.error or (events[-1].message if events else None)
            self.jobs.write(log.FAILED, id=state.id, code=code, reason=reason)
        else:
            if self.budget and self._taken and self.tokens and state.trained_tokens is not None:
                self.budget.settle(self.usd, self.usd * state.trained_tokens / self.tokens)
            kept = self._ask(lambda: self.backend.checkpoints(state.id))
            self.jobs.write(
                log.FINISHED,
                id=state.id,
                model=state.model,
                trained_tokens=state.trained_tokens,
                created_at=state.created_at,
                finished_at=state.finished_at,
                losses=losses_of(events),
                checkpoints=[{"step": entry.step, "model": entry.model} for entry in kept],
            )
            self._say(f"made {state.model}")
        end = log.ending(self.jobs.entries())
        assert end is not None
        return end

    def _ask(self, ask: Callable[[], T]) -> T:
        return self.patience.keep_asking(ask)

    def _say(self, text: str) -> None:
        print(f"{self.order.label}: {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn what a server or a signal does into a message."""
        try:
            yield
        except RefusedError as fault:
            if self._job is not None:
                raise messages.untold(fault, self.order, self._job) from None
            raise messages.refused(fault, self.order, self.key_name, doing) from None
        except UnansweredError as fault:
            raise messages.no_word(self.order, doing, str(fault), self._job) from None
        except _StoppedError as fault:
            raise messages.left_running(self.order, self._job, str(fault)) from None


def losses_of(events: list[Event]) -> list[list[float | int | None]]:
    """Return step, loss and token accuracy of the events about a training step, by rising step."""
    rows: dict[int, list[float | int | None]] = {}
    for event in events:
        step, loss = event.data.get("step"), event.data.get("train_loss")
        if isinstance(step, int) and isinstance(loss, int | float):
            data = event.data
            found = data.get("train_mean_token_accuracy", data.get("train_accuracy"))
            rows[step] = [step, float(loss), float(found) if found is not None else None]
    return [rows[step] for step in sorted(rows)]


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM stop the run with a word on what goes on at the server."""

    def stop(number: int, _: FrameType | None) -> None:
        raise _StoppedError(signal.Signals(number).name)

    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # outside the main thread
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
