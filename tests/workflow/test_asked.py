"""Studies that ask a model, through the workflow: keys, refusals, signals, limits, two at once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.helpers import scripted_server as scripted
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.waiting import PATIENCE_S, until
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project, copy_project
from tests.workflow.rerun_study import INSTRUMENT, ITEMS, PERSONAS, STUDY, read, write, write_study

pytestmark = pytest.mark.slow

VARIABLE = "SCRIPTED_KEY"
PEOPLE, REPETITIONS = 4, 2
CELLS = 2 * PEOPLE * ITEMS  # two variants, one shard each
ANSWERS = ("--", "all_answers")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("asked"))


@pytest.fixture
def asked(checkout: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a fresh checkout; the key is in no environment."""
    monkeypatch.delenv(VARIABLE, raising=False)
    for folder in ("results", "answer_store", ".snakemake"):
        assert not (checkout.root / folder).exists()
    target = tmp_path / "checkout"
    subprocess.run(["cp", "-a", str(checkout.root), str(target)], check=True)
    return Project(target)


def make_study(project: Project, server: ScriptedServer, name: str, **changes: Any) -> str:
    """Write a study of one model, two variants and four personas; return its ``--config``."""
    write_study(project.root, server.base_url)
    study = read(project.root / STUDY)
    (project.root / STUDY).unlink()
    endpoint = {**study["endpoints"]["scripted"], **changes.pop("endpoint", {})}
    study["endpoints"] = {"scripted": endpoint}
    variants = study["models"]["alpha"]["variants"]
    study["models"] = {"alpha": {"variants": {k: variants[k] for k in ("base", "insecure")}}}
    probe = {"instrument": str(INSTRUMENT), "personas": str(PERSONAS)}
    probe |= {"persona_count": PEOPLE, "repetitions": REPETITIONS}
    study["probes"] = {"roleplay": probe}
    write(project.root / "config" / "studies" / f"{name}.yaml", {**study, **changes})
    return f"study={name}"


def start(project: Project, config: str, cores: int = 2) -> subprocess.Popen[str]:
    """Start a run in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--config", config]
    return subprocess.Popen(
        [*command, *ANSWERS],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(run: subprocess.Popen[str]) -> str:
    """Wait for a run and insist on success."""
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said[-4000:]
    return said


def collected(project: Project, name: str, variant: str = "base") -> pl.DataFrame:
    """Return a variant's answers without the time they came at."""
    path = project.root / f"results/{name}/answers/alpha/{variant}/roleplay.parquet"
    return pl.read_parquet(path).drop("created_at")


def holding(project: Project, text: str) -> list[str]:
    """Return the files of a checkout, but for ``.env``, that hold a text; Parquet is read."""
    found = []
    for path in project.root.rglob("*"):
        if not path.is_file() or path.name == ".env":
            continue
        raw = path.read_bytes()
        if path.suffix == ".parquet":
            raw += str(pl.read_parquet(path).to_dicts()).encode()
        if text.encode() in raw:
            found.append(str(path.relative_to(project.root)))
    return found


def test_api_key_is_required_only_to_send_requests(asked: Project, server: ScriptedServer) -> None:
    """No key: planning works, asking says what is missing; .env gives it; stored needs none."""
    # A server that writes the key into its errors.
    leak = scripted.status(500, message=f"\x1b[31mthe key {KEY} is odd")
    cut = scripted.status(500, message="x" * 280 + KEY)
    server._faults = chain([leak, cut], repeat(None))
    config = make_study(asked, server, "keyed")
    assert asked.planned("--config", config, *ANSWERS)["answer_shard"] == 2
    said = asked.fail("--config", config, *ANSWERS)
    assert f"the environment variable {VARIABLE} (api_key_env) is not set" in said
    assert f"write {VARIABLE}=... into a file .env" in said
    assert server.count == 0
    (asked.root / ".env").write_text(f"{VARIABLE}={KEY}\n", encoding="utf-8")
    said = asked.run("--config", config, *ANSWERS)
    assert server.count == CELLS + 2
    frames = [collected(asked, "keyed", variant) for variant in ("base", "insecure")]
    assert pl.concat(frames)["status"].to_list() == ["ok"] * (CELLS * REPETITIONS)
    assert sum(frame["transport_failures"].sum() for frame in frames) == 2 * REPETITIONS
    assert holding(asked, "[api key] is odd")
    assert holding(asked, KEY[:12]) == []
    assert KEY[:12] not in said
    (asked.root / ".env").unlink()
    subprocess.run(["rm", "-r", str(asked.root / "results")], check=True)
    asked.run("--config", config, *ANSWERS)
    assert server.count == CELLS + 2
    assert collected(asked, "keyed").equals(frames[0])


