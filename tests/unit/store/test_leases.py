"""Leases on cells: never two holders of a slot, and none that outlives its process for long."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import digest
from persona_collapse.common.processes import birth, this_host
from persona_collapse.store import leases
from persona_collapse.store.leases import (
    EXPIRY_S,
    VALID_S,
    Lease,
    LeaseLostError,
    Leases,
    lease_files,
)

CELLS = [digest(number) for number in range(40)]
REPETITIONS = range(1, 11)


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class StillWaitingError(Exception):
    """A claim would wait."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store" / "stream"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that would wait raises instead."""

    def wait(self: Leases) -> None:
        raise StillWaitingError

    monkeypatch.setattr(Leases, "_wait", wait)


@pytest.fixture
def dead() -> Iterator[subprocess.Popen[bytes]]:
    """A process that was killed and whose parent has not noticed yet."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def held_by(folder: Path, cells: list[str], **changes: object) -> Path:
    """Write a claim as another process, on another host by default, wrote it."""
    lease = Leases(folder, "other").claim(cells, REPETITIONS)
    text = json.loads(lease.path.read_text(encoding="utf-8"))
    lease.release()
    path = folder / f"other-{len(list(folder.iterdir()))}.lease"
    path.write_text(json.dumps({**text, "host": "another", **changes}), encoding="utf-8")
    return path


def test_lease_on_free_cells_is_granted_and_released(folder: Path) -> None:
    with Leases(folder, "one").claim(CELLS, REPETITIONS) as lease:
        assert lease.cells == set(CELLS)
        assert lease.valid
        assert lease_files(folder) == [lease.path]
    assert not lease.valid
    assert list(folder.iterdir()) == []


def test_cells_of_another_lease_are_left_out(folder: Path) -> None:
    with Leases(folder, "one").claim(CELLS[:20], REPETITIONS):
        with Leases(folder, "two").claim(CELLS[10:30], REPETITIONS) as lease:
            assert lease.cells == set(CELLS[20:30])
        with pytest.raises(StillWaitingError):
            Leases(folder, "two").claim(CELLS[:10], REPETITIONS)


@pytest.mark.parametrize(
    ("repetitions", "free"), [(range(11, 21), True), (range(10, 12), False), ([1], False)]
)
def test_claims_conflict_only_where_they_share_repetitions(
    folder: Path, repetitions: range, free: bool
) -> None:
    with Leases(folder, "one").claim(CELLS, REPETITIONS):
        other = Leases(folder, "two")
        if free:
            with other.claim(CELLS, repetitions) as lease:
                assert lease.cells == set(CELLS)
        else:
            with pytest.raises(StillWaitingError):
                other.claim(CELLS, repetitions)


@pytest.mark.parametrize(
    ("held", "asked", "free"),
    [
        (range(10, 21), range(1, 11), False),
        (range(11, 21), range(1, 11), True),
        (range(4, 7), range(1, 11), False),
        (range(1, 11), range(4, 7), False),
    ],
)
def test_claims_conflict_wherever_their_repetitions_overlap(
    folder: Path, held: range, asked: range, free: bool
) -> None:
    with Leases(folder, "one").claim(CELLS, held):
        other = Leases(folder, "two")
        if free:
            other.claim(CELLS, asked).release()
        else:
            with pytest.raises(StillWaitingError):
                other.claim(CELLS, asked)


@pytest.mark.parametrize(("others", "more"), [(1, ""), (2, " and 1 more"), (3, " and 2 more")])
def test_waiting_says_how_many_processes_hold_the_cells(
    folder: Path, others: int, more: str
) -> None:
    for number in range(others):
        held_by(folder, CELLS[number::others], task=f"task {number}")
    said: list[str] = []
    with pytest.raises(StillWaitingError):
        Leases(folder, "mine", say=said.append).claim(CELLS, REPETITIONS)
    (text,) = said
    assert text.endswith(f"(task 0){more}")


def test_waiting_is_said_once_with_the_holder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = Leases(folder, "gpt-4o base roleplay p000").claim(CELLS, REPETITIONS)
    waits = 0

    def wait(self: Leases) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:
            first.release()

    monkeypatch.setattr(Leases, "_wait", wait)
    logging.getLogger("persona_collapse").addHandler(caplog.handler)
    try:
        with Leases(folder, "mine").claim(CELLS, REPETITIONS) as lease:
            assert lease.cells == set(CELLS)
    finally:
        logging.getLogger("persona_collapse").removeHandler(caplog.handler)
    assert waits == 3
    (said,) = caplog.messages
    assert said.startswith("mine: waiting for answers that another process asks for: ")
    assert f"process {os.getpid()} on " in said
    assert "(gpt-4o base roleplay p000)" in said


