"""The failure protocol: what the attempts at a cell amount to, and what to ask for next.

Per slot (one repetition of one cell): one-token tries until one holds a rating, ``max_attempts`` at
most; then one longer reply, whose first integer on the scale is the rating, marked ``late``; then
``unparseable``. A refusal or a filtered reply is an answer: asking until a model gives in would
bias the sample. Everything here is a pure function of the attempts in the store, so that a run
that was cut off goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

from persona_collapse.asking.ratings import UnusableError, parse_rating, rating_probabilities
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Attempt, Choice

SHORT = 1  # tokens of a one-token try
REJECTIONS = ("http_400", "http_422")  # this request, as it is, will never be answered
OK, UNPARSEABLE, REFUSED, FILTERED, ERROR = "ok", "unparseable", "refused", "filtered", "error"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reply says; ``reason`` tells why log-probabilities could not be used."""

    status: str
    rating: int | None = None
    probabilities: list[float] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Protocol:
    """How replies are read and how often a slot is tried."""

    scale: Scale
    logprobs: bool
    max_attempts: int
    late_max_tokens: int

    def read(self, choice: Choice) -> Reading:
        """Read one reply; the first token of a refusal is a refusal too, rating or not."""
        if choice.refusal:
            return Reading(REFUSED)
        if choice.finish == "content_filter":
            return Reading(FILTERED)
        if self.logprobs:
            try:
                return Reading(
                    OK, probabilities=rating_probabilities(choice.alternatives, self.scale)
                )
            except UnusableError as fault:
                return Reading(ERROR, reason=str(fault))
        rating = parse_rating(choice.text, self.scale)
        return Reading(UNPARSEABLE) if rating is None else Reading(OK, rating)


@dataclass(slots=True)
class Slot:
    """One repetition of a cell; ``status`` is None until a reply is final.

    ``attempts`` counts replies and failed requests that were this slot's; a choice that a server
    left out of its reply is neither.
    """

    repetition: int
    status: str | None = None
    rating: int | None = None
    probabilities: list[float] | None = None
    late: bool = False
    parse_failures: int = 0
    transport_failures: int = 0
    response: str | None = None
    served_model: str | None = None
    system_fingerprint: str | None = None
    created_at: str | None = None

    @property
    def attempts(self) -> int:
        """Requests that this slot took: failed, unreadable and final ones."""
        settled = self.status is not None and self.status != UNPARSEABLE
        return self.parse_failures + self.transport_failures + settled

    def settle(self, attempt: Attempt, choice: Choice, reading: Reading) -> None:
        """Take a reply as this slot's answer."""
        self.status, self.rating = reading.status, reading.rating
        self.probabilities = reading.probabilities
        self.response = reading.reason or choice.refusal or choice.text
        self.served_model = attempt.served_model
        self.system_fingerprint = attempt.system_fingerprint
        self.created_at = attempt.created_at


def resolve(
    attempts: Iterable[Attempt], repetitions: Sequence[int], protocol: Protocol
) -> dict[int, Slot]:
    """Return the state of a cell's slots; ``attempts`` come in the order of their replies."""
    slots = {repetition: Slot(repetition) for repetition in repetitions}
    longer: dict[int, tuple[Attempt, Choice]] = {}
    for attempt in attempts:
        replies = attempt.replies()
        for repetition in attempt.repetitions:
            slot = slots.get(repetition)
            if slot is None or slot.status is not None:
                continue
            if attempt.cause is not None:
                slot.transport_failures += 1
                slot.response = f"{attempt.cause}: {attempt.detail or ''}".rstrip(": ")
            elif repetition not in replies:
                continue
            elif attempt.max_tokens == SHORT:
                _one_token(slot, attempt, replies[repetition], protocol)
            elif attempt.max_tokens == protocol.late_max_tokens:
                longer.setdefault(repetition, (attempt, replies[repetition]))
    for repetition, (attempt, choice) in longer.items():
        slot = slots[repetition]
        if slot.status is None and slot.parse_failures >= protocol.max_attempts:
            reading = protocol.read(choice)
            slot.late = True
            slot.parse_failures += reading.status == UNPARSEABLE
            slot.settle(attempt, choice, reading)
    return slots


