"""Judge a reply by what the endpoint gives to other prompts; in doubt by a control, which asks one.

A refused prompt has an answer, ``filtered``, if other prompts are answered. A reply that repeats an
earlier one comes from a cache, if ids of replies to other prompts differ. A control is a prompt
that was answered before, or a neutral one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from persona_collapse.asking import response as replies
from persona_collapse.asking.client import Client, Outcome
from persona_collapse.asking.learned import Allowed
from persona_collapse.asking.progress import Progress
from persona_collapse.asking.reasons import is_filter_finish
from persona_collapse.asking.replays import Replays, says_hit
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.stops import cached, stopped
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt

LESSONS = 12  # limits that one job may learn in a row
# A prompt that no filter refuses, for a run in which nothing was answered yet.
NEUTRAL = [{"role": "user", "content": "Answer with the number 3 alone."}]


class Controls:
    """What one endpoint and model answered so far; see the module's text.

    ``send`` sends and stores a request of its own and returns the outcome, None when the run was
    stopped. ``stop`` stops the run. ``known`` are prompts that were answered in earlier runs.
    """

    def __init__(
        self,
        client: Client,
        progress: Progress,
        send: Callable[[Ask], Awaitable[Outcome | None]],
        stop: Callable[[UserError], None],
        known: Sequence[Ask],
    ) -> None:
        self.replays = Replays()
        self._client, self._progress = client, progress
        self._send, self._stop = send, stop
        self._known = list(known)  # of two cells
        self._controlling = asyncio.Lock()
        # Of the last answered request of all: when it was sent, and when it was answered.
        self._proof_sent_at = self._proof_at = float("-inf")

    def note(self, ask: Ask, outcome: Outcome) -> None:
        """Take note of what was sent and answered."""
        if is_proof(outcome.attempt, outcome.verdict):
            self._proof_at = time.monotonic()
            self._proof_sent_at = max(self._proof_sent_at, outcome.sent_at)
            if len(self._known) < 2 and all(ask.cell != known.cell for known in self._known):
                self._known.append(replace(ask, repetitions=ask.repetitions[:1]))

    async def refusal(self, ask: Ask, outcome: Outcome) -> Outcome:
        """Return a refusal as the prompt's answer if other prompts are answered, else a failure."""
        attempt, since = outcome.attempt, outcome.sent_at
        if outcome.verdict == replies.FILTERED and self._proof_at >= since:
            others: bool | None = True  # the words say filter, and another reply came meanwhile
        else:
            others = await self.others_answered(ask, since)
        if others:
            filtered = as_filtered(attempt, ask.repetitions)
            return replace(outcome, verdict=replies.ANSWERED, attempt=filtered)
        if others is False and attempt.cause == "http_403":
            self._stop(stopped(attempt, self._client.settings))
        return replace(outcome, verdict=replies.REJECTED)

    async def others_answered(self, ask: Ask, since: float) -> bool | None:
        """Return whether a request sent after ``since`` was answered; in doubt send a control.

        None where the control had another failure, which says nothing.
        """
        async with self._controlling:
            if self._proof_sent_at >= since:
                return True
            outcome = await self.control(ask.cell, ask.max_tokens)
        if outcome is None:
            return None
        if is_proof(outcome.attempt, outcome.verdict):
            return True
        refusals = (replies.FILTERED, replies.DOUBTFUL, replies.REJECTED, replies.STOP)
        return False if outcome.verdict in refusals else None

    async def original(self, outcome: Outcome) -> Outcome:
        """Return an answer, as a failure where a cache gave an earlier one again."""
        attempt = outcome.attempt
        replay = says_hit(outcome.headers) or self.replays.is_replay(attempt)
        if replay is None:  # ids of one cell do not show yet whether they identify replies
            async with self._controlling:
                if self.replays.is_replay(attempt) is None:
                    await self.control(attempt.cell, attempt.max_tokens)
            replay = self.replays.is_replay(attempt)
        if not replay:
            self.replays.add(attempt)
            return outcome
        if outcome.uncached:
            self._stop(cached(attempt, self._client.settings))
        else:
            self._client.learn(Allowed(uncached=True))
            self._progress.say(
                f"a cache gave an earlier reply again (response id {attempt.response_id}), which "
                "is no repetition: it is asked again, and requests now ask caches not to answer"
            )
        detail = f"response id {attempt.response_id}: an earlier reply, given again by a cache"
        copy = replace(attempt, cause="replay", detail=detail, choices=())
        return replace(outcome, verdict=replies.REPLAYED, attempt=copy)

    def single_is_answered(self, refused: Ask, outcome: Outcome) -> None:
        """Ask for single replies from now on, where only a request for several was refused."""
        if len(refused.repetitions) > 1 and is_proof(outcome.attempt, outcome.verdict):
            self._client.learn(Allowed(max_n=1))
            self._progress.say(
                f"the server refused a request for {len(refused.repetitions)} replies and answered "
                "one for a single reply: replies are asked one by one (batching: single sets it)"
            )

    async def control(self, cell: str, max_tokens: int) -> Outcome | None:
        """Ask another cell than this one, one that was answered if there is one.

        None where the run was stopped meanwhile.
        """
        key = self._client.settings.cell_key(NEUTRAL)
        neutral = Ask(key, NEUTRAL, (1,), max_tokens, 0)
        control = next((known for known in self._known if known.cell != cell), neutral)
        for _ in range(LESSONS):
            outcome = await self._send(control)
            if outcome is None:
                return None
            self.replays.add(outcome.attempt)
            if outcome.verdict != replies.ADAPTED:
                break
        return outcome


def is_proof(attempt: Attempt, verdict: str) -> bool:
    """Return whether a reply shows that the account and the study's settings are accepted."""
    filtered = all(is_filter_finish(choice.finish) for choice in attempt.choices)
    return verdict == replies.ANSWERED and not filtered


def as_filtered(attempt: Attempt, repetitions: tuple[int, ...]) -> Attempt:
    """Return a refused request as the answer that a filter gave to a prompt."""
    return replace(
        attempt,
        repetitions=repetitions,
        cause=None,
        detail=f"{attempt.cause}: {attempt.detail}",
        choices=replies.filtered_choices(len(repetitions)),
    )
