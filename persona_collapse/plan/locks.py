"""Clear Snakemake's locks of runs that were killed, and only theirs.

Snakemake's lock files, ``.snakemake/locks/<n>.<input or output>.lock``, list paths and name no
process, so a killed run locks its checkout until ``snakemake --unlock``. Here every run writes a
record of its process, and adds the lock files that it has taken.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from persona_collapse.common.files import write_atomically
from persona_collapse.common.processes import birth

LOCKS, RECORDS = "locks", "runs"  # folders of .snakemake
ENDING_S = 30.0  # how long a command waits for jobs that outlive their run
UNLOCK = "give the command again with --unlock, then without"


@dataclass(frozen=True)
class Run:
    """A main process of Snakemake, as its record describes it.

    ``began`` is the time of its start in s, ``born`` tells it from later processes with its id.
    ``name`` is in the environment variable ``variable`` of the run's jobs. ``locks`` are the lock
    files that it holds, by name, with the time they were written, in ns; None until it has them.
    """

    machine: str
    pid: int
    began: float
    born: str
    variable: str
    name: str
    locks: dict[str, int] | None = None
    cluster: bool = False

    def may_hold(self, lock: Path) -> bool:
        """Return whether the lock file is this run's, or may be since it has named none."""
        written = lock.stat().st_mtime_ns
        if self.locks is None:
            return written >= self.began * 1e9
        return self.locks.get(lock.name) == written

    def alive(self) -> bool:
        """Return whether the process exists on this machine; a reused number is another one."""
        found = birth(self.pid)
        return found is not None and (not found or found == self.born)

    def jobs(self) -> list[int]:
        """Return the processes on this machine that the run has started and that still exist."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if (
                    process.environ().get(self.variable) == self.name
                    and process.pid != os.getpid()
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process.pid)
        return found


class Record:
    """This process's own record, from ``begin`` until it exits."""

    def __init__(self, folder: Path, variable: str, name: str) -> None:
        self._path = folder / RECORDS / f"{_host()}-{name}.json"
        began, born = psutil.Process().create_time(), birth(os.getpid()) or ""
        self._run = Run(_machine(), os.getpid(), began, born, variable, name)

    def begin(self) -> None:
        """Write the record, before Snakemake takes its locks."""
        self._write(self._run)
        atexit.register(self._path.unlink, missing_ok=True)

    def hold(self, locks: Iterable[str], *, cluster: bool) -> None:
        """Add the lock files that Snakemake has taken; ``cluster``: jobs run on other machines."""
        held = {Path(lock).name: Path(lock).stat().st_mtime_ns for lock in locks}
        self._write(Run(**{**asdict(self._run), "locks": held, "cluster": cluster}))

    def _write(self, run: Run) -> None:
        # A folder that cannot be written has no locks either.
        with contextlib.suppress(OSError):
            write_atomically(self._path, json.dumps(asdict(run)).encode())


def clear_locks(folder: Path, patience_s: float = ENDING_S) -> list[str]:
    """Remove the lock files of dead runs of this machine from ``.snakemake``; return notes.

    A lock stays where its run, or a job of it, is alive, and where the owner is unknown: it is
    another machine's or user's, or its run left no record. A job that outlived its run may still
    ask and write, so the command waits ``patience_s`` for its end. Notes name what stays and what
    to do, but for locks of living runs: two studies may run at the same time.
    """
    runs = dict(_records(folder))
    notes: dict[str, None] = {}
    for lock in sorted((folder / LOCKS).glob("*.lock")):
        try:
            holders = [run for run in runs.values() if run.may_hold(lock)]
            note = _fault(holders, patience_s)
            if note is None:
                lock.unlink()
                gone = ", ".join(str(run.pid) for run in holders)
                note = f"the run that held a lock was killed (process {gone}); the lock is cleared"
        except OSError:  # its owner removed it meanwhile, or it is not ours to remove
            continue
        if note:
            notes[note] = None
    held = list((folder / LOCKS).glob("*.lock"))
    for path, run in runs.items():
        with contextlib.suppress(OSError):
            if run.machine == _machine() and not run.alive() and not any(map(run.may_hold, held)):
                path.unlink()
    return list(notes)


def _fault(holders: list[Run], patience_s: float) -> str | None:
    """Return why a lock of one of these runs stays; empty where one is alive, None if it goes."""
    if not holders:
        return f"nobody knows which run locks this folder; if none is running, {UNLOCK}"
    for run in holders:
        if run.machine != _machine():
            return (
                f"a run on {run.machine.split()[0]} (process {run.pid}) locks files here; if it "
                f"has ended, {UNLOCK}"
            )
        if run.alive():
            return ""
    for run in holders:
        if run.cluster:
            return (
                f"the run that locks files here was killed (process {run.pid}); when the cluster "
                f"has none of its jobs left (squeue --me), {UNLOCK}"
            )
        if left := _outlasting(run, patience_s):
            pids = " ".join(map(str, left))
            return (
                f"the run that locks files here was killed (process {run.pid}), but its jobs go "
                f"on: wait, or end them with kill {pids}; the same command then clears the lock"
            )
    return None


def _outlasting(run: Run, patience_s: float) -> list[int]:
    """Wait for the end of a dead run's jobs; return those that outlast the patience."""
    end = time.monotonic() + patience_s
    while (left := run.jobs()) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def _records(folder: Path) -> Iterator[tuple[Path, Run]]:
    """Yield the records of runs that this user started; others' jobs cannot be seen."""
    for path in sorted((folder / RECORDS).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if path.stat().st_uid == os.getuid():
                yield path, Run(**json.loads(path.read_text(encoding="utf-8")))


def _host() -> str:
    return socket.gethostname()


def _machine() -> str:
    """Return what process numbers belong to: the host and, in a container, its own numbering."""
    try:
        return f"{_host()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return _host()
