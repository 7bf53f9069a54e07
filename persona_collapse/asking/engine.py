"""The engine: send requests concurrently, adapt to the endpoint's limits, store every attempt.

An attempt is stored before it is used. A run ends in one of six ways: all slots are answered; the
endpoint refuses for a reason that only the user can fix (key, model, credit); a cache answers
instead of the model; the budget is spent or the disk is full; a signal; the lease on its cells is
lost. In each case requests in flight are completed and stored.

A refused prompt has an answer, ``filtered``, if the endpoint answers other prompts. In doubt a
control is sent: a prompt that was answered before, or a neutral one.
"""

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from persona_collapse.asking import response as replies
from persona_collapse.asking.breaker import Breaker
from persona_collapse.asking.budget import Budget
from persona_collapse.asking.client import Client, Outcome
from persona_collapse.asking.learned import CHOICES, LONE_N, Allowed
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
from persona_collapse.asking.reasons import FILTER_WORDS, is_filter_finish
from persona_collapse.asking.replays import Replays, says_hit
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.sharing import Part, Sharing
from persona_collapse.asking.slots import FILTERED, OK, Ask, Job
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
LESSONS = 12  # limits that one job may learn in a row
# A prompt that no filter refuses, for a run in which nothing was answered yet.
NEUTRAL = [{"role": "user", "content": "Answer with the number 3 alone."}]
# How long a run goes on without any answer. Waits that the server asks for do not count, unless so
# many of them in a row ended in another failure.
PATIENCE_S = 1800.0
PROMISES = 10
# Failures that may have been paid although the server reported no usage.
MAYBE_PAID = ("timeout", "connection_lost", "not_json", "no_choices")
# What to do about a reason, by its words.
CHECK = "Check that the server is up and that it accepts the study's settings"
ADVICE = (
    (
        re.compile(r"log_?prob|log.probabilit", re.IGNORECASE),
        "Does it give log-probabilities at all? method: repeats (in sampling or a probe) does "
        "without them",
    ),
    (
        re.compile("|".join([LONE_N.pattern, *map(re.escape, CHOICES)]), re.IGNORECASE),
        "batching: single asks for one reply at a time; extra_body should hold no n",
    ),
    (
        re.compile(r"output limit was reached|higher max_tokens", re.IGNORECASE),
        "Does the model think before it answers? thinking: {max_tokens: 4096}, on the endpoint or "
        "the variant, gives it room",
    ),
    (
        re.compile(r"\b(?:temperature|top_p)\b", re.IGNORECASE),
        "Correct sampling.temperature or sampling.top_p; null leaves them out",
    ),
    (
        FILTER_WORDS,
        "A content filter may refuse all prompts of the study: choose another server or model, or "
        "change the provider's filter",
    ),
)
DROP_S = 10.0  # within which an interrupt repeats the one before: drop what is on its way
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
        lease: Lease,
        budget: Budget | None = None,
        price: Price | None = None,
    ) -> None:
        self.client, self.writer, self.settings = client, writer, settings
        self.progress, self.lease = progress, lease
        self.budget, self.price = budget, price
        progress.in_flight = lambda: len(self._on_their_way)
        self.gate = Gate(0)
        self._sharing = Sharing(settings)
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
        self._answered_at = 0.0
        self._served: set[str] = set()
        self._replays = Replays()
        self._known: list[Ask] = []  # prompts that were answered, of two cells
        self._controlling = asyncio.Lock()
        # Of the last answered request of all: when it was sent, and when it was answered.
        self._proof_sent_at = self._proof_at = float("-inf")
        self._workers: list[asyncio.Task[None]] = []
        self._on_their_way: dict[asyncio.Task[None] | None, float] = {}  # sent at, by worker
        self._warned_at = float("-inf")
        self._busy = 0  # workers that have a job

    async def run(self, jobs: Iterator[Job], answered: Sequence[Ask] = ()) -> None:
        """Run every job; raise what stopped the run, after requests in flight are completed.

        ``answered`` are prompts that the endpoint and model answered in earlier runs.
        """
        self._answered_at = time.monotonic()
        self._known = list(answered)
        with self._signals():
            first = list(islice(jobs, self.settings.max_in_flight))
            self._busy = len(first)
            self._use(self._sharing.step(0, self._busy))
            works = (self._sync(), self._share(), self._tell())
            beside = [asyncio.create_task(work) for work in works]
            for job in first:
                self._workers.append(asyncio.create_task(self._work(chain([job], jobs))))
            try:
                await asyncio.gather(*self._workers, return_exceptions=True)
            finally:
                for task in beside:
                    task.cancel()
                await self.client.close()
                self._sharing.close()
        if self._fault is not None:
            raise self._fault

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
        except Exception as fault:  # a bug must not lose requests of the other workers
            self.stop(fault)
        finally:
            self._busy -= 1

    async def _finish(self, job: Job) -> None:
        """Send requests until each slot of a job has an answer, or the job fails."""
        failed = failures = lessons = 0  # in a row; ``failures`` are not caused by throttling
        refused: Ask | None = None  # a request that was refused for no known reason
        for attempt in job.attempts:
            self._replays.add(attempt)
        while (ask := job.ask()) is not None:
            ask = self.client.fitted(ask)
            if refused is not None:  # the second try is for one reply: n may be what is refused
                ask = replace(ask, repetitions=refused.repetitions[:1])
            outcome = await self._exchange(ask)
            if outcome is None:
                return
            if outcome.verdict == replies.ANSWERED:
                outcome = await self._original(outcome)
            elif outcome.verdict == replies.FILTERED or (refused and _is_doubtful(outcome)):
                outcome = await self._judged(refused or ask, outcome)
            self._keep(job, outcome)
            if outcome.verdict == replies.ANSWERED:
                failed = failures = lessons = self._unanswered = 0
                if refused is not None:
                    self._explain(refused, outcome)
                    refused = None
                continue
            if outcome.verdict in (replies.ADAPTED, replies.REPLAYED) and lessons < LESSONS:
                lessons += 1
                continue
            if _is_doubtful(outcome) and refused is None:
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
        if self._unanswered < HOPELESS or self._stopped.is_set():
            return
        if await self._answers_others(ask, outcome.sent_at):
            self._unanswered = 0
        else:
            how_long = f"{HOPELESS} requests in a row"
            self.stop(no_answer(outcome.attempt, self.settings, how_long))

    async def _judged(self, ask: Ask, outcome: Outcome) -> Outcome:
        """Return a refusal as the prompt's answer if other prompts are answered, else a failure."""
        attempt = outcome.attempt
        since = outcome.sent_at
        if outcome.verdict == replies.FILTERED and self._proof_at >= since:
            others: bool | None = True  # the words say filter, and another reply came meanwhile
        else:
            others = await self._answers_others(ask, since)
        if others:
            filtered = as_filtered(attempt, ask.repetitions)
            return replace(outcome, verdict=replies.ANSWERED, attempt=filtered)
        if others is False and attempt.cause == "http_403":
            self.stop(stopped(attempt, self.settings))
        return replace(outcome, verdict=replies.REJECTED)

    async def _answers_others(self, ask: Ask, since: float) -> bool | None:
        """Return whether a request sent after ``since`` was answered; in doubt send a control.

        None where the control had another failure, which says nothing.
        """
        async with self._controlling:
            if self._proof_sent_at >= since:
                return True
            outcome = await self._control(ask)
        if outcome is None:
            return None
        if _is_proof(outcome):
            return True
        refusals = (replies.FILTERED, replies.DOUBTFUL, replies.REJECTED, replies.STOP)
        return False if outcome.verdict in refusals else None

    async def _control(self, ask: Ask) -> Outcome | None:
        """Send a prompt other than that of ``ask``, one that was answered if there is one."""
        neutral = Ask(self.settings.cell_key(NEUTRAL), NEUTRAL, (1,), ask.max_tokens, 0)
        control = next((known for known in self._known if known.cell != ask.cell), neutral)
        for _ in range(LESSONS):
            outcome = await self._exchange(control)
            if outcome is None:
                return None
            self._store(outcome.attempt)
            self._replays.add(outcome.attempt)
            if outcome.verdict != replies.ADAPTED:
                break
        return outcome

    async def _original(self, outcome: Outcome) -> Outcome:
        """Return an answer, as a failure where a cache gave an earlier one again."""
        attempt = outcome.attempt
        hit = says_hit(outcome.headers)
        replay = hit or self._replays.is_replay(attempt)
        if replay is None:  # ids of one cell do not show yet whether they identify replies
            async with self._controlling:
                if self._replays.is_replay(attempt) is None:
                    await self._control(Ask(attempt.cell, [], (1,), attempt.max_tokens, 0))
            replay = self._replays.is_replay(attempt)
        if not replay:
            self._replays.add(attempt)
            return outcome
        if outcome.uncached:
            self.stop(cached(attempt, self.settings))
        else:
            self.client.learn(Allowed(uncached=True))
            self.progress.say(
                f"a cache gave an earlier reply again (response id {attempt.response_id}), which "
                "is no repetition: it is asked again, and requests now ask caches not to answer"
            )
        detail = f"response id {attempt.response_id}: an earlier reply, given again by a cache"
        copy = replace(attempt, cause="replay", detail=detail, choices=())
        return replace(outcome, verdict=replies.REPLAYED, attempt=copy)

    def _explain(self, refused: Ask, outcome: Outcome) -> None:
        """Ask for single replies where only a request for several was refused."""
        if len(refused.repetitions) > 1 and _is_proof(outcome):
            self.client.learn(Allowed(max_n=1))
            self.progress.say(
                f"the server refused a request for {len(refused.repetitions)} replies and answered "
                "one for a single reply: replies are asked one by one (batching: single sets it)"
            )

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
        if _is_proof(outcome):
            self._proof_at = time.monotonic()
            self._proof_sent_at = max(self._proof_sent_at, outcome.sent_at)
            if len(self._known) < 2 and all(ask.cell != known.cell for known in self._known):
                self._known.append(replace(ask, repetitions=ask.repetitions[:1]))
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
            await asyncio.to_thread(self.progress.note)
            if not self._stopped.is_set() and Breaker(self.settings).halted():
                self._interrupt(signal.SIGTERM)
            await asyncio.sleep(TELL_S)

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


