"""Progress in the log of a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_collapse.asking.progress import Progress
from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import reported


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


def test_job_log_has_counts_messages_and_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
