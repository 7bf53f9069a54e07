"""Studies through ``profiles/slurm`` on a real SLURM: complete, killed and cancelled runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.waiting import PATIENCE_S, until
from tests.slurm.conftest import Cluster, active, jobs
from tests.workflow.conftest import Project

CELLS, REPETITIONS, IN_FLIGHT = 20 * 30, 3, 8
SHARD = "results/asked/shards/m/base/roleplay/p000-039_i01-30_r01-05.parquet"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def study_of(cluster: Cluster, server: ScriptedServer) -> str:
    """Write a study of one shard that the server answers; return how a run names it."""
    asked = {"kind": "openai", "base_url": server.base_url, "api_key_env": None}
    return cluster.project.study(
        "asked",
        endpoints={"asked": {**asked, "max_in_flight": IN_FLIGHT}},
        models={"m": {"variants": {"base": {"endpoint": "asked", "model": "scripted"}}}},
        probes={
            "roleplay": {
                "instrument": "moral30",
                "personas": "everyday100",
                "persona_count": 20,
                "repetitions": REPETITIONS,
            }
        },
    )


def assert_paid_once(cluster: Cluster, server: ScriptedServer, stops: int) -> None:
    """Every answer is there, and what was asked twice was in flight when a job was stopped."""
    answers = pl.read_parquet(cluster.project.root / SHARD)
    assert answers.height == CELLS * REPETITIONS
    assert set(answers["status"]) == {"ok"}
    assert CELLS <= server.count <= CELLS + stops * IN_FLIGHT
    assert server.most_in_flight <= IN_FLIGHT


def kill_script(cluster: Cluster) -> None:
    """Kill the asking process with SIGKILL, as when a node fails or a job runs out of memory."""
    place = f"{cluster.project.root}/.snakemake/scripts/"
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a process that has ended meanwhile
            command = entry.read_text()
            if place in command and command.startswith(sys.executable):
                os.kill(int(entry.parent.name), signal.SIGKILL)
                return
    pytest.fail("no job asks")


def test_quick_study_gives_its_page(cluster: Cluster, here: Project) -> None:
    before = len(jobs("answer_shard"))
    cluster.run("--config", "study=quick")
    assert len(jobs("answer_shard")) == before + 6
    assert active() == []
    assert (cluster.project.root / "results" / "quick" / "report" / "index.html").is_file()
    here.run("--config", "study=quick")
    made = sorted((here.root / "results" / "quick" / "tables").glob("*.csv"))
    assert made
    for table in made:
        twin = cluster.project.root / table.relative_to(here.root)
        assert twin.read_bytes() == table.read_bytes(), table.name


def test_killed_job_is_retried_with_more_resources_and_pays_nothing_twice(
    cluster: Cluster, server: ScriptedServer
) -> None:
    study = study_of(cluster, server)
    before = len(jobs("answer_shard"))
    server.hold_from = 100  # the job stops in the middle of its shard
    with cluster.running(SHARD, "--config", study) as controller:
        until(lambda: server.count > 100, controller)
        kill_script(cluster)
        server.open()
        assert controller.wait(PATIENCE_S) == 0, cluster.said()[-6000:]
    first, second = jobs("answer_shard")[before:]
    assert first.state != "COMPLETED"
    assert second.state == "COMPLETED"
    assert (first.memory, second.memory) == ("1000M", "2000M")
    assert (first.time, second.time) == ("4:00:00", "8:00:00")
    assert_paid_once(cluster, server, stops=1)
    kept = cluster.project.root / "logs" / "slurm" / "rule_answer_shard"
    assert [log.stem for log in kept.rglob("*.log")] == [first.id]


def test_interrupt_cancels_jobs_and_the_next_run_continues(
    cluster: Cluster, server: ScriptedServer
) -> None:
    study = study_of(cluster, server)
    server.hold_from = 100
    with cluster.running(SHARD, "--config", study) as controller:
        until(lambda: server.count > 100, controller)
        controller.send_signal(signal.SIGINT)
        assert controller.wait(PATIENCE_S) != 0
    server.release()
    until(lambda: not active(), every_s=0.2)
    server.open()
    asked = server.count
    assert asked < CELLS
    cluster.run(SHARD, "--config", study)
    assert_paid_once(cluster, server, stops=1)


def test_sampling_on_controller_submits_no_shards(cluster: Cluster, server: ScriptedServer) -> None:
    study = study_of(cluster, server)
    before = len(jobs("answer_shard")), len(jobs("measure_unit"))
    cluster.run("all_answers", "--config", study, "sampling_on=controller")
    assert (len(jobs("answer_shard")), len(jobs("measure_unit"))) == (before[0], before[1] + 1)
    assert_paid_once(cluster, server, stops=0)
