"""The budget holds for all processes together."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from persona_collapse.asking import budget as budget_module
from persona_collapse.asking.budget import Budget, BudgetSpentError, settle_held
from persona_collapse.common.errors import UserError


def take_all(folder: Path, limit: int, taken: multiprocessing.Queue[int]) -> None:
    budget, count = Budget(folder, "study", {"max_requests": limit}, block=7), 0
    try:
        while True:
            budget.take(0.0)
            count += 1
    except BudgetSpentError:
        budget.close()
        taken.put(count)


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """Four processes at once never take more than the limit; what they leave can be taken later."""
    context = multiprocessing.get_context("fork")
    taken: multiprocessing.Queue[int] = context.Queue()
    runs = [context.Process(target=take_all, args=(tmp_path, 100, taken)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * 4
    total = sum(taken.get(timeout=5) for _ in runs)
    assert 80 <= total <= 100
    take_all(tmp_path, 100, taken)
    assert total + taken.get(timeout=5) == 100
    assert Budget(tmp_path, "study", {}, 1).spent() == (100, 0.0)
    assert Budget(tmp_path, "another", {}, 1).spent() == (0, 0.0)


def test_unused_reservation_is_released_on_close(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "s", {"max_requests": 50}, block=20)
    budget.take(0.0)
    assert budget.spent() == (20, 0.0)
    budget.close()
    assert budget.spent() == (1, 0.0)


def test_dollars_are_reserved_for_a_block_of_requests(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "s", {"max_usd": 5.0}, block=20)
    budget.take(0.1)
    assert budget.spent() == (20, pytest.approx(2.0))
    budget.close()
    assert budget.spent() == (1, pytest.approx(0.1))


def test_request_dearer_than_what_is_reserved_is_reserved_before_it_is_sent(
    tmp_path: Path,
) -> None:
    budget = Budget(tmp_path, "s", {"max_usd": 1.0}, block=10)
    budget.take(0.01)
    assert budget.spent()[1] == pytest.approx(0.1)
    budget.take(0.5)
    assert budget.spent()[1] == pytest.approx(0.51)
    with pytest.raises(BudgetSpentError, match=r"0\.51 of max_usd 1\.00"):
        budget.take(0.5)
    assert (budget.requests, budget.usd) == (2, pytest.approx(0.51))


def test_dollars_follow_reported_usage(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "s", {"max_usd": 1.0}, block=1)
    for _ in range(19):
        budget.take(0.1)  # the estimate is upper: each turns out to cost half
        budget.settle(0.1, 0.05)
    assert budget.usd == pytest.approx(0.95)
    with pytest.raises(BudgetSpentError, match=r"max_usd 1\.00"):
        budget.take(0.1)


def test_damaged_count_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "budgets" / "s"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("rubbish")
    with pytest.raises(UserError, match=r"x\.json: cannot be read"):
        Budget(tmp_path, "s", {"max_requests": 5}, 1).take(0.0)


def test_no_request_is_sent_when_spending_cannot_be_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(tmp_path, "s", {"max_requests": 50}, block=2)
    budget.take(0.0)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        budget.take(0.0)  # announced with the first
        with pytest.raises(
            UserError, match=r"budgets/s: No space left.*no more requests were sent"
        ):
            budget.take(0.0)
        budget.close()
    assert Budget(tmp_path, "s", {}, 1).spent() == (2, 0.0)


def take_and_be_killed(folder: Path, taken: int) -> None:
    budget = Budget(folder, "s", {"max_requests": 40, "max_usd": 4.0}, block=20)
    for _ in range(taken):
        budget.take(0.1)
    budget.settle(0.1, 0.05)
    os.kill(os.getpid(), signal.SIGKILL)


def test_reservation_of_a_killed_process_comes_back(tmp_path: Path) -> None:
    """Its five requests count, answered or in flight; the 15 that were only reserved do not."""
    run = multiprocessing.get_context("fork").Process(target=take_and_be_killed, args=(tmp_path, 5))
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGKILL
    spent = Budget(tmp_path, "s", {}, 1).spent()
    assert spent == (5, pytest.approx(0.45))
    budget = Budget(tmp_path, "s", {"max_requests": 40}, block=20)
    for _ in range(35):
        budget.take(0.0)
    with pytest.raises(BudgetSpentError, match="40 of max_requests 40"):
        budget.take(0.0)
    budget.close()
    assert len(list((tmp_path / "budgets" / "s").glob("*.sent"))) == 1


@pytest.mark.parametrize("note", [None, b"rubbish", b"[]", b'{"requests": 2, "usd": 0}'])
def test_reservation_counts_where_nothing_says_what_was_taken(
    tmp_path: Path, note: bytes | None
) -> None:
    folder = tmp_path / "budgets" / "s"
    folder.mkdir(parents=True)
    (folder / "h-1-0.json").write_text('{"requests": 20, "usd": 2.0, "closed": false}')
    if note is not None:
        (folder / "h-1-0.sent").write_bytes(note)
    assert Budget(tmp_path, "s", {}, 1).spent() == (20, 2.0)


def test_reservation_of_a_living_process_or_another_host_counts(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "s", {"max_requests": 40}, block=20)
    budget.take(0.0)
    (note,) = (tmp_path / "budgets" / "s").glob("*.sent")
    assert Budget(tmp_path, "s", {}, 1).spent()[0] == 20
    said = json.loads(note.read_text())
    note.write_text(json.dumps({**said, "host": "elsewhere", "pid": 2**22 + 1}))
    assert Budget(tmp_path, "s", {}, 1).spent()[0] == 20
    note.write_text(json.dumps({**said, "pid": 2**22 + 1}))  # above every process id
    assert Budget(tmp_path, "s", {}, 1).spent()[0] == 1
    budget.close()
    assert not list((tmp_path / "budgets" / "s").glob("*.sent"))


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"requests": null, "usd": 0, "closed": true}'])
def test_count_of_another_shape_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "budgets" / "s"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text(text)
    with pytest.raises(UserError, match=r"x\.json: cannot be read"):
        Budget(tmp_path, "s", {}, 1).spent()


def test_flipped_bit_changes_no_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits of the padding do not count; all others are noticed."""
    monkeypatch.setattr(budget_module, "AGAIN_S", 0.0)
    budget = Budget(tmp_path, "s", {"max_requests": 100, "max_usd": 9.0}, block=1)
    budget.take(0.75)
    budget.close()
    (path,) = (tmp_path / "budgets/s").glob("*.json")
    whole = path.read_bytes()
    noticed = 0
    for bit in range(0, 8 * len(whole.rstrip()), 7):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert Budget(tmp_path, "s", {}, 1).spent() == (1, 0.75)
        except UserError:
            noticed += 1
    assert noticed > 50


