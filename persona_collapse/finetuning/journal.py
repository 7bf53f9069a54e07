"""The journal of fine-tunes: what was asked of a server, written down before and after.

``<store>/finetunes/<what>-<key>/`` belongs to one upload or one job. Every process writes a file of
its own there, line by line, each on the disk before the next call: an ``intent`` before a request
that creates something, an ``id`` after its reply. An intent without an outcome may have been heard.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now, open_own_file
from persona_collapse.common.hashing import canonical

FOLDER = "finetunes"
# What can be written: a request is due; it made something; it made nothing; what it made is gone;
# the job ended in one of three ways.
INTENT, ID, REFUSED, GONE = "intent", "id", "refused", "gone"
FINISHED, FAILED, CANCELLED = "finished", "failed", "cancelled"
ENDS = (FINISHED, FAILED, CANCELLED)

Entry = dict[str, Any]


class Journal:
    """The entries of one upload (``what`` is ``file``) or one job (``job``)."""

    def __init__(self, store: Path, what: str, key: str) -> None:
        self.folder = store / FOLDER / f"{what}-{key[:32]}"
        self.key = key
        self._file: int | None = None

    def entries(self) -> list[Entry]:
        """Return all entries in their order; a line that a kill cut off is left out."""
        found = []
        for path in sorted(self.folder.glob("*.jsonl")):
            for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
                with contextlib.suppress(ValueError):
                    if line.endswith(b"}\n"):
                        entry = json.loads(line)
                        found.append((entry["at"], path.name, number, entry))
        return [entry for *_, entry in sorted(found, key=lambda place: place[:3])]

    def write(self, event: str, **fields: Any) -> Entry:
        """Append an entry and force it to the disk before returning it."""
        entry = {"at": now(), "event": event, "key": self.key, **fields}
        line = canonical(entry) + "\n"
        try:
            if self._file is None:
                _, self._file = open_own_file(self.folder)
            rest = line.encode()
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as fault:
            raise UserError(
                f"{self.folder}: {fault.strerror}: {event} {fields.get('id', '')} could not be "
                "written down; make room on that disk and run the same command again: what the "
                "server has begun is then found in its own lists"
            ) from None
        return entry

    def close(self) -> None:
        """Close this process's file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextlib.contextmanager
    def held(self, waiting: str) -> Iterator[None]:
        """Hold what the journal is about for this process alone; say ``waiting`` if another does.

        A process that dies lets go. Where the file system knows no locks there is none.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as fault:
                if fault.errno in (errno.EACCES, errno.EAGAIN):
                    print(waiting, file=sys.stderr)
                    fcntl.lockf(lock, fcntl.LOCK_EX)
            yield
        finally:
            self.close()
            os.close(lock)


def known_id(entries: list[Entry]) -> str | None:
    """Return the id that the entries end with, None where nothing is known to exist."""
    found = None
    for entry in entries:
        if entry["event"] == ID:
            found = str(entry["id"])
        elif entry["event"] == GONE:
            found = None
    return found


def open_intent(entries: list[Entry]) -> Entry | None:
    """Return the last intent if nothing says what became of it."""
    last = None
    for entry in entries:
        if entry["event"] == INTENT:
            last = entry
        elif entry["event"] in (ID, REFUSED, GONE):
            last = None
    return last


def ending(entries: list[Entry]) -> Entry | None:
    """Return the entry that ended the job, None while it runs or was never ordered.

    A server that reports success has the last word over a cancellation that came too late.
    """
    ends = [entry for entry in entries if entry["event"] in ENDS]
    finished = [entry for entry in ends if entry["event"] == FINISHED]
    told = finished or ends
    return told[-1] if told else None
