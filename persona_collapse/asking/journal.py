"""A journal in the store, and creating something at a server exactly once.

A folder of the store belongs to one thing: an upload, a fine-tuning job or a batch. Every process
appends to its own file there and forces each line to disk: an ``intent`` before a request that
creates something, an ``id`` after its reply. The server may have received a request whose intent
has no outcome, or may still receive it: its list is read until a settle time has passed, then the
request is resent.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from persona_collapse.asking.limits import backoff
from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now, open_own_file
from persona_collapse.common.hashing import canonical
from persona_collapse.common.log import LOG
from persona_collapse.store.checksums import line_is_whole, with_checksum

# Events: a request is about to be sent; it created something; it was refused; what it had created
# was deleted.
INTENT, ID, REFUSED, GONE = "intent", "id", "refused", "gone"
MOST_POSTS = 5  # without a response, before a run gives up

T = TypeVar("T")
Entry = dict[str, Any]


class RefusedError(Exception):
    """The server refused a request and did nothing; ``status``, ``code`` and text say why."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code


class UnansweredError(Exception):
    """No readable response arrived: the server may or may not have acted on the request.

    ``wait_s`` is the waiting time that the server asks for, None without one.
    """

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class ThrottledError(UnansweredError):
    """The server limits the rate of requests, and did nothing."""


class Journal:
    """The entries of one thing at a server, which ``key`` determines."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self._file: int | None = None

    def entries(self) -> list[Entry]:
        """Return all entries by time; incomplete lines of killed processes are skipped.

        A damaged line is reported and dropped: what it said is looked up at the server.
        """
        found = []
        for path in sorted(self.folder.glob("*.jsonl")):
            lines = path.read_bytes().splitlines(keepends=True)
            checked = any(map(line_is_whole, lines))
            for number, line in enumerate(lines):
                if not line.endswith(b"\n"):
                    continue
                try:
                    if line_is_whole(line) is False or (checked and not line_is_whole(line)):
                        raise ValueError(line)
                    entry = json.loads(line)
                    entry.pop("crc", None)
                    found.append((entry["at"], path.name, number, entry))
                except (ValueError, TypeError, KeyError):
                    LOG.warning(
                        "%s, line %d: damaged; what it said is looked up at the server",
                        path,
                        number + 1,
                    )
        return [entry for *_, entry in sorted(found, key=lambda place: place[:3])]

    def write(self, event: str, **fields: Any) -> Entry:
        """Append an entry, force it to disk, and return it."""
        entry = {"at": now(), "event": event, "key": self.key, **fields}
        rest = with_checksum(canonical(entry).encode() + b"\n")
        try:
            if self._file is None:
                _, self._file = open_own_file(self.folder)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as fault:
            raise UserError(
                f"{self.folder}: {fault.strerror}: the entry {event} {fields.get('id', '')} could "
                "not be written. Make room on that disk and run the same command again: it looks "
                "up at the server what has been started"
            ) from None
        return entry

    def close(self) -> None:
        """Close this process's file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextlib.contextmanager
    def held(self, waiting: str) -> Iterator[None]:
        """Hold the journal's lock; log ``waiting`` while another process holds it.

        The lock is released when the process exits. File systems without locks are not locked.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as fault:
                if fault.errno in (errno.EACCES, errno.EAGAIN):
                    LOG.info(waiting)
                    fcntl.lockf(lock, fcntl.LOCK_EX)
            yield
        finally:
            self.close()
            os.close(lock)


def known_id(entries: list[Entry]) -> str | None:
    """Return the id of what exists at the server by the entries, None where nothing does."""
    last = last_of(entries, ID, GONE)
    return str(last["id"]) if last and last["event"] == ID else None


def open_intent(entries: list[Entry]) -> Entry | None:
    """Return the last intent if no outcome was recorded."""
    last = last_of(entries, INTENT, ID, REFUSED, GONE)
    return last if last and last["event"] == INTENT else None


def last_of(entries: list[Entry], *events: str) -> Entry | None:
    """Return the last of these events, None where there is none."""
    return next((entry for entry in reversed(entries) if entry["event"] in events), None)


@dataclass(frozen=True)
class Patience:
    """Waiting times in seconds.

    ``settle_s``: how long after a request without a response the server may still receive it.
    ``poll_s``: between two looks at what the server works on. ``silent_s``: how long a server may
    not respond at all.
    """

    settle_s: float = 30.0
    poll_s: float = 15.0
    silent_s: float = 1800.0

    def keep_asking(self, ask: Callable[[], T]) -> T:
        """Retry until the server responds; raise the last failure after ``silent_s``."""
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
    """Return the id of what a journal is about; create it unless it exists.

    ``find`` looks it up at the server, ``post`` creates it. ``before`` is called before each post,
    with the intent that got no response (None at the first), and returns fields of the new intent.
    Raises ``RefusedError`` when the server refuses, ``UnansweredError`` when none of
    ``MOST_POSTS`` posts got a response.
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
        except ThrottledError as fault:  # nothing was done; retry later
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
    """Look something up; after an intent without outcome, until the settle time has passed."""
    began = time.monotonic()
    left = 0.0
    if intent is not None and intent["event"] == INTENT:
        at = datetime.fromisoformat(intent["at"])
        age = (datetime.now(UTC) - at).total_seconds()
        # The clock of another machine may run ahead: wait no longer than the settle time.
        left = min(patience.settle_s, patience.settle_s - age)
    while True:
        remaining = left - (time.monotonic() - began)  # before the last look, which may take long
        found = patience.keep_asking(find)
        if found is not None or remaining <= 0:
            return found
        time.sleep(min(remaining, max(patience.settle_s / 10, 0.05)))
