"""Whether a process is there, with and without the files that Linux alone has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from persona_collapse.common import processes
from persona_collapse.common.processes import birth, is_gone, this_host

UNUSED = 2**22 + 1  # above the largest id of a process


@pytest.fixture(params=["with /proc", "without /proc"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test also as on a system without /proc."""
    if request.param == "without /proc":
        if shutil.which("ps") is None:
            pytest.skip("ps is not installed")
        monkeypatch.setattr(processes, "Path", lambda path: Path("/no/such/folder") / path[1:])
    return str(request.param)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("system")
def test_birth_stays_the_same_while_a_process_lives() -> None:
    born = birth(os.getpid())
    assert born
    assert birth(os.getpid()) == born
    assert not is_gone(this_host(), os.getpid(), born)


@pytest.mark.usefixtures("system")
def test_killed_process_is_gone_before_its_parent_notices(
    other: subprocess.Popen[bytes],
) -> None:
    assert not is_gone(this_host(), other.pid)
    other.kill()
    end = time.monotonic() + 10
    while not is_gone(this_host(), other.pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert birth(other.pid) is None
    assert other.returncode is None


@pytest.mark.usefixtures("system")
def test_process_with_another_birth_is_a_later_one() -> None:
    assert is_gone(this_host(), os.getpid(), "an earlier birth")
    assert not is_gone(this_host(), os.getpid(), "")


@pytest.mark.usefixtures("system")
def test_unused_id_is_gone_here_and_unknown_elsewhere() -> None:
    assert birth(UNUSED) is None
    assert is_gone(this_host(), UNUSED)
    assert not is_gone("another host", UNUSED)


class Shown:
    """What ``ps`` prints."""

    def __init__(self, stdout: str) -> None:
        self.stdout = stdout


def without_proc(
    monkeypatch: pytest.MonkeyPatch, shown: str | None, fault: type[Exception]
) -> None:
    """Let a process be hidden from /proc, and its signal fail; ``shown`` None: there is no ps."""

    def refuse(*_: object) -> None:
        raise fault

    def ps(*_: object, **__: object) -> Shown:
        if shown is None:
            raise FileNotFoundError
        return Shown(shown)

    this_host()  # once, as it is: it is remembered
    monkeypatch.setattr(processes, "Path", lambda path: Path("/no/such/folder") / path[1:])
    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(subprocess, "run", ps)


@pytest.mark.parametrize("shown", [None, "", "Ss   Fri Nov 27 10:00:00 2026\n"])
def test_process_of_another_user_is_there(
    shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_proc(monkeypatch, shown, PermissionError)
    assert birth(1) == (shown or "").partition(" ")[2].strip()
    assert not is_gone(this_host(), 1)


@pytest.mark.parametrize("fault", [ProcessLookupError, OverflowError])
def test_process_that_cannot_be_signalled_has_ended(
    fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_proc(monkeypatch, "", fault)
    assert birth(1) is None
