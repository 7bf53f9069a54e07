"""The budget holds for all processes together, and prices and tokens are what the files say."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from persona_collapse.asking.budget import Budget, BudgetSpentError
from persona_collapse.asking.prices import (
    find_price,
    most_prompt_tokens,
    prompt_tokens,
    token_counter,
)
from persona_collapse.asking.progress import Progress
from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import reported
from tests.conftest import ROOT

PRICES = Path("resources/prices.yaml")
OPENAI = "https://api.openai.com/v1"


def take_all(folder: Path, limit: int, taken: multiprocessing.Queue[int]) -> None:
    budget, count = Budget(folder, "study", {"max_requests": limit}, block=7), 0
    try:
        while True:
            budget.take(0.0)
            count += 1
    except BudgetSpentError:
        budget.close()
        taken.put(count)


def test_processes_share_a_budget(tmp_path: Path) -> None:
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


def test_what_was_not_used_is_given_back(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "s", {"max_requests": 50}, block=20)
    budget.take(0.0)
    assert budget.spent() == (20, 0.0)
    budget.close()
    assert budget.spent() == (1, 0.0)


def test_dollars_are_settled_by_usage(tmp_path: Path) -> None:
    budget = Budget(tmp_path, "s", {"max_usd": 1.0}, block=1)
    for _ in range(19):
        budget.take(0.1)  # the estimate is upper: each turns out to cost half
        budget.settle(0.1, 0.05)
    assert budget.usd == pytest.approx(0.95)
    with pytest.raises(BudgetSpentError, match=r"max_usd 1\.00"):
        budget.take(0.1)


def test_a_damaged_count_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "budgets" / "s"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("rubbish")
    with pytest.raises(UserError, match=r"x\.json: cannot be read"):
        Budget(tmp_path, "s", {"max_requests": 5}, 1).take(0.0)


def test_nothing_is_spent_that_cannot_be_counted(
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


def test_prices_of_the_paper() -> None:
    base = find_price(PRICES, OPENAI, "gpt-4o-2024-08-06")
    tuned = find_price(PRICES, OPENAI, "ft:gpt-4.1-2025-04-14:org::id")
    assert base is not None
    assert tuned is not None
    assert base.cost(1e6, 1e6) == pytest.approx(12.5)
    assert (tuned.prompt, tuned.completion) == (3.0, 12.0)
    assert base.as_of
    assert base.source
    assert find_price(PRICES, OPENAI, "no-such-model") is None
    assert find_price(PRICES, "https://elsewhere.org/v1", "gpt-4o-2024-08-06") is None
    local = find_price(PRICES, "http://localhost:8000/v1", "anything")
    assert local is not None
    assert local.cost(1e9, 1e9) == 0


def test_tokens_are_estimated_and_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    count, how = token_counter("gpt-4o-2024-08-06")
    assert "4.5 characters" in how
    messages = [{"role": "user", "content": "x" * 684}]
    # 3,000 prompts of 684 characters are about 0.43 M tokens (arXiv 2605.12850).
    assert 0.40e6 < 3000 * prompt_tokens(messages, count) < 0.50e6
    assert most_prompt_tokens(messages) > prompt_tokens(messages, count)
    assert most_prompt_tokens([{"role": "user", "content": "\u6c49" * 90}]) >= 90


def test_progress_in_a_log(
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
def test_a_shards_log_keeps_what_was_told(
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
    told = log.read_text().splitlines()
    assert [line.split(",")[0] for line in told] == [
        "shard: 10 of 100 answers",
        "shard: a word",
        "shard: 10 of 100 answers",
        "persona-collapse: it ends",
    ]


@pytest.mark.parametrize("columns", [100, 0])
def test_a_real_terminal_shows_a_live_bar(columns: int) -> None:
    """Also one that does not tell its width."""
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


def test_progress_on_a_terminal(
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
