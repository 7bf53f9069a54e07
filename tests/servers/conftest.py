"""Servers of tiny models, and settings to ask them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.tasks import Shard, Task
from tests.conftest import ROOT
from tests.servers.running import PROGRAMS, Program, Server

PERSONAS, ITEMS, REPETITIONS = 2, 30, 3
CELLS = PERSONAS * ITEMS
SLOTS = CELLS * REPETITIONS
MAKING_S = 300


class Servers:
    """Servers of one kind of model by name, each made and started by the first test that asks."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder
        self._running: dict[str, Server] = {}
        self._made: dict[Sequence[str], Path] = {}

    def __getitem__(self, name: str) -> Server:
        """Return a server that runs; skip where its program has no build for this platform."""
        program = next(program for program in PROGRAMS if program.name == name)
        if program.lacking:
            pytest.skip(program.lacking)
        if name not in self._running:
            made = self._model(program)
            self._running[name] = Server(program, made, self._folder / f"{name}.log")
        self._running[name].start()
        return self._running[name]

    def _model(self, program: Program) -> Path:
        script, *rest = words = program.models[self._kind]
        if words not in self._made:
            folder = self._folder / script.removesuffix(".py")
            folder.mkdir()
            run_script(program, script, folder, *rest)
            self._made[words] = folder
        return self._made[words]

    def stop(self) -> None:
        """Stop all of them."""
        for server in self._running.values():
            server.stop()


def run_script(program: Program, script: str, *words: str | Path) -> None:
    """Run a script of this folder in a program's environment."""
    if not (program.bin / "python").exists():
        pytest.fail(f"{program.bin.parent} is not installed: run make test-servers")
    command = [program.bin / "python", Path(__file__).with_name(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MAKING_S, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return servers of the tiny model of random weights."""
    running = Servers("tiny", tmp_path_factory.mktemp("tiny"))
    yield running
    running.stop()


@pytest.fixture(params=[program.name for program in PROGRAMS])
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """Return each server in turn, running."""
    return servers[request.param]


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
