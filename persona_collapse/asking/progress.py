"""The progress of one shard or check: lines in its log, and a count for the run to show.

A job writes its count once a second into the run's folder of notes (``Settings.stops``), one small
file a label, which the run's terminal reads (``counts``). This works wherever jobs run.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from persona_collapse.common.files import write_atomically
from persona_collapse.common.hashing import digest
from persona_collapse.common.log import LOG

EVERY_S = 30.0  # between two lines in the log
COUNT, FAILED = "count", "failed"  # what names of notes begin with


@dataclass(frozen=True)
class Count:
    """How far a job is: ``answers`` of the ``total`` that the store lacked when it began asking.

    ``filtered`` of the answers were refused by the server's filter, and ``unrated`` hold no rating.
    ``in_flight`` requests are on their way, each for at most ``timeout_s`` seconds. ``said`` is the
    last message, for instance that a server asks to wait, at the time ``said_at`` (Unix, seconds).
    """

    label: str
    total: int
    answers: int
    requests: int
    failures: int
    in_flight: int = 0
    timeout_s: float = 0.0
    said: str = ""
    said_at: float = 0.0
    filtered: int = 0
    unrated: int = 0


@dataclass(frozen=True)
class Failures:
    """The answers that a job could not get: how many of how many, of how many cells, and why."""

    label: str
    asked: int
    missing: int
    cells: int
    reasons: dict[str, int]


Note = TypeVar("Note", Count, Failures)


class Progress:
    """Counts answers of one shard or check; ``shown`` False logs nothing but messages.

    ``folder`` is the run's folder of notes, None for a job without a run. ``missing`` answers are
    those of ``total`` and what other processes ask for. ``in_flight`` returns how many requests
    are on their way.
    """

    def __init__(
        self,
        label: str,
        total: int,
        shown: bool = True,
        folder: str | None = None,
        timeout_s: float = 0.0,
        missing: int | None = None,
    ) -> None:
        self._missing = total if missing is None else missing
        self.label, self.total, self.timeout_s = label, total, timeout_s
        self.answers = self.requests = self.failures = 0
        self.filtered = self.unrated = 0
        self.in_flight: Callable[[], int] = lambda: 0
        self._started = self._logged = time.monotonic()
        self._shown, self._folder = shown, folder
        self._said, self._said_at = "", 0.0

    def add(self, answers: int, failed: bool, filtered: int = 0, unrated: int = 0) -> None:
        """Count a request and the answers that became final with it, with or without a rating."""
        self.answers += answers
        self.filtered += filtered
        self.unrated += unrated
        self.requests += 1
        self.failures += failed
        if self._shown and time.monotonic() - self._logged >= EVERY_S:
            self._logged = time.monotonic()
            LOG.info(self.line())

    def line(self) -> str:
        """Return answers, rate, failures and the time left as one line."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self.answers / seconds
        left = clock((self.total - self.answers) / rate) if rate else "unknown"
        return (
            f"{self.label}: {self.answers} of {self.total} answers, {rate:.1f} a second, "
            f"{self.requests} requests, {self.failures} failures, {left} left"
        )

    def say(self, message: str) -> None:
        """Log a message under the run's label."""
        LOG.info("%s: %s", self.label, message)
        self._said, self._said_at = message, time.time()
        self.note()

    def note(self) -> None:
        """Write the count for the run's terminal; it is lost where the disk is full."""
        count = Count(
            *(self.label, self._missing, self.answers, self.requests, self.failures),
            *(self.in_flight(), self.timeout_s, self._said, self._said_at),
            *(self.filtered, self.unrated),
        )
        _write(self._folder, COUNT, self.label, count)

    def close(self) -> None:
        """Log the final count."""
        self.in_flight = lambda: 0
        self.note()
        if self._shown and self.requests:
            LOG.info(self.line())


def note_failures(folder: str | None, found: Failures) -> None:
    """Write down what a job could not get, for the summary at the end of its run."""
    _write(folder, FAILED, found.label, found)


def counts(folder: Path) -> list[Count]:
    """Return the count of every job that has written one and has not ended."""
    return list(_read(folder, f"{COUNT}-*.json", Count))


def taken(folder: Path, label: str) -> Count | None:
    """Return the count of a job that has ended, and remove it; None where it has written none."""
    found = list(_read(folder, _name(COUNT, label), Count))
    with suppress(OSError):
        (folder / _name(COUNT, label)).unlink(missing_ok=True)
    return found[0] if found else None


def failures(folder: Path) -> list[Failures]:
    """Return what every job could not get, by label."""
    return sorted(_read(folder, f"{FAILED}-*.json", Failures), key=lambda found: found.label)


def _write(folder: str | None, kind: str, label: str, note: Count | Failures) -> None:
    if folder:
        with suppress(OSError):
            write_atomically(Path(folder) / _name(kind, label), json.dumps(asdict(note)).encode())


def _name(kind: str, label: str) -> str:
    return f"{kind}-{digest(label)[:16]}.json"


def _read(folder: Path, pattern: str, form: Callable[..., Note]) -> Iterator[Note]:
    for path in folder.glob(pattern):
        with suppress(OSError, ValueError, TypeError):  # another version's, or half gone
            yield form(**json.loads(path.read_bytes()))


def clock(seconds: float) -> str:
    """Return a duration as text: ``2 h 05 min``, ``3 min 20 s``, ``8 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
