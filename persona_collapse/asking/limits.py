"""How fast to ask: what servers say about their limits, and what their failures tell."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 86_400.0  # a longer wish is cut to a day, and said
FIRST_IN_FLIGHT = 16
BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 60.0
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


def wished_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a server asks to wait, None when it asks for nothing sensible.

    In order of precision: ``retry-after-ms``, ``retry-after`` (seconds, or a date, held against the
    server's own ``date`` where it sends one, else against ``now`` in epoch seconds), then the reset
    of an exhausted rate limit. Zero, negative and unreadable values are no wish.
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
    """Return the seconds before the next try after so many failures: doubling, with jitter."""
    return min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1)


class Gate:
    """How many requests may be in flight: grows while the endpoint answers, halves when it groans.

    Doubles per round trip until the first cut, then grows by one per round trip.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(min(most, FIRST_IN_FLIGHT))
        self.in_flight = 0
        self._starting = True
        self._cut_at = -math.inf
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for room and take it."""
        while self.in_flight >= int(self.limit):
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        self.in_flight += 1

    def release(self) -> None:
        """Give room back."""
        self.in_flight -= 1
        self._wake()

    def grow(self) -> None:
        """Take note of a request that was answered."""
        if self.limit < self.most:
            self.limit = min(self.most, self.limit + (1 if self._starting else 1 / self.limit))
            self._wake()

    def cut(self, sent_at: float, now: float) -> bool:
        """Halve the limit for a request sent at ``sent_at``, once per generation of requests."""
        if sent_at < self._cut_at:
            return False  # it was in flight when the limit was last halved
        self._starting, self._cut_at = False, now
        self.limit = max(1.0, self.limit / 2)
        return True

    def _wake(self) -> None:
        for _ in range(int(self.limit) - self.in_flight):
            while self._waiting:
                place = self._waiting.popleft()
                if not place.done():
                    place.set_result(None)
                    break


class Pacer:
    """Spreads something (requests, tokens) evenly over time, so many per minute; None: freely."""

    def __init__(self, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = -math.inf

    def wait(self, amount: float, now: float) -> float:
        """Book an amount and return the seconds to wait before using it."""
        start = max(now, self._next)
        self._next = start + amount * self._interval
        return start - now
