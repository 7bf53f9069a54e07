"""Which replies are copies out of a cache."""

from __future__ import annotations

from dataclasses import replace

import pytest

from persona_collapse.asking.replays import Replays, says_hit, without_replays
from persona_collapse.store.attempts import Attempt, Choice


def reply(cell: str, name: str | None, text: str = "3", repetition: int = 1) -> Attempt:
    return Attempt(
        cell, (repetition,), 1, f"2026-{name}", choices=(Choice(0, text),), response_id=name
    )


def test_same_id_and_choices_in_a_cell_are_a_copy() -> None:
    kept = {"a": [reply("a", "1"), reply("a", "2")], "b": [reply("b", "3")]}
    attempts = {"a": [*kept["a"], reply("a", "1", repetition=3)], "b": kept["b"]}
    assert without_replays(attempts) == kept


@pytest.mark.parametrize(
    "attempts",
    [
        {"a": [reply("a", "x"), reply("a", "x")], "b": [reply("b", "x")]},  # one id for all
        {"a": [reply("a", None), reply("a", None)], "b": [reply("b", None)]},  # no ids
        {"a": [reply("a", "1", "3"), reply("a", "1", "4")], "b": [reply("b", "2")]},  # other text
        {"a": [reply("a", "1"), reply("a", "1")]},  # one cell does not show what ids mean
    ],
    ids=["constant id", "no id", "another reply", "one cell"],
)
def test_ids_that_identify_nothing_show_no_copies(attempts: dict[str, list[Attempt]]) -> None:
    assert without_replays(attempts) == attempts


def test_another_cell_decides_in_doubt() -> None:
    for other, decided in (("1", False), ("2", True)):
        ids = Replays()
        ids.add(reply("a", "1"))
        again = reply("a", "1", repetition=2)
        assert ids.is_replay(again) is None
        ids.add(reply("b", other))
        assert ids.is_replay(again) is decided


def test_failed_request_is_no_earlier_reply() -> None:
    ids = Replays()
    ids.add(replace(reply("a", "1"), cause="timeout"))
    ids.add(reply("b", "2"))
    ids.add(reply("b", None))
    assert ids.is_replay(reply("a", "1")) is False
    assert ids.is_replay(reply("a", None)) is False
    assert ids.ids_identify


@pytest.mark.parametrize(
    ("headers", "hit"),
    [
        ({}, False),
        ({"x-cache": "MISS"}, False),
        ({"x-cache": "Hit from somewhere"}, True),
        ({"cf-aig-cache-status": "HIT"}, True),
        ({"x-litellm-cache-hit": "True"}, True),
        ({"x-cache": ""}, False),
    ],
)
def test_headers_that_say_hit_show_a_cache(headers: dict[str, str], hit: bool) -> None:
    assert says_hit(headers) is hit