def test_claim_of_a_killed_process_is_taken_over_at_once(
    folder: Path, dead: subprocess.Popen[bytes]
) -> None:
    born = birth(dead.pid)
    path = held_by(folder, CELLS, host=this_host(), pid=dead.pid, born=born)
    with pytest.raises(StillWaitingError):
        Leases(folder, "mine").claim(CELLS, REPETITIONS)
    dead.kill()
    while birth(dead.pid) is not None:  # it is not reaped, and gone all the same
        time.sleep(0.01)
    with Leases(folder, "mine").claim(CELLS, REPETITIONS) as lease:
        assert lease.cells == set(CELLS)
    assert not path.exists()


def test_process_with_a_reused_id_holds_nothing(folder: Path) -> None:
    held_by(folder, CELLS, host=this_host(), pid=os.getpid(), born="an earlier one")
    with Leases(folder, "mine").claim(CELLS, REPETITIONS) as lease:
        assert lease.cells == set(CELLS)


def test_claim_of_another_host_expires_when_it_was_watched_without_a_renewal(folder: Path) -> None:
    """However old its file says it is: no clock is compared with another host's."""
    path, clock = held_by(folder, CELLS), Clock()
    os.utime(path, (0, 0))
    mine = Leases(folder, "mine", clock=clock)
    for clock.now in (0.0, EXPIRY_S):
        with pytest.raises(StillWaitingError):
            mine.claim(CELLS, REPETITIONS)
    os.utime(path)  # renewed
    for clock.now in (EXPIRY_S + 1, 2 * EXPIRY_S):
        with pytest.raises(StillWaitingError):
            mine.claim(CELLS, REPETITIONS)
    clock.now = 2 * EXPIRY_S + 2
    with mine.claim(CELLS, REPETITIONS) as lease:
        assert lease.cells == set(CELLS)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_unreadable_claim_holds_every_cell_until_it_expires(folder: Path, text: str) -> None:
    held_by(folder, CELLS[:1]).write_text(text, encoding="utf-8")
    clock = Clock()
    mine = Leases(folder, "mine", clock=clock)
    with pytest.raises(StillWaitingError):
        mine.claim(CELLS[20:], REPETITIONS)
    clock.now = EXPIRY_S + 1
    with mine.claim(CELLS[20:], REPETITIONS) as lease:
        assert lease.cells == set(CELLS[20:])


def test_owner_that_was_paused_holds_nothing_before_others_may_take_over(folder: Path) -> None:
    steady = Clock()
    lease = Leases(folder, "mine", steady=steady).claim(CELLS, REPETITIONS)
    assert VALID_S < EXPIRY_S
    steady.now = VALID_S - 1
    assert lease.valid
    lease.renew()
    steady.now = 2 * VALID_S - 2
    assert lease.valid
    steady.now = 2 * VALID_S - 1
    assert not lease.valid
    lease.renew()  # it woke up: a renewal does not bring the lease back
    assert not lease.valid
    lease.release()


def test_renewal_that_took_too_long_does_not_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = Clock()
    lease = Leases(folder, "mine", steady=steady).claim(CELLS, REPETITIONS)

    def slow(path: Path) -> None:
        steady.now += VALID_S

    monkeypatch.setattr(leases.os, "utime", slow)
    lease.renew()
    assert not lease.valid
    lease.release()


def test_lease_is_lost_where_its_claim_was_removed(folder: Path) -> None:
    lease = Leases(folder, "mine").claim(CELLS, REPETITIONS)
    lease.path.unlink()
    lease.renew()
    assert not lease.valid
    lease.release()


def test_failed_renewal_is_tried_again_while_the_lease_is_valid(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = Clock()
    lease = Leases(folder, "mine", steady=steady).claim(CELLS, REPETITIONS)
    with monkeypatch.context() as failing:

        def fail(path: Path) -> None:
            raise OSError(5, "Input/output error")

        failing.setattr(leases.os, "utime", fail)
        lease.renew()
    assert lease.valid
    steady.now = VALID_S - 1
    lease.renew()
    steady.now = VALID_S + 1
    assert lease.valid
    lease.release()


def test_lease_is_renewed_regularly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.01)
    with Leases(folder, "mine").claim(CELLS, REPETITIONS) as lease:
        os.utime(lease.path, (0, 0))
        end = time.monotonic() + 10
        while lease.path.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert lease.path.stat().st_mtime > 0


