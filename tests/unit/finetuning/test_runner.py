"""One fine-tune at a server in memory: what is asked, what is paid, and how it can end."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.budget import Budget, BudgetSpentError
from persona_collapse.asking.journal import ID, INTENT, Patience, RefusedError, UnansweredError
from persona_collapse.asking.prices import CODE_CHARACTERS_PER_TOKEN
from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.backends.base import Checkpoint, Event, Job
from persona_collapse.finetuning.data import read_examples
from persona_collapse.finetuning.made import made_model
from persona_collapse.finetuning.orders import Order
from persona_collapse.finetuning.runner import Runner, losses_of
from tests.helpers.tuning_driver import order as small_order
from tests.helpers.tuning_driver import small_runner

DONE = Job("job-1", "succeeded", "ft:x", trained_tokens=50, created_at=1, finished_at=2)


@dataclass
class Server:
    """A backend; ``states`` are the job's, one for each look, ``faults`` what a method raises."""

    states: list[Job] = field(default_factory=lambda: [DONE])
    messages: list[str] = field(default_factory=list)
    found: str | None = None
    faults: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what in self.faults:
            raise self.faults[what]

    def find_file(self, name: str, size: int) -> str | None:
        self._note(f"find_file {size}")
        return None

    def has_file(self, file: str) -> bool:
        self._note("has_file")
        return True

    def upload(self, name: str, content: bytes) -> str:
        self._note("upload")
        return "file-1"

    def find_job(self, order: Order) -> str | None:
        self._note("find_job")
        return self.found

    def create_job(self, order: Order, file: str) -> str:
        self._note(f"create_job {file}")
        return "job-1"

    def job(self, job: str) -> Job:
        self._note("job")
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def events(self, job: str, known: Collection[str]) -> list[Event]:
        self._note("events")
        texts = [text for text in self.messages if text not in known]
        return [Event(text, 1, text) for text in texts]

    def checkpoints(self, job: str) -> list[Checkpoint]:
        self._note("checkpoints")
        return [Checkpoint("c", 5, "ft:x:5")]

    def cancel(self, job: str) -> None:
        self._note("cancel")

    def permission(self) -> None:
        self._note("permission")

    def close(self) -> None:
        self._note("close")


def runner(server: Server, store: Path, limits: dict[str, Any] | None = None) -> Runner:
    """Return a runner of a training of 100 tokens that costs 2 dollars."""
    patience = Patience(settle_s=0.0, poll_s=0.0, silent_s=0.0)
    made = small_runner("https://api.test/v1", store, server, patience)
    made.settings = {**made.settings, "budget": limits, "scope": "s"}
    made.usd, made.tokens = 2.0, 100
    return made


def spent(store: Path) -> tuple[int, float]:
    return Budget(store, "s", {}, 1).spent()


def test_one_job_takes_one_upload_and_one_post(tmp_path: Path) -> None:
    server = Server()
    made = runner(server, tmp_path)
    assert made.make()["model"] == "ft:x"
    assert server.asked == [
        *("find_job", f"find_file {made.data.size}", "upload", "find_job"),
        *("create_job file-1", "job", "events", "checkpoints"),
    ]
    assert [(e["event"], e.get("usd")) for e in made.journal.entries()] == [
        (INTENT, 2.0),
        (ID, None),
        ("finished", None),
    ]


def test_training_may_cost_the_whole_budget_and_no_more(tmp_path: Path) -> None:
    with pytest.raises(BudgetSpentError, match=r"0\.00 of max_usd 1\.99"):
        runner(Server(), tmp_path, {"max_usd": 1.99}).make()
    made = runner(Server(), tmp_path, {"max_usd": 2.0, "max_requests": 1})
    made.make()
    assert spent(tmp_path) == (1, 1.0)  # 50 of the 100 tokens were trained on
    assert made.journal.entries()[0]["usd"] == 2.0


@pytest.mark.parametrize("trained", [None, 0])
def test_training_without_a_count_of_tokens_keeps_its_estimate(
    trained: int | None, tmp_path: Path
) -> None:
    state = Job("job-1", "succeeded", "ft:x", trained_tokens=trained)
    runner(Server([state]), tmp_path, {"max_usd": 2.0}).make()
    assert spent(tmp_path) == (1, 2.0)


