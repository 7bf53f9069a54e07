"""Progress in the log of a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_collapse.asking import progress as module
from persona_collapse.asking.progress import (
    Count,
    Failures,
    Progress,
    clock,
    counts,
    failures,
    note_failures,
    taken,
)
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


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time of both clocks, which a test sets."""
    seconds = [1000.0]

    class Clock:
        monotonic = time = staticmethod(lambda: seconds[0])

    monkeypatch.setattr(module, "time", Clock)
    return seconds


def test_line_has_the_rate_and_the_time_left(now: list[float]) -> None:
    progress = Progress("shard", 100)
    assert progress.line() == (
        "shard: 0 of 100 answers, 0.0 a second, 0 requests, 0 failures, unknown left"
    )
    now[0] += 16
    progress.add(30, failed=False)
    progress.add(10, failed=True)
    assert progress.line() == (
        "shard: 40 of 100 answers, 2.5 a second, 2 requests, 1 failures, 24 s left"
    )


def test_line_is_logged_every_half_minute(
    now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    progress, silent = Progress("shard", 100), Progress("silent", 100, shown=False)
    for seconds, lines in ((29, 0), (1, 1), (29, 1), (1, 2)):
        now[0] += seconds
        for one in (progress, silent):
            one.add(1, failed=False)
        assert len(caplog.messages) == lines
    Progress("nothing was asked", 1).close()
    silent.close()
    assert len(caplog.messages) == 2
    progress.close()
    assert caplog.messages[-1].startswith("shard: 4 of 100 answers")


def test_count_is_noted_for_the_run_and_taken_once(now: list[float], tmp_path: Path) -> None:
    progress = Progress("shard", 10, folder=str(tmp_path), timeout_s=5.0, missing=30)
    progress.in_flight = lambda: 7
    progress.add(3, failed=True, filtered=2, unrated=1)
    progress.say("a word")
    Progress("other", 4, folder=str(tmp_path)).note()
    begun = Count("shard", 30, 3, 1, 1, 7, 5.0, "a word", 1000.0, 2, 1)
    assert sorted(counts(tmp_path), key=lambda one: one.label) == [
        Count("other", 4, 0, 0, 0),
        begun,
    ]
    progress.close()
    ended = taken(tmp_path, "shard")
    assert ended is not None
    assert (ended.in_flight, ended.answers) == (0, 3)
    assert taken(tmp_path, "shard") is None
    assert [one.label for one in counts(tmp_path)] == ["other"]
    assert Count("l", 1, 2, 3, 4) == Count("l", 1, 2, 3, 4, 0, 0.0, "", 0.0, 0, 0)


def test_failures_are_noted_by_label_and_damaged_notes_are_left_out(tmp_path: Path) -> None:
    found = [Failures(label, 9, 2, 1, {"why": 2}) for label in ("b", "a")]
    for one in found:
        note_failures(str(tmp_path), one)
    note_failures(None, found[0])
    (tmp_path / "failed-x.json").write_text("{")
    (tmp_path / "failed-y.json").write_text('{"label": "of another version"}')
    (tmp_path / "count-x.json").write_text("[]")
    assert failures(tmp_path) == found[::-1]
    assert counts(tmp_path) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s")),
        *(
            (3599, "59 min 59 s"),
            (3600, "1 h 00 min"),
            (7500, "2 h 05 min"),
            (90_000, "25 h 00 min"),
        ),
    ],
)
def test_duration_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert clock(seconds) == text
