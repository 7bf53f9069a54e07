"""Progress on a terminal and in the log of a job."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from persona_collapse.asking.progress import Progress
from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import reported
from tests.conftest import ROOT


def test_progress_without_terminal_logs_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress("shard", 100)
    progress.add(10, failed=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("persona_collapse.asking.progress.EVERY_S", 0.0)
    progress.add(10, failed=True)
    line = capsys.readouterr().err
    assert line.startswith("shard: 20 of 100 answers, ")
    assert "2 requests, 1 failures, " in line
    progress.say("a word")
    progress.close()
    assert "shard: a word\nshard: 20 of 100" in capsys.readouterr().err


@pytest.mark.parametrize("terminal", [False, True])
def test_job_log_has_counts_messages_and_error(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr("persona_collapse.asking.progress.EVERY_S", 0.0)
    log = tmp_path / "logs" / "shard.log"

    def shard() -> None:
        progress = Progress("shard", 100)
        progress.add(10, failed=False)
        progress.say("a word")
        progress.close()
        raise UserError("it ends")

    with pytest.raises(SystemExit), reported(str(log)):
        shard()
    lines = log.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "shard: 10 of 100 answers",
        "shard: a word",
        "shard: 10 of 100 answers",
        "persona-collapse: it ends",
    ]


@pytest.mark.parametrize("columns", [100, 0])
def test_terminal_shows_bar_whether_or_not_it_has_a_width(columns: int) -> None:
    """Also a terminal that does not report its width."""
    script = (
        "from persona_collapse.asking.progress import Progress\n"
        "progress = Progress('shard', 100)\n"
        "progress.add(60, failed=True)\n"
        "progress._bar.refresh()\n"
        "progress.say('a word')\n"
        "progress.close()\n"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    subprocess.run([sys.executable, "-c", script], stderr=theirs, cwd=ROOT, check=True)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "60/100" in shown
    assert "failures=1" in shown
    assert "answer/s" in shown
    assert "shard: a word\r\n" in shown


def test_message_does_not_tear_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress("shard", 100)
    progress.add(60, failed=True)
    progress.say("a word")
    progress.close()
    shown = capsys.readouterr().err
    assert "shard:  60%" in shown
    assert "failures=1" in shown
    assert "shard: a word\n" in shown