def test_file_of_an_earlier_version_counts(tmp_path: Path) -> None:
    path = tmp_path / "budgets/s/x.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"requests": 3, "usd": 0.5, "closed": true}', encoding="utf-8")
    assert Budget(tmp_path, "s", {}, 1).spent() == (3, 0.5)


def test_what_is_held_for_a_batch_counts_once_until_it_is_settled(tmp_path: Path) -> None:
    limits = {"max_requests": 10, "max_usd": 5.0}
    budget = Budget(tmp_path, "study", limits, 1)
    budget.hold("batch-a-1", 6, 4.0)
    Budget(tmp_path, "study", limits, 1).hold("batch-a-1", 6, 4.0)  # another process goes on
    assert budget.spent() == (6, 4.0)
    with pytest.raises(BudgetSpentError, match=r"a batch of 5 requests and 0\.10 USD"):
        budget.hold("batch-b-1", 5, 0.1)
    with pytest.raises(BudgetSpentError, match=r"a batch of 1 requests and 1\.50 USD"):
        budget.hold("batch-b-1", 1, 1.5)
    assert Budget(tmp_path, "study", limits, 1).spent() == (6, 4.0)
    settle_held(tmp_path, "study", "batch-a-1", 5, 1.25)
    assert Budget(tmp_path, "study", limits, 1).spent() == (5, 1.25)
    settle_held(tmp_path, "study", "batch-c-1", 5, 1.25)  # nothing was held
    assert Budget(tmp_path, "study", limits, 1).spent() == (5, 1.25)
