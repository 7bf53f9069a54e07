"""Replies that a cache gives again: they are copies, no repetitions of their own.

A proxy that caches answers a repeated prompt with an earlier reply, under the earlier response id.
A server that gives one id to different prompts identifies nothing by it: there ids show no cache.
"""

from collections.abc import Iterable, Mapping

from persona_collapse.store.attempts import Attempt

# Headers by which proxies say that a reply came out of their cache (``hit``, ``true``).
HIT_HEADERS = (
    *("x-cache", "x-cache-status", "cf-cache-status", "cf-aig-cache-status", "helicone-cache"),
    *("x-portkey-cache-status", "x-litellm-cache-hit", "x-cache-hit", "x-proxy-cache"),
)


class Replays:
    """The response ids of a server so far, by cell."""

    def __init__(self) -> None:
        self._seen: dict[str, Attempt] = {}
        self._cells: set[str] = set()
        self.ids_identify = True  # False once two cells had the same id

    def add(self, attempt: Attempt) -> None:
        """Take note of a reply."""
        name = attempt.response_id
        if attempt.cause is None and name:
            first = self._seen.setdefault(name, attempt)
            self._cells.add(attempt.cell)
            self.ids_identify &= first.cell == attempt.cell

    def is_replay(self, attempt: Attempt) -> bool | None:
        """Return whether a reply is a copy of an earlier one; None: unclear without another cell.

        A copy has the id and the choices of an earlier reply of its cell.
        """
        name = attempt.response_id
        first = self._seen.get(name) if name else None
        if first is None or not self.ids_identify or first is attempt:
            return False
        if first.cell != attempt.cell or first.choices != attempt.choices:
            return False
        return True if len(self._cells) > 1 else None


def says_hit(headers: Mapping[str, str]) -> bool:
    """Return whether the headers of a response say that a cache gave it."""
    return any(headers.get(name, "").lower().startswith(("hit", "true")) for name in HIT_HEADERS)


def without_replays(attempts: Mapping[str, Iterable[Attempt]]) -> dict[str, list[Attempt]]:
    """Return attempts by cell, in order, without replies that are copies of earlier ones."""
    ids = Replays()
    for found in attempts.values():
        for attempt in found:
            ids.add(attempt)
    return {
        cell: [attempt for attempt in found if not ids.is_replay(attempt)]
        for cell, found in attempts.items()
    }
