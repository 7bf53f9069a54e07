"""Write the answer store: one file per process, every attempt written as it arrives."""

import json
import os
import socket
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now, open_own_file
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.checksums import with_checksum
from persona_collapse.store.files import END, header_line, stream_folder

LAST_TRIES_S = (0.0, 0.5, 1.0, 2.0, 4.0)  # pauses before the last tries on a full disk


class Writer:
    """Appends attempts to a file of its own, created with the first attempt.

    A line is passed to the operating system at once, so that a killed process loses nothing that
    it received; ``sync`` protects against power loss. After a failed write (disk full, quota) the
    rest stays in memory and ``fault`` is set: the caller stops asking, and ``close`` tries again,
    then saves the rest elsewhere. Only ``sync`` may be called from another thread.
    """

    def __init__(
        self, root: Path, stream: dict[str, Any], cells: Collection[str], about: dict[str, Any]
    ) -> None:
        self.folder = stream_folder(root, stream)
        self.fault: OSError | None = None
        self._header = header_line(
            {**stream, **about, "host": socket.gethostname(), "pid": os.getpid(), "at": now()},
            cells,
        )
        self._file: int | None = None
        self._path: Path | None = None
        self._unwritten = bytearray()
        self._begun = b""  # the part of an incomplete line that is on disk
        self._unsynced = False
        self.appended = 0

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
                self.fault = fault

    def close(self) -> None:
        """Write the rest and an end marker, then close the file.

        Raises ``UserError`` when the disk stays full; the rest is then saved in another file.
        """
        if self.fault is None and self._file is not None:
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
        if self._unwritten:
            raise UserError(self._rescue())

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
            self.fault = None
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
        """Save the rest outside the store; return a message that says what to do."""
        reason = self.fault.strerror if self.fault else "cannot be written"
        text = f"{self._path or self.folder}: {reason}; the run stopped asking"
        rest = self._begun + self._unwritten  # whole lines; readers drop the torn one on disk
        if not rest.startswith(self._header):
            rest = self._header + rest
        try:
            handle, name = tempfile.mkstemp(prefix="rescued-", suffix=".jsonl")
            with os.fdopen(handle, "wb") as file:
                file.write(rest)
        except OSError as fault:
            return f"{text}; the last {self.appended} answers could be saved nowhere: {fault}"
        return (
            f"{text}. Its last answers, already paid, are in {name}: free space, move that file "
            f"into {self.folder}, and run the same command again"
        )
