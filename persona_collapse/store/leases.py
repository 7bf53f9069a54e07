"""Leases on cells: processes that lack the same answers pay for them once.

A claim is a small file in the stream's folder, ``<time>-<host>-<pid>-<random>.lease``: who holds
it, its cells (prefixes of their keys) and its repetitions. It appears complete, by a rename. Two
claims conflict where they share a cell and a repetition. A process reads the claims, writes its own
for the cells that are free, and reads them again: where two processes claim at once, at least one
sees the other, and withdraws. No lock is needed, also on network file systems: creating a file
makes a client read the folder anew. For that reason the claims lie beside the answers: who reads
the store after the lease was granted sees all that its holders before have stored.

The owner renews its claim every ``RENEW_S``, by touching the file. A claim is dropped at once where
its process is gone from this host, and else when it was not renewed while another process watched
it for ``EXPIRY_S``. No clock is compared with another host's: the owner measures ``VALID_S`` from
the begin of its last renewal, by a clock that goes on while the machine sleeps, and a renewal that
ends after that does not count; the observer measures how long the file's time stayed the same.

What is guaranteed: while a lease is ``valid``, no other process holds one that shares a slot with
it, as long as clocks run less than ``EXPIRY_S / VALID_S`` apart in speed. Who asks looks at
``valid`` before each request. A process that was paused (SIGSTOP, a laptop's sleep) beyond
``VALID_S`` sends nothing more under its lease, but claims again and reads what was stored
meanwhile. What cannot be undone: requests that were already sent when a process was killed or
paused may be billed and asked again by the next holder; so may one request for each worker that was
paused between looking and sending.

A claim may stay after its process, for something that goes on elsewhere, such as a batch
(``Lease.keep``). Until its time is over, by the clocks of the hosts, only a process that names it
takes the cells.
"""

import json
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now, write_atomically
from persona_collapse.common.log import LOG
from persona_collapse.common.processes import birth, is_gone, this_host
from persona_collapse.store.files import PREFIX, prefixes_of, unwritable

SUFFIX = ".lease"
RENEW_S, VALID_S, EXPIRY_S = 10.0, 45.0, 90.0
POLL_S = 0.5  # between two looks at claims of others
WITHDRAWN_S = 0.2  # at most, after two processes claimed at once
# Goes on while the machine sleeps; macOS counts that in CLOCK_MONOTONIC, which has no other name.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class LeaseLostError(Exception):
    """The lease is not valid any more: claim again, read the store, and ask what is missing."""


def steady_time() -> float:
    """Return seconds that go on while the machine sleeps."""
    return time.clock_gettime(CLOCK)


@dataclass(frozen=True)
class Claim:
    """What the file of a claim says.

    ``host`` and ``born`` identify the process (``common.processes``), ``machine`` is the host's
    name and ``task`` what is asked, for messages. ``cells`` are prefixes of cell keys, ``first``
    and ``last`` the repetitions, both included. ``kept_for`` names what goes on without the
    process, until ``kept_until`` (seconds since 1970).
    """

    host: str
    pid: int
    born: str
    machine: str
    task: str
    began: str
    expires_after_s: float
    first: int
    last: int
    cells: str
    kept_for: str | None = None
    kept_until: float = 0.0

    def prefixes(self) -> set[str]:
        """Return the prefixes of its cells' keys."""
        return {self.cells[at : at + PREFIX] for at in range(0, len(self.cells), PREFIX)}

    def holder(self) -> str:
        """Return who holds the cells, for messages."""
        kept = f", for {self.kept_for}" if self.kept_for else ""
        return f"process {self.pid} on {self.machine} since {self.began}{kept} ({self.task})"


@dataclass
class _Seen:
    """A claim of another process, and since when its file has the time ``changed``."""

    claim: Claim | None  # None: damaged, and so a claim of every cell
    changed: int
    since: float
    cells: set[str] = field(default_factory=set)

    def overlaps(self, prefixes: set[str], span: tuple[int, int]) -> bool:
        """Return whether it may share slots with cells (prefixes of keys) and repetitions."""
        if self.claim is None:
            return True
        apart = self.claim.last < span[0] or span[1] < self.claim.first
        return not apart and not self.cells.isdisjoint(prefixes)


