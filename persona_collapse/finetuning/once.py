"""Creating something on a server exactly once, whatever is lost on the way.

Before the request an intent is written, after the reply the id. An intent without an outcome may
have been heard, and may even be heard later: the server's own list is read until a settle time has
passed since, and only then is the request sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from persona_collapse.asking.limits import backoff
from persona_collapse.finetuning.backends.base import RefusedError, ThrottledError, UnansweredError
from persona_collapse.finetuning.journal import (
    ID,
    INTENT,
    REFUSED,
    Entry,
    Journal,
    known_id,
    open_intent,
)

MOST_POSTS = 5  # requests without an answer before a run gives up
T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long things are waited for, in seconds.

    ``settle_s`` is how long a request without an answer may still be heard; ``silent_s`` how long
    a server may give no answer at all.
    """

    settle_s: float = 30.0
    poll_s: float = 15.0
    silent_s: float = 1800.0

    def keep_asking(self, ask: Callable[[], T]) -> T:
        """Ask until an answer comes; raise the last failure when none came for too long."""
        until, failures = time.monotonic() + self.silent_s, 0
        while True:
            try:
                return ask()
            except UnansweredError as fault:
                failures += 1
                wait = fault.wait_s or min(backoff(failures), max(self.poll_s, 0.05))
                if time.monotonic() + wait > until:
                    raise
                time.sleep(wait)


def ensure(
    journal: Journal,
    find: Callable[[], str | None],
    post: Callable[[], str],
    before: Callable[[Entry | None], dict[str, Any]],
    patience: Patience,
) -> str:
    """Return the id of what the journal is about; create it where it does not exist.

    ``find`` looks it up on the server, ``post`` creates it. ``before`` is called before each post,
    with the intent that went unanswered (None at the first), and returns fields of the new intent.
    Raises ``RefusedError`` when the server declines, ``UnansweredError`` when none of several posts
    was answered.
    """
    entries = journal.entries()
    known = known_id(entries)
    if known is not None:
        return known
    unanswered = open_intent(entries)
    last: UnansweredError | None = None
    for failures in range(1, MOST_POSTS + 1):
        found = _look(find, unanswered, patience)
        if found is not None:
            journal.write(ID, id=found, adopted=True)
            return found
        fields = before(unanswered)
        unanswered = journal.write(INTENT, **fields)
        try:
            made = post()
        except ThrottledError as fault:  # it has done nothing, and wants to be asked later
            journal.write(REFUSED, reason=str(fault), again=True)
            last, unanswered = fault, {**fields, "event": REFUSED}
            time.sleep(fault.wait_s or backoff(failures))
        except UnansweredError as fault:
            last = fault
        except RefusedError as fault:
            journal.write(REFUSED, reason=str(fault), code=fault.code, status=fault.status)
            raise
        else:
            journal.write(ID, id=made, adopted=False)
            return made
    assert last is not None
    raise last


def _look(find: Callable[[], str | None], intent: Entry | None, patience: Patience) -> str | None:
    """Look something up; after an unanswered intent until it can no longer be heard."""
    began = time.monotonic()
    left = 0.0
    if intent is not None and intent["event"] == INTENT:
        at = datetime.fromisoformat(intent["at"])
        age = (datetime.now(UTC) - at).total_seconds()
        # Another machine's clock may run ahead: never wait longer than the settle time itself.
        left = min(patience.settle_s, patience.settle_s - age)
    while True:
        found = patience.keep_asking(find)
        remaining = left - (time.monotonic() - began)
        if found is not None or remaining <= 0:
            return found
        time.sleep(min(remaining, max(patience.settle_s / 10, 0.05)))
