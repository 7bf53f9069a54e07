"""``make`` installs: it says what it does, and leaves nothing that looks complete but is not."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.helpers.waiting import PATIENCE_S, until

SCRIPT = ROOT / "workflow" / "envs" / "install.py"
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Return a folder with two tiny wheels, and a lock file of them."""
    for name in ("one", "two"):
        with zipfile.ZipFile(tmp_path / f"{name}-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            wheel.writestr(f"{name}-1.dist-info/METADATA", METADATA.format(name=name))
            wheel.writestr(f"{name}-1.dist-info/WHEEL", WHEEL)
            wheel.writestr(f"{name}-1.dist-info/RECORD", "")
    (tmp_path / "lock").write_text("# a comment\none==1\ntwo==1\n")
    return tmp_path


def environment(index: Path, **more: str) -> dict[str, str]:
    local = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "TMPDIR": str(index)}
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return {**kept, **local, **more}


def install(index: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, "venv", "lock"],
        cwd=index,
        env=environment(index, **more),
        capture_output=True,
        text=True,
        check=False,
    )


def test_installation_says_what_it_does(index: Path) -> None:
    done = install(index)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"Installing 2 packages into venv \.\.\.\nDone in \d+ s\n", done.stdout)
    assert (index / "venv" / "installed").exists()
    assert not list(index.glob("*.log"))
    subprocess.run([index / "venv" / "bin" / "python", "-c", "import one, two"], check=True)


def test_failed_installation_leaves_nothing_and_failed_update_no_mark(index: Path) -> None:
    (index / "lock").write_text("one==1\nthree==1\n")
    done = install(index)
    assert done.returncode == 1
    assert "No matching distribution found for three==1" in done.stdout
    assert "Nothing is installed. Run the same command again." in done.stdout
    assert not (index / "venv").exists()
    (index / "venv" / "bin").mkdir(parents=True)
    (index / "venv" / "installed").touch()
    done = install(index)
    assert "venv is not complete." in done.stdout
    assert not (index / "venv" / "installed").exists()


def test_no_network_is_said_in_a_line(index: Path) -> None:
    (index / "empty").mkdir()
    places = {"PIP_FIND_LINKS": "empty", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    done = install(index, PIP_NO_INDEX="0", **places)
    assert done.returncode == 1
    assert "The package index cannot be reached: is this machine online?" in done.stdout
    assert not (index / "venv").exists()


def test_interrupted_installation_leaves_nothing(index: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, SCRIPT, "venv", "lock"],
        cwd=index,
        env=environment(index),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until((index / "venv").exists, run)
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130
    assert "Interrupted. Nothing is installed." in said
    assert "Traceback" not in said
    assert not (index / "venv").exists()


def test_terminal_shows_one_line_that_changes(index: Path) -> None:
    main, side = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, SCRIPT, "venv", "lock"],
        cwd=index,
        env=environment(index, TERM="xterm"),
        stdout=side,
        stderr=side,
    )
    os.close(side)
    said = b""
    while chunk := _read(main):
        said += chunk
    assert run.wait() == 0
    assert said.count(b"\n") == 1
    assert re.search(rb"\r\x1b\[KInstalling 2 packages into venv \.\.\. \d+ s\r\n$", said)
    assert said.count(b"\r\x1b[K") > 2


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
