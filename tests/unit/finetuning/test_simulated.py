"""The simulated backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from persona_collapse.finetuning.backends.simulated import DELAY_S, SimulatedBackend
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
