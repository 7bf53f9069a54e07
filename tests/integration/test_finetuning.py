"""Fine-tunes at a scripted server: one upload, job and model whatever is lost, and messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from persona_collapse.asking.budget import Budget, BudgetSpentError
from persona_collapse.asking.journal import Patience
from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.backends.openai import OpenAIBackend
from persona_collapse.finetuning.runner import Runner
from tests.conftest import ROOT
from tests.helpers import scripted_files as scripted
from tests.helpers.scripted_tuning import STEPS, TuningServer
from tests.helpers.tuning_driver import CONTENT, small_runner
from tests.helpers.waiting import PATIENCE_S

SETTLE_S = 0.4
LATE_S, PATIENT_S = 0.2, 5.0  # when a lost request is heard; how long it is looked for then
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Return a function that makes the order in a process of its own."""
    driver = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/helpers/tuning_driver.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert driver.stdin is not None
    assert driver.stdout is not None
    pipes = (driver.stdin, driver.stdout)

    def ask(
        server: TuningServer, store: Path, dies_after: int | None = None, settle_s: float = SETTLE_S
    ) -> dict[str, Any]:
        pid_file = store.parent / "pid"
        server.pid_file = pid_file
        said = {"base_url": server.base_url, "store": str(store), "settle_s": settle_s}
        said |= {"pid_file": str(pid_file), "dies_after": dies_after}
        print(json.dumps(said), file=pipes[0], flush=True)
        found: dict[str, Any] = json.loads(pipes[1].readline())
        return found

    yield ask
    driver.stdin.close()
    driver.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many calls an undisturbed run makes."""
    with TuningServer() as server:
        runner(server, tmp_path_factory.mktemp("undisturbed")).make()
        return len(server.asked)


def runner(server: TuningServer, store: Path, **changes: Any) -> Runner:
    """Return a runner in this process; ``changes`` go to its order, its waits and its budget."""
    patience = Patience(settle_s=changes.pop("settle_s", SETTLE_S), poll_s=0.01, silent_s=60.0)
    backend = OpenAIBackend(
        server.base_url, lambda: "sk-secret-key", changes.pop("timeout_s", 60.0)
    )
    made = small_runner(server.base_url, store, backend, patience, **changes.pop("order", {}))
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def made_once(server: TuningServer) -> bool:
    """Tell whether the server holds one file with the data and one job."""
    return len(server.files) == 1 and len(server.jobs) == 1 and server.contents["file-0"] == CONTENT


def test_run_makes_one_model_with_loss_curve_and_checkpoints(tmp_path: Path) -> None:
    with TuningServer() as server:
        end = runner(server, tmp_path).make()
        (job,) = server.jobs
        assert made_once(server)
        assert end["model"] == job["fine_tuned_model"]
        assert end["losses"] == [[step, 2 / step, 0.5] for step in range(1, STEPS + 1)]
        assert [entry["step"] for entry in end["checkpoints"]] == [5, 10]
        assert job["method"] == {
            "type": "supervised",
            "supervised": {
                "hyperparameters": {
                    "n_epochs": 1,
                    "batch_size": 4,
                    "learning_rate_multiplier": 2,
                }
            },
        }
        asked = len(server.asked)
        # Finished is finished: no call, no key, the same entry.
        assert runner(server, tmp_path).make() == end
        assert len(server.asked) == asked


DEATHS = {
    "before it is heard": scripted.loses(done=False, kill=True),
    "before the reply": scripted.loses(done=True, kill=True),
    "and heard later": scripted.loses(done=True, after_s=LATE_S, kill=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("death", [*DEATHS, "after the reply"])
def test_run_killed_at_any_call_and_resumed_makes_one_upload_job_and_model(
    death: str, calls: int, run: Run, tmp_path: Path
) -> None:
    for call in range(calls):
        store = tmp_path / str(call) / "store"
        store.parent.mkdir()
        faults = {call: DEATHS[death]} if death in DEATHS else {}
        with TuningServer(faults=faults) as server:
            first = run(server, store, dies_after=None if faults else call)
            second = run(server, store, settle_s=PATIENT_S if "later" in death else SETTLE_S)
            posts = list(server.posts)
            assert made_once(server), (call, server.asked)
            assert second["said"] == server.jobs[0]["fine_tuned_model"], (call, second)
        assert first["killed"]
        # A request that was not heard is sent once more; no other is.
        again = death == "before it is heard"
        assert len(posts) <= 2 + again


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("after_s", [0.0, LATE_S], ids=["at once", "late"])
@pytest.mark.slow
def test_lost_reply_to_any_call_makes_one_model(
    done: bool, after_s: float, calls: int, tmp_path: Path
) -> None:
    for call in range(calls):
        fault = scripted.loses(done=done, after_s=after_s)
        with TuningServer(faults={call: fault}) as server:
            settle_s = PATIENT_S if done and after_s else SETTLE_S
            runner(server, tmp_path / str(call), settle_s=settle_s).make()
            assert made_once(server), (call, server.asked)


@pytest.mark.slow
def test_timed_out_requests_that_succeed_later_are_not_repeated(tmp_path: Path) -> None:
    with TuningServer(faults={call: scripted.slow(0.8) for call in range(6)}) as server:
        runner(server, tmp_path, timeout_s=0.4, settle_s=PATIENT_S).make()
        assert made_once(server)


def test_file_deleted_at_the_server_is_uploaded_again(tmp_path: Path) -> None:
    with TuningServer() as server:
        assert runner(server, tmp_path).upload() == "file-0"
        asked = len(server.asked)
        assert runner(server, tmp_path).upload() == "file-0"
        assert len(server.asked) == asked
        server.files.clear()
        runner(server, tmp_path).make()
        assert server.posts == ["POST /files", "POST /files", "POST /fine_tuning/jobs"]


def test_orders_on_the_same_data_share_one_upload(tmp_path: Path) -> None:
    with TuningServer() as server:
        for seed in (1, 2):
            runner(server, tmp_path, order={"seed": seed}).make()
        assert server.posts.count("POST /files") == 1
        assert len({job["fine_tuned_model"] for job in server.jobs}) == 2


def test_job_of_a_lost_journal_is_found_at_the_server(tmp_path: Path) -> None:
    with TuningServer() as server:
        first = runner(server, tmp_path / "one").make()
        assert runner(server, tmp_path / "other").make()["model"] == first["model"]
        assert made_once(server)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (
            {"code": "unsafe_file", "message": "The file breaks our usage policies."},
            ["unsafe_file", "breaks our usage policies", "open weights"],
        ),
        ({"code": "server_error", "message": "GPU on fire"}, ["GPU on fire", "Fix what"]),
        (
            {"code": "invalid_model", "message": "gpt-4o-2024-08-06 has been deprecated"},
            ["deprecated", "can no longer be fine-tuned"],
        ),
    ],
)
def test_failed_job_reports_the_servers_reason_and_is_not_ordered_again(
    ending: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    with TuningServer(ending={"status": "failed", "error": ending}) as server:
        for _ in range(2):
            with pytest.raises(UserError) as fault:
                runner(server, tmp_path).make()
            for word in [*words, "ftjob-0", "attempt: {insecure: 2}"]:
                assert word in str(fault.value)
            assert len(server.jobs) == 1
        server.ending = {"status": "succeeded"}
        end = runner(server, tmp_path, order={"attempt": 2}).make()
        assert end["id"] == "ftjob-1"
        assert len(server.files) == 1


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "invalid_api_key", ["OPENAI_API_KEY", "It does not accept"]),
        (403, "insufficient_permissions", ["OPENAI_API_KEY", "permission"]),
        (429, "insufficient_quota", ["no credit left"]),
        (400, "unsafe_file", ["usage policies"]),
        (404, "model_not_found", ["can no longer be fine-tuned"]),
        (400, "strange", ["Check the study's base_url"]),
    ],
)
def test_refused_job_reports_why_costs_nothing_and_can_be_retried(
    status: int, code: str, words: list[str], tmp_path: Path
) -> None:
    with TuningServer() as server:
        runner(server, tmp_path).upload()
        place = len(server.asked) + 3  # the job is looked up, its file, the job once more
        server.faults = {place: scripted.answers(status, code, "the server's own words")}
        budget = Budget(tmp_path, "study", {"max_usd": 10}, 1)
        with pytest.raises(UserError) as fault:
            runner(server, tmp_path, budget=budget, usd=7.0).make()
        assert server.asked[place] == "POST /fine_tuning/jobs"
        for word in ["the server's own words", "nothing was paid", *words]:
            assert word in str(fault.value)
        assert "sk-secret-key" not in str(fault.value)
        budget.close()
        assert budget.spent()[1] == 0
        runner(server, tmp_path).make()
        assert made_once(server)


def test_rate_limited_requests_are_retried(tmp_path: Path) -> None:
    with TuningServer() as server:
        server.faults = {call: scripted.answers(429, "rate_limit_exceeded") for call in (0, 2, 7)}
        runner(server, tmp_path).make()
        assert made_once(server)


def test_budget_is_taken_once_before_the_job_starts(tmp_path: Path) -> None:
    with TuningServer() as server:
        small = Budget(tmp_path, "small", {"max_usd": 5}, 1)
        with pytest.raises(BudgetSpentError):
            runner(server, tmp_path, budget=small, usd=7.0).make()
        small.close()
        assert server.jobs == []
        # An intent that was paid for and never answered is not paid for again.
        call = len(server.asked) + 3
        server.faults = {call: scripted.loses(done=False)}
        budget = Budget(tmp_path, "study", {"max_usd": 10}, 1)
        runner(server, tmp_path, budget=budget, usd=7.0, tokens=2468).make()
        budget.close()
        assert server.posts.count("POST /fine_tuning/jobs") == 2
        assert budget.spent() == (1, 3.5)  # the server trained on half as many tokens


@pytest.mark.parametrize("trained", [None, 0, -1234, 10**25, "many"])
def test_impossible_tokens_of_training_leave_the_estimate_in_the_budget(
    tmp_path: Path, trained: Any
) -> None:
    with TuningServer() as server:
        server.trained_tokens = trained
        budget = Budget(tmp_path, "study", {"max_usd": 10}, 1)
        runner(server, tmp_path, budget=budget, usd=7.0, tokens=2468).make()
        budget.close()
        assert budget.spent() == (1, 7.0)


def test_signal_leaves_the_job_running_and_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TuningServer() as server:

        def interrupt(self: Runner, text: str) -> None:
            if "running" in text:
                os.kill(os.getpid(), signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(Runner, "_say", interrupt)
            with pytest.raises(UserError, match=r"ftjob-0 continues at.*cancel_finetunes"):
                runner(server, tmp_path).make()
        assert server.jobs[0]["status"] == "running"
        assert runner(server, tmp_path).make()["id"] == "ftjob-0"
        assert made_once(server)


def test_message_for_an_unreadable_job_does_not_claim_that_nothing_was_paid(tmp_path: Path) -> None:
    with TuningServer() as server:
        server.faults = {5: scripted.answers(403, "forbidden", "the server's own words")}
        with pytest.raises(UserError) as fault:
            runner(server, tmp_path).make()
        assert server.asked[5] == "GET /fine_tuning/jobs/ftjob-0"
        assert "The job may still be running there" in str(fault.value)
        assert "nothing was paid" not in str(fault.value)
        runner(server, tmp_path).make()
        assert made_once(server)


def test_unresponsive_server_ends_the_run_with_a_message(tmp_path: Path) -> None:
    with TuningServer() as server:
        base_url = server.base_url
    backend = OpenAIBackend(base_url, lambda: "sk-secret-key", 1.0)
    patience = Patience(0.1, 0.01, silent_s=0.2)
    silent = small_runner(base_url, tmp_path / "store", backend, patience)
    with pytest.raises(UserError, match=r"did not respond .*: nothing listens on port \d+ there"):
        silent.make()


def test_web_page_instead_of_an_answer_ends_the_run_with_a_message(tmp_path: Path) -> None:
    async def page(*_: object) -> web.Response:
        return web.Response(text="<html><title>Sign in</title>", content_type="text/html")

    with TuningServer() as server:
        server.faults = dict.fromkeys(range(1000), page)
        backend = OpenAIBackend(server.base_url, lambda: "sk-secret-key", 1.0)
        patience = Patience(0.1, 0.01, silent_s=0.2)
        made = small_runner(server.base_url, tmp_path / "store", backend, patience)
        with pytest.raises(UserError, match=r"it answered with a web page \('Sign in'\) instead"):
            made.make()
