"""A model that thinks, made on the spot, on third-party servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from persona_collapse.asking.settings import Settings
from persona_collapse.commands.findings import Finding
from persona_collapse.commands.probes import Canary
from persona_collapse.endpoints.openai import OpenAI
from persona_collapse.tasks import Task
from tests.helpers.preflights import preflight
from tests.servers.conftest import Servers, asking, lines
from tests.servers.running import PROGRAMS, Server

THINKING = {"max_tokens": 400}
ITEMS = 10  # of two personas, twice


@pytest.fixture(scope="module")
def thinkers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Return servers of the model that thinks."""
    running = Servers("thinking", tmp_path_factory.mktemp("thinking"))
    yield running
    running.stop()


@pytest.fixture(params=[program.name for program in PROGRAMS])
def thinker(request: pytest.FixtureRequest, thinkers: Servers) -> Server:
    """Return each server in turn, running."""
    return thinkers[request.param]


@pytest.fixture
def few(task: Task) -> Task:
    """Return the first items, twice."""
    return replace(task, shard=replace(task.shard, items=(0, ITEMS), repetitions=(1, 3)))


def test_rating_is_read_after_the_thoughts_and_every_token_is_counted(
    thinker: Server, store: Path, few: Task
) -> None:
    settings = {**asking(thinker, store), "thinking": THINKING}
    before = thinker.requests
    frame = OpenAI().answer(few, settings)
    assert set(frame["status"]) == {"ok"}
    assert set(frame["read_from"]) == {"after_thoughts"}
    assert set(frame["rating"]) == set(range(6))
    assert not frame["fallback"].any()
    kept = lines(store)
    assert len(kept) == thinker.requests - before
    assert {entry["max_tokens"] for entry in kept} == {THINKING["max_tokens"]}
    # Words of thought, three marks and the rating: far more than the one token of a bare rating.
    spent = [entry["completion_tokens"] for entry in kept]
    assert min(spent) >= 3
    assert sum(spent) / len(spent) > 10
    assert OpenAI().answer(few, settings).equals(frame)
    assert thinker.requests - before == len(kept)


def test_thoughts_that_are_cut_off_hold_no_rating(thinker: Server, store: Path, few: Task) -> None:
    once = replace(few, shard=replace(few.shard, items=(0, 2), repetitions=(1, 2)))
    settings = {**asking(thinker, store), "fallback_max_tokens": 2, "max_attempts": 1}
    frame = OpenAI().answer(once, settings)
    assert set(frame["status"]) == {"unparseable"}


def findings(settings: Settings, task: Task) -> list[Finding]:
    text = task.instrument.messages(task.instrument.items[0], task.personas.descriptions[0])
    return preflight([Canary("tiny", "base", settings, text, task.instrument.scale)], "base")[1]


def test_preflight_recognises_the_model(thinker: Server, store: Path, task: Task) -> None:
    plain = asking(thinker, store)
    fatal = [finding.text for finding in findings(Settings.of(plain), task) if finding.fatal]
    assert any("thinking: {max_tokens: 4096}" in text for text in fatal)
    asked = Settings.of({**plain, "thinking": THINKING})
    assert not any(finding.fatal for finding in findings(asked, task))
