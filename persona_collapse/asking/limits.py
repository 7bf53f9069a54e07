"""Rate and concurrency limits, from what servers report and from their failures."""

import asyncio
import math
import random
import re
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 600.0  # longer waits are cut, with a message; then one request asks again
FIRST_IN_FLIGHT = 16
BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 60.0
TINY = 1e-6  # of a request or token: rounding
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> float | None:
    """Return the seconds of ``12ms``, ``6m0s``, ``1h2m3.5s`` or a plain number, else None."""
    text = text.strip().lower()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    return _seconds(text)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def requested_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a server asks to wait, None where it does not.

    In order of precision: ``retry-after-ms``, ``retry-after`` (seconds, or a date relative to the
    server's ``date`` header, without one to ``now`` in epoch seconds), then the reset of an
    exhausted rate limit. Zero, negative and unreadable values are ignored.
    """
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    wait = _seconds(text)
    if wait is None and text:
        until, at = _date(text), _date(headers.get("date", "")) or now
        wait = until - at if until is not None and until > at else None
    return wait if wait is not None else exhausted_wait(headers)


def exhausted_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a rate limit with nothing remaining is reset, None when none is."""
    resets = [
        parse_duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() in ("0", "0.0")
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None


def backoff(failures: int) -> float:
    """Return the seconds before the next try: exponential backoff with jitter."""
    return min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1)


class Gate:
    """Concurrency limit: grows on success, halves on throttling (AIMD).

    Doubles per round trip until the first cut, then grows by one per round trip, up to ``most``,
    which may change.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(FIRST_IN_FLIGHT)
        self.in_flight = 0
        self._starting = True
        self._cut_at = -math.inf
        self._reached = 0.0  # the limit before a probe, to which it grows back fast
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait until a request may be sent, and count it as in flight."""
        while self.in_flight >= int(min(self.limit, self.most)):
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        self.in_flight += 1

    def release(self) -> None:
        """Count a request as completed."""
        self.in_flight -= 1
        self._wake()

    def cap(self, most: int) -> None:
        """Change the most requests in flight; those above it are completed, but none is sent."""
        self.most = most
        self._wake()

    def grow(self) -> None:
        """Raise the limit after an answer."""
        if self.limit < self.most:
            fast = self._starting or self.limit < self._reached
            self.limit = min(self.most, self.limit + (1 if fast else 1 / self.limit))
            self._wake()

    def cut(self, sent_at: float, now: float) -> bool:
        """Halve the limit for a throttled request, once per round trip; return whether it was.

        ``sent_at`` is when the request was sent.
        """
        if sent_at < self._cut_at:
            return False  # it was already in flight when the limit was last halved
        self._starting, self._cut_at = False, now
        self.limit = max(1.0, min(self.limit, self.most) / 2)
        return True

    def probe(self) -> None:
        """Let one request at a time through, until an answer."""
        self._reached, self.limit = self.limit, 1.0

    def _wake(self) -> None:
        for _ in range(int(min(self.limit, self.most)) - self.in_flight):
            while self._waiting:
                place = self._waiting.popleft()
                if not place.done():
                    place.set_result(None)
                    break


class Pacer:
    """Spreads requests or tokens evenly over time, so many per minute; None: no limit.

    The pace may change: a reservation is a place in a queue, whose turn comes sooner or later with
    the pace. Unused time earns nothing.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._limit = per_minute / 60.0 if per_minute else None
        self._pace = self._limit or 0.0  # per second
        self._passed, self._at = 0.0, math.inf  # what could have been used until ``_at``
        self._reserved = 0.0

    def pace(self, fraction: float, now: float) -> None:
        """Use this fraction of the limit from now on."""
        self._advance(now)
        self._pace = (self._limit or 0.0) * fraction

    def reserve(self, amount: float, now: float) -> float:
        """Reserve an amount and return its place in the queue."""
        self._advance(now)
        place = max(self._passed, self._reserved)
        self._reserved = place + amount
        return place

    def wait(self, place: float, now: float) -> float:
        """Return the seconds until the turn of a place at today's pace; 0: its turn has come."""
        if self._limit is None:
            return 0.0
        self._advance(now)
        if not self._pace:
            return math.inf
        left = place - self._passed
        return left / self._pace if left > TINY else 0.0

    def _advance(self, now: float) -> None:
        self._passed += max(0.0, now - self._at) * self._pace
        self._at = now
