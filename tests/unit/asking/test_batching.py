"""Batches at a service in memory: what is sent, reserved, collected and said."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking import batching, collecting, sending
from persona_collapse.asking.ask import Attempts, Order
from persona_collapse.asking.batches import Batch, Fault
from persona_collapse.asking.batching import Filling, Part
from persona_collapse.asking.breaker import Breaker
from persona_collapse.asking.budget import Budget, BudgetSpentError
from persona_collapse.asking.journal import RefusedError, ThrottledError
from persona_collapse.asking.prices import most_prompt_tokens
from persona_collapse.asking.sending import Sender
from persona_collapse.asking.settings import FEW, Settings
from persona_collapse.asking.slots import Ask, ReplyJob
from persona_collapse.asking.submissions import MOST_REQUESTS, Submission, Try
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt, Choice

PRICES = (
    'as_of: "2026-11-20"\nsource: made\nunit: USD per million tokens\nmodels:\n'
    '- {host: "*", model: "*", prompt: 1000.0, completion: 10000.0}\n'
)
MADE = 6  # cells of a filling


def line(name: str, text: str | None = "3", n: int = 2, status: int = 200) -> dict[str, Any]:
    """Return a line of a file of results: ``n`` replies, or an error where ``text`` is None."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": at, "message": message, "finish_reason": "stop"} for at in range(n)]
    usage = {"prompt_tokens": 10, "completion_tokens": 4}
    body: dict[str, Any] = {"choices": choices, "usage": usage}
    if status != 200:
        body = {"error": {"message": text, "code": None}}
    return {"custom_id": name, "response": {"status_code": status, "body": body}}


