"""The budget: how many requests and dollars a study may take, over all its runs and processes.

Each process has one small file under ``<store>/budgets/<scope>/`` and announces in it what it has
taken *before* it takes it, then adds up everybody's files: if the sum is too high it takes its
announcement back. Two processes that announce at once both see both, so the limit holds with no
lock. A process takes in blocks; one that was killed leaves its block counted as spent, since what
was in flight may have been paid. Every request counts, failed ones too; dollars count by the
server's own usage where it tells, by an upper estimate where a reply got lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError

WIDTH = 120  # bytes of a file, always overwritten whole
TINY_USD = 1e-9


class BudgetSpentError(UserError):
    """The next request would exceed the budget."""


class Budget:
    """What this process may still spend; ``limits`` holds ``max_requests`` and ``max_usd``."""

    def __init__(self, store: Path, scope: str, limits: dict[str, Any], block: int) -> None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", scope) or "study"
        self.folder = store / "budgets" / name
        self.scope, self.block = scope, max(1, block)
        self.max_requests: int | None = limits.get("max_requests")
        self.max_usd: float | None = limits.get("max_usd")
        self.requests, self.usd = 0, 0.0  # sent or about to be, by this process
        self._granted = (0, 0.0)
        self._final: dict[str, tuple[int, float]] = {}
        self._path: Path | None = None
        self._file: int | None = None

    def take(self, usd: float) -> None:
        """Take one request of at most ``usd`` dollars, or raise ``BudgetSpentError``.

        Raises ``UserError`` where the count cannot be written: nothing may be spent uncounted.
        """
        need = (self.requests + 1, self.usd + usd)
        if need[0] > self._granted[0] or need[1] > self._granted[1] + TINY_USD:
            ample = (need[0] + self.block - 1, need[1] + usd * (self.block - 1))
            try:
                if not self._announce(ample) and not self._announce(need):
                    self._announce((self.requests, self.usd))
                    raise BudgetSpentError(self._message())
            except OSError as fault:
                raise UserError(
                    f"{self.folder}: {fault.strerror}: what is spent of the budget cannot be "
                    "counted there, so nothing more was asked. Make room on that disk and run "
                    "the same command again to go on"
                ) from None
        self.requests, self.usd = need

    def settle(self, estimated: float, actual: float) -> None:
        """Replace a request's estimate by what it cost."""
        self.usd += actual - estimated

    def close(self) -> None:
        """Give back what was taken and not used; a disk that is full keeps it counted as spent."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._announce((self.requests, self.usd), closed=True)
            os.close(self._file)
            self._file = None

    def spent(self) -> tuple[int, float]:
        """Return requests and dollars that all processes have announced, ever."""
        requests = sum(entry[0] for entry in self._final.values())
        usd = sum(entry[1] for entry in self._final.values())
        for path in sorted(self.folder.glob("*.json")):
            text = b"" if path.name in self._final else path.read_bytes()
            if not text:
                continue  # just made: its process will see ours before it takes anything
            try:
                entry = json.loads(text)
            except ValueError:
                raise UserError(
                    f"{path}: cannot be read; it counts what a run has spent: delete it if you "
                    "accept that this is no longer counted"
                ) from None
            requests, usd = requests + entry["requests"], usd + entry["usd"]
            if entry["closed"]:  # it will not change again: read once
                self._final[path.name] = (entry["requests"], entry["usd"])
        return requests, usd

    def _announce(self, granted: tuple[int, float], closed: bool = False) -> bool:
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            host = socket.gethostname().split(".")[0]
            self._path = self.folder / f"{host}-{os.getpid()}-{secrets.token_hex(4)}.json"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        entry = json.dumps({"requests": granted[0], "usd": round(granted[1], 9), "closed": closed})
        os.pwrite(self._file, entry.ljust(WIDTH - 1).encode() + b"\n", 0)
        os.fsync(self._file)
        self._granted = granted
        requests, usd = self.spent()
        return (self.max_requests is None or requests <= self.max_requests) and (
            self.max_usd is None or usd <= self.max_usd + TINY_USD
        )

    def _message(self) -> str:
        requests, usd = self.spent()
        parts = []
        if self.max_requests is not None:
            parts.append(f"{requests} of max_requests {self.max_requests}")
        if self.max_usd is not None:
            parts.append(f"{usd:.2f} of max_usd {self.max_usd:.2f}")
        return (
            f"budget: the next request would exceed the budget of {self.scope!r} (taken so far, "
            f"other running jobs included: {', '.join(parts)}). Every answer that was paid is in "
            "the store; raise the budget in the study file and run the same command again to go on"
        )