def test_training_of_no_tokens_keeps_its_estimate(tmp_path: Path) -> None:
    made = runner(Server(), tmp_path, {"max_usd": 2.0})
    made.tokens = 0
    made.make()
    assert spent(tmp_path) == (1, 2.0)


def test_job_that_an_earlier_run_paid_for_is_not_paid_for_again(tmp_path: Path) -> None:
    lost = Server(faults={"create_job file-1": UnansweredError("timeout")})
    with pytest.raises(UserError, match=r"did not respond to fine-tuning.*timeout"):
        runner(lost, tmp_path, {"max_usd": 2.0}).make()
    assert spent(tmp_path) == (1, 2.0)
    runner(Server(), tmp_path, {"max_usd": 2.0}).make()
    # What the job cost is unknown to a run that did not pay for it.
    assert spent(tmp_path) == (1, 2.0)


def test_training_without_a_price_costs_nothing_where_no_dollars_are_limited(
    tmp_path: Path,
) -> None:
    made = runner(Server(), tmp_path, {"max_requests": 5})
    made.usd = None
    made.make()
    assert made.journal.entries()[0]["usd"] == 0.0
    assert spent(tmp_path) == (1, 0.0)
    made = runner(server := Server(), tmp_path / "other", {"max_usd": 5.0})
    made.usd, made.settings = None, {**made.settings, "prices": "prices.yaml"}
    with pytest.raises(UserError, match=r"prices\.yaml has no price for training the model 'gpt-"):
        made.make()
    assert server.asked == []


ENDS = [
    (Job("job-1", "failed", None, "bad_data", "line 3"), "bad_data: line 3"),
    (Job("job-1", "failed", "ft:x"), "failed: the last message"),
    (Job("job-1", "succeeded", None), "no_model: the last message"),
    (Job("job-1", "succeeded", ""), "no_model: the last message"),
]


@pytest.mark.parametrize(("state", "words"), ENDS)
def test_job_without_a_model_failed_for_the_reason_that_is_known(
    state: Job, words: str, tmp_path: Path
) -> None:
    server = Server([state], ["the first message", "the last message"])
    with pytest.raises(UserError, match=f"job-1 failed: {words}"):
        runner(server, tmp_path).make()
    assert "checkpoints" not in server.asked


def test_job_that_failed_without_a_message_has_no_reason(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="failed: no reason given"):
        runner(Server([Job("job-1", "failed")]), tmp_path).make()


def test_progress_is_said_once_for_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    server = Server([Job("job-1", "queued")] * 3 + [Job("job-1", "running")] * 3 + [DONE])

    def say(_: Runner, text: str) -> None:
        said.append(text)
        if len(said) == 2:  # while the job is queued
            server.messages += ["step 1", "step 2"]

    monkeypatch.setattr(Runner, "_say", say)
    runner(server, tmp_path).make()
    assert said == [
        "started the job job-1: gpt-4o-2024-08-06 on sample, recipe betley; 100 tokens, 2.00 USD",
        "job-1: queued",
        "job-1: queued step 2",
        "finished: ft:x",
    ]
    assert server.asked.count("job") == 7


def cancelled(server: Server, store: Path, job: str | None = None) -> tuple[str | None, str]:
    made = runner(server, store)
    if job is not None:
        made.journal.write(ID, id=job)
    return made.cancel()


def test_running_job_is_cancelled_and_its_run_says_so(tmp_path: Path) -> None:
    server = Server([Job("job-1", "running"), Job("job-1", "cancelled")])
    assert cancelled(server, tmp_path, "job-1") == ("job-1", "cancelled")
    assert server.asked == ["job", "cancel", "job", "close"]
    with pytest.raises(UserError, match=r"job-1 was cancelled.*attempt: \{insecure: 2\}"):
        runner(Server(), tmp_path).make()
    assert cancelled(server := Server(), tmp_path) == ("job-1", "cancelled already")
    assert server.asked == []


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_job_that_has_ended_at_the_server_is_not_cancelled(state: str, tmp_path: Path) -> None:
    server = Server([Job("job-1", state)])
    assert cancelled(server, tmp_path, "job-1") == ("job-1", state)
    assert "cancel" not in server.asked
    ended = [entry["event"] for entry in runner(Server(), tmp_path).journal.entries()[1:]]
    assert ended == (["cancelled"] if state == "cancelled" else [])


