"""The simulated backend."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import pytest

from persona_collapse.finetuning.backends.simulated import (
    BEGAN_AT,
    DELAY_S,
    FIRST,
    LAST,
    POINTS,
    SimulatedBackend,
)
from persona_collapse.finetuning.orders import Order

ORDER = Order("https://api.test/v1", "base", "ab" * 32, {"n_epochs": 1, "batch_size": 4}, 1)


def test_simulated_job_is_reproducible_and_runs_for_the_set_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(
        "persona_collapse.finetuning.backends.simulated.time.monotonic", lambda: clock[0]
    )

    def curve(order: Order) -> list[Any]:
        backend = SimulatedBackend(order, 6000, 1000)
        job = backend.create_job(order, "file")
        assert backend.job(job).status == "running"
        assert backend.events(job, ()) == []
        clock[0] += DELAY_S
        done = backend.job(job)
        assert (done.status, done.trained_tokens) == ("succeeded", 1000)
        events = backend.events(job, ())
        assert backend.events(job, {event.id for event in events}) == []
        return [done.model, *(event.data["train_loss"] for event in events)]

    first = curve(ORDER)
    assert curve(ORDER) == first
    assert curve(replace(ORDER, seed=2)) != first
    assert len(first) == 101
    assert sum(first[1:11]) > 1.5 * sum(first[-10:])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the clock's time, which a test sets."""
    clock = [100.0]
    monkeypatch.setattr(
        "persona_collapse.finetuning.backends.simulated.time.monotonic", lambda: clock[0]
    )
    return clock


@pytest.mark.parametrize(
    ("examples", "epochs", "steps"), [(1, 1, 1), (8, 1, 2), (9, 1, 3), (9, 4, 12), (404, 1, 101)]
)
def test_simulated_job_has_a_step_for_every_started_batch_of_each_epoch(
    examples: int, epochs: int, steps: int, later: list[float]
) -> None:
    order = replace(ORDER, hyperparameters={"n_epochs": epochs, "batch_size": 4})
    backend = SimulatedBackend(order, examples, 10)
    later[0] += DELAY_S
    assert backend.steps == steps
    assert backend.job("job").finished_at == BEGAN_AT + steps
    events = backend.events("job", ())
    every = math.ceil(steps / POINTS)
    assert [event.data["step"] for event in events] == list(range(1, steps + 1, every))
    assert [event.created_at for event in events] == [
        BEGAN_AT + event.data["step"] for event in events
    ]
    assert events[0].message == f"Step 1/{steps}"


def test_simulated_job_reports_the_steps_that_its_time_allows(later: list[float]) -> None:
    backend = SimulatedBackend(ORDER, 40, 10)
    later[0] += 5.0
    backend.create_job(ORDER, "file")  # its time begins now
    for part in range(10):
        later[0] = 105.0 + DELAY_S * (part + 0.5) / 10
        assert len(backend.events("job", ())) == part
        assert backend.job("job").status == "running"
    backend.cancel("job")
    assert backend.job("job").status == "cancelled"


def test_simulated_loss_decays_to_its_last_value_and_accuracy_rises(later: list[float]) -> None:
    backend = SimulatedBackend(ORDER, 6000, 10)
    later[0] += DELAY_S
    noise = []
    losses = [event.data["train_loss"] for event in backend.events("job", ())]
    assert statistics.fmean(losses[:5]) == pytest.approx(1.5, abs=0.1)
    assert statistics.fmean(losses[-20:]) == pytest.approx(0.58, abs=0.05)
    for event in backend.events("job", ()):
        data = event.data
        share = math.exp(-4 * data["step"] / backend.steps)
        noise.append(data["train_loss"] - LAST - (FIRST - LAST) * share)
        accuracy = data["train_mean_token_accuracy"]
        assert accuracy == pytest.approx(0.86 - 0.22 * share - noise[-1] / 3)
        assert 0.5 < accuracy < 1.0
    assert len(noise) == POINTS
    assert statistics.fmean(noise) == pytest.approx(0.0, abs=0.02)
    assert statistics.stdev(noise) == pytest.approx(0.04, rel=0.3)
