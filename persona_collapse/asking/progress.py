"""The progress of a run: a live bar on a terminal, else a line in the log now and then."""

import logging
import os
import sys
import time
from typing import Any

from persona_collapse.common.log import LOG

EVERY_S = 30.0
WIDTH = 80


class Progress:
    """Counts answers of one run; ``shown`` False logs nothing but messages.

    Beside a bar, the counts go to the job's log file alone.
    """

    def __init__(self, label: str, total: int, shown: bool = True) -> None:
        self.label, self.total = label, total
        self.answers = self.requests = self.failures = 0
        self._started = self._logged = time.monotonic()
        self._shown = shown
        self._bar: Any = None
        if shown and sys.stderr.isatty():
            from tqdm import tqdm

            # A terminal without a width (in containers) would get no bar at all.
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
        if self._shown and time.monotonic() - self._logged >= EVERY_S:
            self._logged = time.monotonic()
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
        """Log a message under the run's label."""
        LOG.info("%s: %s", self.label, message)

    def close(self) -> None:
        """Remove the bar; log the final count."""
        if self._shown and self.requests:
            self._count()
        if self._bar is not None:
            self._bar.close()

    def _count(self) -> None:
        LOG.log(logging.INFO if self._bar is None else logging.DEBUG, self.line())


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
