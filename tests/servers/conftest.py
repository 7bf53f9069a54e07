"""The tiny model, servers that run it, and settings to ask them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.tasks import Shard, Task
from tests.conftest import ROOT
from tests.servers.running import BIN, PROGRAMS, Server

PERSONAS, ITEMS, REPETITIONS = 2, 30, 3
CELLS = PERSONAS * ITEMS
SLOTS = CELLS * REPETITIONS
MAKING_S = 300

Asker = Callable[..., pl.DataFrame]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the tiny model."""
    return make_model("tiny_model", tmp_path_factory.mktemp("model"))


def make_model(name: str, folder: Path) -> Path:
    """Make the model of a script in the servers' environment; return its folder."""
    if not (BIN / "python").exists():
        pytest.fail("the servers are not installed: run make test-servers")
    script = Path(__file__).with_name(f"{name}.py")
    command = [str(BIN / "python"), str(script), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MAKING_S, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def servers(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Return the servers by name; each is started by the first test that uses it."""
    logs = tmp_path_factory.mktemp("logs")
    running = {p.name: Server(p, made, logs / f"{p.name}.log") for p in PROGRAMS}
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture(params=[program.name for program in PROGRAMS])
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    """Return each server in turn, running."""
    found: Server = servers[request.param]
    found.start()
    return found


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def settings(server: Server, store: Path) -> dict[str, Any]:
    """Return the settings that ask the server; at T = 1 the model's answers vary."""
    return asking(server, store)


def asking(server: Server, store: Path) -> dict[str, Any]:
    """Return the settings of a variant that a server answers."""
    return {
        "base_url": server.base_url,
        "model": server.model,
        "api_key_env": None,
        "extra_body": dict(server.program.plain),
        "temperature": 1.0,
        "seed": 5,
        "max_in_flight": 4,
        "store": str(store),
        "progress": False,
    }


@pytest.fixture(scope="session")
def task() -> Task:
    """Return the first personas on all items of moral30."""
    shard = Shard(
        *("tiny", "base", "roleplay"), (0, PERSONAS), (0, ITEMS), (1, REPETITIONS + 1), True, "s"
    )
    instrument = read_instrument(ROOT / "resources/instruments/moral30.yaml")
    people = read_personas(ROOT / "resources/personas/everyday100.yaml")
    return Task(shard, instrument, people, 1)


def lines(store: Path) -> list[dict[str, Any]]:
    """Return every attempt in a store."""
    texts = [line for path in store.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return [entry for entry in map(json.loads, texts) if "cell" in entry]
