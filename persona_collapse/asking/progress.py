"""What a run tells while it asks: a live bar on a terminal, now and then a line in the logs."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from persona_collapse.common.jobs import log_line

EVERY_S = 30.0
WIDTH = 80


class Progress:
    """Counts answers of one shard; ``shown`` False keeps silent except for messages.

    The shard's own log gets every line; stderr gets them where it is no terminal with a bar.
    """

    def __init__(self, label: str, total: int, shown: bool = True) -> None:
        self.label, self.total = label, total
        self.answers = self.requests = self.failures = 0
        self._started = self._told = time.monotonic()
        self._shown = shown
        self._bar: Any = None
        if shown and sys.stderr.isatty():
            from tqdm import tqdm

            # A terminal that does not tell its width (in containers) would get no bar at all.
            width: dict[str, Any] = {"dynamic_ncols": True} if _has_width() else {"ncols": WIDTH}
            self._bar = tqdm(total=total, desc=label, unit="answer", leave=False, **width)

    def add(self, answers: int, failed: bool) -> None:
        """Count a request and the answers that became final with it."""
        self.answers += answers
        self.requests += 1
        self.failures += failed
        if self._bar is not None:
            self._bar.update(answers)
            if failed:
                self._bar.set_postfix(failures=self.failures)
        if self._shown and time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            self._count()

    def line(self) -> str:
        """Return answers, rate, failures and the time left as one line."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self.answers / seconds
        left = _clock((self.total - self.answers) / rate) if rate else "unknown"
        return (
            f"{self.label}: {self.answers} of {self.total} answers, {rate:.1f} a second, "
            f"{self.requests} requests, {self.failures} failures, {left} left"
        )

    def say(self, message: str) -> None:
        """Print a message without tearing the bar."""
        text = f"{self.label}: {message}"
        log_line(text)
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar; leave one line about the whole in the logs."""
        if self._shown and self.requests:
            self._count()
        if self._bar is not None:
            self._bar.close()

    def _count(self) -> None:
        text = self.line()
        log_line(text)
        if self._bar is None:
            print(text, file=sys.stderr, flush=True)


def _has_width() -> bool:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
