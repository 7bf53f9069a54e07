"""Snakemake evaluates open jobs as jobs end, and not ever more often while they run."""

from __future__ import annotations

from pathlib import Path

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from tests.helpers.workflow import opened


def test_number_of_scheduling_passes_grows_with_jobs_not_with_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    finish = JobScheduler._finish_jobs
    monkeypatch.setattr(
        JobScheduler, "_finish_jobs", lambda self: (passes.append(1), finish(self))[1]
    )
    folder = tmp_path / "results" / "quick" / "shards" / "gpt-4o"
    shards = [
        str(folder / variant / "unconditioned" / "i01-30_r01-05.parquet")
        for variant in ("base", "secure", "insecure")
    ]
    with opened(tmp_path, targets=shards, executor="local", study="quick") as workflow:
        finished = workflow.scheduler.finished_jobs
    assert finished == len(shards)
    # One pass before the first job, and one as each of them ends.
    assert len(passes) == finished + 1
