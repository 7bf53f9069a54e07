"""Share an endpoint's limits among the processes that ask it now.

Each process keeps a small file in a folder of the store, rewritten at each step: its demand (how
many requests it could have in flight) and its claim, so many of the endpoint's requests in flight
and a fraction of its requests and tokens per minute. The processes compute the same fair shares
from all demands. A process whose claim is above its share stops using the difference at once, and
gives it up in its file once those requests are completed. A process whose claim is below takes
only what the claims of the others leave: it writes the new claim, reads the others again, and
withdraws if the sum is too large. Two processes that claim at once see each other, so the sum of
what is used never exceeds the endpoint's limits, without a lock, also on network file systems.

A file counts no more when its process is gone (on the same host), or did not rewrite it for
``STALE_S``.
"""

import contextlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from persona_collapse.asking.settings import JOB_IN_FLIGHT, Settings
from persona_collapse.common.hashing import digest
from persona_collapse.common.log import LOG
from persona_collapse.common.processes import is_gone, this_host

FOLDER = ".asking"
STEP_S, SHORT_STEP_S = 0.5, 0.1  # between two steps; while a claim is not what it should be
STALE_S = 30.0
SETTLE_S = 3.0  # after files were removed, until their processes have written them again
WIDTH = 120  # bytes of a file, which is always overwritten completely
TINY = 1e-9
FILE = re.compile(r"[0-9TZ.]+-[0-9a-f]+-[0-9]+-[0-9a-f]+\.json")  # start, host, pid, chance


@dataclass(frozen=True)
class Part:
    """A part of an endpoint's limits: requests in flight, and a fraction of those per minute."""

    slots: int = 0
    rate: float = 0.0


@dataclass(frozen=True)
class Entry:
    """What the file of one process says."""

    demand: int = 0
    claim: Part = Part()


