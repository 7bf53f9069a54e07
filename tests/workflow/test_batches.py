"""Batches through the workflow: runs that are stopped or killed while a batch runs, and clones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.store.files import CellFilter, stream_attempts
from tests.helpers.scripted_batches import BatchServer
from tests.helpers.scripted_server import Call
from tests.helpers.waiting import PATIENCE_S, until
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project, copy_project
from tests.workflow.rerun_study import STUDY, read, write, write_study

pytestmark = pytest.mark.slow

PEOPLE, ITEMS, REPETITIONS = 2, 30, 2
CELLS = PEOPLE * ITEMS  # of each of two variants
ANSWERS = ("--", "all_answers")


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(models=[{"id": "alpha-base"}, {"id": "alpha-insecure"}]) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    return checkout(tmp_path / "checkout")


def checkout(folder: Path) -> Project:
    folder.mkdir()
    return copy_project(folder)


def make_study(project: Project, server: BatchServer, **endpoint: Any) -> str:
    """Write a study of two variants, each of two shards; return its ``--config``."""
    write_study(project.root, server.base_url)
    study = read(project.root / STUDY)
    given = {"batching": "batch", "poll_s": 0.1, "settle_s": 0.5, **endpoint}
    study["endpoints"] = {"scripted": {**study["endpoints"]["scripted"], **given}}
    variants = study["models"]["alpha"]["variants"]
    study["models"] = {"alpha": {"variants": {k: variants[k] for k in ("base", "insecure")}}}
    probe = {"instrument": "moral30", "personas": "everyday100"}
    study["probes"] = {"roleplay": {**probe, "persona_count": PEOPLE, "repetitions": REPETITIONS}}
    study["shards"] = {"personas": 1, "items": 30, "repetitions": 10}
    write(project.root / STUDY, study)
    return f"study={Path(STUDY).stem}"


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    """Start a run in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *words, *ANSWERS],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def collected(project: Project, variant: str) -> pl.DataFrame:
    (path,) = project.root.glob(f"results/*/answers/alpha/{variant}/roleplay.parquet")
    return pl.read_parquet(path).drop("created_at")


def check_paid_once(server: BatchServer) -> None:
    assert len(server.batches) == 2
    assert len(server.billed) == len(set(server.billed)) == 2 * (CELLS - 1)
    assert len(server.calls) == 2  # one of each model, before its batch


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ended_while_batches_ran_goes_on_the_next_day(
    number: signal.Signals, project: Project, server: BatchServer
) -> None:
    server.stages = 10**6
    config = make_study(project, server)
    planned = project.planned("--config", config, *ANSWERS)
    assert (planned["fill_by_batch"], planned["answer_shard"]) == (2, 4)
    run = start(project, "--config", config)
    until(lambda: len(server.batches) == 2, run)
    os.killpg(run.pid, number)
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode != 0
    if number == signal.SIGINT:
        assert "Stopped. Batches that were sent go on at the server, and the next run" in said
        log = project.root / "results" / STUDY.stem / "logs/batches/alpha/base.log"
        assert "goes on at the server: run the same command again" in log.read_text()
        assert "Traceback" not in said
    server.stages = 1
    project.run("--config", config, *ANSWERS)
    check_paid_once(server)
    by_batch = {variant: collected(project, variant) for variant in ("base", "insecure")}
    assert project.planned("--config", config, *ANSWERS) == {}
    live = make_study(project, server, batching="n")
    project.run("--config", live, "results=live", "store=live_store", *ANSWERS)
    for variant, found in by_batch.items():
        (path,) = project.root.glob(f"live/*/answers/alpha/{variant}/roleplay.parquet")
        assert pl.read_parquet(path).drop("created_at").equals(found)


def test_two_clones_on_one_store_pay_for_one_batch_of_each_variant(
    project: Project, server: BatchServer, tmp_path: Path
) -> None:
    server.stages = 12
    clone = checkout(tmp_path / "clone")
    store = f"store={tmp_path / 'store'}"
    runs = []
    for one in (project, clone):
        config = make_study(one, server)
        runs.append(start(one, "--config", config, store))
    for run in runs:
        said, _ = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, said[-4000:]
    check_paid_once(server)
    for variant in ("base", "insecure"):
        assert collected(project, variant).equals(collected(clone, variant))