def _is_doubtful(outcome: Outcome) -> bool:
    return outcome.verdict == replies.DOUBTFUL


def _is_proof(outcome: Outcome) -> bool:
    """Return whether an outcome shows that the account and the study's settings are accepted."""
    choices = outcome.attempt.choices
    filtered = all(is_filter_finish(choice.finish) for choice in choices)
    return outcome.verdict == replies.ANSWERED and not filtered


def as_filtered(attempt: Attempt, repetitions: tuple[int, ...]) -> Attempt:
    """Return a refused request as the answer that a filter gave to a prompt."""
    return replace(
        attempt,
        repetitions=repetitions,
        cause=None,
        detail=f"{attempt.cause}: {attempt.detail}",
        choices=replies.filtered_choices(len(repetitions)),
    )


def cached(attempt: Attempt, settings: Settings) -> StoppedError:
    """Explain that a cache answers instead of the model."""
    return StoppedError(
        f"{settings.base_url}, model {settings.model}: a cache answers instead of the model: it "
        f"gave the reply {attempt.response_id} again for the same prompt, although the request "
        "asked caches not to answer. Copies are no repetitions, and R would be too high. Switch "
        "the cache off at that server or ask the model directly (docs/servers.md); then "
        f"{THEN_GO_ON}",
        "replay",
    )


