"""Slots follow from stored attempts: what counts, what is asked next, and with which limit."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import (
    NO_ANSWER,
    Protocol,
    RatingJob,
    ReplyJob,
    Slot,
    failures,
    received,
    resolve,
)
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Attempt, Choice

NO_RATING = "I would rather not say"
TRIES = 3


def protocol(**changes: Any) -> Protocol:
    given = {"base_url": "https://a.test/v1", "model": "m", "max_attempts": TRIES, **changes}
    return Protocol(Scale(0, 5), Settings.of(given))


def attempt(repetitions: tuple[int, ...], *texts: str | None, **fields: Any) -> Attempt:
    choices = tuple(Choice(place, text) for place, text in enumerate(texts))
    given = {"max_tokens": 1, "created_at": "2026", "choices": choices, **fields}
    return Attempt("cell", repetitions, **given)


def failed(repetitions: tuple[int, ...], cause: str = "timeout", **fields: Any) -> Attempt:
    return attempt(repetitions, cause=cause, **fields)


def job(attempts: list[Attempt], by: Protocol, repetitions: int = 3) -> RatingJob:
    return RatingJob("cell", [], tuple(range(1, repetitions + 1)), attempts, by)


def test_reply_counts_for_the_slots_that_still_wait() -> None:
    attempts = [attempt((1, 2), "3"), attempt((1, 2, 3, 9), "5", "4", "2", "1")]
    slots = resolve(attempts, (1, 2, 3), protocol())
    assert [slot.rating for slot in slots.values()] == [3, 4, 2]
    assert [slot.status for slot in slots.values()] == ["ok"] * 3
    assert [slot.attempts for slot in slots.values()] == [1, 1, 1]
    assert 9 not in slots


def test_failed_request_counts_for_each_slot_that_waits() -> None:
    attempts = [failed((1, 2), detail="x"), attempt((1,), "3"), failed((1, 2), "http_500")]
    one, two = resolve(attempts, (1, 2), protocol()).values()
    assert (one.status, one.transport_failures, one.attempts) == ("ok", 1, 2)
    assert (two.status, two.transport_failures, two.attempts) == (None, 2, 2)
    assert (one.response, two.response) == ("3", "http_500")
    assert resolve(attempts[:1], (1,), protocol())[1].response == "timeout: x"


@pytest.mark.parametrize(
    ("choice", "status", "response"),
    [
        (Choice(0, "3", refusal="no"), "refused", "no"),
        (Choice(0, "3", "content_filter"), "filtered", "3"),
        (Choice(0, "3", "SAFETY"), "filtered", "SAFETY"),
    ],
)
def test_refused_or_filtered_reply_is_an_answer(choice: Choice, status: str, response: str) -> None:
    first = attempt((1,), choices=(choice,), served_model="s", system_fingerprint="f")
    slot = resolve([first, attempt((1,), "3")], (1,), protocol())[1]
    assert (slot.status, slot.rating, slot.response) == (status, None, response)
    assert (slot.served_model, slot.system_fingerprint, slot.created_at) == ("s", "f", "2026")
    assert slot.attempts == 1


def test_slot_has_its_tries_then_one_longer_reply() -> None:
    by = protocol()
    made = job([], by, 2)
    seen = []
    for _ in range(TRIES):
        ask = made.ask()
        assert ask is not None
        seen.append((ask.repetitions, ask.max_tokens, ask.number))
        made.attempts.append(attempt((1, 2), NO_RATING, NO_RATING))
    assert seen == [((1, 2), 1, 0), ((1, 2), 1, 1), ((1, 2), 1, 2)]
    ask = made.ask()
    assert ask is not None
    assert (ask.repetitions, ask.max_tokens, ask.number) == ((1, 2), 64, 3)
    assert made.settled == {}
    made.attempts.append(attempt((1, 2), "My answer: 4", NO_RATING, max_tokens=64))
    assert made.ask() is None
    assert made.settled == {"ok": 1, "unparseable": 1}
    one, two = resolve(made.attempts, (1, 2), by).values()
    assert (one.rating, one.fallback, one.parse_failures, one.attempts) == (4, True, 3, 4)
    assert (two.rating, two.fallback, two.parse_failures, two.attempts) == (None, True, 4, 4)
    assert one.read_from == "reply"


def test_longer_reply_whose_first_word_is_a_rating_is_read_from_the_reply() -> None:
    attempts = [attempt((1,), NO_RATING)] * TRIES + [attempt((1,), "4", max_tokens=64)]
    slot = resolve(attempts, (1,), protocol())[1]
    assert (slot.rating, slot.read_from) == (4, "reply")
    assert resolve([attempt((1,), "4")], (1,), protocol())[1].read_from == "token"


def test_slots_with_tries_left_are_asked_before_the_longer_reply() -> None:
    attempts = [attempt((1,), NO_RATING)] * TRIES + [attempt((2,), NO_RATING)]
    ask = job(attempts, protocol()).ask()
    assert ask is not None
    assert (ask.repetitions, ask.max_tokens) == ((2, 3), 1)


def test_longer_reply_before_the_tries_are_spent_waits_for_them() -> None:
    early = attempt((1,), "4", max_tokens=64)
    tried = [attempt((1,), NO_RATING)] * (TRIES - 1)
    assert resolve([early, *tried], (1,), protocol())[1].status is None
    assert resolve([early, *tried, tried[0]], (1,), protocol())[1].rating == 4
    assert resolve([early, *tried, attempt((1,), "2")], (1,), protocol())[1].rating == 2
    first = resolve([early, attempt((1,), "5", max_tokens=64), *tried, tried[0]], (1,), protocol())
    assert first[1].rating == 4


def test_reply_of_another_length_or_without_the_choice_is_no_try() -> None:
    attempts = [attempt((1,), "3", max_tokens=9), attempt((1, 2), "3"), attempt((2,))]
    one, two = resolve(attempts, (1, 2), protocol()).values()
    assert (one.status, one.attempts) == ("ok", 1)
    assert (two.status, two.attempts, two.response) == (None, 0, None)


THINKING: dict[str, Any] = {"thinking": {"max_tokens": 500}, "max_attempts": 10}


def test_model_that_thinks_has_few_tries_and_no_longer_reply() -> None:
    by = protocol(**THINKING)
    silent = attempt((1,), "", max_tokens=500, reasoning_tokens=500)
    assert resolve([silent] * 2, (1,), by)[1].status is None
    slot = resolve([silent] * 3, (1,), by)[1]
    assert (slot.status, slot.response, slot.attempts) == ("unparseable", NO_ANSWER, 3)
    assert not slot.fallback
    made = job([silent] * 2, by, 1)
    ask = made.ask()
    assert ask is not None
    assert (ask.repetitions, ask.max_tokens) == ((1,), 500)
    assert job([silent] * 3, by, 1).ask() is None
    two = protocol(**{**THINKING, "max_attempts": 2})
    assert resolve([silent] * 2, (1,), two)[1].status == "unparseable"


@pytest.mark.parametrize(
    ("fields", "text", "response"),
    [
        ({"reasoning_tokens": 9}, " ", NO_ANSWER),
        ({"reasoning_tokens": 9}, NO_RATING, NO_RATING),
        ({"reasoning_tokens": 0}, " ", " "),
        ({}, None, None),
    ],
)
def test_thoughts_without_an_answer_are_said(
    fields: dict[str, Any], text: str | None, response: str | None
) -> None:
    silent = attempt((1,), text, max_tokens=500, **fields)
    assert resolve([silent] * 3, (1,), protocol(**THINKING))[1].response == response


def test_log_probabilities_are_asked_once() -> None:
    by = protocol(method="logprobs")
    shares = (0.4, 0.2, 0.1, 0.1, 0.06, 0.04)
    pairs = tuple((str(n), math.log(share)) for n, share in enumerate(shares))
    read = attempt((1,), choices=(Choice(0, "0", alternatives=pairs),))
    slot = resolve([read], (1,), by)[1]
    assert (slot.status, slot.rating, slot.read_from) == ("ok", None, "logprobs")
    assert slot.probabilities is not None
    assert slot.probabilities == pytest.approx([share / 0.9 for share in shares])
    assert slot.rating_mass == pytest.approx(0.9)
    none = attempt((1,), choices=(Choice(0, "x", alternatives=(("x", -0.01), ("y", -9.0))),))
    slot = resolve([none, read], (1,), by)[1]
    assert (slot.status, slot.probabilities, slot.read_from) == ("unparseable", None, None)
    assert job([none], by, 1).ask() is None
    assert resolve([attempt((1,), "3")], (1,), by)[1].status == "error"


def test_unparseable_slot_counts_its_failures_and_an_answer_counts_itself() -> None:
    assert Slot(1).attempts == 0
    assert Slot(1, "unparseable", parse_failures=2, transport_failures=3).attempts == 5
    assert Slot(1, "error", parse_failures=2, transport_failures=3).attempts == 6


def test_job_keeps_attempts_of_its_own_and_asks_anew_only_after_another() -> None:
    shared: list[Attempt] = []
    made, other = job(shared, protocol()), job(shared, protocol())
    first = made.ask()
    assert made.ask() is first
    made.attempts.append(attempt((1,), "3"))
    second = made.ask()
    assert second is not None
    assert second.repetitions == (2, 3)
    assert other.ask() == first
    assert shared == []


def test_first_reply_of_its_length_is_final() -> None:
    attempts = [
        failed((1, 2), max_tokens=50),
        attempt((1,), "short", max_tokens=49),
        attempt((1, 3), "first", "third", max_tokens=50),
        attempt((1,), "later", max_tokens=50),
    ]
    found = received(attempts, (1, 2), 50)
    assert {n: choice.text for n, (_, choice) in found.items()} == {1: "first"}
    assert found[1][0] is attempts[2]
    made = ReplyJob("cell", [], (1, 2, 3), attempts, 50)
    ask = made.ask()
    assert ask is not None
    assert (ask.repetitions, ask.max_tokens, ask.number) == ((2,), 50, 4)
    assert failures(attempts, 2, 50) == attempts[:1]
    assert failures(attempts, 3, 50) == failures(attempts, 2, 49) == []


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True).map(tuple),
            st.sampled_from(["3", NO_RATING, None]),
        ),
        max_size=12,
    )
)
def test_every_slot_gets_an_answer_within_its_tries(
    earlier: list[tuple[tuple[int, ...], str | None]],
) -> None:
    """Whatever is stored, the requests that follow end, and none is for an answered slot."""
    attempts = [
        failed(repetitions) if text is None else attempt(repetitions, *[text] * len(repetitions))
        for repetitions, text in earlier
    ]
    made = job(attempts, protocol(), 5)
    for _ in range(2 * TRIES):
        before = resolve(made.attempts, made.repetitions, made.protocol)
        ask = made.ask()
        if ask is None:
            break
        assert all(before[repetition].status is None for repetition in ask.repetitions)
        texts = [NO_RATING] * len(ask.repetitions)
        made.attempts.append(attempt(ask.repetitions, *texts, max_tokens=ask.max_tokens))
    assert made.ask() is None
    assert sum(made.settled.values()) == 5


def test_reply_of_another_length_is_no_longer_reply() -> None:
    tried = [attempt((1,), NO_RATING)] * TRIES
    assert resolve([attempt((1,), "4", max_tokens=9), *tried], (1,), protocol())[1].status is None
    without = attempt((2, 1), "4", max_tokens=64)  # with a choice for the other slot alone
    assert resolve([*tried, without], (1,), protocol())[1].status is None
