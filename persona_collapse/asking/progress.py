"""The progress of one shard or check: a line in the log now and then."""

import time

from persona_collapse.common.log import LOG

EVERY_S = 30.0


class Progress:
    """Counts answers of one shard or check; ``shown`` False logs nothing but messages."""

    def __init__(self, label: str, total: int, shown: bool = True) -> None:
        self.label, self.total = label, total
        self.answers = self.requests = self.failures = 0
        self._started = self._logged = time.monotonic()
        self._shown = shown

    def add(self, answers: int, failed: bool) -> None:
        """Count a request and the answers that became final with it."""
        self.answers += answers
        self.requests += 1
        self.failures += failed
        if self._shown and time.monotonic() - self._logged >= EVERY_S:
            self._logged = time.monotonic()
            LOG.info(self.line())

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
        """Log the final count."""
        if self._shown and self.requests:
            LOG.info(self.line())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
