"""The state of slots, computed from stored attempts, and the next request of each.

A slot is one repetition of one cell. Ratings follow the failure protocol (``Protocol``): one-token
tries until one has a rating, at most ``max_attempts``; then one longer reply, whose
rating, if it holds one, is marked ``fallback``; then ``unparseable``. A model that thinks has a few
tries of full length instead, and no fallback. A refusal or a filtered reply
is an answer: asking until a model complies would bias the sample. For open-ended replies and the
judge's verdicts the first reply is final (``ReplyJob``). All functions are pure functions of the
attempts in the store, so that an interrupted run continues where it stopped.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from persona_collapse.answers import LOGPROBS, REPLY, TOKEN
from persona_collapse.asking.logprobs import UnusableError, rating_distribution
from persona_collapse.asking.ratings import read_rating
from persona_collapse.asking.reasons import is_filter_finish
from persona_collapse.asking.response import CONTENT_FILTER
from persona_collapse.asking.settings import Settings
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Attempt, Choice

REJECTIONS = ("http_400", "http_422")  # failures that would repeat for the same request
NO_ANSWER = "thoughts without an answer after them: the length limit may be too small"
OK, UNPARSEABLE, REFUSED, FILTERED, ERROR = "ok", "unparseable", "refused", "filtered", "error"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reply says; ``reason`` is why it was filtered, or cannot be used.

    ``read_from`` is how its rating was read, ``rating_mass`` the probability of all ratings.
    """

    status: str
    rating: int | None = None
    probabilities: list[float] | None = None
    reason: str | None = None
    read_from: str | None = None
    rating_mass: float | None = None


@dataclass(frozen=True)
class Protocol:
    """How replies are read and how often a slot is tried."""

    scale: Scale
    settings: Settings

    def read(self, choice: Choice, attempt: Attempt) -> Reading:
        """Read one reply of an attempt; a refusal has no rating, whatever its text."""
        if choice.refusal:
            return Reading(REFUSED)
        if is_filter_finish(choice.finish):
            return Reading(
                FILTERED, reason=None if choice.finish == CONTENT_FILTER else choice.finish
            )
        if self.settings.logprobs:
            try:
                shares = rating_distribution(choice.alternatives, self.scale)
            except UnusableError as fault:
                return Reading(ERROR, reason=str(fault))
            status = UNPARSEABLE if shares.probabilities is None else OK
            by = None if shares.probabilities is None else LOGPROBS
            return Reading(status, None, shares.probabilities, shares.reason, by, shares.mass)
        thought = bool(choice.thoughts or attempt.reasoning_tokens)
        found = read_rating(choice.text, self.scale, thought=thought)
        if found.rating is None:
            silent = thought and not (choice.text or "").strip()
            return Reading(UNPARSEABLE, reason=NO_ANSWER if silent else None)
        return Reading(OK, found.rating, read_from=found.read_from)

    def is_final(self, slot: "Slot") -> bool:
        """Return whether a slot without a rating is not tried again, nor with a longer reply."""
        # Log-probabilities say the same when they are asked for again.
        spent = self.settings.thinking is not None and slot.parse_failures >= self.settings.tries
        return self.settings.logprobs or spent


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
    read_from: str | None = None
    rating_mass: float | None = None
    parse_failures: int = 0
    transport_failures: int = 0
    response: str | None = None
    served_model: str | None = None
    system_fingerprint: str | None = None
    created_at: str | None = None
    left_out: str | None = None

    @property
    def attempts(self) -> int:
        """Number of requests for this slot: failed, unparseable and final ones."""
        settled = self.status is not None and self.status != UNPARSEABLE
        return self.parse_failures + self.transport_failures + settled

    def settle(self, attempt: Attempt, choice: Choice, reading: Reading) -> None:
        """Set a reply as this slot's answer."""
        self.status, self.rating = reading.status, reading.rating
        self.probabilities, self.rating_mass = reading.probabilities, reading.rating_mass
        self.read_from = reading.read_from
        if self.fallback and self.read_from == TOKEN:  # it took a longer reply to get one
            self.read_from = REPLY
        self.response = attempt.detail or reading.reason or choice.refusal or choice.text
        self.served_model = attempt.served_model
        self.system_fingerprint = attempt.system_fingerprint
        self.created_at, self.left_out = attempt.created_at, attempt.left_out