def test_waiting_opens_only_claims_of_the_same_cells(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many jobs may wait on a network folder: each looks again at the claims it waits for."""
    for cell in CELLS[10:]:
        held_by(folder, [cell])
    held_by(folder, CELLS[:1])
    mine = Leases(folder, "mine")
    opened: list[Path] = []
    look = Leases._look
    monkeypatch.setattr(Leases, "_look", lambda self, path: opened.append(path) or look(self, path))
    for count in (31, 1, 1):
        opened.clear()
        with pytest.raises(StillWaitingError):
            mine.claim(CELLS[:1], REPETITIONS)
        assert len(opened) == count


def test_store_that_was_moved_away_is_not_made_again(folder: Path) -> None:
    mine = Leases(folder, "mine")
    mine.claim(CELLS, REPETITIONS).release()
    folder.parent.rename(folder.parent.with_name("moved"))
    with pytest.raises(UserError, match="was removed or moved away during the run"):
        mine.claim(CELLS, REPETITIONS)
    assert not folder.parent.exists()


def test_folder_that_cannot_be_written_is_an_error_before_anything_is_asked(folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("a plain file", encoding="utf-8")
    with pytest.raises(UserError, match="answers cannot be stored there, so no request was sent"):
        Leases(folder, "mine").claim(CELLS, REPETITIONS)


def test_kept_claim_stays_after_its_process_for_those_who_name_it(
    folder: Path, dead: subprocess.Popen[bytes]
) -> None:
    lease = Leases(folder, "mine").claim(CELLS, REPETITIONS)
    lease.keep("batch abc", 3600)
    lease.release()
    text = json.loads(lease.path.read_text(encoding="utf-8"))
    lease.path.write_text(json.dumps({**text, "pid": dead.pid, "born": birth(dead.pid)}))
    with pytest.raises(StillWaitingError):  # its process lives
        Leases(folder, "next").claim(CELLS, REPETITIONS, resumed=["batch abc"])
    dead.kill()
    dead.wait()
    with pytest.raises(StillWaitingError):
        Leases(folder, "stranger").claim(CELLS, REPETITIONS)
    with pytest.raises(StillWaitingError):
        Leases(folder, "stranger").claim(CELLS, REPETITIONS, resumed=["batch xyz"])
    mine = Leases(folder, "next")
    with mine.claim(CELLS[:5], REPETITIONS, resumed=["batch abc"]) as resumed:
        assert resumed.cells == set(CELLS[:5])
        with pytest.raises(StillWaitingError):  # one of them at a time
            Leases(folder, "third").claim(CELLS[:5], REPETITIONS, resumed=["batch abc"])
        mine.forget("batch abc")
    with Leases(folder, "stranger").claim(CELLS, REPETITIONS) as lease:
        assert lease.cells == set(CELLS)


@pytest.mark.parametrize(("seconds", "free"), [(60, False), (-60, True)])
def test_kept_claim_ends_with_its_time(
    folder: Path, dead: subprocess.Popen[bytes], seconds: float, free: bool
) -> None:
    dead.kill()
    dead.wait()
    kept = {"kept_for": "batch", "kept_until": time.time() + seconds}
    held_by(folder, CELLS, host=this_host(), pid=dead.pid, **kept)
    if free:
        Leases(folder, "mine").claim(CELLS, REPETITIONS).release()
        assert lease_files(folder) == []
    else:
        with pytest.raises(StillWaitingError):
            Leases(folder, "mine").claim(CELLS, REPETITIONS)


def test_lease_that_was_lost_cannot_be_kept(folder: Path) -> None:
    steady = Clock()
    lease = Leases(folder, "mine", steady=steady).claim(CELLS, REPETITIONS)
    steady.now = VALID_S
    with pytest.raises(LeaseLostError):
        lease.keep("batch", 60)
    lease.release()
    assert lease_files(folder) == []


def test_of_processes_that_claim_at_once_one_holds_a_cell(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every slot is marked, exclusively, by its holder; a second holder would find the mark."""
    monkeypatch.setattr(Leases, "_wait", lambda self: time.sleep(0.001))
    marks, faults = tmp_path / "marks", []
    marks.mkdir()

    def contend(seed: int) -> None:
        draws = random.Random(seed)
        for _ in range(15):
            waiting = set(draws.sample(CELLS, draws.randint(1, 12)))
            while waiting:
                with Leases(folder, str(seed)).claim(waiting, [draws.randint(1, 2)]) as lease:
                    span = (lease._claim.first, lease._claim.last)
                    paths = [marks / f"{cell}-{span}" for cell in lease.cells]
                    try:
                        for path in paths:
                            path.touch(exist_ok=False)
                        time.sleep(draws.uniform(0, 0.002))
                    except FileExistsError as fault:
                        faults.append(fault)
                    for path in paths:
                        path.unlink(missing_ok=True)
                    waiting -= lease.cells

    threads = [threading.Thread(target=contend, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert list(folder.iterdir()) == []


def test_lease_is_released_when_its_block_fails(folder: Path) -> None:
    def fail(lease: Lease) -> None:
        with lease:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(Leases(folder, "mine").claim(CELLS, REPETITIONS))
    assert lease_files(folder) == []