def stopped(attempt: Attempt, settings: Settings) -> StoppedError:
    """Explain an answer after which no request will be answered."""
    cause, holder = attempt.cause or "", settings.api_key_env
    key = f"the key in {holder}" if holder else "no key (api_key_env: null)"
    reason = (attempt.detail or "no reason given").rstrip(".")
    said = f"{settings.base_url} answered {cause}: {reason}"
    refused = f"it does not accept {key}; check the key, or api_key_env in the study file"
    advice = {
        "http_401": refused,
        "invalid_api_key": refused,
        "http_402": f"the account of {key} has no credit left; add credit",
        "http_403": f"{key} may not use the model {settings.model!r}; check the account's access",
        "http_404": f"it has no model {settings.model!r}, or base_url is not the address of an "
        "OpenAI-compatible API (it often ends in /v1); check both in the study file",
        "redirect": "redirects are not followed, as the key would go with them; if you trust that "
        "address, set it as base_url",
        "insufficient_quota": f"the account of {key} has no credit left, or has reached its own "
        "spending limit; add credit or raise that limit",
    }[cause]
    return StoppedError(f"{said}. {advice[0].upper()}{advice[1:]}; then {THEN_GO_ON}", cause)


def no_answer(attempt: Attempt, settings: Settings, how_long: str) -> UserError:
    """Explain that there was no answer for too long, with the key that the reason speaks of."""
    detail = attempt.detail or "no reason given"
    advice = next((text for words, text in ADVICE if words.search(detail)), CHECK)
    last = replies.said(attempt).rstrip(".")
    if attempt.cause == "no_connection":  # which names the address, and concerns all its models
        return UserError(f"{last}; no answer for {how_long}. {advice}; {GO_ON}")
    return UserError(
        f"{settings.base_url}, model {settings.model}: no answer for {how_long}; the last failure: "
        f"{last}. {advice}; {GO_ON}"
    )