class Leases:
    """The claims of one stream, as one process sees them; ``task`` is what it is about to ask.

    ``say`` is told once for whom a claim waits; without it the log is. ``clock`` measures how long
    claims of others stay as they are, ``steady`` the validity of own ones; both in seconds.
    """

    def __init__(
        self,
        folder: Path,
        task: str,
        say: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        steady: Callable[[], float] = steady_time,
    ) -> None:
        self.folder, self.task = folder, task
        self.say = say or (lambda text: LOG.info("%s: %s", task, text))
        self.clock, self.steady = clock, steady
        self._seen: dict[str, _Seen] = {}
        self._claimed = False

    def claim(
        self, cells: Collection[str], repetitions: Iterable[int], resumed: Collection[str] = ()
    ) -> "Lease":
        """Return a lease on those of the cells that no other process holds.

        Waits until it has one cell at least, and says once for whom. ``resumed`` names what claims
        may have been kept for: the new lease ignores these where their processes are gone. Read the
        store after this, since the holders before may have stored what was missing. Raises
        ``UserError`` where the folder cannot be written, or was removed since the last claim.
        """
        numbers = list(repetitions)
        span, prefixes = (min(numbers), max(numbers)), {cell: cell[:PREFIX] for cell in cells}
        told = False
        try:
            while True:
                holders = self._others(set(prefixes.values()), span, resumed)
                taken = set().union(*(seen.cells for seen in holders))
                free = {cell for cell, prefix in prefixes.items() if prefix not in taken}
                if not free or any(seen.claim is None for seen in holders):
                    if not told:
                        self.say(_waiting(holders))
                    told = True
                    self._wait()
                    continue
                lease = self._write(free, span)
                mine = {cell[:PREFIX] for cell in free}
                if not self._others(mine, span, resumed, lease.path.name):
                    return lease
                lease.release()
                time.sleep(random.uniform(0, WITHDRAWN_S))
        except OSError as fault:
            raise unwritable(self.folder, fault) from None

    def forget(self, name: str) -> None:
        """Remove the claims that were kept for something, now that it is over."""
        for path in lease_files(self.folder):
            seen = self._look(path)
            if seen is not None and seen.claim is not None and seen.claim.kept_for == name:
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _wait(self) -> None:
        try:
            time.sleep(POLL_S)
        except KeyboardInterrupt:
            raise UserError(
                f"{self.task}: stopped by SIGINT while it waited for another process; run "
                "the same command again to continue"
            ) from None

    def _write(self, cells: set[str], span: tuple[int, int]) -> "Lease":
        if self._claimed and not self.folder.is_dir():
            raise UserError(
                f"{self.folder}: was removed or moved away during the run; put the store back and "
                "run the same command again"
            )
        lease = Lease(self.folder, self._own(cells, span), frozenset(cells), self.steady)
        self._claimed = True
        return lease

    def _own(self, cells: set[str], span: tuple[int, int]) -> Claim:
        return Claim(
            host=this_host(),
            pid=os.getpid(),
            born=birth(os.getpid()) or "",
            machine=socket.gethostname(),
            task=self.task,
            began=now(),
            expires_after_s=EXPIRY_S,
            first=span[0],
            last=span[1],
            cells=prefixes_of(cells),
        )

    def _others(
        self,
        prefixes: set[str],
        span: tuple[int, int],
        resumed: Collection[str],
        own: str | None = None,
    ) -> list[_Seen]:
        """Return the claims of others that conflict; claims of dead processes are removed."""
        found, names = [], set()
        for path in lease_files(self.folder):
            names.add(path.name)
            if path.name == own:
                continue
            seen = self._seen.get(path.name)
            if seen is not None and not seen.overlaps(prefixes, span):
                continue  # a claim never gets other cells, so it is not opened again
            seen = self._look(path)
            if seen is None or not seen.overlaps(prefixes, span):
                continue
            claim = seen.claim
            if not self._is_dead(seen):
                found.append(seen)
            elif claim is None or not claim.kept_for or time.time() > claim.kept_until:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            elif claim.kept_for not in resumed:
                found.append(seen)
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        return found

    def _look(self, path: Path) -> _Seen | None:
        """Return a claim as it is now, None where it was withdrawn."""
        try:
            with path.open("rb") as file:  # opened: network file systems then ask the server
                changed = os.fstat(file.fileno()).st_mtime_ns
                seen = self._seen.get(path.name)
                if seen is not None and seen.changed == changed:
                    return seen
                claim = _read(file.read())
        except OSError:  # also a stale handle of a file that is removed
            return None
        cells = claim.prefixes() if claim else set()
        seen = _Seen(claim, changed, self.clock(), cells)
        self._seen[path.name] = seen
        return seen

    def _is_dead(self, seen: _Seen) -> bool:
        if seen.claim and is_gone(seen.claim.host, seen.claim.pid, seen.claim.born):
            return True
        return self.clock() - seen.since > EXPIRY_S