def resolve(
    attempts: Iterable[Attempt], repetitions: Sequence[int], protocol: Protocol
) -> dict[int, Slot]:
    """Return the state of a cell's slots; ``attempts`` are in the order of their replies."""
    slots = {repetition: Slot(repetition) for repetition in repetitions}
    longer: dict[int, tuple[Attempt, Choice]] = {}
    settings = protocol.settings
    for attempt in attempts:
        replies = attempt.replies()
        for repetition in attempt.repetitions:
            slot, choice = slots.get(repetition), replies.get(repetition)
            if slot is None or slot.status is not None:
                continue
            if attempt.cause is not None:
                slot.transport_failures += 1
                slot.response = f"{attempt.cause}: {attempt.detail or ''}".rstrip(": ")
            elif choice is not None and attempt.max_tokens == settings.short:
                reading = protocol.read(choice, attempt)
                slot.parse_failures += reading.status == UNPARSEABLE
                if reading.status != UNPARSEABLE or protocol.is_final(slot):
                    slot.settle(attempt, choice, reading)
            elif choice is not None and attempt.max_tokens == settings.fallback_max_tokens:
                longer.setdefault(repetition, (attempt, choice))
    for repetition, (attempt, choice) in longer.items():
        slot = slots[repetition]
        if slot.status is None and slot.parse_failures >= settings.max_attempts:
            reading = protocol.read(choice, attempt)
            slot.fallback = True
            slot.parse_failures += reading.status == UNPARSEABLE
            slot.settle(attempt, choice, reading)
    return slots


@dataclass(frozen=True, slots=True)
class Ask:
    """The next request of a cell: one reply for each of these repetitions."""

    cell: str
    messages: list[dict[str, str]]
    repetitions: tuple[int, ...]
    max_tokens: int
    number: int  # of earlier attempts, so that no seed is sent twice


@dataclass
class Job:
    """Repetitions of one cell: requests until each has its answer."""

    cell: str
    messages: list[dict[str, str]]
    repetitions: Sequence[int]
    attempts: list[Attempt]  # earlier ones; later ones are added
    settled: Counter[str] = field(default_factory=Counter, init=False)  # answers, by status
    _next: tuple[int, Ask | None] = field(default=(-1, None), init=False)

    def __post_init__(self) -> None:
        self.attempts = list(self.attempts)  # other jobs of the cell have lists of their own

    def missing(self) -> tuple[tuple[int, ...], int]:
        """Return the repetitions that the next request is for, and its token limit."""
        raise NotImplementedError

    def ask(self) -> Ask | None:
        """Return the next request, None when every repetition has its answer."""
        number = len(self.attempts)
        if self._next[0] != number:
            repetitions, max_tokens = self.missing()
            ask = Ask(self.cell, self.messages, repetitions, max_tokens, number)
            self._next = number, ask if repetitions else None
        return self._next[1]


@dataclass
class RatingJob(Job):
    """Ratings of one cell, by the failure protocol."""

    protocol: Protocol

    def missing(self) -> tuple[tuple[int, ...], int]:
        """Return the slots for a one-token try; where there are none, those for a longer reply."""
        settings = self.protocol.settings
        slots = resolve(self.attempts, self.repetitions, self.protocol).values()
        self.settled = Counter(slot.status for slot in slots if slot.status is not None)
        waiting = {s.repetition: s.parse_failures for s in slots if s.status is None}
        short = tuple(slot for slot, failed in waiting.items() if failed < settings.tries)
        return (short, settings.short) if short else (tuple(waiting), settings.fallback_max_tokens)


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


@dataclass
class ReplyJob(Job):
    """Replies to one cell, whose first reply is final."""

    max_tokens: int

    def missing(self) -> tuple[tuple[int, ...], int]:
        """Return the repetitions without a reply, and the token limit."""
        found = received(self.attempts, self.repetitions, self.max_tokens)
        return tuple(n for n in self.repetitions if n not in found), self.max_tokens
