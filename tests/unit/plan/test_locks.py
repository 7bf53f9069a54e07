"""Locks of killed runs are cleared; every other lock stays, with the command that removes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from persona_collapse.common.processes import birth
from persona_collapse.plan import locks
from persona_collapse.plan.locks import Record, Run, clear_locks

VARIABLE = "TEST_RUN"
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder .snakemake with the two lock files of a run."""
    for name in ("0.input.lock", "0.output.lock"):
        path = tmp_path / "locks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("results/x\n", encoding="utf-8")
    return tmp_path


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "locks").iterdir())


def exited_run(name: str = "one") -> Run:
    """A run whose process has exited."""
    with subprocess.Popen(SLEEP) as process:
        began, born = psutil.Process(process.pid).create_time(), birth(process.pid)
        process.kill()
    return Run(locks._machine(), process.pid, began, born or "", VARIABLE, name)


def living_run() -> Run:
    """A run whose process is this one."""
    began, born = psutil.Process().create_time(), birth(os.getpid())
    assert born
    return Run(locks._machine(), os.getpid(), began, born, VARIABLE, "alive")


def add(folder: Path, run: Run, *, locked: bool = True) -> Path:
    """Write a run's record, with the lock files that are there."""
    if locked:
        files = (folder / "locks").iterdir()
        run = replace(run, locks={path.name: path.stat().st_mtime_ns for path in files})
    path = folder / "runs" / f"{run.name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(run)), encoding="utf-8")
    return path


def test_locks_of_an_exited_run_are_removed_with_its_record(folder: Path) -> None:
    run = exited_run()
    record = add(folder, run)
    (note,) = clear_locks(folder)
    assert note == f"the run that held a lock was killed (process {run.pid}); the lock is cleared"
    assert held(folder) == []
    assert not record.exists()
    assert clear_locks(folder) == []


def test_locks_stay_while_the_process_lives_even_without_named_locks(folder: Path) -> None:
    alive = living_run()
    for locked in (True, False):
        record = add(folder, alive, locked=locked)
        assert clear_locks(folder) == []
        assert len(held(folder)) == 2
        assert record.exists()


def test_living_run_keeps_a_lock_that_an_exited_one_may_have_taken(folder: Path) -> None:
    add(folder, exited_run(), locked=False)
    alive = living_run()
    add(folder, alive, locked=False)
    for path in (folder / "locks").iterdir():  # both had begun when it was written
        os.utime(path)
    assert clear_locks(folder) == []
    assert len(held(folder)) == 2


def test_run_killed_before_it_named_its_locks_is_recognised_by_their_time(folder: Path) -> None:
    run = exited_run()
    add(folder, run, locked=False)
    for path in (folder / "locks").iterdir():
        os.utime(path, (run.began - 5, run.began - 5))
    (note,) = clear_locks(folder)
    assert "nobody knows which run locks this folder" in note
    add(folder, run, locked=False)
    for path in (folder / "locks").iterdir():
        os.utime(path, (run.began + 5, run.began + 5))
    assert "the lock is cleared" in clear_locks(folder)[0]
    assert held(folder) == []


@pytest.mark.parametrize("born", ["0", "~"])
def test_reused_process_number_is_another_process(born: str, folder: Path) -> None:
    add(folder, replace(living_run(), born=born))
    assert "the lock is cleared" in clear_locks(folder)[0]
    assert held(folder) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": "0.example.org pid:[1]"}, "a run on 0.example.org (process"),
        ({"machine": "~.example.org pid:[1]"}, "a run on ~.example.org (process"),
        ({"cluster": True}, "none of its jobs left (squeue --me)"),
    ],
    ids=["another machine", "yet another machine", "cluster"],
)
def test_lock_stays_where_the_end_of_the_run_is_not_certain(
    change: dict[str, object], said: str, folder: Path
) -> None:
    record = add(folder, replace(exited_run(), **change))  # type: ignore[arg-type]
    (note,) = clear_locks(folder)
    assert said in note
    assert "--unlock" in note
    assert len(held(folder)) == 2
    assert record.exists()


@pytest.mark.parametrize("damage", [None, "", "{", "[]", '{"pid": 1}'])
def test_lock_without_a_readable_record_stays_and_the_command_is_named(
    damage: str | None, folder: Path
) -> None:
    if damage is not None:
        add(folder, exited_run()).write_text(damage, encoding="utf-8")
    (note,) = clear_locks(folder)
    assert "give the command again with --unlock" in note
    assert len(held(folder)) == 2


def test_lock_that_was_written_anew_is_not_an_exited_runs(folder: Path) -> None:
    add(folder, exited_run())
    os.utime(folder / "locks" / "0.output.lock", (1e9, 1e9))
    clear_locks(folder)
    assert held(folder) == ["0.output.lock"]


@pytest.fixture
def job() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, env={**os.environ, VARIABLE: "one"}) as process:
        yield process
        process.kill()


def test_lock_stays_while_a_job_of_a_killed_run_goes_on(
    folder: Path, job: subprocess.Popen[bytes]
) -> None:
    add(folder, exited_run())
    (note,) = clear_locks(folder, patience_s=0)
    assert f"end them with kill {job.pid};" in note
    assert len(held(folder)) == 2
    job.kill()
    assert "the lock is cleared" in clear_locks(folder)[0]


def test_record_names_the_locks_that_were_taken(folder: Path) -> None:
    record = Record(folder, VARIABLE, "mine")
    record.begin()
    (path,) = (folder / "runs").iterdir()
    assert json.loads(path.read_text(encoding="utf-8"))["locks"] is None
    record.hold([str(folder / "locks" / "0.input.lock")], cluster=True)
    written = Run(**json.loads(path.read_text(encoding="utf-8")))
    assert (written.pid, written.name, written.cluster) == (os.getpid(), "mine", True)
    assert written.alive()
    assert [lock for lock in held(folder) if written.may_hold(folder / "locks" / lock)] == [
        "0.input.lock"
    ]
