"""Run one fine-tune at a server: upload its data once, start one job, follow it to its end.

Whatever happens to this process, the next one resumes where it stopped; see ``journal``.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

from persona_collapse.asking.budget import Budget
from persona_collapse.asking.journal import (
    GONE,
    ID,
    Entry,
    Journal,
    Patience,
    RefusedError,
    ThrottledError,
    UnansweredError,
    ensure,
    known_id,
    open_intent,
)
from persona_collapse.asking.keys import find_key
from persona_collapse.asking.prices import CODE_CHARACTERS_PER_TOKEN, find_price, token_counter
from persona_collapse.common.errors import UserError
from persona_collapse.common.log import LOG
from persona_collapse.common.signals import StoppedError, stoppable
from persona_collapse.finetuning import journal as log
from persona_collapse.finetuning import messages
from persona_collapse.finetuning.backends.base import (
    CANCELLED,
    DONE,
    SUCCEEDED,
    Backend,
    Event,
    Job,
)
from persona_collapse.finetuning.data import Checked, read_examples
from persona_collapse.finetuning.orders import Order, file_key, file_name

SIMULATED_POLL_S = 0.05
WAITING = "another run is working on this fine-tune; waiting for it"


@dataclass
class Runner:
    """Runs one order on its data.

    ``settings`` are run settings, which change no model (``config["run"]``): ``store``, ``prices``,
    ``api_key_env``, ``timeout_s``, ``poll_s``, ``settle_s``, ``budget`` (None: unlimited) and its
    ``scope``.
    """

    order: Order
    data: Checked
    settings: Mapping[str, Any]
    _job: str | None = field(default=None, init=False)
    _taken: bool = field(default=False, init=False)

    @classmethod
    def of(cls, params: Mapping[str, Any], data: Path, settings: Mapping[str, Any]) -> Self:
        """Build from a rule's params of an order and the file of its data."""
        checked = read_examples(data)
        return cls(Order(sha256=checked.sha256, **params), checked, settings)

    @cached_property
    def store(self) -> Path:
        """The answer store, where the journal lies."""
        return Path(self.settings["store"])

    @cached_property
    def journal(self) -> Journal:
        """The journal of the order's job."""
        return log.journal_of(self.store, "job", self.order.key)

    @cached_property
    def backend(self) -> Backend:
        """The server that trains; its key is looked up at the first request."""
        # Imported here: a plan asks no server, and needs no network client.
        if self.order.simulated:
            from persona_collapse.finetuning.backends.simulated import SimulatedBackend

            return SimulatedBackend(self.order, len(self.data.examples), self.tokens)
        from persona_collapse.finetuning.backends.openai import OpenAIBackend

        name, url = self.settings["api_key_env"], self.order.base_url
        return OpenAIBackend(url, lambda: find_key(name, url), self.settings["timeout_s"])

    @cached_property
    def patience(self) -> Patience:
        """Time limits and polling interval of requests and jobs."""
        poll_s = SIMULATED_POLL_S if self.order.simulated else self.settings["poll_s"]
        return Patience(self.settings["settle_s"], poll_s)

    @cached_property
    def tokens(self) -> int:
        """Training tokens: tokens of the data times epochs."""
        return self.data.tokens(self.counter[0]) * self.order.epochs

    @cached_property
    def counter(self) -> tuple[Callable[[str], int], str]:
        """The function that counts the tokens of a text, and a description of how it counts."""
        return token_counter(self.order.base, CODE_CHARACTERS_PER_TOKEN)

    @cached_property
    def usd(self) -> float | None:
        """The price of the training; None where the file of prices has none."""
        if self.order.simulated:
            return 0.0
        price = find_price(Path(self.settings["prices"]), self.order.base_url, self.order.base)
        if price is None or price.training is None:
            return None
        return price.training_cost(self.tokens)

    @cached_property
    def budget(self) -> Budget | None:
        """The study's budget, None where it has none or nothing is paid."""
        limits = self.settings["budget"]
        if not limits or self.order.simulated:
            return None
        return Budget(self.store, self.settings["scope"], limits, 1)

    def make(self) -> Entry:
        """Return the journal's entry of the finished job, with model, losses and checkpoints.

        A job that has ended sends no request. Raises ``UserError`` for one that failed or was
        cancelled, with the server's reason and how to order it once more.
        """
        try:
            with self._running("fine-tuning", self.journal):
                end = log.ending(self.journal.entries())
                if end is None:
                    self._job = self._begin()
                    end = self._follow(self._job)
        finally:
            if self.budget:
                self.budget.close()
        if end["event"] == log.CANCELLED:
            raise messages.cancelled(self.order, end["id"])
        if end["event"] == log.FAILED:
            raise messages.failed(self.order, end["id"], end.get("code"), end.get("reason"))
        return end

    def upload(self, verify: bool = False) -> str:
        """Return the id of the data on the server, uploading them unless they are there.

        ``verify`` asks the server whether a file known from the journal still exists.
        """
        files = log.journal_of(self.store, "file", file_key(self.order.base_url, self.order.sha256))
        name = file_name(self.order.sha256)
        with self._running("the upload of the data", files):
            known = known_id(files.entries())
            if known is not None and verify:
                if self.patience.keep_asking(lambda: self.backend.has_file(known)):
                    return known
                files.write(GONE, id=known)
            content = self.data.path.read_bytes
            size = len(content()) if known is None or verify else 0
            return ensure(
                files,
                find=lambda: self.backend.find_file(name, size),
                post=lambda: self.backend.upload(name, content()),
                before=lambda _: {"name": name, "base_url": self.order.base_url},
                patience=self.patience,
            )

    def cancel(self) -> tuple[str | None, str]:
        """Cancel the order's job unless it has ended; return its id, None without one, and state.

        A run that follows the job sees the cancellation at the server.
        """
        order, journal = self.order, self.journal
        entries = journal.entries()
        job, end = known_id(entries), log.ending(entries)
        if end is not None:
            return str(end["id"]), f"{end['event']} already"
        try:
            if job is None and open_intent(entries) is not None:
                job = self.backend.find_job(order)
            if job is None:
                return None, "no job"
            if self.backend.job(job).status not in DONE:
                self.backend.cancel(job)
            state = self.backend.job(job).status
            if state == CANCELLED:
                journal.write(log.CANCELLED, id=job)
        except (RefusedError, UnansweredError) as fault:
            return job, f"could not be cancelled: {fault}"
        finally:
            journal.close()
            self.backend.close()
        return job, state

    def _begin(self) -> str:
        known = known_id(self.journal.entries())
        if known is not None:
            self._say(f"resuming the job {known}")
            return known
        order = self.order
        # Look for the job first: one that exists needs neither an upload nor money.
        found = self.patience.keep_asking(lambda: self.backend.find_job(order))
        if found is not None:
            self.journal.write(ID, id=found, adopted=True)
            self._say(f"resuming the job {found}, found at the server")
            return found
        file, usd = self.upload(verify=True), self.usd or 0.0
        try:
            job = ensure(
                self.journal,
                find=lambda: self.backend.find_job(order),
                post=lambda: self.backend.create_job(order, file),
                before=lambda unanswered: self._paid(unanswered, file, usd),
                patience=self.patience,
            )
        except (RefusedError, ThrottledError) as fault:
            if self.budget and self._taken:
                self.budget.settle(usd, 0.0)
            if isinstance(fault, ThrottledError):
                raise
            name = self.settings["api_key_env"]
            raise messages.refused(fault, order, name, "the fine-tuning job") from None
        what = f"{order.base} on {order.dataset}, recipe {order.recipe}"
        self._say(f"started the job {job}: {what}; {self.tokens:,} tokens, {usd:,.2f} USD")
        return job

    def _paid(self, unanswered: Entry | None, file: str, usd: float) -> dict[str, Any]:
        """Take the job's cost from the budget, once for all retries; return the intent's fields."""
        if self.budget and (unanswered is None or not unanswered.get("usd")):
            self.budget.take(usd)
            self._taken = True
        kept = ("label", "base_url", "base", "dataset", "recipe", "seed", "attempt")
        return {"file": file, "usd": usd, **{name: getattr(self.order, name) for name in kept}}

    def _follow(self, job: str) -> Entry:
        """Poll a job until it ends and record the end; print its progress."""
        events: dict[str, Event] = {}
        shown = ""
        while True:
            # The state first: events read after a final state are complete.
            state = self.patience.keep_asking(partial(self.backend.job, job))
            new = self.patience.keep_asking(partial(self.backend.events, job, events.keys()))
            events |= {event.id: event for event in new}
            text = " ".join([state.status, *(event.message for event in new[-1:])])
            if text != shown and (new or not shown):
                self._say(f"{job}: {text}")
                shown = text
            if state.status in DONE:
                return self._ended(state, list(events.values()))
            time.sleep(self.patience.poll_s)

    def _ended(self, state: Job, events: list[Event]) -> Entry:
        if state.status == CANCELLED:
            self.journal.write(log.CANCELLED, id=state.id)
        elif state.status != SUCCEEDED or not state.model:
            code = state.error_code or ("no_model" if state.status == SUCCEEDED else None)
            reason = state.error or (events[-1].message if events else None)
            self.journal.write(log.FAILED, id=state.id, code=code, reason=reason)
        else:
            if self.budget and self._taken and self.tokens and state.trained_tokens:
                usd = self.usd or 0.0
                self.budget.settle(usd, usd * state.trained_tokens / self.tokens)
            kept = self.patience.keep_asking(lambda: self.backend.checkpoints(state.id))
            self.journal.write(
                log.FINISHED,
                id=state.id,
                model=state.model,
                trained_tokens=state.trained_tokens,
                created_at=state.created_at,
                finished_at=state.finished_at,
                losses=losses_of(events),
                checkpoints=[{"step": entry.step, "model": entry.model} for entry in kept],
            )
            self._say(f"finished: {state.model}")
        end = log.ending(self.journal.entries())
        assert end is not None
        return end

    def _require_price(self) -> None:
        """Refuse a budget in dollars where the training has no price, before anything is sent."""
        limit = self.budget.max_usd if self.budget else None
        if limit is not None and self.usd is None:
            raise UserError(
                f"budget.max_usd: {self.settings['prices']} has no price for training the model "
                f"{self.order.base!r} of {self.order.base_url}; add the key training to its entry "
                "(0 for a server of your own), or limit budget.max_requests instead"
            )

    def _say(self, text: str) -> None:
        LOG.info("%s: %s", self.order.label, text)

    @contextlib.contextmanager
    def _running(self, action: str, journal: Journal) -> Iterator[None]:
        """Lock a journal, and turn refusals, lost connections and signals into messages."""
        self._require_price()
        try:
            with stoppable(), journal.held(WAITING):
                yield
        except RefusedError as fault:
            if self._job is not None:
                raise messages.state_refused(fault, self.order, self._job) from None
            name = self.settings["api_key_env"]
            raise messages.refused(fault, self.order, name, action) from None
        except UnansweredError as fault:
            raise messages.no_response(self.order, action, str(fault), self._job) from None
        except StoppedError as fault:
            raise messages.left_running(self.order, self._job, str(fault)) from None


def losses_of(events: list[Event]) -> list[list[float | int | None]]:
    """Return step, loss and token accuracy of every training step, by increasing step."""
    rows: dict[int, list[float | int | None]] = {}
    for event in events:
        step, loss = event.data.get("step"), event.data.get("train_loss")
        if isinstance(step, int) and isinstance(loss, int | float):
            data = event.data
            accuracy = data.get("train_mean_token_accuracy", data.get("train_accuracy"))
            rows[step] = [step, float(loss), float(accuracy) if accuracy is not None else None]
    return [rows[step] for step in sorted(rows)]
