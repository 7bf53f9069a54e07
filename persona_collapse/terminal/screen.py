"""Where a run writes: a terminal, with one block that stays below, or a file of plain lines."""

from __future__ import annotations

import re
import textwrap
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from persona_collapse.asking.progress import clock
from persona_collapse.common.log import plain_text
from persona_collapse.terminal.tally import Line

NAMES, MOST_BAR, LEAST_BAR = 9, 20, 8  # columns of a stage's name and of its bar
WIDTH = 80  # of a terminal that does not say (in containers)
# What no line is broken in: a number with its unit and interval, after the name of a metric.
WHOLE = re.compile(r"(?:\b[SR] +)?[-+]?\d[\d.,]*(?: %)?(?: \[[-+\d., ]*\])?")
NO_BREAK = "\N{NO-BREAK SPACE}"


class Screen:
    """Writes lines and, on a terminal that can, keeps a block of lines below them.

    ``colour`` False writes none, as ``NO_COLOR`` does. Several threads may write.
    """

    def __init__(self, stream: TextIO, colour: bool = True) -> None:
        self._console = Console(
            file=stream,
            no_color=True if not colour else None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self.live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._lock = threading.RLock()
        self._block: Live | None = None
        self._lengths: list[int] = []  # of the block's lines

    @property
    def width(self) -> int:
        """Columns of the terminal as it is now."""
        return self._console.width or WIDTH

    def say(self, text: str, style: str = "", *, whole: bool = False) -> None:
        """Write lines, above the block; a terminal wraps them at spaces, ``whole`` ones nowhere.

        A command is whole, so that it can be copied.
        """
        text = plain_text(text)
        if self.live and not whole:
            text = "\n".join(wrapped(line, self.width - 1) for line in text.split("\n"))
        with self._lock, suppress(OSError):  # a terminal that is gone stops no run
            self._console.print(Text(text, style=style), soft_wrap=True)

    def show(self, lines: Sequence[Text]) -> None:
        """Replace the block, on a terminal that can."""
        if not self.live:
            return
        with self._lock, suppress(OSError):
            for line in lines:
                line.truncate(max(self.width - 1, 1))
            block = Text("\n").join(lines)
            block.no_wrap = True
            if self._block is None:
                self._block = Live(
                    *(block,),
                    console=self._console,
                    auto_refresh=False,
                    redirect_stdout=False,
                    redirect_stderr=False,
                    vertical_overflow="crop",
                )
                self._block.start()
            self._rewind()
            self._block.update(block, refresh=True)
            self._lengths = [len(line) for line in lines]

    def _rewind(self) -> None:
        """Erase the rows that a terminal has added by wrapping the block, where it is narrower."""
        rows = sum((length - 1) // self.width for length in self._lengths)
        if rows > 0:
            up = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
            self._console.control(Control((ControlType.ERASE_IN_LINE, 2), *(up * rows)))

    def close(self) -> None:
        """Leave the block as it is; what follows is below it."""
        with self._lock, suppress(OSError):
            if self._block is not None:
                self._block.stop()
                self._block = None


def wrapped(line: str, width: int) -> str:
    """Return a line wrapped at its spaces and indented as it begins; paths stay whole."""
    margin = " " * (len(line) - len(line.lstrip()))
    if len(line) <= width:
        return line
    filled = textwrap.fill(
        WHOLE.sub(lambda found: found[0].replace(" ", NO_BREAK), line.strip()),
        max(width, len(margin) + 1),
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(NO_BREAK, " ")


def bar(line: Line, width: int) -> Text:
    """Return a stage as a line of the block: name, amount, bar and percent."""
    share = line.done / line.total if line.total else float(line.ended)
    percent = f"{int(100 * share):3d} %"
    amount = (
        f"{line.total:,}" if line.done in (0, line.total) else f"{line.done:,} of {line.total:,}"
    )
    head = f"  {line.stage:<{NAMES}}{amount:>20} {line.unit:<9}"
    room = min(MOST_BAR, width - len(head) - len(percent) - 4)
    text = Text(head, style="" if line.begun else "dim")
    if room >= LEAST_BAR:
        full = int(room * share)
        text.append(f" {'#' * full}", style="green")
        text.append("." * (room - full), style="dim")
    if line.begun:
        text.append(f"  {percent}", style="green" if line.ended else "")
    return text


def facts(parts: Sequence[tuple[str, str]], width: int) -> list[Text]:
    """Return facts, each with its style, in as many lines of the block as they need."""
    lines = [Text(" ")]
    for part, style in parts:
        if len(lines[-1]) > 1 and len(lines[-1]) + 2 + len(part) >= width:
            lines.append(Text(" "))
        lines[-1].append(" " if len(lines[-1]) == 1 else "   ")
        lines[-1].append(part, style=style)
    return lines


def ended(line: Line, seconds: float) -> str:
    """Return the line of a stage that has ended, so long after the run began: stages overlap."""
    return f"  {line.stage:<{NAMES}}{line.total:>10,} {line.unit:<9} done after {clock(seconds)}"
