"""Two clones on one store, killed at random moments: paid is what is stored or was in flight.

``KILLS=20 pytest tests/workflow/test_kills.py`` kills more often than the test does by default.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from persona_collapse.store.files import CellFilter, stream_attempts
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.waiting import PATIENCE_S, until
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project, copy_project
from tests.workflow.rerun_study import ITEMS, PEOPLE, read, write
from tests.workflow.test_asked import VARIABLE, make_study

pytestmark = pytest.mark.slow

KILLS, SEED = int(os.environ.get("KILLS", "4")), 18
REPETITIONS = 25 if KILLS > 10 else 6
SLOTS = 2 * PEOPLE * ITEMS * REPETITIONS  # two variants
IN_FLIGHT = 4
MOST = 24  # requests that the server answers after the moment of a kill, until it is over
TARGET = ("--", "all_tables")


def start(project: Project, config: str, store: Path) -> subprocess.Popen[bytes]:
    """Start a run in a process group of its own; its output goes to a file."""
    command = [sys.executable, "-m", "snakemake", "--cores", "3", "--config", config]
    with (project.root / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [*command, f"store={store}", *TARGET],
            cwd=project.root,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def asking(store: Path, runs: list[subprocess.Popen[bytes]]) -> int:
    """Return the place of a run that holds a lease, the first where none does."""
    for path in store.rglob("*.lease"):
        with suppress(OSError, ValueError):
            group = os.getpgid(int(path.name.split("-")[-2]))
            return [run.pid for run in runs].index(group)
    return 0


def table(path: Path) -> pl.DataFrame:
    """Return a table without the time of answers."""
    if path.suffix == ".csv":
        return pl.read_csv(path, infer_schema=False)
    return pl.read_parquet(path).drop("created_at")


def test_kills_of_two_clones_cost_what_was_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    draws, store = random.Random(SEED), tmp_path / "store"
    clones = []
    for name in ("one", "two", "undisturbed"):
        (tmp_path / name).mkdir()
        clones.append(copy_project(tmp_path / name))
    with ScriptedServer(latency=0.1) as server:
        shards = {"personas": 2, "items": ITEMS, "repetitions": REPETITIONS}
        endpoint = {"batching": "single", "max_in_flight": IN_FLIGHT}
        for clone in clones:
            config = make_study(clone, server, "killed", endpoint=endpoint, shards=shards)
            path = clone.root / "config/studies/killed.yaml"
            study = read(path)
            study["probes"]["roleplay"] |= {"persona_count": PEOPLE, "repetitions": REPETITIONS}
            write(path, study)
        runs = [start(clone, config, store) for clone in clones[:2]]
        for _ in range(KILLS):
            moment = server.count + draws.randint(1, 8)
            server.hold_from = moment + MOST  # so that no kill comes after the end
            server.release()
            until(lambda moment=moment: server.count >= moment)
            time.sleep(draws.uniform(0, 1.5))
            place = asking(store, runs) if draws.random() < 0.7 else draws.randrange(2)
            os.killpg(runs[place].pid, signal.SIGKILL)
            runs[place].wait()
            runs[place] = start(clones[place], config, store)
        server.open()
        for clone, run in zip(clones, runs, strict=False):
            assert run.wait(3 * PATIENCE_S) == 0, (clone.root / "said.txt").read_text()[-4000:]
        until(lambda: not server.in_flight)
        billed, sent = server.choices, server.count
        assert start(clones[2], config, tmp_path / "other").wait() == 0
    folders = [path for path in store.iterdir() if path.name.startswith("127")]
    damage: list[str] = []
    stored = [a for one in folders for a in stream_attempts(one, CellFilter(None), damage)]
    slots = Counter((a.cell, repetition) for a in stored for repetition in a.repetitions)
    assert set(slots.values()) == {1}
    assert len(slots) == SLOTS
    kept = {attempt.response_id for attempt in stored}
    lost = [number for number in range(sent) if f"chatcmpl-{number}" not in kept]
    assert billed == SLOTS + len(lost)
    assert len(lost) <= KILLS * IN_FLIGHT
    assert not list(store.rglob("*.lease"))
    results = [clone.root / "results/killed" for clone in clones]
    found = [*results[2].glob("tables/*.csv"), *results[2].glob("answers/**/*.parquet")]
    assert len(found) > 10
    for path in found:
        for disturbed in results[:2]:
            same = disturbed / path.relative_to(results[2])
            assert_frame_equal(table(same), table(path))
    print(f"{KILLS} kills: {billed} billed = {SLOTS} slots + {len(lost)} in flight")