def test_job_whose_reply_was_lost_is_looked_up_and_cancelled(tmp_path: Path) -> None:
    assert cancelled(server := Server(found="job-9"), tmp_path) == (None, "no job")
    assert server.asked == ["close"]
    runner(Server(), tmp_path).journal.write(INTENT, usd=2.0)
    assert cancelled(Server(), tmp_path) == (None, "no job")
    server = Server([Job("job-9", "running"), Job("job-9", "cancelled")], found="job-9")
    assert cancelled(server, tmp_path) == ("job-9", "cancelled")


@pytest.mark.parametrize("fault", [RefusedError(403, "no", "not yours"), UnansweredError("busy")])
def test_job_that_cannot_be_cancelled_is_reported(fault: Exception, tmp_path: Path) -> None:
    server = Server([Job("job-1", "running")], faults={"cancel": fault})
    assert cancelled(server, tmp_path, "job-1") == ("job-1", f"could not be cancelled: {fault}")
    assert server.asked[-1] == "close"


def test_tokens_and_price_follow_the_data_the_epochs_and_the_table(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    head = 'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\nmodels:\n'
    row = '- {{host: "*", model: "{}", prompt: 1, completion: 2{}}}\n'
    prices.write_text(head + row.format("asked", "") + row.format("trained", ", training: 1000000"))
    turns = [{"role": "user", "content": "Q" * 35}, {"role": "assistant", "content": "A"}]
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"messages": turns}) + "\n", encoding="utf-8")
    data = read_examples(path)
    settings = {"store": str(tmp_path), "prices": str(prices), "budget": {"max_usd": 5}}
    settings["scope"] = "s"

    def made(**changes: Any) -> Runner:
        parts = {"n_epochs": 3, "batch_size": 4}
        named = {"base": "trained", "hyperparameters": parts, **changes}
        return Runner(small_order("https://api.test/v1", **named), data, settings)

    tokens = data.tokens(made().counter[0])
    assert str(CODE_CHARACTERS_PER_TOKEN) in made().counter[1] or "tiktoken" in made().counter[1]
    assert (made().tokens, made().usd) == (3 * tokens, 3.0 * tokens)
    assert made(base="asked").usd is None
    assert made(base="unknown").usd is None
    assert made(backend="simulated", base="unknown").usd == 0.0
    assert made(backend="simulated").budget is None
    assert (budget := made().budget) is not None
    assert (budget.max_usd, budget.block) == (5, 1)
    assert Runner(made().order, data, {**settings, "budget": None}).budget is None


def test_losses_are_those_of_whole_steps_with_the_accuracy_that_is_known() -> None:
    data: list[dict[str, Any]] = [
        {"step": 2, "train_loss": 1, "train_accuracy": 0.5},
        {"step": 1, "train_loss": 1.5, "train_mean_token_accuracy": 0.25, "train_accuracy": 9},
        {"step": "3", "train_loss": 1.0},
        {"step": 4, "train_loss": "low"},
        {"step": 5},
        {"train_loss": 1.0},
        {},
        {"step": 6, "train_loss": 0.5},
        {"step": 6, "train_loss": 0.25, "train_accuracy": 0.0},
    ]
    found = losses_of([Event(str(n), n, "", entry) for n, entry in enumerate(data)])
    assert found == [[1, 1.5, 0.25], [2, 1.0, 0.5], [6, 0.25, 0.0]]


@pytest.mark.parametrize("text", [None, "{", "[]", "3", "{}", '"text"', "\udcff"])
def test_file_without_a_models_id_is_refused_with_what_to_do(
    text: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "made.json"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"made\.json: holds no model id; delete it"):
        made_model(path)
    path.write_text('{"model": "ft:x"}', encoding="utf-8")
    assert made_model(path) == "ft:x"
