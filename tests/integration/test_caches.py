"""Servers behind a cache, which answers a repeated prompt with an earlier reply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_collapse.common.errors import UserError
from tests.helpers import scripted_server as scripted
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import Fault, ScriptedServer
from tests.integration.conftest import Asker


def caching(heeds: str | None, refuses_field: bool = False) -> Fault:
    """Answer from a cache by prompt; ``heeds`` is what switches it off: field, header or None."""
    kept: dict[str, Any] = {}

    async def rule(call: scripted.Call) -> Any:
        if refuses_field and "cache" in call.payload:
            return await scripted.status(400, message="Unknown parameter: 'cache'")(call)
        field = call.payload.get("cache") == {"no-cache": True}
        header = "no-cache" in call.request.headers.get("Cache-Control", "")
        off = {"field": field, "header": header, None: False}[heeds]
        request = {name: value for name, value in call.payload.items() if name != "cache"}
        place = json.dumps(request, sort_keys=True)
        if off or place not in kept:
            kept[place] = call.server.reply(call)
        return scripted.web.json_response(kept[place])

    return rule


@pytest.mark.parametrize(
    ("heeds", "refuses"), [("field", False), ("header", False), ("header", True)]
)
def test_copies_are_asked_again_without_the_cache(
    heeds: str, refuses: bool, server: ScriptedServer, ask: Asker, store: Path
) -> None:
    server.answer = lambda call, index: str(call.number % 6)
    server.always = caching(heeds, refuses)
    task = make_task(items=6, repetitions=5)
    frame = ask(server, task, batching="single", max_in_flight=4)
    assert frame["status"].to_list() == ["ok"] * 30
    assert server.choices >= 30  # so many replies the model itself gave
    before = len(server.calls)
    assert ask(server, task, batching="single").equals(frame)
    assert len(server.calls) == before
    # A later run begins without the cache.
    ask(server, make_task(items=7, repetitions=5), batching="single")
    assert len(server.calls) == before + 5


def test_cache_that_cannot_be_switched_off_stops_the_run(
    server: ScriptedServer, ask: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    server.always = caching(None)
    with pytest.raises(UserError, match="a cache answers instead of the model") as stopped:
        ask(server, make_task(items=6, repetitions=5), batching="single", max_in_flight=4)
    assert "docs/servers.md" in str(stopped.value)
    assert "is no repetition" in capsys.readouterr().err


def test_more_repetitions_of_a_cell_are_not_answered_from_a_cache(
    server: ScriptedServer, ask: Asker
) -> None:
    """A study grows from 3 to 6 repetitions: its second request for a cell equals the first."""
    server.answer = lambda call, index: str((call.number + index) % 6)
    server.always = caching("field")
    ask(server, make_task(items=4, repetitions=3))
    frame = ask(server, make_task(items=4, repetitions=6))
    assert frame["status"].to_list() == ["ok"] * 24
    assert server.choices == 24


def test_copies_that_an_earlier_version_stored_are_asked_again(
    server: ScriptedServer, ask: Asker, store: Path
) -> None:
    task = make_task(items=3, repetitions=2)
    ask(server, task, batching="single", max_in_flight=1)
    (path,) = store.rglob("*.jsonl")
    lines = path.read_text().splitlines()
    # The second reply of the first cell becomes a copy of the first.
    second = next(place for place, line in enumerate(lines) if '"chatcmpl-1"' in line)
    lines[second] = lines[second].replace('"chatcmpl-1"', '"chatcmpl-0"')
    path.write_text("\n".join(lines) + "\n")
    before = len(server.calls)
    assert ask(server, task, batching="single")["status"].to_list() == ["ok"] * 6
    assert len(server.calls) == before + 1


@pytest.mark.parametrize("items", [1, 5])
def test_server_with_one_id_for_everything_is_no_cache(
    items: int, server: ScriptedServer, ask: Asker
) -> None:
    server.always = scripted.edit(lambda reply: reply.update(id="r1"))
    frame = ask(server, make_task(items=items, repetitions=4), batching="single")
    assert frame["status"].to_list() == ["ok"] * 4 * items
    assert server.choices <= 4 * items + 1  # one control where there is one cell
