"""Sharing of an endpoint's limits: fair shares, and a sum that never exceeds them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.asking import sharing
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.sharing import SETTLE_S, STALE_S, Part, Sharing, fair_slots

URL = "http://127.0.0.1:1/v1"
TOTAL = 64
ALL = Part(TOTAL, 1.0)
HALF = Part(TOTAL // 2, 0.5)


def asked(store: Path, **given: Any) -> Settings:
    known = {"base_url": URL, "model": "m", "max_in_flight": TOTAL, "store": str(store), **given}
    return Settings.of(known)


class Asker:
    """A process that always sends as many requests as it may, each until it is completed."""

    def __init__(self, store: Path, demand: int = TOTAL, **given: Any) -> None:
        self.clock = 0.0
        self.sharing = Sharing(asked(store, **given), lambda: self.clock)
        self.demand, self.in_flight, self.part = demand, 0, Part()

    def step(self) -> Part:
        self.part = self.sharing.step(self.in_flight, self.demand)
        self.in_flight = max(self.in_flight, min(self.part.slots, self.demand))
        return self.part

    def complete(self, requests: int = TOTAL) -> None:
        """Complete requests; others are sent only up to the part."""
        left = max(0, self.in_flight - requests)
        self.in_flight = max(left, min(self.part.slots, self.demand))

    def end(self) -> None:
        self.in_flight, self.part = 0, Part()
        self.sharing.close()


def settle(*askers: Asker, rounds: int = 4) -> None:
    for _ in range(rounds):
        for asker in askers:
            asker.step()
            asker.complete()


@given(st.integers(0, 200), st.lists(st.integers(1, 200), min_size=1, max_size=12))
def test_slots_are_divided_fairly_and_completely(total: int, demands: list[int]) -> None:
    shares = fair_slots(total, demands)
    assert sum(shares) == min(total, sum(demands))
    for share, demand in zip(shares, demands, strict=True):
        assert 0 <= share <= demand
        if share < demand:  # who wants more has as much as anybody else, up to one
            assert share >= max(shares) - 1


def test_lone_process_has_all(tmp_path: Path) -> None:
    assert Asker(tmp_path).step() == ALL


def test_newcomer_waits_for_completed_requests_then_both_have_half(tmp_path: Path) -> None:
    one, two = Asker(tmp_path), Asker(tmp_path)
    one.step()
    assert two.step() == Part(0, 0.0)
    assert one.step() == HALF  # at once, though more requests are still to be completed
    assert one.in_flight == TOTAL
    one.complete(10)
    one.step()
    assert two.step() == Part(10, 0.5)
    one.complete()
    one.step()
    assert two.step() == HALF
    two.end()
    assert one.step() == ALL


def test_who_needs_little_leaves_the_rest(tmp_path: Path) -> None:
    one, two = Asker(tmp_path), Asker(tmp_path, demand=4)
    settle(one, two)
    assert (one.part.slots, two.part.slots) == (TOTAL - 4, 4)
    assert (one.part.rate, two.part.rate) == pytest.approx((64 / 68, 4 / 68))


def test_more_processes_than_slots_wait_for_each_other(tmp_path: Path) -> None:
    askers = [Asker(tmp_path, max_in_flight=2, demand=2) for _ in range(3)]
    settle(*askers)
    assert sorted(asker.part.slots for asker in askers) == [0, 1, 1]
    next(asker for asker in askers if asker.part.slots).end()
    left = [asker for asker in askers if asker.in_flight or asker.part.rate]
    settle(*left)
    assert [asker.part.slots for asker in left] == [1, 1]


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ({"model": "another"}, True),
        ({"method": "logprobs"}, True),
        ({"base_url": "http://127.0.0.1:2/v1"}, False),
        ({"api_key_env": "ANOTHER_KEY"}, False),
    ],
    ids=lambda value: str(value),
)
def test_limits_are_those_of_an_address_and_a_key(
    other: dict[str, Any], shared: bool, tmp_path: Path
) -> None:
    one, two = Asker(tmp_path), Asker(tmp_path, **other)
    settle(one, two)
    assert two.part == (HALF if shared else ALL)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 60))
def test_sum_never_exceeds_the_limits(seed: int, total: int, steps: int) -> None:
    """Processes come, step, complete requests, end and are killed in any order.

    Two steps also run interleaved: one process steps whenever another reads the folder.
    """
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        store = Path(folder)
        askers: list[Asker] = []
        others = Sharing._others
        depth = 0

        def check() -> None:
            assert sum(asker.in_flight for asker in askers) <= total
            assert sum(asker.part.rate for asker in askers) <= 1 + 1e-6

        def interrupted(this: Sharing) -> dict[str, sharing.Entry]:
            nonlocal depth
            if depth < 2 and chance.random() < 0.4:
                depth += 1
                act(chance.choice(askers))
                depth -= 1
            return others(this)

        def act(asker: Asker) -> None:
            if asker in stepping:
                return
            stepping.append(asker)
            asker.demand = chance.choice([asker.demand, chance.randint(1, total)])
            asker.step()
            stepping.remove(asker)
            check()

        stepping: list[Asker] = []
        patch.setattr(Sharing, "_others", interrupted)
        for _ in range(steps):
            if not askers or (len(askers) < 5 and chance.random() < 0.15):
                askers.append(Asker(store, demand=total, max_in_flight=total))
            asker = chance.choice(askers)
            if chance.random() < 0.3:
                asker.complete(chance.randint(0, total))
            elif chance.random() < 0.1:
                askers.remove(asker)
                asker.end()
            else:
                act(asker)
            check()
        patch.undo()
        for asker in askers:
            asker.demand = total
        settle(*askers, rounds=6)
        assert sum(asker.in_flight for asker in askers) == (total if askers else 0)


def test_killed_process_of_this_host_counts_no_more(tmp_path: Path) -> None:
    one, killed = Asker(tmp_path), Asker(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    killed.sharing.name = killed.sharing.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    killed.step()
    assert one.step() == ALL


def test_silent_process_of_another_host_counts_until_it_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, far = Asker(tmp_path), Asker(tmp_path)
    far.sharing.name = far.sharing.name.replace(sharing.this_host(), "0123456789ab")
    far.step()
    file = far.sharing.folder / far.sharing.name
    assert one.step() == Part(0, 0.0)
    before = file.stat().st_mtime
    os.utime(file, (before - STALE_S + 5, before - STALE_S + 5))
    assert one.step() == Part(0, 0.0)
    os.utime(file, (before - STALE_S - 5, before - STALE_S - 5))
    assert one.step() == ALL
    # It was only asleep: it sees that its file is gone, and both share again.
    far.step()
    settle(one, far)
    far.clock += SETTLE_S
    settle(one, far)
    assert (one.part, far.part) == (HALF, HALF)


def test_removed_files_are_written_again_before_anybody_takes_more(tmp_path: Path) -> None:
    one, two = Asker(tmp_path), Asker(tmp_path)
    settle(one, two)
    for file in one.sharing.folder.iterdir():
        file.unlink()
    one.sharing.folder.rmdir()
    assert one.step() == HALF
    assert two.step() == HALF
    two.end()
    one.clock += SETTLE_S
    assert one.step() == ALL


@pytest.mark.parametrize("content", [b"[64, 6", b"null", b"[]"])
def test_file_that_is_being_written_gives_nothing_free(content: bytes, tmp_path: Path) -> None:
    one, two = Asker(tmp_path), Asker(tmp_path)
    settle(one, two)
    (two.sharing.folder / two.sharing.name).write_bytes(content)
    newcomer = Asker(tmp_path)
    assert (one.step(), newcomer.step()) == (HALF, Part(0, 0.0))
    newcomer.end()
    (two.sharing.folder / "notes.json").write_bytes(content)  # not ours
    settle(one, two)
    assert (one.part, two.part) == (HALF, HALF)


def test_folder_that_cannot_be_used_gives_a_fixed_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / sharing.FOLDER).write_text("a file where the folder would be")
    asker = Asker(tmp_path, requests_per_minute=100)
    assert [asker.step(), asker.step()] == [HALF, HALF]
    assert len(caplog.messages) == 1
    (tmp_path / sharing.FOLDER).unlink()
    assert asker.step() == ALL
    (tmp_path / sharing.FOLDER).rename(tmp_path / "aside")
    (tmp_path / sharing.FOLDER).touch()
    assert [asker.step(), asker.step()] == [HALF, HALF]
    assert len(caplog.messages) == 2  # said again
    (tmp_path / sharing.FOLDER).unlink()
    (tmp_path / "aside").rename(tmp_path / sharing.FOLDER)
    small = Asker(tmp_path / sharing.FOLDER / asker.sharing.folder.name / asker.sharing.name)
    assert small.step() == HALF


def test_store_that_was_moved_away_is_not_made_again(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    asker = Asker(store)
    asker.step()
    store.rename(tmp_path / "elsewhere")
    assert asker.step() == HALF
    assert not store.exists()
    (tmp_path / "elsewhere").rename(store)
    asker.step()
    asker.clock += SETTLE_S
    assert asker.step() == ALL


def test_closed_part_leaves_no_file(tmp_path: Path) -> None:
    asker = Asker(tmp_path)
    asker.step()
    asker.end()
    asker.step()
    assert not list(asker.sharing.folder.iterdir())
