"""The sampling benchmark starts its scripted server and measures all sides."""

from __future__ import annotations

import pytest

from benchmarks import sampling


def test_sampling_benchmark_measures_all_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sampling.KEY, "none-needed")
    task = sampling.long_task(30, 2)
    with sampling.served(0.0) as url:
        for side in (sampling.bare, sampling.path, sampling.unprotected):
            rate, cpu = sampling.measured(lambda side=side: side(url, task, 4), 30, 2)  # type: ignore[misc]
            assert min(rate, cpu) > 0
