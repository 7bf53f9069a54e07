"""The budget: limits of requests and dollars for a study, over all its runs and processes.

Each process has a small file under ``<store>/budgets/<scope>/``. It reserves there what it will
spend *before* it spends it, then adds up the files of all processes and withdraws its reservation
if the sum exceeds a limit. Two processes that reserve at once see each other, so the limit holds
without a lock. Processes reserve in blocks, and note beside each (``.sent``) what they took of it:
of a killed process that counts, with the requests in flight, which may have been paid, and the rest
comes back. Every file has a checksum, and a damaged one stops the run. Every request counts, failed
ones too. Dollars follow the usage that the server reports, or an upper estimate where the reply was
lost or reports no usable one.
"""

import contextlib
import json
import os
import re
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import write_atomically
from persona_collapse.common.processes import is_gone, this_host
from persona_collapse.store.checksums import line_is_whole, with_checksum

WIDTH = 120  # bytes of a file, which is always overwritten completely
TINY_USD = 1e-9
TRIES, AGAIN_S = 5, 0.05  # of reading a file
SENT = ".sent"  # of the file beside a reservation


class BudgetSpentError(UserError):
    """The next request would exceed the budget."""


class Budget:
    """This process's part of a budget; ``limits`` has ``max_requests`` and ``max_usd``."""

    def __init__(self, store: Path, scope: str, limits: dict[str, Any], block: int) -> None:
        self.folder = _folder(store, scope)
        self.scope, self.block = scope, max(1, block)
        self.max_requests: int | None = limits.get("max_requests")
        self.max_usd: float | None = limits.get("max_usd")
        self.requests, self.usd = 0, 0.0  # of this process, including the next request
        self._reserved = (0, 0.0)
        self._final: dict[str, tuple[int, float]] = {}
        self._path: Path | None = None
        self._file: int | None = None
        self._sent: int | None = None

    def take(self, usd: float) -> None:
        """Count one request of at most ``usd`` dollars before it is sent.

        Raises ``BudgetSpentError`` where it would exceed the budget, and ``UserError`` where the
        count cannot be written.
        """
        need = (self.requests + 1, self.usd + usd)
        if need[0] > self._reserved[0] or need[1] > self._reserved[1] + TINY_USD:
            ample = (need[0] + self.block - 1, need[1] + usd * (self.block - 1))
            try:
                if not self._reserve(ample) and not self._reserve(need):
                    self._reserve((self.requests, self.usd))
                    raise BudgetSpentError(self._message())
            except OSError as fault:
                raise UserError(
                    f"{self.folder}: {fault.strerror}: spending cannot be counted there, so no "
                    "more requests were sent. Free space on that disk and run the same command "
                    "again to continue"
                ) from None
        self.requests, self.usd = need
        self._note()

    def settle(self, estimated: float, actual: float) -> None:
        """Replace a request's estimated cost by its actual cost."""
        self.usd += actual - estimated
        self._note()

    def hold(self, name: str, requests: int, usd: float) -> None:
        """Reserve what a batch may spend, until ``settle_held``; it outlives this process.

        Raises ``BudgetSpentError`` where it would exceed the budget. Held again under the same
        name, it counts once.
        """
        path = self.folder / f"{name}.json"
        try:
            write_atomically(path, _entry(requests, usd, closed=False), durable=True)
            if self._suffices():
                return
            path.unlink()
        except OSError as fault:
            raise UserError(
                f"{self.folder}: {fault.strerror}: spending cannot be counted there, so no batch "
                "was sent. Free space on that disk and run the same command again"
            ) from None
        cost = f" and {usd:,.2f} USD" if self.max_usd is not None else ""
        raise BudgetSpentError(self._message(f"a batch of {requests:,} requests{cost}"))

    def close(self) -> None:
        """Release what was reserved and not spent; on a full disk it stays counted as spent."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._reserve((self.requests, self.usd), closed=True)
                assert self._path is not None
                self._path.with_suffix(SENT).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None
            if self._sent is not None:
                os.close(self._sent)
                self._sent = None

    def spent(self) -> tuple[int, float]:
        """Return the requests and dollars that all processes have reserved so far.

        Of a process that was killed only what it took counts.
        """
        requests = sum(entry[0] for entry in self._final.values())
        usd = sum(entry[1] for entry in self._final.values())
        for path in sorted(self.folder.glob("*.json")):
            if path.name in self._final:
                continue
            try:
                entry = _read(path)
                if entry is None:
                    continue  # just created: its process sees our reservation before it makes one
                count, cost, final = entry["requests"], float(entry["usd"]), entry["closed"]
                if not final and (sent := _sent_by_killed(path)):
                    count, cost = min(count, sent[0]), min(cost, sent[1])
                    final = True
                requests, usd = requests + count, usd + cost
            except (ValueError, KeyError, TypeError):
                raise UserError(
                    f"{path}: cannot be read; it counts what a run has spent: delete it if that "
                    "need not be counted any more"
                ) from None
            if final:
                self._final[path.name] = (count, cost)
        return requests, usd

    def _note(self) -> None:
        """Write down what was taken, for the case that this process is killed."""
        entry = {"requests": self.requests, "usd": self.usd, "host": this_host()}
        with contextlib.suppress(OSError):  # without the note, all that is reserved counts
            if self._sent is None:
                assert self._path is not None
                flags = os.O_WRONLY | os.O_CREAT
                self._sent = os.open(self._path.with_suffix(SENT), flags, 0o644)
            os.pwrite(self._sent, _line({**entry, "pid": os.getpid()}), 0)

    def _reserve(self, reserved: tuple[int, float], closed: bool = False) -> bool:
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            host = socket.gethostname().split(".")[0]
            self._path = self.folder / f"{host}-{os.getpid()}-{secrets.token_hex(4)}.json"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.pwrite(self._file, _entry(*reserved, closed=closed), 0)
        os.fsync(self._file)
        self._reserved = reserved
        return self._suffices()

    def _suffices(self) -> bool:
        requests, usd = self.spent()
        return (self.max_requests is None or requests <= self.max_requests) and (
            self.max_usd is None or usd <= self.max_usd + TINY_USD
        )

    def _message(self, what: str = "the next request") -> str:
        requests, usd = self.spent()
        parts = []
        if self.max_requests is not None:
            parts.append(f"{requests} of max_requests {self.max_requests}")
        if self.max_usd is not None:
            parts.append(f"{usd:.2f} of max_usd {self.max_usd:.2f}")
        return (
            f"budget: {what} would exceed the budget of {self.scope!r} (spent so far, "
            f"other running jobs included: {', '.join(parts)}). Every paid answer is in the store; "
            "raise the budget in the study file and run the same command again to continue"
        )


def settle_held(store: Path, scope: str, name: str, requests: int, usd: float) -> None:
    """Replace what was held for a batch by what it cost; without a budget nothing was held."""
    path = _folder(store, scope) / f"{name}.json"
    if path.exists():
        write_atomically(path, _entry(requests, usd, closed=True), durable=True)


def _folder(store: Path, scope: str) -> Path:
    return store / "budgets" / (re.sub(r"[^A-Za-z0-9._-]+", "-", scope) or "study")


def _entry(requests: int, usd: float, *, closed: bool) -> bytes:
    return _line({"requests": requests, "usd": round(usd, 9), "closed": closed})


def _line(entry: dict[str, Any]) -> bytes:
    line = with_checksum(json.dumps(entry).encode() + b"\n")
    return line.rstrip().ljust(WIDTH - 1) + b"\n"


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a file says, None where it is empty; raises ``ValueError`` for a damaged one."""
    for _ in range(TRIES):
        line = path.read_bytes().rstrip() + b"\n"
        if line_is_whole(line) is not False:
            break
        time.sleep(AGAIN_S)  # read while it was written
    else:
        raise ValueError(line)
    entry: dict[str, Any] | None = json.loads(line) if line.strip() else None
    return entry


def _sent_by_killed(path: Path) -> tuple[int, float] | None:
    """Return what the process of a reservation took before it was killed, None if it may live."""
    try:
        entry = _read(path.with_suffix(SENT))
        if entry is None:
            return None
        gone = is_gone(entry["host"], entry["pid"])
        return (int(entry["requests"]), float(entry["usd"])) if gone else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