class Lease:
    """A claim that was granted: no other process asks for ``cells`` while it is ``valid``.

    It is renewed by a thread until ``release``, which leaving its ``with`` block calls. Raises
    ``OSError`` where its file cannot be written.
    """

    def __init__(
        self, folder: Path, claim: Claim, cells: frozenset[str], steady: Callable[[], float]
    ) -> None:
        began = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        host = claim.machine.split(".")[0]
        name = f"{began}-{host}-{claim.pid}-{secrets.token_hex(4)}{SUFFIX}"
        self.path, self.cells, self._claim, self._steady = folder / name, cells, claim, steady
        self._valid_until = steady() + VALID_S
        self._kept = self._lost = False
        self._released = threading.Event()
        write_atomically(self.path, _text(claim))
        self._thread = threading.Thread(target=self._renew_regularly, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def valid(self) -> bool:
        """Whether no other process can hold these cells now; once False, it stays so."""
        self._lost = self._lost or self._steady() >= self._valid_until
        return not self._lost

    def require(self) -> None:
        """Raise ``LeaseLostError`` where the lease is not valid."""
        if not self.valid:
            raise LeaseLostError

    def renew(self) -> None:
        """Touch the claim; it counts only where it was valid until the end."""
        began = self._steady()
        try:
            os.utime(self.path)
        except FileNotFoundError:
            self._lost = True
        except OSError:  # tried again while the lease is valid
            return
        if self.valid:
            self._valid_until = began + VALID_S

    def keep(self, name: str, seconds: float) -> None:
        """Let the claim outlive this process: its cells are held for ``name``, so long at most.

        A claim that is kept stays when the lease is released, until ``Leases.forget``. Raises
        ``LeaseLostError`` where the lease is not valid, and ``OSError`` where the claim cannot be
        written.
        """
        self.require()
        self._claim = replace(self._claim, kept_for=name, kept_until=time.time() + seconds)
        write_atomically(self.path, _text(self._claim))
        self._kept = True

    def release(self) -> None:
        """Let other processes have the cells; close what was written first."""
        self._released.set()
        self._thread.join()
        self._lost = True
        if not self._kept:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _renew_regularly(self) -> None:
        while not self._released.wait(RENEW_S):
            self.renew()


def lease_files(folder: Path) -> list[Path]:
    """Return the files of claims in a stream's folder."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _text(claim: Claim) -> bytes:
    return json.dumps(asdict(claim)).encode()


def _read(text: bytes) -> Claim | None:
    try:
        given: dict[str, Any] = json.loads(text)
        claim = Claim(**given)
        numbers = (claim.pid, claim.first, claim.last, claim.kept_until)
        texts = (claim.host, claim.born, claim.cells, claim.kept_for or "")
        whole = all(isinstance(n, int | float) for n in numbers)
        return claim if whole and all(isinstance(t, str) for t in texts) else None
    except (ValueError, TypeError):
        return None


def _waiting(holders: Iterable[_Seen]) -> str:
    names = [seen.claim.holder() if seen.claim else "an unreadable claim" for seen in holders]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"waiting for answers that another process asks for: {names[0]}{more}"