class Service:
    """Files and batches in memory; ``answer`` makes the results of a file."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.files: dict[str, bytes] = {}
        self.made: dict[str, str] = {}  # batch -> file
        self.keys: dict[str, str] = {}
        self.results: dict[str, bytes] = {}
        self.status, self.faults = "completed", ()
        self.refusal: Exception | None = None
        self.ended_at: int | None = 1_790_000_000
        self.answer: Callable[[list[str]], list[dict[str, Any]]] = lambda names: [
            line(name) for name in names
        ]

    def close(self) -> None:
        self.asked["close"] += 1

    def answers(self) -> bool:
        self.asked["answers"] += 1
        return True

    def has_file(self, file: str) -> bool:
        self.asked["has_file"] += 1
        return file in self.files

    def find_file(self, name: str, size: int) -> str | None:
        self.asked["find_file"] += 1
        return None

    def upload(self, name: str, content: bytes) -> str:
        self.asked["upload"] += 1
        file = f"file-{len(self.files)}"
        self.files[file] = content
        return file

    def find_batch(self, key: str, since: float) -> str | None:
        self.asked["find_batch"] += 1
        return self.keys.get(key)

    def create_batch(self, file: str, key: str, about: dict[str, str]) -> str:
        self.asked["create_batch"] += 1
        if self.refusal is not None:
            raise self.refusal
        batch = f"batch-{len(self.made)}"
        self.made[batch], self.keys[key] = file, batch
        return batch

    def batch(self, batch: str) -> Batch:
        self.asked["batch"] += 1
        names = [
            json.loads(text)["custom_id"] for text in self.files[self.made[batch]].splitlines()
        ]
        lines = self.answer(names)
        self.results[f"out-{batch}"] = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
        files = (f"out-{batch}", "gone") if lines else ()
        return Batch(
            *(batch, self.status, files),
            *(len(names), len(lines), self.faults, self.ended_at),
        )

    def content(self, file: str) -> bytes | None:
        self.asked["content"] += 1
        return self.results.get(file)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "prices.yaml").write_text(PRICES)
    return Settings.of(
        {
            **{"base_url": "https://a.test/v1", "model": "m", "api_key_env": None},
            **{"store": str(tmp_path / "store"), "prices": str(tmp_path / "prices.yaml")},
            **{"settle_s": 0.0, "poll_s": 0.0, "batching": "batch", "progress": False},
            "stops": str(tmp_path / "stops"),
        }
    )


def sender_of(settings: Settings, service: Service) -> Sender:
    made = Sender("m base", settings)
    made.__dict__["service"] = service
    return made


def asks(settings: Settings, count: int = 3) -> list[Ask]:
    messages = [[{"role": "user", "content": f"question {n}"}] for n in range(count)]
    return [Ask(settings.cell_key(text), text, (1, 2), 5, 0) for text in messages]


def begun(settings: Settings, service: Service) -> tuple[Sender, Try, str]:
    sender = sender_of(settings, service)
    by = sender.requests_by(settings)
    (one,) = sender.submitted([(by, ask) for ask in asks(settings)])
    return sender, one, sender.begun(one)


def spent(settings: Settings) -> tuple[int, float]:
    return Budget(Path(settings.store), settings.scope, {}, 1).spent()


def test_batch_that_is_known_is_begun_by_no_request(settings: Settings, service: Service) -> None:
    sender, one, batch = begun(settings, service)
    assert service.asked == {"find_file": 1, "upload": 1, "find_batch": 1, "create_batch": 1}
    assert sender.begun(one) == batch
    assert sum(service.asked.values()) == 4
    assert [other.key for other in sender.running()] == [one.key]


def test_batch_whose_reply_was_lost_is_adopted_without_an_upload(
    settings: Settings, service: Service
) -> None:
    sender = sender_of(settings, service)
    by = sender.requests_by(settings)
    (one,) = sender.submitted([(by, ask) for ask in asks(settings)])
    one.journal.write("intent", file="file-0", usd=0.0)
    service.keys[one.key] = "batch-7"
    assert sender.begun(one) == "batch-7"
    assert service.asked == {"find_batch": 1}


def test_file_is_uploaded_again_only_where_the_server_lost_it(
    settings: Settings, service: Service
) -> None:
    sender, one, _ = begun(settings, service)
    again = Try(one.submission, 2)
    sender.begun(again)
    assert (service.asked["upload"], service.asked["has_file"]) == (1, 1)
    service.files.clear()
    sender.begun(Try(one.submission, 3))
    assert (service.asked["upload"], service.asked["has_file"]) == (2, 2)


@pytest.mark.parametrize("fault", [RefusedError(400, "bad", "no"), ThrottledError("busy", 0.001)])
def test_refused_batch_reserves_nothing(
    fault: Exception, settings: Settings, service: Service
) -> None:
    service.refusal = fault
    limited = replace(settings, budget={"max_requests": 9, "max_usd": 9.0})
    with pytest.raises(type(fault)):
        begun(limited, service)
    assert spent(limited) == (0, 0.0)


def test_batch_reserves_the_most_it_can_cost_at_half_the_price(
    settings: Settings, service: Service
) -> None:
    prompt = sum(most_prompt_tokens(ask.messages) for ask in asks(settings))
    most = (prompt * 1000 + 3 * 2 * 5 * 10_000) / 1e6 / 2
    limited = replace(settings, budget={"max_requests": 3, "max_usd": most})
    _, one, _ = begun(limited, service)
    assert spent(limited) == (3, pytest.approx(most))
    assert one.journal.entries()[0]["usd"] == pytest.approx(most, abs=1e-6)
    service.keys.clear()
    for limits in ({"max_requests": 2}, {"max_usd": most * 0.999}):
        other = replace(limited, store=f"{settings.store}-{min(limits)}", budget=limits)
        with pytest.raises(BudgetSpentError, match="a batch of 3 requests"):
            begun(other, service)
        assert service.asked["create_batch"] == 1


def test_batch_of_another_study_reserves_nothing_here(settings: Settings, service: Service) -> None:
    sender = sender_of(settings, service)
    (one,) = sender.submitted([(sender.requests_by(settings), ask) for ask in asks(settings)])
    other = replace(settings, scope="other", budget={"max_requests": 9})
    sender_of(other, service).begun(one)
    assert spent(other) == spent(settings) == (0, 0.0)


def test_smaller_files_are_sent_one_after_another(settings: Settings, service: Service) -> None:
    sender = sender_of(settings, service)
    wanted = [(sender.requests_by(settings), ask) for ask in asks(settings)]
    assert [len(one.submission.lines) for one in sender.submitted(wanted, 2)] == [2]
    assert [len(one.submission.lines) for one in sender.submitted(wanted)] == [3]
    assert MOST_REQUESTS == 50_000


def test_settings_that_ask_alike_share_what_is_learned(
    settings: Settings, service: Service
) -> None:
    sender = sender_of(settings, service)
    first = sender.requests_by(settings)
    assert sender.requests_by(replace(settings, poll_s=5.0)) is first
    for change in ({"temperature": 0.5}, {"max_n": 1}, {"token_limit_parameter": "max_tokens"}):
        assert sender.requests_by(replace(settings, **change)) is not first
    sender.learn_again()
    assert sender.requests_by(settings) is not first


@pytest.mark.parametrize(
    ("status", "code", "words", "stops"),
    [
        *((status, "x", f"answered HTTP {status} (", True) for status in (401, 402, 403)),
        (400, "insufficient_quota", "answered insufficient_quota: no.", True),
        (429, "invalid_api_key", "answered invalid_api_key: no.", True),
        *((status, "x", "It seems to have no batches", False) for status in (404, 405, 501)),
        *((status, "x", "It does not take the batch", False) for status in (400, 406, 422)),
    ],
)
def test_refusal_of_a_batch_says_what_to_do_and_stops_others_where_it_is_the_key(
    status: int, code: str, words: str, stops: bool, settings: Settings, service: Service
) -> None:
    breaker = Breaker(settings)
    error = sender_of(settings, service).refused(RefusedError(status, code, "no."), breaker)
    assert words in str(error)
    if stops:
        with pytest.raises(UserError, match="no request was sent"):
            breaker.check()
    else:
        breaker.check()


def test_results_are_stored_once_and_the_reserve_is_settled(
    settings: Settings, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    limited = replace(settings, budget={"max_requests": 9, "max_usd": 9.0})
    sender, one, batch = begun(limited, service)
    names = [entry.custom_id for entry in one.submission.lines]
    service.answer = lambda _: [line(names[0]), line(names[0]), line(names[1]), line("other")]
    taken, end = collecting.collected(sender, one, service.batch(batch))
    assert [(attempt.repetitions, verdict) for attempt, verdict in taken] == [
        ((1, 2), "answered")
    ] * 2
    assert [[choice.text for choice in attempt.choices] for attempt, _ in taken] == [["3", "3"]] * 2
    assert {attempt.created_at for attempt, _ in taken} == {"2026-09-21T14:13:20.000000Z"}
    counts = {name: end[name] for name in ("requests", "answered", "prompt_tokens")}
    assert counts == {"requests": 3, "answered": 2, "prompt_tokens": 20}
    assert end["completion_tokens"] == 8
    assert spent(limited) == (2, pytest.approx((20 * 1000 + 8 * 10_000) / 1e6 / 2))
    said = "\n".join(caplog.messages)
    assert "the server has no file gone" in said
    assert "1 lines of its results answer nothing" in said
    assert "2 requests are answered; 1 have none and are asked again" in said
    assert sender.running() == []


def test_reply_that_came_by_another_try_is_not_stored_twice(
    settings: Settings, service: Service
) -> None:
    _, one, _ = begun(settings, service)
    submission = one.submission
    made = [
        Attempt(entry.ask.cell, (1, 2), 5, "2026", choices=(Choice(0, "3"), Choice(1, "3")))
        for entry in submission.lines
    ]
    assert collecting.unanswered(submission, settings) == 3
    assert collecting.keep(submission, made[:2], f"{submission.stored_as}1", "b", settings) == 2
    assert collecting.unanswered(submission, settings) == 1
    assert collecting.keep(submission, made[:2], f"{submission.stored_as}2", "b", settings) == 0
    assert collecting.keep(submission, made, f"{submission.stored_as}2", "b", settings) == 1
    assert collecting.keep(submission, made[:2], f"{submission.stored_as}1", "b", settings) == 2
    assert collecting.unanswered(submission, settings) == 0
    failure = replace(made[0], max_tokens=9, cause="http_500", choices=())
    assert collecting.keep(submission, [failure], f"{submission.stored_as}3", "b", settings) == 1
    assert collecting.unanswered(submission, settings) == 0


def test_filtered_prompt_is_an_answer_where_another_was_answered(
    settings: Settings, service: Service
) -> None:
    sender, one, batch = begun(settings, service)
    words = "blocked by the content filter"
    for answered in (0, 2):
        service.answer = lambda names, answered=answered: [
            *(line(name) for name in names[:answered]),
            *(line(name, words, status=400) for name in names[answered:]),
        ]
        state = service.batch(batch)
        contents = [service.results[file] for file in state.files if file in service.results]
        found, _ = collecting.read_results(one.submission, contents, None)
        kinds = sender.requests_of(one.submission)
        taken = collecting.judged(one.submission, found, kinds, "2026")
        verdicts = [verdict for _, verdict in taken]
        assert verdicts == (["answered"] * 3 if answered else ["filtered"] * 3)
        finishes = [[choice.finish for choice in attempt.choices] for attempt, _ in taken]
        filtered = [["content_filter"] * 2] if answered else [[]] * 3
        assert finishes == [["stop"] * 2] * answered + filtered


def test_reply_is_read_where_the_service_puts_it(settings: Settings, service: Service) -> None:
    one = submitted(settings, service)
    names = [entry.custom_id for entry in one.lines]
    usual, bare = line(names[0]), line(names[1])
    bare["response"] = bare["response"]["body"]
    usual["response"]["choices"] = []
    lines = [usual, bare, {"custom_id": names[2], "response": {"body": None}}]
    content = b"".join(json.dumps(entry).encode() + b"\n" for entry in lines)
    found, useless = collecting.read_results(one, [content], None)
    assert (sorted(found), useless) == (sorted(names[:2]), 0)
    assert {answer.status for answer in found.values()} == {200}
    assert {len(answer.reply.choices) for answer in found.values()} == {2}


def submitted(settings: Settings, service: Service) -> Submission:
    sender = sender_of(settings, service)
    (one,) = sender.submitted([(sender.requests_by(settings), ask) for ask in asks(settings)])
    return one.submission


def test_rejected_file_names_three_lines_with_their_cells(
    settings: Settings, service: Service
) -> None:
    one = submitted(settings, service)
    names = {one.lines[0].ask.cell: "person 0, item 1"}
    faults = [Fault(number, "bad", f"fault {number}") for number in (1, 3, 4, 0)]

    def said(*shown: Fault) -> str:
        return collecting.rejected(settings, one, Batch("b", "failed", faults=shown), names)

    assert (
        "batch b: line 1 (person 0, item 1): bad: fault 1; line 3: bad: fault 3; bad: fault 4 and "
        "1 more. Nothing was asked or paid."
    ) in said(*faults)
    assert "bad: fault 4. Nothing" in said(*faults[:3])
    assert "batch b: bad: x. Nothing" in said(Fault(-1, "bad", "x"))
    assert "batch b: it gives no reason. Nothing" in said()
    assert "batch b: bad: all. Nothing" in said(Fault(None, "bad", "all"))


class Filled(Filling):
    """A filling whose service is in memory; the first requests are not tried."""

    def _try_first(self) -> None:
        pass


def filling(settings: Settings, service: Service, count: int = MADE, **changes: Any) -> Filled:
    found = {ask.cell: ask.messages for ask in asks(settings, count)}

    def order(attempts: Attempts) -> Order:
        jobs = [
            ReplyJob(cell, text, (1, 2), list(attempts.get(cell, ())), 5)
            for cell, text in found.items()
        ]
        return Order.from_jobs("m base", "models.m", jobs)

    made = Filled("m base", [Part(settings, list(found), order)], **changes)
    made.sender.__dict__["service"] = service
    return made


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Wait for nothing, and return the waits."""
    found: list[float] = []
    monkeypatch.setattr(batching.time, "sleep", found.append)
    return found


