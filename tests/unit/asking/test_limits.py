"""What servers say about their limits, in every documented form, and how the engine slows down."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.asking.limits import (
    LONGEST_BACKOFF_S,
    Gate,
    Pacer,
    backoff,
    parse_duration,
    requested_wait,
)

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12ms", 0.012),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        ("20", 20.0),
        ("0s", 0.0),
        ("soon", None),
        ("", None),
        ("-5s", None),
        ("1s later", None),
    ],
)
def test_durations_are_parsed(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == pytest.approx(seconds) if seconds else not parse_duration(text)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-9"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Mon, 21 Sep 2026 14:14:20 GMT"}, 60.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:12:20 GMT"}, None),
        (
            {
                "retry-after": "Mon, 21 Sep 2026 15:00:30 GMT",
                "date": "Mon, 21 Sep 2026 15:00:00 GMT",
            },
            30.0,
        ),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "12ms",
                "x-ratelimit-remaining-tokens": "5",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            0.012,
        ),
        ({}, None),
    ],
)
def test_requested_wait_is_read_from_headers(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert requested_wait(headers, NOW) == (None if seconds is None else pytest.approx(seconds))


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()))
def test_any_header_gives_a_positive_wait_or_none(headers: dict[str, str]) -> None:
    wait = requested_wait(headers, NOW)
    assert wait is None or wait > 0


def test_backoff_doubles_with_jitter_up_to_a_minute() -> None:
    for failures in range(1, 40):
        full = min(LONGEST_BACKOFF_S, 0.5 * 2 ** (failures - 1))
        waits = {backoff(failures) for _ in range(20)}
        assert all(full / 2 <= wait <= full for wait in waits)
        assert len(waits) > 1


def test_gate_grows_on_success_and_halves_once_per_round_trip() -> None:
    gate = Gate(64)
    assert gate.limit == 16
    for _ in range(16):
        gate.grow()
    assert gate.limit == 32
    assert gate.cut(sent_at=1.0, now=2.0)
    assert gate.limit == 16
    assert not gate.cut(sent_at=1.5, now=2.1)  # sent before the cut: it says nothing new
    assert gate.limit == 16
    assert gate.cut(sent_at=2.5, now=3.0)
    for _ in range(8):
        gate.grow()
    assert gate.limit == pytest.approx(9, abs=0.1)  # one more per round trip after a cut
    for at in range(10):
        gate.cut(sent_at=10.0 + at, now=10.0 + at)
    assert gate.limit == 1
    for _ in range(10_000):
        gate.grow()
    assert gate.limit == 64


def test_gate_never_exceeds_its_limit() -> None:
    async def crowd() -> int:
        gate, most = Gate(5), 0

        async def one() -> None:
            nonlocal most
            await gate.acquire()
            most = max(most, gate.in_flight)
            await asyncio.sleep(0)
            gate.release()

        await asyncio.gather(*(one() for _ in range(50)))
        assert gate.in_flight == 0
        return most

    assert asyncio.run(crowd()) == 5


def test_gate_keeps_to_a_part_that_changes() -> None:
    async def crowd() -> list[int]:
        gate, seen, release = Gate(0), [], asyncio.Event()

        async def one() -> None:
            await gate.acquire()
            await release.wait()
            gate.release()

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(one())
            for most in (0, 8, 3, 6, 20):
                gate.cap(most)
                await asyncio.sleep(0.01)
                seen.append(gate.in_flight)
            release.set()
        return seen

    assert asyncio.run(crowd()) == [0, 8, 8, 8, 16]


def test_throttled_gate_does_not_grow_with_its_part() -> None:
    gate = Gate(64)
    gate.cap(8)
    gate.cut(sent_at=1.0, now=2.0)
    gate.cap(64)
    assert gate.limit == 4  # half of what it could have in flight


def turns(pacer: Pacer, amount: float, number: int) -> list[float]:
    return [pacer.wait(pacer.reserve(amount, 0.0), 0.0) for _ in range(number)]


def test_pacer_spreads_amounts_evenly() -> None:
    pacer = Pacer(60.0)
    assert turns(pacer, 1, 3) == [0.0, 1.0, 2.0]
    assert pacer.wait(pacer.reserve(1, 10.0), 10.0) == 0.0  # unused time
    assert pacer.wait(pacer.reserve(1, 10.0), 10.0) == 1.0  # earns nothing
    assert turns(Pacer(6000.0), 200, 2) == [0.0, 2.0]
    assert turns(Pacer(None), 1e9, 2) == [0.0, 0.0]


def test_changed_pace_holds_for_what_is_reserved() -> None:
    pacer = Pacer(60.0)
    pacer.pace(0.0, 0.0)
    first, second, third = (pacer.reserve(1, 0.0) for _ in range(3))
    assert pacer.wait(first, 0.0) == math.inf
    pacer.pace(0.5, 5.0)
    assert [pacer.wait(place, 5.0) for place in (first, second, third)] == [0.0, 2.0, 4.0]
    pacer.pace(1.0, 7.0)
    assert [pacer.wait(place, 7.0) for place in (second, third)] == [0.0, 1.0]
    pacer.pace(0.25, 7.0)
    assert pacer.wait(third, 9.0) == 2.0


def test_gate_lets_one_request_through_after_a_probe_and_grows_back_fast() -> None:
    gate = Gate(64)
    gate.cut(sent_at=1.0, now=2.0)
    gate.probe()
    assert gate.limit == 1
    for _ in range(7):
        gate.grow()
    assert gate.limit == 8  # half of the limit before the cut; from here as after any cut
    gate.grow()
    assert gate.limit == pytest.approx(8.125)
