"""The state of slots, computed from stored attempts, and the next request of each.

A slot is one repetition of one cell. Ratings follow the failure protocol (``Protocol``): one-token
tries until one has a rating, at most ``max_attempts``; then one longer reply, whose first integer
on the scale is the rating, marked ``fallback``; then ``unparseable``. A refusal or a filtered reply
is an answer: asking until a model complies would bias the sample. For open-ended replies and the
judge's verdicts the first reply is final (``ReplyJob``). All functions are pure functions of the
attempts in the store, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

from persona_collapse.asking.ratings import UnusableError, parse_rating, rating_probabilities
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Attempt, Choice

SHORT = 1  # tokens of a one-token try
REJECTIONS = ("http_400", "http_422")  # failures that would repeat for the same request
OK, UNPARSEABLE, REFUSED, FILTERED, ERROR = "ok", "unparseable", "refused", "filtered", "error"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reply says; ``reason`` is why log-probabilities could not be used."""

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
    fallback_max_tokens: int

    def read(self, choice: Choice) -> Reading:
        """Read one reply; a refusal has no rating, whatever its text."""
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

    ``attempts`` counts replies and failed requests; a choice that is missing from a reply is
    neither.
    """

    repetition: int
    status: str | None = None
    rating: int | None = None
    probabilities: list[float] | None = None
    fallback: bool = False
    parse_failures: int = 0
    transport_failures: int = 0
    response: str | None = None
    served_model: str | None = None
    system_fingerprint: str | None = None
    created_at: str | None = None

    @property
    def attempts(self) -> int:
        """Number of requests for this slot: failed, unparseable and final ones."""
        settled = self.status is not None and self.status != UNPARSEABLE
        return self.parse_failures + self.transport_failures + settled

    def settle(self, attempt: Attempt, choice: Choice, reading: Reading) -> None:
        """Set a reply as this slot's answer."""
        self.status, self.rating = reading.status, reading.rating
        self.probabilities = reading.probabilities
        self.response = reading.reason or choice.refusal or choice.text
        self.served_model = attempt.served_model
        self.system_fingerprint = attempt.system_fingerprint
        self.created_at = attempt.created_at


def resolve(
    attempts: Iterable[Attempt], repetitions: Sequence[int], protocol: Protocol
) -> dict[int, Slot]:
    """Return the state of a cell's slots; ``attempts`` are in the order of their replies."""
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
            elif attempt.max_tokens == protocol.fallback_max_tokens:
                longer.setdefault(repetition, (attempt, replies[repetition]))
    for repetition, (attempt, choice) in longer.items():
        slot = slots[repetition]
        if slot.status is None and slot.parse_failures >= protocol.max_attempts:
            reading = protocol.read(choice)
            slot.fallback = True
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
    number: int  # of earlier attempts, so that no seed is sent twice


class Work(Interface):
    """Slots of one cell and the next request while one of them is open, for the engine."""

    cell: str
    repetitions: Sequence[int]
    attempts: list[Attempt]

    def ask(self) -> Ask | None:
        """Return the next request, None when every slot has its answer."""


class RatingJob:
    """Ratings of one cell: requests until each slot has its answer."""

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
        fallback = tuple(slot.repetition for slot in waiting if slot.parse_failures >= most)
        if not waiting:
            return None
        repetitions, limit = (
            (short, SHORT) if short else (fallback, self.protocol.fallback_max_tokens)
        )
        return Ask(self.cell, self.messages, repetitions, limit, len(self.attempts))


def received(
    attempts: Iterable[Attempt], repetitions: Iterable[int], max_tokens: int
) -> dict[int, tuple[Attempt, Choice]]:
    """Return the first reply to each repetition that got one, at this token limit.

    ``attempts`` are in the order of their replies, as in the store.
    """
    asked, found = set(repetitions), dict[int, tuple[Attempt, Choice]]()
    for attempt in attempts:
        if attempt.cause is None and attempt.max_tokens == max_tokens:
            for repetition, choice in attempt.replies().items():
                if repetition in asked:
                    found.setdefault(repetition, (attempt, choice))
    return found


def failures(attempts: Iterable[Attempt], repetition: int, max_tokens: int) -> list[Attempt]:
    """Return the failed requests for one repetition at this token limit."""
    return [
        attempt
        for attempt in attempts
        if attempt.cause is not None
        and attempt.max_tokens == max_tokens
        and repetition in attempt.repetitions
    ]


class ReplyJob:
    """Replies to one cell: requests until each repetition has a reply, which is final."""

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