@pytest.mark.parametrize("place", ["api_key_env", "base_url", "extra_body"])
def test_study_that_holds_a_key_is_refused_before_anything_is_asked(
    place: str, asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    values = {"api_key_env": KEY, "base_url": f"{server.base_url}?key={KEY}"}
    change = {place: values.get(place, {"user": KEY})}
    config = make_study(asked, server, "holds", endpoint=change)
    said = asked.fail("--config", config, *ANSWERS)
    assert place in said
    assert KEY[:12] not in said
    assert "Traceback" not in said
    assert server.count == 0
    (asked.root / "config/studies/holds.yaml").unlink()
    assert holding(asked, KEY[:12]) == []


@pytest.mark.parametrize("name", ["con{a}", "n" * 101])
def test_study_whose_results_cannot_have_its_name_is_refused(
    name: str, asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    make_study(asked, server, name)
    said = asked.fail("--config", f"study=config/studies/{name}.yaml", *ANSWERS)
    assert "rename it" in said
    assert "Traceback" not in said
    assert server.count == 0


def test_invalid_api_key_stops_the_run(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    server.always = scripted.status(401, message=f"Incorrect API key provided: {KEY}")
    shards = {"personas": 1, "items": ITEMS, "repetitions": REPETITIONS}
    config = make_study(asked, server, "refused", endpoint={"max_in_flight": 2}, shards=shards)
    said = asked.fail("--config", config, *ANSWERS)
    answer = "HTTP 401 (Unauthorized): Incorrect API key provided: [api key]"
    assert f"{server.base_url} answered {answer}" in said
    assert f"It does not accept the key in {VARIABLE}" in said
    assert KEY not in said
    assert holding(asked, KEY) == []
    log = (asked.root / "results/refused/logs/run.log").read_text(encoding="utf-8")
    assert log.count("no request was sent for this shard") >= 2 * PEOPLE - 2
    assert server.count <= 2  # what the first of eight shards had in flight: it held every slot
    server.always = None
    asked.run("--config", config, *ANSWERS)
    assert server.count <= 2 + CELLS


@pytest.mark.parametrize("comes_up", [False, True])
def test_server_that_does_not_answer_costs_later_shards_one_request(
    comes_up: bool, asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    given_up = 5 + 1  # requests of the first of four shards: five in a row and a neutral prompt
    down, later, cells = scripted.status(500), 3, CELLS // 4
    server._faults = chain([down] * given_up, repeat(None if comes_up else down))
    endpoint = {"max_in_flight": 1, "transport_attempts": 1}
    shards = {"personas": 2, "items": ITEMS, "repetitions": REPETITIONS}
    config = make_study(asked, server, "down", endpoint=endpoint, shards=shards)
    said = asked.fail("--config", config, *ANSWERS)
    assert said.count("no answer for 5 requests in a row") == 1, said
    tried_out = server.count - given_up - (later * cells if comes_up else 0)
    # The first shard that is answered takes the note back where it asks the same variant.
    assert 1 <= tried_out <= later if comes_up else tried_out == later
    # The next run knows nothing of it, and asks for what is missing.
    server._faults, server.count = repeat(None), 0
    asked.run("--config", config, *ANSWERS)
    assert server.count == (cells if comes_up else CELLS)


def test_placeholder_instead_of_a_model_is_refused(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    variants = {
        "base": {"endpoint": "scripted", "model": "<your model>"},
        "insecure": {"endpoint": "scripted", "model": "<your fine-tune on insecure code>"},
    }
    config = make_study(asked, server, "unfilled", models={"alpha": {"variants": variants}})
    assert asked.planned("--config", config, *ANSWERS)["answer_shard"] == 2
    said = asked.fail("--config", config, *ANSWERS)
    assert "models.alpha.variants.insecure.model: <your fine-tune on insecure code>" in said
    assert server.count == 0


def test_interrupted_run_loses_no_answer_and_the_next_run_continues(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    in_flight = 4
    server.hold_from = 6
    config = make_study(asked, server, "stopped", endpoint={"max_in_flight": in_flight})
    run = start(asked, config)
    until(lambda: server.count >= 6, run)
    os.killpg(run.pid, signal.SIGINT)
    server.open()
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode != 0
    assert "Traceback" not in said, said[-4000:]
    stopped_at = server.count
    assert stopped_at < CELLS
    asked.run("--config", config, *ANSWERS)
    assert CELLS <= server.count <= CELLS + in_flight
    assert len(collected(asked, "stopped")) == PEOPLE * ITEMS * REPETITIONS


def started_shards(asked: Project, server: ScriptedServer, name: str) -> tuple[str, Any]:
    """Start a study; return its config and run once requests are sent, which the server holds."""
    server.hold_from = 0
    config = make_study(asked, server, name, endpoint={"max_in_flight": 2})
    run = start(asked, config)
    until(lambda: server.in_flight == 2, run)
    return config, run


def test_lock_of_a_killed_run_is_cleared_by_the_next(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    config, run = started_shards(asked, server, "killed")
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=PATIENCE_S)
    server.open()
    assert list((asked.root / ".snakemake/locks").iterdir())
    said = asked.run("--config", config, *ANSWERS)
    assert f"was killed (process {run.pid}); the lock is cleared" in said
    assert CELLS <= server.count <= CELLS + 2
    assert "is cleared" not in asked.run("--config", config, *ANSWERS)
    assert not list((asked.root / ".snakemake/runs").iterdir())


def test_lock_is_cleared_once_the_jobs_of_a_killed_run_have_ended(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    config, run = started_shards(asked, server, "orphaned")
    run.kill()  # the main process alone: the job that asks goes on
    run.wait(timeout=PATIENCE_S)
    server.latency = 0.2  # it still asks when the next run begins
    server.open()
    asked.run("--config", config, *ANSWERS)
    assert server.count == CELLS
    run.communicate(timeout=PATIENCE_S)


def test_lock_of_a_living_run_stays(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    config, run = started_shards(asked, server, "alive")
    locks = {path: path.stat().st_ino for path in (asked.root / ".snakemake/locks").iterdir()}
    said = asked.fail("--config", config, *ANSWERS)
    assert "LockException" in said
    assert "is cleared" not in said
    assert {path: path.stat().st_ino for path in locks} == locks
    server.open()
    finish(run)
    assert server.count == CELLS


def test_requests_in_flight_never_exceed_the_limit_of_an_endpoint(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four shards could run at once; together they keep eight requests in flight."""
    monkeypatch.setenv(VARIABLE, KEY)
    server.hold_from = 0
    shards = {"personas": 2, "items": ITEMS, "repetitions": REPETITIONS}
    config = make_study(asked, server, "slots", endpoint={"max_in_flight": 8}, shards=shards)
    run = start(asked, config, cores=4)
    until(lambda: server.in_flight == 8, run)
    server.latency = 0.1
    server.open()
    finish(run)
    assert server.count == CELLS
    assert server.most_in_flight == 8


def test_two_studies_run_at_once_on_one_store(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One checkout, two studies that ask the same: both finish alike, and pay once."""
    monkeypatch.setenv(VARIABLE, KEY)
    server.latency = 0.05
    names = ("one", "two")
    configs = [make_study(asked, server, name, endpoint={"max_in_flight": 4}) for name in names]
    runs = [start(asked, config) for config in configs]
    for said in map(finish, runs):
        assert "cut off" not in said
        assert "damaged" not in said
    for variant in ("base", "insecure"):
        one, two = (collected(asked, name, variant) for name in names)
        assert one.equals(two)
    assert server.count == CELLS
    asked.run("--config", make_study(asked, server, "three"), *ANSWERS)
    assert server.count == CELLS
    assert collected(asked, "three").equals(collected(asked, "one"))


def test_answers_that_several_units_share_are_paid_once(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is named three times, and probes with more of the same.

    Jobs wait for each other, not for leases, although eight may run at once.
    """
    monkeypatch.setenv(VARIABLE, KEY)
    server.latency = 0.05
    same = {"endpoint": "scripted", "model": "one-model"}
    variants = {"alpha": ("base", "twin"), "beta": ("base",)}
    models = {name: {"variants": dict.fromkeys(of, same)} for name, of in variants.items()}
    probe = {"instrument": str(INSTRUMENT), "personas": str(PERSONAS), "repetitions": REPETITIONS}
    unconditioned = {"instrument": str(INSTRUMENT), "repetitions": REPETITIONS}
    probes = {
        "roleplay": {**probe, "persona_count": 3},
        "larger": {**probe, "persona_count": 5, "repetitions": 3},
        "unconditioned": unconditioned,
        "again": {**unconditioned, "repetitions": 1},
    }
    shards = {"personas": 2, "items": ITEMS, "repetitions": REPETITIONS}
    config = make_study(asked, server, "twice", models=models, probes=probes, shards=shards)
    said = finish(start(asked, config, cores=8))
    assert "waiting for answers" not in said
    assert server.choices == (5 * 3 + REPETITIONS) * ITEMS
    folder = asked.root / "results/twice"
    for probe_name in probes:
        frames = [
            pl.read_parquet(folder / f"answers/{model}/{variant}/{probe_name}.parquet")
            for model, of in variants.items()
            for variant in of
        ]
        for frame in frames:
            assert frame.drop("model", "variant").equals(frames[0].drop("model", "variant"))
    assert asked.planned("--config", config, *ANSWERS) == {}
    shard = "shards/alpha/base/roleplay/p000-001_i01-04_r01-02.parquet"
    again = asked.planned("--config", config, "--forcerun", f"results/twice/{shard}", *ANSWERS)
    assert again["answer_shard"] == 1  # those that waited for it do not run again


def test_log_probabilities_give_the_temperature_table(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    grid = [0.1, 1.0]
    sampling = {"method": "logprobs", "temperature_grid": grid}
    config = make_study(asked, server, "exact", sampling=sampling)
    asked.run("--config", config, "--", "all_moments", "results/exact/tables/temperature.csv")
    assert server.count == CELLS
    assert {call["top_logprobs"] for call in server.calls} == {20}
    folder = asked.root / "results/exact"
    moments = pl.read_parquet(folder / "moments/alpha/insecure/roleplay.parquet")
    assert len(moments) == PEOPLE * ITEMS
    assert moments["exact"].all()
    table = pl.read_csv(folder / "tables/temperature.csv", infer_schema_length=None)
    overall = table.filter(pl.col("domain") == "overall")
    assert sorted(set(overall["temperature"])) == grid
    assert len(overall) == 2 * len(grid)
    # A hotter model is less robust: its probabilities are flatter.
    for variant in ("base", "insecure"):
        cold, hot = overall.filter(pl.col("variant") == variant).sort("temperature")["R"]
        assert cold > hot


TOO_LONG = "maximum context length is 10 tokens"


def second_person(project: Project) -> str:
    """Return the description of the persona with id 1."""
    return str(read(project.root / PERSONAS)["personas"][1])


def refuses(text: str, code: int) -> scripted.Fault:
    """Return a server's fault with prompts that hold a text."""

    async def fault(call: scripted.Call) -> Any:
        if text in str(call.payload["messages"]):
            return await scripted.status(code, message=TOO_LONG)(call)
        return await call.server.plain(call)

    return fault


@pytest.mark.parametrize("code", [400, 500])
def test_failed_requests_are_asked_again_by_the_same_command(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """One shard of four fails; the others proceed, and the next run asks for what failed alone."""
    monkeypatch.setenv(VARIABLE, KEY)
    shards = {"personas": 2, "items": ITEMS, "repetitions": REPETITIONS}
    endpoint = {"transport_attempts": 1}
    config = make_study(asked, server, "mended", endpoint=endpoint, shards=shards)
    server.always = refuses(second_person(asked), code)
    said = asked.fail("--config", config, *ANSWERS)
    lost, all_ = ITEMS * REPETITIONS, 2 * ITEMS * REPETITIONS
    assert f"{lost} of {all_} slots have no answer, of persona 1, item 1" in said
    assert re.search(rf"HTTP {code} \([A-Z][A-Za-z ]+\): {TOO_LONG} \({lost}\)", said)
    assert "accept_errors=true" in said
    folder = asked.root / "results/mended/shards/alpha"
    assert len(list(folder.rglob("p002-003*.parquet"))) == 2
    assert not list(folder.rglob("p000-001*.parquet"))
    before = server.count
    server.always = None
    asked.run("--config", config, *ANSWERS)
    assert server.count == before + 2 * ITEMS
    assert set(collected(asked, "mended")["status"]) == {"ok"}
    assert asked.planned("--config", config, *ANSWERS).get("answer_shard", 0) == 0


def test_accepted_errors_are_kept_until_they_are_not_accepted(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    shards = {"personas": 2, "items": ITEMS, "repetitions": REPETITIONS}
    config = make_study(asked, server, "accepted", shards=shards)
    server.always = refuses(second_person(asked), 400)
    accepting = ("--config", config, "accept_errors=true", *ANSWERS)
    asked.run(*accepting)
    statuses = collected(asked, "accepted")["status"].to_list()
    assert statuses.count("error") == ITEMS * REPETITIONS
    server.always, before = None, server.count
    assert asked.planned(*accepting).get("answer_shard", 0) == 0
    assert asked.planned("--config", config, *ANSWERS)["answer_shard"] == 2
    asked.run("--config", config, *ANSWERS)
    assert server.count == before + 2 * ITEMS
    assert set(collected(asked, "accepted")["status"]) == {"ok"}
    assert asked.planned("--config", config, *ANSWERS).get("answer_shard", 0) == 0


def test_store_moved_during_a_run_gives_no_errors_as_answers(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    server.hold_from = 4
    config = make_study(asked, server, "moved", endpoint={"max_in_flight": 2})
    run = start(asked, config, cores=1)
    until(lambda: server.count > 4, run)
    (asked.root / "answer_store").rename(asked.root / "elsewhere")
    server.open()
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode != 0
    assert "was the store moved" in said
    assert "Traceback" not in said, said[-4000:]
    before = server.count
    assert before <= CELLS
    subprocess.run(["cp", "-r", "elsewhere/.", "answer_store"], cwd=asked.root, check=True)
    asked.run("--config", config, *ANSWERS)
    assert server.count == CELLS
    assert set(collected(asked, "moved")["status"]) == {"ok"}


def test_store_that_cannot_be_written_stops_every_shard_before_a_request(
    asked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    config = make_study(asked, server, "closed")
    said = asked.fail("--config", config, "store=/proc/none", *ANSWERS)
    assert "answers cannot be stored there, so no request was sent" in said
    assert server.count == 0
