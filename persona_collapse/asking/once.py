"""Slots whose first reply is final, whatever it says: open-ended replies and a judge's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from persona_collapse.asking.slots import Ask
from persona_collapse.store.attempts import Attempt, Choice

REJECTIONS = ("http_400", "http_422")  # this request, as it is, will never be answered


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
