"""The engine: send requests concurrently, adapt to the endpoint's limits, store every attempt.

An attempt is stored before it is used. A run ends in one of seven ways: no job is left; the
endpoint refuses for a reason that only the user can fix (key, model, credit); it does not answer;
a cache answers instead of the model; the budget is spent or the disk is full; a signal; the lease
on its cells is lost. In each case requests in flight are completed and stored.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from persona_collapse.asking import response as replies
from persona_collapse.asking.breaker import DROP_S, TRIED, Breaker
from persona_collapse.asking.budget import Budget
from persona_collapse.asking.client import Client, Outcome
from persona_collapse.asking.controls import LESSONS, Controls
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
from persona_collapse.asking.sharing import Part, Sharing
from persona_collapse.asking.slots import FILTERED, OK, Ask, Job
from persona_collapse.asking.stops import GO_ON, no_answer, stopped
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.leases import Lease, LeaseLostError
from persona_collapse.store.writer import Writer

# A long wait is split into pieces, with a message before each; short waits have none.
PIECE_S = 120.0
WORTH_SAYING_S = 5.0
SYNC_S = 0.5
TELL_S = 1.0  # how often the run learns how far a job is
PACE_S = 1.0  # a longer wait for the pace is looked at again, since the pace may change
HOPELESS = 5  # requests in a row without an answer: the endpoint is down or the study is wrong
# How long a run goes on without any answer. Waits that the server asks for do not count, unless so
# many of them in a row ended in another failure.
PATIENCE_S = 1800.0
PROMISES = 10
# Failures that may have been paid although the server reported no usage.
MAYBE_PAID = ("timeout", "connection_lost", "not_json", "no_choices")


class Engine:
    """Runs jobs of one endpoint and model; see the module's text."""

    def __init__(
        self,
        client: Client,
        writer: Writer,
        settings: Settings,
        progress: Progress,
        lease: Lease,
        budget: Budget | None = None,
        price: Price | None = None,
    ) -> None:
        self.client, self.writer, self.settings = client, writer, settings
        self.progress, self.lease = progress, lease
        self.budget, self.price = budget, price
        progress.in_flight = lambda: len(self._on_their_way)
        self.gate = Gate(0)
        self._sharing, self._breaker = Sharing(settings), Breaker(settings)
        self._requests = Pacer(settings.requests_per_minute)
        self._tokens = Pacer(settings.tokens_per_minute)
        self._stopped = asyncio.Event()
        self._fault: BaseException | None = None
        self._resume_at = 0.0  # as the server asks
        self._quiet_until = 0.0  # after rejections without a wait
        self._rejections = 0  # of these, in a row
        self._say_at = 0.0
        self._promises = 0
        self._unanswered = 0
        self._began = self._answered_at = 0.0
        self._given_up: Outcome | None = None  # the last that a job gave up
        self._served: set[str] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._on_their_way: dict[asyncio.Task[None] | None, float] = {}  # sent at, by worker
        self._warned_at = float("-inf")
        self._busy = 0  # workers that have a job

    async def run(self, jobs: Iterator[Job], answered: Sequence[Ask] = ()) -> None:
        """Run every job; raise what stopped the run, after requests in flight are completed.

        ``answered`` are prompts that the endpoint and model answered in earlier runs.
        """
        self._began = self._answered_at = time.monotonic()
        self._controls = Controls(self.client, self.progress, self._control, self.stop, answered)
        with self._signals():
            first = list(islice(jobs, self.settings.max_in_flight))
            self._busy = len(first)
            self._use(self._sharing.step(0, self._busy))
            works = (self._sync(), self._share(), self._tell())
            beside = [asyncio.create_task(work) for work in works]
            try:
                await self._all(self._try_out(job) for job in first[:1])
                await self._all(self._work(chain([job], jobs)) for job in first)
            finally:
                for task in beside:
                    task.cancel()
                await self.client.close()
                self._sharing.close()
        if self._fault is not None:
            raise self._fault
        if self._given_up and self._answered_at == self._began and not self.settings.accept_errors:
            count = self._unanswered
            how_long = f"{count} requests in a row" if count > 1 else "its only request"
            self._note_silence(self._given_up, how_long)

    async def _all(self, works: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Work at several things at once; a fault of one stops the run, and loses no request."""
        self._workers = [asyncio.create_task(self._safely(work)) for work in works]
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _safely(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as fault:
            self.stop(fault)

    async def _try_out(self, job: Job) -> None:
        """Send one request where another job gave up the server; stop where it fares no better."""
        reason, ask = self._breaker.silence(), job.ask()
        if reason is None or ask is None:
            return
        outcome = await self._controls.control("", ask.max_tokens)
        if outcome is None:
            return
        if _is_silence(outcome):
            self.stop(UserError(f"{TRIED}{reason}"))
        else:
            self._breaker.answered()

    def stop(self, fault: BaseException) -> None:
        """Send nothing more; the first reason is the one that is raised."""
        if self._fault is None:
            self._fault = fault
        self._stopped.set()
        self.gate.cap(self.settings.max_in_flight)  # who waits for a slot learns that it has to end

    async def _work(self, jobs: Iterator[Job]) -> None:
        try:
            for job in jobs:
                await self._finish(job)
                if self._stopped.is_set():
                    return
        finally:
            self._busy -= 1

    async def _finish(self, job: Job) -> None:
        """Send requests until each slot of a job has an answer, or the job fails."""
        failed = failures = lessons = 0  # in a row; ``failures`` are not caused by throttling
        refused: Ask | None = None  # a request that was refused for no known reason
        for attempt in job.attempts:
            self._controls.replays.add(attempt)
        while (ask := job.ask()) is not None:
            ask = self.client.fitted(ask)
            if refused is not None:  # the second try is for one reply: n may be what is refused
                ask = replace(ask, repetitions=refused.repetitions[:1])
            outcome = await self._exchange(ask)
            if outcome is None:
                return
            doubtful = outcome.verdict == replies.DOUBTFUL
            if outcome.verdict == replies.ANSWERED:
                outcome = await self._controls.original(outcome)
            elif outcome.verdict == replies.FILTERED or (doubtful and refused is not None):
                outcome = await self._controls.refusal(refused or ask, outcome)
            self._keep(job, outcome)
            if outcome.verdict == replies.ANSWERED:
                failed = failures = lessons = self._unanswered = 0
                if refused is not None:
                    self._controls.single_is_answered(refused, outcome)
                    refused = None
                continue
            if outcome.verdict in (replies.ADAPTED, replies.REPLAYED) and lessons < LESSONS:
                lessons += 1
                continue
            if doubtful and refused is None:
                refused = ask
                await self._sleep(backoff(1))
                continue
            failed += 1
            failures += outcome.verdict != replies.THROTTLED or outcome.attempt.status is None
            given_up = failures >= self.settings.transport_attempts
            if outcome.verdict in (replies.REJECTED, replies.ADAPTED) or given_up:
                await self._give_up(ask, outcome)
                return
            await self._sleep(backoff(failed))

    def _keep(self, job: Job, outcome: Outcome) -> None:
        """Store an attempt of a job and count the answers that became final with it."""
        attempt = outcome.attempt
        self._store(attempt)
        job.attempts.append(attempt)
        before = job.settled
        waiting = job.ask()
        left = set() if waiting is None else set(waiting.repetitions)
        answers = len(set(attempt.repetitions) - left)
        new = job.settled - before
        filtered, unrated = new[FILTERED], new.total() - new[FILTERED] - new[OK]
        self.progress.add(answers, attempt.cause is not None, filtered, unrated)

    def _store(self, attempt: Attempt) -> None:
        self.writer.append(attempt)
        if (fault := self.writer.fault) is not None:
            reason = f"{self.writer.folder}: {fault.strerror}: the run stopped asking"
            self.stop(UserError(f"{reason}. Free space on that disk; {GO_ON}"))

    async def _give_up(self, ask: Ask, outcome: Outcome) -> None:
        """Leave a job without an answer; stop the run after many in a row, unless others work."""
        self._unanswered += 1
        self._given_up = outcome
        if self._unanswered < HOPELESS or self._stopped.is_set():
            return
        if await self._controls.others_answered(ask, outcome.sent_at):
            self._unanswered = 0
        else:
            self.stop(self._note_silence(outcome, f"{HOPELESS} requests in a row"))

    def _note_silence(self, outcome: Outcome, how_long: str) -> UserError:
        """Return that nothing was answered, and let later jobs try the server out first."""
        fault = no_answer(outcome.attempt, self.settings, how_long)
        if _is_silence(outcome):
            self._breaker.silent(str(fault))
        return fault

    async def _control(self, ask: Ask) -> Outcome | None:
        """Send a request that belongs to no job, and store its attempt."""
        outcome = await self._exchange(ask)
        if outcome is not None:
            self._store(outcome.attempt)
        return outcome

    async def _exchange(self, ask: Ask) -> Outcome | None:
        """Send one request when limits allow; None when stopped. The caller stores its attempt."""
        prompt = most_prompt_tokens(ask.messages)
        completion = self.client.tokens(ask) * len(ask.repetitions)
        estimate = self.price.cost(prompt, completion) if self.price else 0.0
        await self._permission(prompt + completion)
        try:
            if not self.lease.valid:
                self.stop(LeaseLostError())
            if self._stopped.is_set():
                return None
            if self.budget:
                self.budget.take(estimate)
            self._on_their_way[asyncio.current_task()] = time.monotonic()
            outcome = await self.client.send(ask)
        finally:
            self._on_their_way.pop(asyncio.current_task(), None)
            self.gate.release()
        if self.budget:
            self.budget.settle(estimate, self._cost(outcome.attempt, estimate))
        self._controls.note(ask, outcome)
        self._react(outcome)
        return outcome

    async def _permission(self, tokens: int) -> None:
        """Wait for rate limits, for pauses and for a slot in flight, which is taken on return."""
        now = time.monotonic()
        turns = [
            (pacer, pacer.reserve(amount, now))
            for pacer, amount in ((self._requests, 1), (self._tokens, tokens))
        ]
        while not self._stopped.is_set():
            now = time.monotonic()
            seconds = max(pacer.wait(place, now) for pacer, place in turns)
            if seconds <= 0:
                break
            await self._sleep(min(seconds, PACE_S))
        while True:
            await self._hold()
            await self.gate.acquire()
            if self._stopped.is_set() or self._held_until <= time.monotonic():
                return
            self.gate.release()  # a pause began meanwhile

    def _cost(self, attempt: Attempt, estimate: float) -> float:
        if self.price is None:
            return 0.0
        if attempt.prompt_tokens is not None and attempt.completion_tokens is not None:
            return self.price.cost(attempt.prompt_tokens, attempt.completion_tokens)
        answered = attempt.cause is None and (attempt.status or 0) < 300
        paid = answered or attempt.cause in MAYBE_PAID
        return estimate if paid else 0.0

    def _react(self, outcome: Outcome) -> None:
        """Adapt concurrency, pauses and the run itself to an outcome."""
        attempt, now = outcome.attempt, time.monotonic()
        if outcome.verdict == replies.ANSWERED:
            self._answered_at, self._promises, self._rejections = now, 0, 0
            self.gate.grow()
            self._pause(exhausted_wait(outcome.headers), now)
            self._note_model(attempt.served_model)
            return
        if outcome.verdict == replies.STOP:
            self.stop(stopped(attempt, self.settings))
            return
        wait = requested_wait(outcome.headers, time.time())
        if outcome.verdict == replies.THROTTLED and self.gate.cut(outcome.sent_at, now):
            limited = attempt.cause == "http_429"
            if limited and wait is None:  # as many workers as there are would only be rejected
                self._rejections += 1
                self._quiet_until = now + backoff(self._rejections)
            if limited or wait is not None:
                self.gate.probe()
        if wait is not None:
            self._promises += self._resume_at <= now
            self._pause(wait, now)
        waited_until = self._resume_at if self._promises < PROMISES else 0.0
        if now - max(self._answered_at, waited_until) > PATIENCE_S:
            self.stop(self._note_silence(outcome, f"{PATIENCE_S / 60:.0f} minutes"))

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
            self.progress.say(
                f"the server asks to wait {seconds:.0f} s; after {LONGEST_WAIT_S / 60:.0f} minutes "
                "one request asks again"
            )
            seconds = LONGEST_WAIT_S
        self._resume_at, self._say_at = now + seconds, now

    @property
    def _held_until(self) -> float:
        return max(self._resume_at, self._quiet_until)

    async def _hold(self) -> None:
        while not self._stopped.is_set():
            now = time.monotonic()
            left = self._held_until - now
            if left <= 0:
                return
            if left > WORTH_SAYING_S and now >= self._say_at:
                self._say_at = now + PIECE_S  # one worker logs for all
                why = "asks to wait" if self._resume_at > now else "takes no more requests"
                self.progress.say(f"the server {why}; {left:.0f} s left")
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

    async def _tell(self) -> None:
        while True:
            since = time.monotonic()
            await asyncio.to_thread(self.progress.note)
            if not self._stopped.is_set() and self._breaker.halted():
                self._interrupt(signal.SIGTERM)
            await asyncio.sleep(TELL_S)
            if self._answered_at > since:
                self._breaker.answered()

    async def _share(self) -> None:
        while True:
            await asyncio.sleep(self._sharing.wait_s)
            step = self._sharing.step
            self._use(await asyncio.to_thread(step, self.gate.in_flight, self._busy))

    def _use(self, part: Part) -> None:
        """Keep to a part of the endpoint's limits from now on."""
        if self._stopped.is_set():
            return
        now = time.monotonic()
        self.gate.cap(part.slots)
        for pacer in (self._requests, self._tokens):
            pacer.pace(part.rate, now)
        if self.budget:  # it reserves for the requests that may be in flight
            self.budget.block = max(1, part.slots)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop the run on SIGINT or SIGTERM; see ``_interrupt`` for the next ones."""
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
        """Stop; the second time say what is on its way, the third time in ten seconds drop it."""
        now, count = time.monotonic(), len(self._on_their_way)
        if self._stopped.is_set() and count:
            if now - self._warned_at <= DROP_S:
                self.progress.say(
                    f"{count} requests are dropped on their way; they may be billed, and the next "
                    "run asks them again"
                )
                for worker in self._workers:
                    worker.cancel()
                return
            self._warned_at = now
            oldest = now - min(self._on_their_way.values())
            self.progress.say(
                f"{count} requests are on their way, the oldest for {oldest:.0f} s of at most "
                f"{self.settings.timeout_s:.0f} s; their answers will be billed and are kept if "
                f"you wait. To drop them, interrupt once more within {DROP_S:.0f} seconds"
            )
            return
        self.progress.say(f"stopping; waiting for {count} requests in flight")
        name = signal.Signals(number).name
        self.stop(UserError(f"stopped by {name}; {GO_ON} ({self.writer.folder})"))


def _is_silence(outcome: Outcome) -> bool:
    """Return whether a failure is the server's own: no connection, no answer in time, an error."""
    failed = outcome.verdict in (replies.RETRY, replies.THROTTLED)
    return failed and outcome.attempt.cause != "http_429"  # a server that limits requests is up
