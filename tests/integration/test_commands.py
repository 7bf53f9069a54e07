"""Plan and preflight against the scripted server."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from persona_collapse.asking.settings import Settings
from persona_collapse.commands import preflight as command
from persona_collapse.commands.costs import answer_rows
from persona_collapse.commands.findings import Finding, mixed_backends
from persona_collapse.commands.marks import show_variants
from persona_collapse.commands.plan import (
    keys_by_address,
    plan_document,
    show_costs,
    unset_keys,
    with_total,
)
from persona_collapse.commands.preflight import show_findings
from persona_collapse.commands.probes import Canary, independent
from persona_collapse.commands.spending import Spending
from persona_collapse.materials.instruments import Scale
from tests.helpers import scripted_server as scripted
from tests.helpers.made_tasks import make_task
from tests.helpers.preflights import preflight
from tests.helpers.screens import shown
from tests.helpers.scripted_server import ScriptedServer
from tests.integration.conftest import KEY, Asker

Given = Callable[..., Settings]


@pytest.fixture
def given(
    server: ScriptedServer, store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Given:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        'as_of: "2026-01-01"\nsource: made up\nunit: USD per million tokens\n'
        'models: [{host: "127.*", model: scripted, prompt: 1000000, completion: 2000000}]\n'
    )

    def settings(**more: Any) -> Settings:
        return Settings.of(
            {
                "base_url": server.base_url,
                "model": "scripted",
                "api_key_env": "SCRIPTED_KEY",
                "store": str(store),
                "prices": str(prices),
                **more,
            }
        )

    return settings


def test_plan_counts_what_is_missing(server: ScriptedServer, ask: Asker, given: Given) -> None:
    ask(server, make_task(personas=2, items=3, repetitions=4))
    task = make_task(personas=3, items=3, repetitions=10)
    row, total = with_total(answer_rows([(task, given()), (task, given(model="other"))]))
    assert total["model"] == "total"
    # Both tasks are of one model x variant here, so their numbers are summed in one row.
    assert (row["answers"], row["stored"], row["remaining"]) == (180, 24, 156)
    assert row["requests"] == 18
    assert row["completion_tokens"] == 156
    (only,) = answer_rows([(task, given())])
    assert (only["answers"], only["stored"], only["requests"]) == (90, 24, 9)
    assert only["usd"] == only["prompt_tokens"] + 2 * only["completion_tokens"]
    (single,) = answer_rows([(task, given(batching="single"))])
    assert single["requests"] == 66
    before = server.count
    ask(server, task)
    assert server.count - before == only["requests"]
    (done,) = answer_rows([(task, given())])
    assert (done["remaining"], done["requests"], done["usd"]) == (0, 0, 0.0)


def test_plan_counts_equal_requests_once(server: ScriptedServer, ask: Asker, given: Given) -> None:
    """A variant with the same endpoint and model, and a probe with more of the same."""
    ask(server, make_task(personas=1, items=3, repetitions=4))
    task = make_task(personas=2, items=3, repetitions=4)
    more = make_task(personas=3, items=3, repetitions=5)
    twin = replace(more, shard=replace(more.shard, variant="twin"))
    base, other = answer_rows([(task, given()), (twin, given())])
    assert (base["answers"], base["stored"], base["remaining"], base["requests"]) == (24, 12, 12, 3)
    assert base["note"] is None
    assert (other["answers"], other["stored"]) == (45, 12)
    assert (other["remaining"], other["requests"], other["completion_tokens"]) == (21, 9, 21)
    assert other["note"] == "12 of its answers are those of rows above and paid once"


def test_plan_counts_each_of_two_fine_tunes_that_have_no_name_yet(given: Given) -> None:
    """Until they are made, both are called after their base."""
    task = make_task(personas=2, items=3, repetitions=4)
    other = replace(task, shard=replace(task.shard, variant="other"))
    settings = given(model="ft:gpt-4o-2024-08-06:")
    assert [row["requests"] for row in answer_rows([(task, settings), (other, settings)])] == [6, 6]


def test_plan_counts_answers_that_the_store_could_not_take(
    server: ScriptedServer, ask: Asker, given: Given, store: Path
) -> None:
    task = make_task(items=3, repetitions=4)
    ask(server, task)
    (stream,) = (folder for folder in store.iterdir() if folder.name.startswith("127"))
    rescued = store.parent / "rescued_answers"
    rescued.mkdir()
    stream.rename(rescued / stream.name)
    (row,) = answer_rows([(task, given(rescued=str(rescued)))])
    assert (row["stored"], row["remaining"], row["requests"]) == (12, 0, 0)


def test_plan_counts_requests_as_the_server_is_known_to_allow(
    server: ScriptedServer, ask: Asker, given: Given
) -> None:
    async def stubborn(call: scripted.Call) -> Any:
        refused = scripted.status(400, message="n must be at most 4")
        return await (refused(call) if call.n > 4 else call.server.plain(call))

    task = make_task(items=3, repetitions=10)
    assert answer_rows([(task, given())])[0]["requests"] == 3
    server.always = stubborn
    ask(server, make_task(items=1, repetitions=10))
    assert answer_rows([(task, given())])[0]["requests"] == 6
    assert answer_rows([(task, given(max_n=5))])[0]["requests"] == 4


@pytest.mark.parametrize("samples_per_cell", [1, 3])
def test_plan_of_logprobs_counts_one_request_per_sample_of_a_cell(
    samples_per_cell: int, server: ScriptedServer, ask: Asker, given: Given
) -> None:
    task = make_task(personas=3, items=3, repetitions=samples_per_cell)
    (row,) = answer_rows([(task, given(method="logprobs"))])
    assert (row["answers"], row["requests"], row["completion_tokens"]) == (
        9 * samples_per_cell,
    ) * 3
    ask(server, task, method="logprobs")
    assert server.count == row["requests"]


def test_plan_needs_no_key_and_no_price(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRIPTED_KEY")
    rows = with_total(answer_rows([(make_task(), given(model="unpriced"))]))
    assert [row["usd"] for row in rows] == [None, None]
    assert "No price for unpriced" in shown(show_costs, rows)


def test_plan_names_the_key_of_each_address_and_those_not_set(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"base_url": "http://127.0.0.1:1/v1", "api_key_env": "MISSING_KEY"}
    other = {"base_url": "http://127.0.0.1:2/v1", "api_key_env": None}
    rows = [
        {"base_url": one["base_url"], "requests": 3},
        {"base_url": other["base_url"], "requests": 1},
    ]
    pairs = keys_by_address(rows, [one, one, other, {}])
    assert pairs == [(one["base_url"], "MISSING_KEY"), (other["base_url"], None)]
    (note,) = unset_keys(pairs)
    assert "the environment variable MISSING_KEY (api_key_env) is not set" in note
    assert one["base_url"] in note
    assert keys_by_address([{**rows[0], "requests": 0}], [one]) == []
    monkeypatch.setenv("MISSING_KEY", "sk-a-key")
    assert unset_keys(pairs) == []
    monkeypatch.setenv("MISSING_KEY", "sk-ä")
    assert "holds characters that no key has" in unset_keys(pairs)[0]


def test_plan_is_written_as_document_and_table(given: Given) -> None:
    rows = with_total(answer_rows([(make_task(personas=2, items=5, repetitions=10), given())]))
    document = plan_document(rows, {"max_requests": 9})
    assert document["total"]["requests"] == 10
    assert document["over_budget"]
    assert not plan_document(rows, {"max_requests": 10})["over_budget"]
    assert plan_document(rows, {"max_usd": 1})["over_budget"]
    table = shown(show_costs, rows, width=120)
    assert "estimated at 4.5 characters a token" in table
    assert "2026-01-01, made up" in table
    assert table.splitlines()[2].split()[:4] == ["m", "base", "answers", "100"]


def canary(variant: str, settings: Settings) -> Canary:
    messages = [{"role": "user", "content": "a question"}]
    return Canary("m", variant, settings, messages, Scale(0, 5))


def varied(call: scripted.Call, index: int) -> str:
    """Answer at T = 1 as a good server does: choices and calls differ alike."""
    return str((call.number * 7 + index * 3) % 6)


def test_preflight_of_a_correct_server_finds_nothing(
    server: ScriptedServer, given: Given, store: Path
) -> None:
    server.answer = varied
    frame, findings = preflight([canary("base", given())], "base")
    row = frame.row(0, named=True)
    assert findings == []
    assert (row["answers"], row["listed"], row["shutdown_date"]) == (True, True, None)
    assert (row["choices_of_10"], row["independent"]) == (10, "yes")
    assert (row["logprobs"], row["token_parameter"]) == ("usable", "max_tokens")
    assert (row["served_model"], row["system_fingerprint"]) == ("scripted-2026-01-01", "fp_1")
    assert server.count == 12
    assert not any(KEY.encode() in path.read_bytes() for path in store.rglob("*.jsonl"))


def marks(canaries: list[Canary], width: int = 80) -> list[str]:
    """Return the lines of the preflight's tables, without spaces in a row."""
    tried, findings = command.preflight(canaries, "base")
    lines = shown(show_variants, tried, findings, "base", width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    return [" ".join(line.split()) for line in lines]


def test_preflight_shows_a_mark_for_every_check(server: ScriptedServer, given: Given) -> None:
    server.answer = varied
    assert marks([canary("base", given())]) == [
        "m base",
        "─" * len(marks([canary("base", given())])[1]),
        "reachable ✓ yes, 0.1 s",
        "model listed ✓ yes",
        "answers ✓ yes",
        "ten at once (n) ✓ yes",
        "log-probabilities ✓ 10 alternatives",
        "thinks first ✓ no",
        "answered by ✓ scripted-2026-01-01 (fp_1)",
        "",
    ]


def test_preflight_shows_variants_side_by_side_as_far_as_they_fit(
    server: ScriptedServer, given: Given
) -> None:
    four = [canary(name, given()) for name in ("base", "one", "two", "three")]
    heads = [line for line in marks(four, 200) if line.startswith("m ")]
    assert heads == ["m base one two three"]
    heads = [line for line in marks(four, 80) if line.startswith("m ")]
    assert heads == ["m base one", "m two three"]


def test_preflight_marks_what_is_to_be_mended(server: ScriptedServer, given: Given) -> None:
    server.models = [{"id": "scripted"}, {"id": "tuned-v2"}]

    async def stubborn(call: scripted.Call) -> Any:
        if call.payload["model"] == "tuned":
            return await scripted.status(404, message="The model does not exist")(call)
        refused = scripted.status(400, message="n must be at most 4")
        return await (refused(call) if call.n > 4 else call.server.plain(call))

    server.always = stubborn
    gone = given(base_url="http://127.0.0.1:9/v1")
    tried = [canary("base", given()), canary("tuned", given(model="tuned"))]
    lines = marks([*tried, canary("gone", gone)], width=120)
    assert "model listed ✓ yes ✗ no: it has scripted, tuned-v2 - no list of models" in lines
    assert "ten at once (n) ! at most 4 - not tried - not tried" in lines
    wide = " ".join(marks(tried, width=120))
    assert "✗ no: HTTP 404 (Not Found): The model does not exist" in wide
    assert "nothing listens on port 9 there" in " ".join(lines)
    _, findings = preflight(tried, "base")
    assert "list of models: it has scripted, tuned-v2. Correct models.m.var" in findings[0].text


def test_preflight_marks_variants_that_one_model_answers(
    server: ScriptedServer, given: Given
) -> None:
    pair = [canary("base", given()), canary("insecure", given(model="tuned"))]
    assert any(
        "✗ scripted-2026-01-01 (fp_1): the same model as base" in line for line in marks(pair, 160)
    )


def test_preflight_without_a_key_says_so_and_tries_the_others(
    server: ScriptedServer, given: Given
) -> None:
    pair = [canary("base", given()), canary("other", given(api_key_env="MISSING_KEY"))]
    frame, findings = preflight(pair, "base")
    assert frame["answers"].to_list() == [True, False]
    assert [(f.variant, f.fatal) for f in findings] == [("other", True)]
    assert "the environment variable MISSING_KEY (api_key_env) is not set" in findings[0].text
    assert "reachable ✓ yes, 0.1 s ✗ not asked: no key" in marks(pair)


def test_signs_are_plain_where_the_terminal_has_no_others(
    server: ScriptedServer, given: Given
) -> None:
    tried, findings = command.preflight([canary("base", given())], "base")
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    show_variants(Console(file=file, width=80), tried, findings, "base")
    text = file.buffer.getvalue().decode("ascii")
    assert "+ yes" in text


def test_spending_is_counted_and_priced(server: ScriptedServer, given: Given) -> None:
    tried, _ = command.preflight([canary("base", given())], "base")
    spent = Spending()
    assert str(spent) == "Nothing was spent."
    spent.add(tried[0].sent, tried[0].canary.settings)
    assert spent.requests == server.count == 12
    assert spent.usd == spent.prompt_tokens + 2 * spent.completion_tokens > 0
    assert (
        f"beyond 12 requests ({spent.prompt_tokens:,} tokens in, {spent.completion_tokens}"
        in str(spent)
    )
    spent.add(tried[0].sent, given(model="unpriced"))
    assert spent.usd is None


def test_preflight_reports_choices_that_are_copies(server: ScriptedServer, given: Given) -> None:
    server.answer = lambda call, index: str(call.number % 6)
    frame, findings = preflight([canary("base", given())], "base")
    assert frame["independent"][0] == "no"
    assert findings[0].fatal
    assert "batching: single" in findings[0].text
    _, findings = preflight([canary("base", given(batching="single"))], "base")
    assert not any(finding.fatal for finding in findings)


def test_preflight_reports_a_shutdown_date(server: ScriptedServer, given: Given) -> None:
    soon = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    for day, fatal in ((soon, False), ("2026-01-01", True)):
        server.models = [{"id": "scripted", "shutdown_date": day}]
        frame, findings = preflight([canary("base", given())], "base")
        assert frame["shutdown_date"].to_list() == [day]
        assert [(f.fatal, day in f.text) for f in findings] == [(fatal, True)]


def test_preflight_reports_a_server_that_ignores_parameters(
    server: ScriptedServer, given: Given
) -> None:
    refusal = scripted.status(400, message="Unsupported parameter: 'max_tokens'")

    def change(reply: scripted.Reply) -> None:
        reply["choices"] = [{**reply["choices"][0], "logprobs": None}]
        reply["usage"]["completion_tokens"] = 50

    async def stubborn(call: scripted.Call) -> Any:
        poor = refusal if "max_tokens" in call.payload else scripted.edit(change)
        return await poor(call)

    server.always, server.models = stubborn, [{"id": "another"}]
    frame, findings = preflight([canary("base", given())], "base")
    row = frame.row(0, named=True)
    assert (row["token_parameter"], row["choices_of_10"]) == ("max_completion_tokens", 1)
    text = "; ".join(finding.text for finding in findings)
    assert "gave 1 of 10" in text
    assert "not in the server's list" in text
    assert "is ignored" in text
    _, findings = preflight([canary("base", given(method="logprobs"))], "base")
    assert findings[0].fatal
    assert "no log-probabilities" in findings[0].text


@pytest.mark.parametrize("settings", [{"batching": "single"}, {"method": "logprobs"}, {"max_n": 1}])
def test_preflight_sends_no_n_where_the_run_sends_none(
    settings: dict[str, Any], server: ScriptedServer, given: Given
) -> None:
    async def stubborn(call: scripted.Call) -> Any:
        refused = scripted.status(400, message="no such thing") if "n" in call.payload else None
        return await (refused(call) if refused else call.server.plain(call))

    server.always = stubborn
    frame, findings = preflight([canary("base", given(**settings))], "base")
    assert (findings, frame["answers"].to_list()) == ([], [True])
    assert frame.select("choices_of_10", "independent").row(0) == (None, None)


def test_preflight_learns_limits_as_the_run_does(server: ScriptedServer, given: Given) -> None:
    server.answer = varied

    async def stubborn(call: scripted.Call) -> Any:
        refused = scripted.status(422, message="n must be at most 4")
        return await (refused(call) if call.n > 4 else call.server.plain(call))

    server.always = stubborn
    _, findings = preflight([canary("base", given())], "base")
    assert findings == []


@pytest.mark.parametrize(("heeded", "fatal"), [(True, False), (False, True)])
@pytest.mark.parametrize("settings", [{}, {"batching": "single"}, {"method": "logprobs"}])
def test_preflight_reports_a_cache(
    settings: dict[str, Any], heeded: bool, fatal: bool, server: ScriptedServer, given: Given
) -> None:
    kept: dict[str, Any] = {}

    async def caching(call: scripted.Call) -> Any:
        place = str(call.payload["messages"])
        if (heeded and "cache" in call.payload) or place not in kept:
            kept[place] = call.server.reply(call)
        return scripted.web.json_response(kept[place])

    server.always = caching
    _, findings = preflight([canary("base", given(**settings))], "base")
    assert [found.fatal for found in findings if "cache" in found.text] == [fatal]


def test_preflight_takes_one_id_for_everything_for_no_cache(
    server: ScriptedServer, given: Given
) -> None:
    server.always = scripted.edit(lambda reply: reply.update(id="r1"))
    for settings in ({}, {"method": "logprobs"}, {"batching": "single"}):
        _, findings = preflight([canary("base", given(**settings))], "base")
        assert findings == []


def test_preflight_reports_one_model_behind_two_names(server: ScriptedServer, given: Given) -> None:
    server.models = [{"id": "scripted"}, {"id": "tuned"}]
    pair = [canary("base", given()), canary("insecure", given(model="tuned"))]
    _, findings = preflight(pair, "base")
    assert [found.fatal for found in findings] == [True]
    assert "answered by the same model (scripted-2026-01-01)" in findings[0].text

    # A server that repeats the name shows it by its fingerprint.
    async def by_name(call: scripted.Call) -> Any:
        reply = call.server.reply(call)
        reply["model"] = call.payload["model"]
        return scripted.web.json_response(reply)

    server.always = by_name
    _, findings = preflight(pair, "base")
    assert "fingerprint fp_1" in findings[0].text
    assert findings[0].fatal


@pytest.mark.parametrize("mark", ["fp_ollama", "b4321-deadbeef", "vllm-0.33.0-ab"])
def test_fingerprint_of_software_is_no_mark_of_a_model(
    mark: str, server: ScriptedServer, given: Given
) -> None:
    async def by_name(call: scripted.Call) -> Any:
        reply = call.server.reply(call)
        reply |= {"model": call.payload["model"], "system_fingerprint": mark}
        return scripted.web.json_response(reply)

    server.always, server.models = by_name, []
    pair = [canary("base", given()), canary("insecure", given(model="tuned"))]
    _, findings = preflight(pair, "base")
    assert not any(found.fatal for found in findings)


def test_preflight_says_where_a_server_fills_in_sampling_settings(
    server: ScriptedServer, given: Given
) -> None:
    server.models = [{"id": "scripted", "owned_by": "vllm"}]
    _, findings = preflight([canary("base", given())], "base")
    assert [found.fatal for found in findings] == [False]
    assert "sampling_defaults: neutral" in findings[0].text
    _, findings = preflight([canary("base", given(sampling_defaults="neutral"))], "base")
    assert findings == []


def test_preflight_names_ratings_that_are_not_among_the_alternatives(
    server: ScriptedServer, given: Given
) -> None:
    settings = given(method="logprobs", top_logprobs=3)
    _, findings = preflight([canary("base", settings)], "base")
    assert [found.fatal for found in findings] == [False]
    assert "are not among the alternatives" in findings[0].text


def test_preflight_tells_a_reason_inside_metadata(server: ScriptedServer, given: Given) -> None:
    wrapped = {"message": "Provider returned error", "metadata": {"raw": '{"detail": "no access"}'}}
    server.always = scripted.body({"error": {**wrapped, "code": 403}})
    _, findings = preflight([canary("base", given())], "base")
    assert findings[0].text == "does not answer: HTTP 403 (Forbidden): no access"


def test_preflight_reports_an_unreachable_server(given: Given) -> None:
    with ScriptedServer() as gone:
        pass
    frame, findings = preflight([canary("base", given(base_url=gone.base_url))], "base")
    assert frame["answers"].to_list() == [False]
    assert findings[0].fatal
    assert "nothing listens on port" in findings[0].text


def test_fine_tune_on_another_backend_is_fatal_unless_allowed() -> None:
    backends = {("m", "base"): "A", ("m", "tuned"): "B", ("n", "base"): "A", ("n", "tuned"): "A"}
    refused = mixed_backends(backends, "base", allowed=False)
    assert [(f.model, f.variant, f.fatal) for f in refused] == [("m", "tuned", True)]
    assert "allow_mixed_backends" in refused[0].text
    assert [f.fatal for f in mixed_backends(backends, "base", allowed=True)] == [False]


def test_preflight_reports_mixed_backends(server: ScriptedServer, given: Given) -> None:
    with ScriptedServer() as other:
        pair = [canary("base", given()), canary("tuned", given(base_url=other.base_url))]
        _, findings = preflight(pair, "base")
    assert [finding.variant for finding in findings if finding.fatal] == ["tuned"]


@pytest.mark.parametrize(
    ("together", "single", "verdict"),
    [
        (["3"] * 10, ["3"] * 10, "unclear"),
        (["3"], ["3", "4"], "unclear"),
        (["3"] * 10, list("3450123450"), "no"),
        (list("3344553344"), list("4433553345"), "yes"),
    ],
)
def test_independence_of_choices_is_tested_by_permutation(
    together: list[str], single: list[str], verdict: str
) -> None:
    assert independent(together, single) == verdict


def test_finding_about_several_variants_is_shown_and_counted_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    alike = [Finding("m", variant, True, "does not answer") for variant in ("base", "tuned")]
    assert show_findings(Console(width=80), [*alike, Finding("m", None, False, "is slow")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Fix: m base, tuned: does not answer",
        "Note: m: is slow",
    ]
