"""Creating something at a server once: lost replies wait, and two runs wait for each other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from persona_collapse.asking import journal as module
from persona_collapse.asking.journal import (
    ID,
    INTENT,
    MOST_POSTS,
    REFUSED,
    Journal,
    Patience,
    RefusedError,
    ThrottledError,
    UnansweredError,
    ensure,
)
from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import canonical
from persona_collapse.store.checksums import with_checksum
from tests.conftest import ROOT
from tests.helpers.waiting import PATIENCE_S, until

SETTLE_S = 30.0


class Clock:
    """A clock that stands still but for its sleeps, which do not wait."""

    def __init__(self) -> None:
        self.ahead, self.slept = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead += max(seconds, 1e-9)  # a shorter rest would not move the sum, for ever


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", "key")


def made_by(
    journal: Journal,
    post: Callable[[], str],
    find: Callable[[], str | None] = lambda: None,
) -> str:
    patience = Patience(settle_s=SETTLE_S, poll_s=0.01, silent_s=1e6)
    return ensure(journal, find, post, lambda _: {"usd": 7.0}, patience)


def events(journal: Journal) -> list[str]:
    return [entry["event"] for entry in journal.entries()]


def lost() -> str:
    raise UnansweredError("timeout")


def written(journal: Journal, age_s: float) -> None:
    """Write an intent of an earlier run."""
    entry = journal.write(INTENT, usd=7.0)
    (path,) = journal.folder.glob("*.jsonl")
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    new = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    path.write_bytes(with_checksum(canonical({**entry, "at": new}).encode() + b"\n"))


def assert_waited(slept_s: float, wait_s: float, began: float) -> None:
    """Compare a wait with the intended one, of which the test's own time is a part."""
    assert wait_s - (time.monotonic() - began) - 0.01 <= slept_s <= wait_s + 1e-6


def test_lost_reply_is_looked_for_until_the_settle_time_has_passed_before_another_post(
    journal: Journal, clock: Clock
) -> None:
    posts: list[float] = []
    began = time.monotonic()

    def post() -> str:
        posts.append(clock.ahead)
        return lost() if len(posts) == 1 else "job-2"

    assert made_by(journal, post) == "job-2"
    assert_waited(posts[1] - posts[0], SETTLE_S, began)
    assert events(journal) == [INTENT, INTENT, ID]


def test_request_that_arrived_late_is_adopted_and_not_sent_again(
    journal: Journal, clock: Clock
) -> None:
    begun = clock.ahead
    posts: list[int] = []

    def post() -> str:
        posts.append(1)
        return lost()

    def find() -> str | None:
        return "job-1" if posts and clock.ahead - begun > SETTLE_S / 2 else None

    assert made_by(journal, post, find) == "job-1"
    assert len(posts) == 1
    assert journal.entries()[-1]["adopted"]


def test_look_that_takes_longer_than_the_settle_time_is_not_the_last(
    journal: Journal, clock: Clock
) -> None:
    """What it saw is older than the time up to which the server may receive the request."""
    posts: list[int] = []
    looks: list[int] = []

    def post() -> str:
        posts.append(1)
        return lost()

    def find() -> str | None:
        if posts:
            looks.append(1)
            clock.ahead += 2 * SETTLE_S
        return "job-1" if len(looks) == 2 else None

    assert made_by(journal, post, find) == "job-1"
    assert len(posts) == 1


@pytest.mark.parametrize(("age_s", "waits_s"), [(10.0, 20.0), (100.0, 0.0), (-500.0, SETTLE_S)])
def test_lost_reply_of_an_earlier_run_waits_for_the_rest_of_the_settle_time(
    age_s: float, waits_s: float, journal: Journal, clock: Clock
) -> None:
    began = time.monotonic()
    written(journal, age_s)
    posts: list[float] = []

    def post() -> str:
        posts.append(clock.ahead)
        return "job-1"

    assert made_by(journal, post) == "job-1"
    assert len(posts) == 1
    assert_waited(posts[0], waits_s, began)


def test_refused_or_throttled_request_needs_no_settling(journal: Journal, clock: Clock) -> None:
    faults = [ThrottledError("later", 2.0)]

    def post() -> str:
        if faults:
            raise faults.pop()
        return "job-1"

    assert made_by(journal, post) == "job-1"
    assert sum(clock.slept) == 2.0
    assert events(journal) == [INTENT, REFUSED, INTENT, ID]

    def refused() -> str:
        raise RefusedError(400, "bad", "no")

    other = Journal(journal.folder.parent / "other", "key")
    with pytest.raises(RefusedError):
        made_by(other, refused)
    assert events(other) == [INTENT, REFUSED]


def test_server_that_never_replies_is_asked_a_few_times(journal: Journal, clock: Clock) -> None:
    posts: list[int] = []

    def post() -> str:
        posts.append(1)
        return lost()

    with pytest.raises(UnansweredError, match="timeout"):
        made_by(journal, post)
    assert len(posts) == MOST_POSTS


def test_known_thing_is_made_once(journal: Journal) -> None:
    assert made_by(journal, lambda: "job-1") == "job-1"
    assert made_by(journal, lost, lost) == "job-1"


def test_lock_can_be_read_by_all_and_written_by_its_owner(journal: Journal) -> None:
    mask = os.umask(0)
    try:
        with journal.held("waiting"):
            assert (journal.folder / "lock").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(mask)


def test_server_that_is_silent_too_long_ends_the_wait(clock: Clock) -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        raise UnansweredError("busy", 100.0)

    with pytest.raises(UnansweredError):
        Patience(silent_s=350.0).keep_asking(ask)
    assert len(asked) == 4


def test_entry_is_forced_to_the_disk_before_the_request_is_sent(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        synced.append(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    seen: list[int] = []

    def post() -> str:
        seen.append(synced.count(journal._file or -1))
        return "job-1"

    made_by(journal, post)
    assert seen == [1]
    assert synced.count(journal._file or -1) == 2


def test_entry_that_cannot_be_forced_to_the_disk_stops_before_the_request(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(5, "Input/output error")

    journal.folder.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(UserError, match="Input/output error: the entry intent"):
        made_by(journal, lambda: pytest.fail("sent"))


HOLD = """
import sys, time
from pathlib import Path
from persona_collapse.asking.journal import Journal
with Journal(Path(sys.argv[1]), "key").held("waiting"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_run_waits_until_the_first_has_ended(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    got = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal.folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == "held\n"

        def second() -> None:
            with journal.held("another run is working on it"):
                got.set()

        waiting = threading.Thread(target=second)
        waiting.start()
        try:
            until(lambda: caplog.messages)
            assert not got.is_set()
            assert first.poll() is None
        finally:
            first.stdin.close()
            waiting.join(PATIENCE_S)
    assert got.is_set()
    assert caplog.messages == ["another run is working on it"]