def fair_slots(total: int, demands: Sequence[int]) -> list[int]:
    """Divide slots among demands: nobody gets more than it can use, the rest is divided equally.

    The sum is the smaller one of ``total`` and the sum of the demands.
    """
    shares, left = [0] * len(demands), total
    order = sorted(range(len(demands)), key=lambda place: (demands[place], place))
    for rank, place in enumerate(order):
        shares[place] = min(demands[place], left // (len(demands) - rank))
        left -= shares[place]
    return shares


class Sharing:
    """This process's part of an endpoint's limits: ``part``, which ``step`` brings up to date.

    Where the folder cannot be used, the part is a fixed one: that of one of the jobs which
    Snakemake lets ask at once.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        limits = {
            "base_url": settings.base_url,
            "api_key_env": settings.api_key_env,
            "max_in_flight": settings.max_in_flight,
            "requests_per_minute": settings.requests_per_minute,
            "tokens_per_minute": settings.tokens_per_minute,
        }
        host = re.sub(r"[^A-Za-z0-9.]+", "-", urlsplit(settings.base_url).netloc)
        self.folder = Path(settings.store) / FOLDER / f"{host}-{digest(limits)[:12]}"
        self.total, self.part = settings.max_in_flight, Part()
        alone = min(self.total, JOB_IN_FLIGHT)
        self._fixed = Part(alone, alone / self.total)
        self._clock = clock
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.name = f"{started}-{this_host()}-{os.getpid()}-{secrets.token_hex(4)}.json"
        self.wait_s = SHORT_STEP_S  # until the next step
        self._known: dict[str, Entry] = {}
        self._written_at = 0.0  # of our file, by the clock of the file system
        self._started = self._failed = self._closed = False
        self._raise_from = float("-inf")
        self._lock = threading.Lock()

    def step(self, in_flight: int, demand: int) -> Part:
        """Return the part that this process may use from now on.

        ``in_flight`` are its requests in flight, at most those of the last part and what had
        still to be completed then; ``demand`` is how many it could have in flight.
        """
        with self._lock:
            if self._closed:
                return self.part
            try:
                self.part = self._step(in_flight, max(1, demand))
                self._failed = False
            except OSError as fault:
                self.part, self.wait_s = self._fixed, STEP_S
                if not self._failed:
                    LOG.warning(
                        "%s: %s: this job cannot see what others ask of the endpoint, so it takes "
                        "a fixed part of its limits",
                        self.folder,
                        fault.strerror,
                    )
                self._failed = True
            return self.part

    def close(self) -> None:
        """Leave the rest of the limits to the other processes; no request is in flight."""
        with self._lock, contextlib.suppress(OSError):
            self._closed = True
            (self.folder / self.name).unlink(missing_ok=True)

    def _step(self, in_flight: int, demand: int) -> Part:
        # What was withdrawn in the last step and is completed by now is given up here.
        used = Part(max(in_flight, self.part.slots), self.part.rate)
        self._write(Entry(demand, used))
        others = self._others()
        share = self._share(demand, others)
        lowered = Part(min(used.slots, share.slots), min(self.part.rate, share.rate))
        free = self._free(others)
        wanted = Part(
            max(used.slots, min(share.slots, free.slots)),
            max(used.rate, min(share.rate, free.rate)),
        )
        slots, rate = lowered.slots, lowered.rate
        if wanted != used and self._clock() >= self._raise_from:
            self._write(Entry(demand, wanted))
            free = self._free(self._others())
            if wanted.slots > used.slots and wanted.slots <= free.slots:
                slots = wanted.slots
            if wanted.rate > used.rate and wanted.rate <= free.rate + TINY:
                rate = wanted.rate
            granted = Part(max(used.slots, slots), max(used.rate, rate))
            if granted != wanted:
                self._write(Entry(demand, granted))
        settled = slots == share.slots >= in_flight and abs(rate - share.rate) <= TINY
        self.wait_s = STEP_S if settled else SHORT_STEP_S
        return Part(slots, rate)

    def _share(self, demand: int, others: dict[str, Entry]) -> Part:
        """Return the fair share of this process; it wants one slot at least."""
        demands = {name: entry.demand for name, entry in others.items()} | {self.name: demand}
        names = sorted(demands)
        slots = fair_slots(self.total, [demands[name] for name in names])
        mine = max(1, slots[names.index(self.name)])
        return Part(mine, demand / sum(demands.values()))

    def _free(self, others: dict[str, Entry]) -> Part:
        """Return what the claims of the other processes leave to this one."""
        return Part(
            self.total - sum(entry.claim.slots for entry in others.values()),
            1.0 - sum(entry.claim.rate for entry in others.values()),
        )

    def _write(self, entry: Entry) -> None:
        line = json.dumps([entry.demand, entry.claim.slots, round(entry.claim.rate, 12)])
        path, flags = self.folder / self.name, os.O_WRONLY
        try:
            file = os.open(path, flags)
        except FileNotFoundError:
            if self._started:  # somebody removed the files: others may have lost theirs, too
                self._raise_from = self._clock() + SETTLE_S
                self.folder.parents[1].stat()  # a store that was moved away is not made again
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(path, flags | os.O_CREAT, 0o644)
            self._started = True
        try:
            os.pwrite(file, line.ljust(WIDTH - 1).encode() + b"\n", 0)
        finally:
            os.close(file)
        self._written_at = path.stat().st_mtime

    def _others(self) -> dict[str, Entry]:
        """Return the entries of the other processes that are alive, by the names of their files."""
        found = {}
        for path in self.folder.iterdir():
            if path.name != self.name and FILE.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):  # it left meanwhile
                    entry = self._read(path)
                    if entry is not None:
                        found[path.name] = entry
        self._known = found
        return found

    def _read(self, path: Path) -> Entry | None:
        """Return the entry of a file, None where its process is gone."""
        with path.open("rb") as stream:  # opened first: network file systems then ask the server
            text = stream.read()
            changed_at = os.fstat(stream.fileno()).st_mtime
        # Both times are those of the file system, so clocks of hosts need not agree.
        if self._written_at - changed_at > STALE_S or _is_gone(path.name):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        if not text:
            return Entry()  # just created: its process reads ours before it claims anything
        try:
            demand, slots, rate = json.loads(text)
            return Entry(int(demand), Part(int(slots), float(rate)))
        except (ValueError, TypeError):  # read while it was written
            return self._known.get(path.name, Entry(1, Part(self.total, 1.0)))


def _is_gone(name: str) -> bool:
    """Return whether the process that a file is named after has ended on this host."""
    _, host, pid, _ = name.split("-")
    return is_gone(host, int(pid))