def _one_token(slot: Slot, attempt: Attempt, choice: Choice, protocol: Protocol) -> None:
    reading = protocol.read(choice)
    if reading.status == UNPARSEABLE:
        slot.parse_failures += 1
    else:
        slot.settle(attempt, choice, reading)


@dataclass(frozen=True, slots=True)
class Ask:
    """The next request of a cell: one reply for each of these repetitions."""

    cell: str
    messages: list[dict[str, str]]
    repetitions: tuple[int, ...]
    max_tokens: int
    number: int  # of attempts before this one, so that a seed is not asked twice


class Work(Interface):
    """What the engine works off: slots of one cell, and the next request while one is open."""

    cell: str
    repetitions: Sequence[int]
    attempts: list[Attempt]

    def ask(self) -> Ask | None:
        """Return the next request, None when every slot has its answer."""


class Job:
    """Some slots of one cell, worked on until each has its answer."""

    def __init__(
        self,
        cell: str,
        messages: list[dict[str, str]],
        repetitions: Sequence[int],
        protocol: Protocol,
        attempts: Iterable[Attempt] = (),
    ) -> None:
        self.cell, self.messages, self.repetitions = cell, messages, repetitions
        self.protocol, self.attempts = protocol, list(attempts)

    def slots(self) -> dict[int, Slot]:
        """Return the slots as the attempts so far leave them."""
        return resolve(self.attempts, self.repetitions, self.protocol)

    def ask(self) -> Ask | None:
        """Return the next request, None when every slot has its answer."""
        waiting = [slot for slot in self.slots().values() if slot.status is None]
        most = self.protocol.max_attempts
        short = tuple(slot.repetition for slot in waiting if slot.parse_failures < most)
        late = tuple(slot.repetition for slot in waiting if slot.parse_failures >= most)
        if not waiting:
            return None
        repetitions, limit = (short, SHORT) if short else (late, self.protocol.late_max_tokens)
        return Ask(self.cell, self.messages, repetitions, limit, len(self.attempts))


def received(
    attempts: Iterable[Attempt], repetitions: Iterable[int], max_tokens: int
) -> dict[int, tuple[Attempt, Choice]]:
    """Return the first reply of this length to each repetition that got one.

    ``attempts`` come in the order of their replies, as the store gives them.
    """
    wanted, found = set(repetitions), dict[int, tuple[Attempt, Choice]]()
    for attempt in attempts:
        if attempt.cause is None and attempt.max_tokens == max_tokens:
            for repetition, choice in attempt.replies().items():
                if repetition in wanted:
                    found.setdefault(repetition, (attempt, choice))
    return found


def failures(attempts: Iterable[Attempt], repetition: int, max_tokens: int) -> list[Attempt]:
    """Return the failed requests for one repetition at this length."""
    return [
        attempt
        for attempt in attempts
        if attempt.cause is not None
        and attempt.max_tokens == max_tokens
        and repetition in attempt.repetitions
    ]


class Once:
    """Some repetitions of one cell, asked for in one request until each has a reply."""

    def __init__(
        self,
        cell: str,
        messages: list[dict[str, str]],
        repetitions: Sequence[int],
        max_tokens: int,
        attempts: Iterable[Attempt] = (),
    ) -> None:
        self.cell, self.messages, self.max_tokens = cell, messages, max_tokens
        self.repetitions, self.attempts = repetitions, list(attempts)

    def missing(self) -> tuple[int, ...]:
        """Return the repetitions without a reply."""
        found = received(self.attempts, self.repetitions, self.max_tokens)
        return tuple(number for number in self.repetitions if number not in found)

    def ask(self) -> Ask | None:
        """Return the next request, None when every repetition has its reply."""
        missing = self.missing()
        if not missing:
            return None
        return Ask(self.cell, self.messages, missing, self.max_tokens, len(self.attempts))
