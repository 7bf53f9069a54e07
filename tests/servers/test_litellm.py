"""LiteLLM's proxy in front of scripted providers: what it passes on, refuses and caches."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp import web

from persona_collapse.asking.settings import Settings
from persona_collapse.commands.findings import Finding
from persona_collapse.commands.probes import Canary
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.openai import OpenAI
from persona_collapse.tasks import Task
from tests.helpers.preflights import preflight
from tests.helpers.scripted_server import ScriptedServer
from tests.helpers.thinking_server import DIALECTS, ThinkingServer
from tests.servers.conftest import CELLS, ITEMS, REPETITIONS, SLOTS, asking, lines
from tests.servers.running import LITELLM, Server
from tests.servers.test_workflow import CONFIG, NAME, VARIANTS, study
from tests.workflow.conftest import copy_project

FEW = 5
KEY, KEY_ENV = "sk-local-3f9c1e5b7a2d4860b1c7", "LITELLM_TEST_KEY"


@dataclass
class Provider(ScriptedServer):
    """A provider whose ratings vary, with OpenAI's protocol and Anthropic's."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        chance = random.Random(1)
        self.answer = lambda call, index: chance.choice("012345")

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/messages", self._message)

    async def _message(self, request: web.Request) -> web.Response:
        payload = await request.json()
        self.messages.append(payload)
        text = str(len(self.messages) % 6)
        reply = {
            **{"id": f"msg_{len(self.messages)}", "type": "message", "role": "assistant"},
            **{"model": payload["model"], "content": [{"type": "text", "text": text}]},
            **{"stop_reason": "max_tokens", "stop_sequence": None},
            "usage": {"input_tokens": 100, "output_tokens": 1},
        }
        return web.json_response(reply)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as server:
        yield server


@pytest.fixture(scope="module")
def thinker() -> Iterator[ThinkingServer]:
    with ThinkingServer(dialect=DIALECTS["reasoning_content"]) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(
    provider: Provider, thinker: ThinkingServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Return a proxy with a model at each provider."""
    folder = tmp_path_factory.mktemp("litellm")
    yield from started(folder, provider, thinker, {})


@pytest.fixture(scope="module")
def caching_proxy(
    provider: Provider, thinker: ThinkingServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Return a proxy that caches replies."""
    folder = tmp_path_factory.mktemp("caching")
    cache = {"cache": True, "cache_params": {"type": "local"}}
    yield from started(folder, provider, thinker, cache)


def started(
    folder: Path, provider: Provider, thinker: ThinkingServer, settings: dict[str, Any]
) -> Iterator[Server]:
    """Yield a running proxy with these settings."""
    if not (LITELLM.bin / "python").exists():
        pytest.fail("LiteLLM is not installed: run make test-servers")
    at = {
        # The first knows every parameter, the second neither n nor log-probabilities.
        "scripted": ("openai/scripted", provider.base_url),
        "single": ("cerebras/scripted", provider.base_url),
        "claude": ("anthropic/claude-scripted", provider.base_url.removesuffix("/v1")),
        "thinker": ("openai/thinker", thinker.base_url),
    }
    models = [
        {"model_name": name, "litellm_params": {"model": at_, "api_base": url, "api_key": "none"}}
        for name, (at_, url) in at.items()
    ]
    general = {"master_key": KEY}
    config = {"model_list": models, "litellm_settings": settings, "general_settings": general}
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    server = Server(LITELLM, folder, folder / "litellm.log")
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)


def through(proxy: Server, store: Path, model: str = "scripted") -> dict[str, Any]:
    """Return the settings of a variant that is a model of the proxy."""
    return {**asking(proxy, store), "model": model, "api_key_env": KEY_ENV}


@pytest.fixture
def few(task: Task) -> Task:
    """Return the task with its first items alone."""
    return replace(task, shard=replace(task.shard, items=(0, FEW)))


def findings(settings: dict[str, Any], task: Task) -> tuple[dict[str, Any], list[Finding]]:
    """Return what preflight says, with a store of its own: its replies are no answers here."""
    text = task.instrument.messages(task.instrument.items[0], task.personas.descriptions[0])
    own = {**settings, "store": f"{settings['store']}_of_preflight"}
    canary = Canary("tiny", "base", Settings.of(own), text, task.instrument.scale)
    frame, found = preflight([canary], "base")
    return frame.row(0, named=True), found


def test_several_replies_come_from_one_request_and_a_rerun_pays_nothing(
    proxy: Server, provider: Provider, store: Path, task: Task
) -> None:
    settings = through(proxy, store)
    row, found = findings(settings, task)
    assert (row["answers"], row["listed"], row["choices_of_10"]) == (True, True, 10)
    assert row["logprobs"] == "usable"
    assert not [finding for finding in found if finding.fatal]
    before = provider.count
    frame = OpenAI().answer(task, settings)
    assert len(frame) == SLOTS
    assert set(frame["status"]) == {"ok"}
    assert set(frame["served_model"]) == {"scripted"}
    assert provider.count - before == CELLS == len(lines(store))
    assert OpenAI().answer(task, settings).equals(frame)
    assert provider.count - before == CELLS


def test_single_requests_send_no_n(
    proxy: Server, provider: Provider, store: Path, few: Task
) -> None:
    before = len(provider.calls)
    frame = OpenAI().answer(few, {**through(proxy, store), "batching": "single"})
    assert set(frame["status"]) == {"ok"}
    sent = provider.calls[before:]
    assert len(sent) == len(frame)
    assert not any("n" in call for call in sent)


