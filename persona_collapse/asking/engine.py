"""The engine: send requests concurrently, adapt to the endpoint's limits, store every attempt.

An attempt is stored before it is used. A run ends in one of four ways: all slots are answered; the
endpoint refuses for a reason that only the user can fix (key, model, credit); the budget is spent
or the disk is full; a signal. In each case requests in flight are completed and stored.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

from persona_collapse.asking import response as replies
from persona_collapse.asking.budget import Budget
from persona_collapse.asking.client import Client, Outcome
from persona_collapse.asking.limits import (
    LONGEST_WAIT_S,
    Gate,
    Pacer,
    backoff,
    exhausted_wait,
    requested_wait,
)
from persona_collapse.asking.prices import Price, most_prompt_tokens
from persona_collapse.asking.progress import Progress
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask, Job
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.writer import Writer

# A long wait is split into pieces, with a message before each; short waits have none.
PIECE_S = 120.0
WORTH_SAYING_S = 5.0
SYNC_S = 0.5
HOPELESS = 5  # requests in a row without an answer: the endpoint is down or the study is wrong
# How long a run goes on without any answer. Waits that the server asks for do not count, unless so
# many of them in a row ended in another failure.
PATIENCE_S = 1800.0
PROMISES = 10
# Failures that may have been paid although the server reported no usage.
MAYBE_PAID = ("timeout", "connection_lost", "not_json", "no_choices")
GO_ON = "every answer that arrived is in the store: run the same command again to continue"
THEN_GO_ON = "run the same command again to continue: every answer that arrived is in the store"


class StoppedError(UserError):
    """The endpoint refuses all requests until the user acts; ``cause`` is the answer's."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


