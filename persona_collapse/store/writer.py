"""Write the answer store: one file per process, every attempt written as it arrives."""

import errno
import json
import os
import socket
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now, open_own_file, write_atomically
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.checksums import with_checksum
from persona_collapse.store.files import END, header_line, stream_folder, unwritable

NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # of file systems that have none
LAST_TRIES_S = (0.0, 0.5, 1.0, 2.0, 4.0)  # pauses before the last tries on a full disk


class Writer:
    """Appends attempts to a file of its own, which ``open`` creates before anything is paid.

    A line is passed to the operating system at once, so that a killed process loses nothing that
    it received; ``sync`` protects against power loss. After a failed write (disk full, quota) the
    rest stays in memory and ``fault`` is set: the caller stops asking, and ``close`` tries again,
    then saves the rest in the folder ``rescued``, from where ``import_rescued`` takes it. After a
    failed ``sync`` written lines may be lost, whatever succeeds later: ``fault`` stays, and
    ``close`` raises. A file without an attempt is removed. Only ``sync`` may be called from another
    thread.
    """

    def __init__(
        self,
        root: Path,
        stream: dict[str, Any],
        cells: Collection[str],
        about: dict[str, Any],
        rescued: Path | None = None,
    ) -> None:
        self.folder = stream_folder(root, stream)
        self.fault: OSError | None = None
        self._rescued = rescued
        self._header = header_line(
            {**stream, **about, "host": socket.gethostname(), "pid": os.getpid(), "at": now()},
            cells,
        )
        self._file: int | None = None
        self._path: Path | None = None
        self._unwritten = bytearray()
        self._begun = b""  # the part of an incomplete line that is on disk
        self._unsynced = False
        self._unsafe: OSError | None = None  # of the sync that failed
        self.appended = 0

    def open(self) -> None:
        """Create the file and write its header; raises ``UserError`` where that fails."""
        self._write()
        if self.fault is None:
            self.sync()
        if self.fault is not None:
            self._unwritten.clear()
            self.close()
            raise unwritable(self.folder, self.fault)

    def append(self, attempt: Attempt) -> None:
        """Write one attempt; a full disk sets ``fault`` and raises nothing."""
        self._unwritten += with_checksum(attempt.to_line())
        self.appended += 1
        self._write()

    def sync(self) -> None:
        """Force written lines to the disk."""
        if self._unsynced and self._file is not None:
            self._unsynced = False
            try:
                os.fsync(self._file)
            except OSError as fault:
                if fault.errno not in NO_SYNC:
                    self.fault = self._unsafe = fault

    def close(self) -> None:
        """Write the rest and an end marker, then close the file.

        Raises ``UserError`` when the disk stays full; the rest is then saved in another file.
        """
        if self.fault is None and self._file is not None and self.appended:
            self._unwritten += with_checksum(END + json.dumps(now()).encode() + b"}\n")
        for pause in LAST_TRIES_S:
            if not self._unwritten:
                break
            time.sleep(pause)
            self._write()
        self.sync()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._path is not None and not self.appended:
            self._path.unlink(missing_ok=True)
        if self._unwritten:
            raise UserError(self._rescue())
        if self._unsafe is not None and self.appended:
            raise UserError(
                f"{self._path}: {self._unsafe.strerror}: the disk did not confirm what was "
                "written, so the run stopped asking. Check that disk; snakemake store verifies the "
                "answers, and the same command continues"
            )

    def _write(self) -> None:
        try:
            if self._file is None or self._vanished():
                self._path, self._file = open_own_file(self.folder)
                self._unwritten[:0] = self._header
            while self._unwritten:
                # After a short write the remainder stays in front, and is continued byte for byte.
                written = os.write(self._file, self._unwritten)
                self._begun = (self._begun + self._unwritten[:written]).rpartition(b"\n")[2]
                del self._unwritten[:written]
                self._unsynced = True
            self.fault = self._unsafe
        except OSError as fault:
            self.fault = fault

    def _vanished(self) -> bool:
        """Return whether the file was deleted meanwhile, as compaction of idle files may do."""
        assert self._file is not None
        if os.fstat(self._file).st_nlink > 0:
            return False
        os.close(self._file)
        return True

    def _rescue(self) -> str:
        """Save the rest outside the store; return a message that says where, and what to do."""
        reason = self.fault.strerror if self.fault else "cannot be written"
        text = f"{self._path or self.folder}: {reason}; the run stopped asking"
        rest = self._begun + self._unwritten  # whole lines; readers drop the torn one on disk
        if not rest.startswith(self._header):
            rest = self._header + rest
        if self._rescued is not None:
            place = self._rescued / self.folder.name
            with suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                name = _saved(rest, place)
                return (
                    f"{text}. Its last answers, already paid, are in {name}: free space and run "
                    "the same command again, which takes them from there, before any other "
                    "checkout with this store: it does not see them and would pay for them again"
                )
        try:
            name = _saved(rest, None)
        except OSError as fault:
            return f"{text}; the last {self.appended} answers could be saved nowhere: {fault}"
        return (
            f"{text}. Its last answers, already paid, are in {name}: free space, move that file "
            f"into {self.folder}, and run the same command again"
        )


def write_whole(
    root: Path,
    stream: dict[str, Any],
    name: str,
    attempts: Sequence[Attempt],
    about: dict[str, Any],
) -> Path:
    """Write a file of its own for attempts that came together, completely or not at all.

    The name says which they are: written again, they replace themselves.
    """
    path = stream_folder(root, stream) / f"{name}.jsonl"
    header = header_line(
        {**stream, **about, "host": socket.gethostname(), "pid": os.getpid(), "at": now()},
        {attempt.cell for attempt in attempts},
    )
    lines = [with_checksum(attempt.to_line()) for attempt in attempts]
    end = with_checksum(END + json.dumps(now()).encode() + b"}\n")
    try:
        write_atomically(path, b"".join([header, *lines, end]), durable=True)
    except OSError as fault:
        raise UserError(
            f"{path.parent}: {fault.strerror}: answers cannot be stored there. Free space on that "
            "disk and run the same command again: the server keeps what it answered"
        ) from None
    return path


def _saved(content: bytes, folder: Path | None) -> str:
    """Write a new file whose name no other has, in the system's temporary folder by default."""
    handle, name = tempfile.mkstemp(prefix="rescued-", suffix=".jsonl", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return name


def import_rescued(rescued: Path, folder: Path) -> int:
    """Move what could not be written into a stream's folder there; return the number of files.

    A file that cannot be moved yet stays. Processes that import at once write the same file.
    """
    moved = 0
    for path in sorted((rescued / folder.name).glob("*.jsonl")):
        with suppress(OSError):
            write_atomically(folder / path.name, path.read_bytes(), durable=True)
            path.unlink(missing_ok=True)
            moved += 1
    return moved