def test_cells_are_asked_in_one_batch_and_what_is_little_is_left(
    settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FEW == 50
    text = Path("docs/batches.md").read_text(encoding="utf-8")
    assert "below 50 requests, or after a batch below 5 % of the" in text
    assert batching.FEW_AGAIN == 0.05
    monkeypatch.setattr(batching, "FEW", MADE)
    for count, batches in ((MADE - 1, 0), (MADE, 1)):
        made = filling(settings, service, count)
        assert [entry["answered"] for entry in made.run()] == [MADE] * batches
    assert service.asked["create_batch"] == 1
    assert service.asked["close"] == 2


def test_few_requests_are_not_sent_beside_a_running_batch(
    settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "FEW", 2)
    sender = sender_of(settings, service)
    wanted = [(sender.requests_by(settings), ask) for ask in asks(settings, MADE - 1)]
    (one,) = sender.submitted(wanted)
    sender.begun(one)
    ended = filling(settings, service).run()
    assert [entry["answered"] for entry in ended] == [MADE - 1]
    assert service.asked["create_batch"] == 1


def test_share_of_the_cells_counts_as_few_after_a_batch(
    settings: Settings, service: Service
) -> None:
    made = filling(settings, service)
    made.cells = {str(number) for number in range(2000)}
    wanted: list[Any] = [None] * 99
    assert not made._is_little(wanted)
    made.ended = [{}]
    assert made._is_little(wanted)
    assert not made._is_little([None] * 100)  # type: ignore[list-item]
    assert filling(settings, service, submits=False)._is_little(wanted)


def test_waits_between_looks_grow_to_a_limit(
    settings: Settings, service: Service, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "FEW", 2)
    done = service.batch
    looks: list[int] = []

    def batch(name: str) -> Batch:
        looks.append(1)
        found = done(name)
        return found if len(looks) > 20 else replace(found, status="in_progress")

    monkeypatch.setattr(service, "batch", batch)
    filling(replace(settings, poll_s=15.0), service).run()
    assert slept[:3] == pytest.approx([15.0, 18.0, 21.6])
    assert len(slept) == 20
    assert max(slept) == slept[-1] == batching.LONGEST_PAUSE_S
    assert all(later >= earlier for earlier, later in pairwise(slept))


@pytest.mark.parametrize(
    ("status", "answers", "words"),
    [
        ("failed", 0, "the server rejected the file of the batch batch-0: it gives no reason"),
        ("cancelled", 2, "the 2 requests that it answered are in the store"),
        ("canceling", 0, "the 0 requests that it answered"),
        ("expired", 0, "2 batches in a row ended without an answer; the last is batch-1"),
    ],
)
def test_batch_that_did_not_end_well_says_what_to_do(
    status: str,
    answers: int,
    words: str,
    settings: Settings,
    service: Service,
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "FEW", 2)
    monkeypatch.setattr(Batch, "is_done", property(lambda _: True))
    service.status = status
    service.answer = lambda names: [line(name) for name in names[:answers]]
    with pytest.raises(UserError, match=words):
        filling(settings, service).run()


def test_batch_whose_requests_all_failed_ends_the_run(
    settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "FEW", 2)
    service.answer = lambda names: [line(name, "broke", status=500) for name in names]
    with pytest.raises(UserError, match=f"no answer for all {MADE} requests of batch-0"):
        filling(settings, service).run()
    service.answer = lambda names: [line(name, "no", status=401) for name in names]
    with pytest.raises(UserError, match="does not accept no key"):
        filling(settings, service).run()


def test_signal_while_a_silent_server_is_tried_out_stops_in_words(
    settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> bool:
        signal.raise_signal(signal.SIGINT)
        return True

    Breaker(settings).silent("cannot connect")
    monkeypatch.setattr(service, "answers", interrupted)
    with pytest.raises(UserError, match=r"^stopped by SIGINT; every answer that arrived is in"):
        filling(settings, service).run()
    assert service.asked == {"close": 1}


def test_queue_that_is_too_short_gets_half_the_requests_at_a_time(
    settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "FEW", 2)
    monkeypatch.setattr(Batch, "is_done", property(lambda _: True))
    sizes: list[int] = []
    done = service.batch

    def batch(name: str) -> Batch:
        size = len(service.files[service.made[name]].splitlines())
        sizes.append(size)
        if size <= 3:
            return done(name)
        fault = Fault(None, "token_limit_exceeded", "enqueued")
        return Batch(name, "failed", faults=(fault,))

    monkeypatch.setattr(service, "batch", batch)
    ended = filling(settings, service).run()
    assert sizes == [6, 3, 3]
    assert [entry["answered"] for entry in ended] == [0, 3, 3]


def test_state_is_said_when_it_changes(
    settings: Settings, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    made = filling(settings, service)
    states = [
        *(Batch("b", "validating"), Batch("b", "validating"), Batch("b", "running", (), 9, 1)),
        *(Batch("c", "validating"), Batch("b", "running", (), 9, 2), Batch("b", "completed")),
    ]
    for state in states:
        made._say_state(state)
    assert [text.partition(": ")[2] for text in caplog.messages] == [
        *("b is validating", "b is running, 1 of 9 requests"),
        *("c is validating", "b is running, 2 of 9 requests"),
    ]


def test_sender_waits_a_minute_for_a_reply_at_least(settings: Settings) -> None:
    for timeout_s, waited in ((5.0, 60.0), (90.0, 90.0)):
        service = sending.Sender("m", replace(settings, timeout_s=timeout_s)).service
        assert service._timeout_s == waited