class Engine:
    """Runs jobs of one endpoint and model; see the module's text."""

    def __init__(
        self,
        client: Client,
        writer: Writer,
        settings: Settings,
        progress: Progress,
        budget: Budget | None = None,
        price: Price | None = None,
    ) -> None:
        self.client, self.writer, self.settings = client, writer, settings
        self.progress, self.budget, self.price = progress, budget, price
        self.gate = Gate(settings.max_in_flight)
        self._requests = Pacer(settings.requests_per_minute)
        self._tokens = Pacer(settings.tokens_per_minute)
        self._stopped = asyncio.Event()
        self._fault: BaseException | None = None
        self._resume_at = 0.0
        self._say_at = 0.0
        self._promises = 0
        self._unanswered = 0
        self._answered_at = 0.0
        self._served: set[str] = set()
        self._workers: list[asyncio.Task[None]] = []

    async def run(self, jobs: Iterator[Job]) -> None:
        """Run every job; raise what stopped the run, after requests in flight are completed."""
        self._answered_at = time.monotonic()
        with self._signals():
            syncing = asyncio.create_task(self._sync())
            for _ in range(self.settings.max_in_flight):
                self._workers.append(asyncio.create_task(self._work(jobs)))
            try:
                await asyncio.gather(*self._workers, return_exceptions=True)
            finally:
                syncing.cancel()
                await self.client.close()
        if self._fault is not None:
            raise self._fault

    def stop(self, fault: BaseException) -> None:
        """Send nothing more; the first reason is the one that is raised."""
        if self._fault is None:
            self._fault = fault
        self._stopped.set()

    async def _work(self, jobs: Iterator[Job]) -> None:
        try:
            for job in jobs:
                await self._finish(job)
                if self._stopped.is_set():
                    return
        except Exception as fault:  # a bug must not lose requests of the other workers
            self.stop(fault)

    async def _finish(self, job: Job) -> None:
        """Send requests until each slot of a job has an answer, or the job fails."""
        failed = failures = 0  # failed tries in a row; those not caused by throttling
        while (ask := job.ask()) is not None:
            outcome = await self._attempt(ask)
            if outcome is None:
                return
            job.attempts.append(outcome.attempt)
            waiting = job.ask()
            left = 0 if waiting is None else len(waiting.repetitions)
            answers = max(0, len(ask.repetitions) - left)
            self.progress.add(answers, outcome.attempt.cause is not None)
            if outcome.verdict == replies.ANSWERED:
                failed = failures = self._unanswered = 0
                continue
            failed += 1
            failures += outcome.verdict == replies.RETRY or outcome.attempt.status is None
            given_up = failures >= self.settings.transport_attempts
            if outcome.verdict == replies.REJECTED or given_up:
                self._unanswered += 1
                if self._unanswered >= HOPELESS:
                    how_long = f"{HOPELESS} requests in a row"
                    self.stop(no_answer(outcome.attempt, self.settings, how_long))
                return
            await self._sleep(backoff(failed))

    async def _attempt(self, ask: Ask) -> Outcome | None:
        """Send one request when limits allow and store its outcome; None when stopped."""
        prompt = most_prompt_tokens(ask.messages)
        completion = ask.max_tokens * len(ask.repetitions)
        estimate = self.price.cost(prompt, completion) if self.price else 0.0
        await self._permission(prompt + completion)
        try:
            if self._stopped.is_set():
                return None
            if self.budget:
                self.budget.take(estimate)
            outcome = await self.client.send(ask)
            self.writer.append(outcome.attempt)
        finally:
            self.gate.release()
        if self.budget:
            self.budget.settle(estimate, self._cost(outcome.attempt, estimate))
        self._react(outcome)
        return outcome

    async def _permission(self, tokens: int) -> None:
        """Wait for rate limits, for pauses and for a slot in flight, which is taken on return."""
        now = time.monotonic()
        await self._sleep(max(self._requests.wait(1, now), self._tokens.wait(tokens, now)))
        while True:
            await self._hold()
            await self.gate.acquire()
            if self._stopped.is_set() or self._resume_at <= time.monotonic():
                return
            self.gate.release()  # a pause began meanwhile

    def _cost(self, attempt: Attempt, estimate: float) -> float:
        if self.price is None:
            return 0.0
        if attempt.prompt_tokens is not None:
            return self.price.cost(attempt.prompt_tokens, attempt.completion_tokens or 0)
        paid = attempt.cause is None or attempt.cause in MAYBE_PAID
        return estimate if paid else 0.0

    def _react(self, outcome: Outcome) -> None:
        """Adapt concurrency, pauses and the run itself to an outcome."""
        attempt, now = outcome.attempt, time.monotonic()
        if (fault := self.writer.fault) is not None:
            reason = f"{self.writer.folder}: {fault.strerror}: the run stopped asking"
            self.stop(UserError(f"{reason}. Free space on that disk; {GO_ON}"))
        if outcome.verdict == replies.ANSWERED:
            self._answered_at, self._promises = now, 0
            self.gate.grow()
            self._pause(exhausted_wait(outcome.headers), now)
            self._note_model(attempt.served_model)
            return
        if outcome.verdict == replies.STOP:
            self.stop(stopped(attempt, self.settings))
            return
        if outcome.verdict == replies.THROTTLED:
            self.gate.cut(outcome.sent_at, now)
        wait = requested_wait(outcome.headers, time.time())
        if wait is not None:
            self._promises += self._resume_at <= now
            self._pause(wait, now)
        waited_until = self._resume_at if self._promises < PROMISES else 0.0
        if now - max(self._answered_at, waited_until) > PATIENCE_S:
            self.stop(no_answer(attempt, self.settings, f"{PATIENCE_S / 60:.0f} minutes"))

    def _note_model(self, name: str | None) -> None:
        if name is not None and name not in self._served:
            self._served.add(name)
            if len(self._served) > 1:
                names = ", ".join(sorted(self._served))
                self.progress.say(f"the server changed its model during the run: {names}")

    def _pause(self, seconds: float | None, now: float) -> None:
        """Send no request for so many seconds."""
        if seconds is None or now + seconds <= self._resume_at:
            return
        if seconds > LONGEST_WAIT_S:
            self.progress.say(f"the server asks to wait {seconds:.0f} s; waiting a day")
            seconds = LONGEST_WAIT_S
        self._resume_at, self._say_at = now + seconds, now

    async def _hold(self) -> None:
        while not self._stopped.is_set():
            now = time.monotonic()
            left = self._resume_at - now
            if left <= 0:
                return
            if left > WORTH_SAYING_S and now >= self._say_at:
                self._say_at = now + PIECE_S  # one worker logs for all
                self.progress.say(f"the server asks to wait; {left:.0f} s left")
            await self._sleep(min(left, PIECE_S))

    async def _sleep(self, seconds: float) -> None:
        """Sleep; wake when the run stops."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), seconds)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            await asyncio.to_thread(self.writer.sync)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop the run on SIGINT or SIGTERM; a second one cancels requests in flight."""
        loop, caught = asyncio.get_running_loop(), []
        for number in (signal.SIGINT, signal.SIGTERM):
            # Not available outside the main thread and on some systems.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._interrupt, number)
                caught.append(number)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    def _interrupt(self, number: int) -> None:
        if self._stopped.is_set():
            for worker in self._workers:
                worker.cancel()
        self.progress.say(f"stopping; waiting for {self.gate.in_flight} requests in flight")
        name = signal.Signals(number).name
        self.stop(UserError(f"stopped by {name}; {GO_ON} ({self.writer.folder})"))


def stopped(attempt: Attempt, settings: Settings) -> StoppedError:
    """Explain an answer after which no request will be answered."""
    cause, holder = attempt.cause or "", settings.api_key_env
    key = f"the key in {holder}" if holder else "no key (api_key_env: null)"
    said = f"{settings.base_url} answered {cause}: {attempt.detail or 'no reason given'}"
    advice = {
        "http_401": f"it does not accept {key}; check the key, or api_key_env in the study file",
        "http_402": f"the account of {key} has no credit left; add credit",
        "http_403": f"{key} may not use the model {settings.model!r}; check the account's access",
        "http_404": f"it has no model {settings.model!r}, or base_url is not the address of an "
        "OpenAI-compatible API (it often ends in /v1); check both in the study file",
        "insufficient_quota": f"the account of {key} has no credit left, or has reached its own "
        "spending limit; add credit or raise that limit",
    }[cause]
    return StoppedError(f"{said}. {advice[0].upper()}{advice[1:]}; then {THEN_GO_ON}", cause)


def no_answer(attempt: Attempt, settings: Settings, how_long: str) -> UserError:
    """Explain that there was no answer for too long."""
    return UserError(
        f"{settings.base_url}, model {settings.model}: no answer for {how_long}; the last failure "
        f"was {attempt.cause}: {attempt.detail or 'no reason given'}. Check that the server is up "
        f"and that it accepts the study's settings; {GO_ON}"
    )
