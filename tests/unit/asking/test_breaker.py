"""What stops all jobs of a run: those with the same key, the same model or the same store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.breaker import KEY_CAUSES, REFUSED, STORE, Breaker, halt
from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError

BASE = {"base_url": "https://a.test/v1", "model": "m", "api_key_env": "A", "store": "s"}
OTHERS: dict[str, dict[str, Any]] = {
    "same": {},
    "model": {"model": "n"},
    "key": {"api_key_env": "B", "model": "n"},
    "server": {"base_url": "https://b.test/v1", "model": "n"},
    "store": {"store": "t"},
    "all": {"store": "t", "api_key_env": "B", "model": "n"},
}


def breaker(stops: Path | None, **changes: Any) -> Breaker:
    return Breaker(Settings.of({**BASE, "stops": stops and str(stops), **changes}))


def stopped(stops: Path) -> set[str]:
    """Return which of the other jobs send nothing."""
    found = {}
    for name, changes in OTHERS.items():
        try:
            breaker(stops, **changes).check()
        except UserError as fault:
            found[name] = str(fault)
    assert set(found.values()) == {f"{REFUSED}the reason"}
    return set(found)


@pytest.mark.parametrize("cause", KEY_CAUSES)
def test_refused_key_stops_every_model_that_is_asked_with_it(cause: str, tmp_path: Path) -> None:
    breaker(tmp_path / "stops").trip(cause, "the reason")
    assert stopped(tmp_path / "stops") == {"same", "model", "store"}


@pytest.mark.parametrize("cause", ["http_404", "redirect", "a", "z"])
def test_other_causes_stop_the_model_alone(cause: str, tmp_path: Path) -> None:
    breaker(tmp_path).trip(cause, "the reason")
    assert stopped(tmp_path) == {"same", "store"}


def test_store_that_cannot_be_written_stops_everything_that_writes_there(tmp_path: Path) -> None:
    breaker(tmp_path).trip(STORE, "the reason")
    assert stopped(tmp_path) == {"same", "model", "key", "server"}


def test_job_without_a_run_stops_and_is_stopped_by_none(tmp_path: Path) -> None:
    alone = breaker(None)
    alone.trip(STORE, "the reason")
    alone.check()
    assert not alone.halted()
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    breaker(tmp_path / "file" / "stops").trip(STORE, "the reason")
    breaker(tmp_path / "file" / "stops").check()
    halt(tmp_path / "file" / "stops")


def test_run_is_halted_by_a_note_in_its_folder(tmp_path: Path) -> None:
    stops = tmp_path / "new" / "stops"
    assert not breaker(stops).halted()
    halt(stops)
    halt(stops)
    assert breaker(stops).halted()
    breaker(stops).check()  # a note of another kind


def test_silence_of_a_server_is_taken_back_by_an_answer(tmp_path: Path) -> None:
    breaker(tmp_path).silent("the reason")
    assert breaker(tmp_path, model="n").silence() == "the reason"
    assert breaker(tmp_path, base_url="https://b.test/v1").silence() is None
    breaker(tmp_path, model="n").answered()  # says nothing about the other model
    assert breaker(tmp_path).silence() == "the reason"
    breaker(tmp_path).answered()
    assert breaker(tmp_path).silence() is None
    breaker(None).silent("the reason")
    breaker(None).answered()
    assert breaker(None).silence() is None