def test_changing_to_batches_reads_shards_again_and_asks_nothing(
    project: Project, server: BatchServer
) -> None:
    config = make_study(project, server, batching="n")
    project.run("--config", config, *ANSWERS)
    sent = server.count
    make_study(project, server)
    planned = project.planned("--config", config, *ANSWERS)
    assert (planned["fill_by_batch"], planned["answer_shard"]) == (2, 4)
    project.run("--config", config, *ANSWERS)
    assert server.count == sent
    assert not server.batches


def answered(server: BatchServer, file: Path, results: Path, part: slice = slice(None)) -> None:
    """Answer a file of requests as ``vllm run-batch`` does, without a service."""
    lines = [json.loads(line) for line in file.read_bytes().splitlines()][part]
    found = []
    for number, line in enumerate(reversed(lines)):
        reply = server.reply(Call(number, None, line["body"], server))  # type: ignore[arg-type]
        response = {"status_code": 200, "request_id": "r", "body": reply}
        found.append(
            {"id": "v", "custom_id": line["custom_id"], "response": response, "error": None}
        )
    results.write_text("".join(json.dumps(line) + "\n" for line in found))


def test_files_are_written_and_their_results_imported_without_any_request(
    project: Project, server: BatchServer
) -> None:
    config = make_study(project, server)
    said = project.run("batch_file", "--config", config)
    assert "vllm run-batch -i FILE" in said
    folder = project.root / "results" / STUDY.stem / "batch_files"
    base, insecure = folder / "alpha_base.jsonl", folder / "alpha_insecure.jsonl"
    assert [len(path.read_bytes().splitlines()) for path in (base, insecure)] == [CELLS, CELLS]
    again = base.read_bytes()
    project.run("batch_file", "--config", config)
    assert base.read_bytes() == again
    halves = [folder / "first.jsonl", folder / "second.jsonl"]
    answered(server, base, halves[0], slice(0, 20))
    answered(server, base, halves[1], slice(10, None))
    answered(server, insecure, folder / "insecure_results.jsonl")
    results = ",".join(map(str, [halves[0], folder / "insecure_results.jsonl"]))
    project.run("import_batch", "--config", f"batch_results={results}")
    project.run("import_batch", "--config", f"batch_results={halves[1]}")
    assert "is still open" in project.fail("import_batch", "--config", f"batch_results={halves[1]}")
    assert "no_such.jsonl" in project.fail(
        "import_batch", "--config", "batch_results=no_such.jsonl"
    )
    assert "name the files of results" in project.fail("import_batch")
    project.run("--config", config, *ANSWERS)
    assert (server.count, server.asked) == (0, [])
    assert collected(project, "base")["status"].to_list() == ["ok"] * CELLS * REPETITIONS
    folder = next(path for path in (project.root / "answer_store").iterdir() if "base" in path.name)
    stored = [one for one in stream_attempts(folder, CellFilter(None), []) if one.cause is None]
    assert len({one.cell for one in stored}) == len(stored) == CELLS
    assert "Nothing to write" in project.run("batch_file", "--config", config)


def test_a_cancelled_batch_is_collected_and_the_rest_is_asked_on_request(
    project: Project, server: BatchServer
) -> None:
    server.stages = 10**6
    config = make_study(project, server)
    run = start(project, "--config", config)
    until(lambda: len(server.batches) == 2, run)
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=PATIENCE_S)
    said = project.run("cancel_batches", "--config", config)
    assert said.count("cancelled") == 2
    assert "was cancelled at the server" in project.fail("--config", config, *ANSWERS)
    assert "No batch of this study runs" in project.run("cancel_batches", "--config", config)
    server.stages = 1
    project.run("--config", config, *ANSWERS)
    assert len(server.batches) == 4
    assert len(server.billed) == len(set(server.billed)) == 2 * (CELLS - 1)