def test_log_probabilities_are_passed_on(
    proxy: Server, provider: Provider, store: Path, few: Task
) -> None:
    once = replace(few, shard=replace(few.shard, repetitions=(1, 2)))
    frame = OpenAI().answer(once, {**through(proxy, store), "method": "logprobs"})
    assert set(frame["status"]) == {"ok"}
    assert all(sum(shares) == pytest.approx(1) for shares in frame["probabilities"])


def test_provider_without_n_is_asked_one_by_one(
    proxy: Server, provider: Provider, store: Path, few: Task
) -> None:
    settings = through(proxy, store, "single")
    row, found = findings(settings, few)
    assert row["answers"]
    assert not [finding for finding in found if finding.fatal]
    before = provider.count
    frame = OpenAI().answer(few, settings)
    assert set(frame["status"]) == {"ok"}
    assert provider.count - before == len(frame)


def test_provider_without_log_probabilities_is_refused_with_the_reason(
    proxy: Server, store: Path, few: Task
) -> None:
    _, found = findings({**through(proxy, store, "single"), "method": "logprobs"}, few)
    assert found[0].fatal
    assert "cerebras does not support parameters: ['logprobs', 'top_logprobs']" in found[0].text


def test_parameters_that_anthropic_lacks_are_left_out_and_recorded(
    proxy: Server, provider: Provider, store: Path, few: Task
) -> None:
    settings = through(proxy, store, "claude")
    row, found = findings(settings, few)
    assert row["answers"]
    assert any("takes no seed" in finding.text for finding in found)
    before = len(provider.messages)
    frame = OpenAI().answer(few, settings)
    assert set(frame["status"]) == {"ok"}
    assert set(frame["left_out"]) == {"seed"}
    assert len(provider.messages) - before == len(frame)
    assert provider.messages[-1]["temperature"] == 1.0


def test_thoughts_beside_the_reply_are_kept_and_every_token_is_counted(
    proxy: Server, thinker: ThinkingServer, store: Path, few: Task
) -> None:
    plain = through(proxy, store, "thinker")
    _, found = findings(plain, few)
    assert any(one.fatal and "thinking: {max_tokens: 4096}" in one.text for one in found)
    thinker.billed[:] = [0, 0]
    settings = {**plain, "thinking": {"max_tokens": 400}}
    frame = OpenAI().answer(few, settings)
    assert set(frame["status"]) == {"ok"}
    assert set(frame["read_from"]) == {"after_thoughts"}
    kept = lines(store)
    counted = [sum(line[name] for line in kept) for name in ("prompt_tokens", "completion_tokens")]
    assert counted == thinker.billed
    assert OpenAI().answer(few, settings).equals(frame)
    assert len(lines(store)) == len(kept)


def test_copies_from_the_cache_are_asked_for_again(
    caching_proxy: Server, provider: Provider, store: Path, few: Task
) -> None:
    settings = {**through(caching_proxy, store), "batching": "single", "seed": None}
    _, found = findings(settings, few)
    assert any("a cache gave a reply again" in finding.text for finding in found)
    before = provider.count
    frame = OpenAI().answer(few, settings)
    assert set(frame["status"]) == {"ok"}
    originals = {line["response_id"] for line in lines(store)}
    # The proxy had kept one reply to the preflight's prompt; every other repetition is a new one.
    assert provider.count - before >= len(frame) - 1
    assert len(originals) >= len(frame)
    assert OpenAI().answer(few, settings).equals(frame)


def test_cache_that_is_switched_off_from_the_start_gives_no_copies(
    caching_proxy: Server, provider: Provider, store: Path, few: Task
) -> None:
    off = {"cache": {"no-cache": True}}
    settings = {**through(caching_proxy, store), "batching": "single", "seed": None}
    before = provider.count
    frame = OpenAI().answer(few, {**settings, "extra_body": off})
    assert set(frame["status"]) == {"ok"}
    assert provider.count - before == len(frame) == len(lines(store))


def test_wrong_key_stops_the_run_with_the_reason(
    proxy: Server,
    provider: Provider,
    store: Path,
    few: Task,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_ENV, "sk-wrong")
    before = provider.count
    with pytest.raises(UserError, match=KEY_ENV):
        OpenAI().answer(few, through(proxy, store))
    assert provider.count == before


def test_model_that_the_proxy_lacks_stops_the_run_with_the_reason(
    proxy: Server, store: Path, few: Task
) -> None:
    settings = through(proxy, store, "another")
    reason = "Invalid model name passed in model=another"
    _, found = findings(settings, few)
    assert found[0].fatal
    assert reason in found[0].text
    with pytest.raises(UserError, match=reason):
        OpenAI().answer(few, settings)


def test_study_behind_the_proxy_gives_a_page_and_a_second_run_sends_no_request(
    proxy: Server, provider: Provider, tmp_path: Path
) -> None:
    project = copy_project(tmp_path)
    changed = study(proxy)
    for endpoint in changed["endpoints"].values():
        endpoint["api_key_env"] = KEY_ENV
        del endpoint["extra_body"]["user"]
    models = dict(zip(VARIANTS, ("scripted", "single"), strict=True))
    for variant, model in models.items():
        changed["models"]["tiny"]["variants"][variant]["model"] = model
    project.study(NAME, **changed)
    before = provider.count
    project.run(*CONFIG)
    folder = project.root / "results" / NAME
    assert (folder / "report" / "index.html").is_file()
    asked = provider.count - before
    one_by_one = SLOTS + ITEMS * REPETITIONS
    assert asked == CELLS + ITEMS + one_by_one
    quality = pl.read_csv(folder / "tables" / "quality.csv")
    assert set(quality["served_model"]) == set(models.values())
    project.run(*CONFIG, "--forcerun", "answer_shard", "--", "all_answers")
    assert provider.count - before == asked
