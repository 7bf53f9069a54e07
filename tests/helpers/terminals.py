"""Programs on a terminal: start one with a keyboard, read what is on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.helpers.waiting import PATIENCE_S

CTRL_C = b"\x03"
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()][0-9A-B]|[\r\n]|[^\x1b\r\n]+|\x1b")


class Terminal:
    """A program on a terminal of its own, as its session's leader."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        columns: int = 80,
        rows: int = 40,
        **variables: str,
    ) -> None:
        self.columns = columns
        # Without the size of another terminal, which test processes may have inherited.
        given = {"COLUMNS": "", "LINES": "", "TERM": "xterm-256color", **variables}
        environment = {**os.environ, **given}
        environment = {name: value for name, value in environment.items() if value != ""}
        self.process, self.end = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.execvpe(command[0], list(command), environment)
        self.resize(columns, rows)
        self.said = b""

    def resize(self, columns: int, rows: int = 40) -> None:
        """Give the terminal another size."""
        self.columns = columns
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        """Type keys; a program that has just ended does not get them."""
        with suppress(OSError):
            os.write(self.end, keys)

    def read_until(self, ready: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Read what the program writes until a condition is true; fail where it ends before."""
        limit = time.monotonic() + seconds
        while not ready():
            goes_on = self._read(0.05) and time.monotonic() < limit
            assert goes_on or ready(), f"it did not come to that:\n{self.screen()}"

    def goes_on(self, seconds: float) -> bool:
        """Read for so long; return whether the program has not ended."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if not self._read(0.05):
                return False
        return True

    def finish(self, seconds: float = PATIENCE_S) -> int:
        """Read to the end of the program; return its exit status."""
        limit = time.monotonic() + seconds
        while self._read(0.2):
            if time.monotonic() > limit:
                os.killpg(self.process, signal.SIGKILL)
                raise AssertionError(f"it does not end:\n{self.screen()}")
        _, status = os.waitpid(self.process, 0)
        os.close(self.end)
        return os.waitstatus_to_exitcode(status)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.end], [], [], seconds)[0]:
            return True
        try:
            part = os.read(self.end, 1 << 16)
        except OSError:  # the program has closed the terminal
            return False
        self.said += part
        return bool(part)

    def screen(self) -> str:
        """Return the lines that stand on the screen and above it."""
        return shown(self.said.decode(errors="replace"), self.columns)


def shown(said: str, columns: int) -> str:
    """Return what a terminal shows of a text with control sequences; colours are dropped."""
    lines, row, column = [""], 0, 0
    for token in TOKEN.finditer(said):
        text, number, letter = token[0], token[1] or "", token[2]
        if text == "\r":
            column = 0
        elif text == "\n":
            row += 1
        elif letter == "A":
            row = max(0, row - int(number or 1))
        elif letter == "K":
            lines[row] = "" if number == "2" else lines[row][:column]
        elif letter is None and not text.startswith("\x1b"):
            for sign in text:
                if column == columns:
                    row, column = row + 1, 0
                while len(lines) <= row:
                    lines.append("")
                lines[row] = lines[row][:column].ljust(column) + sign + lines[row][column + 1 :]
                column += 1
        while len(lines) <= row:
            lines.append("")
    return "\n".join(line.rstrip() for line in lines)
