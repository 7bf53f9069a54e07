"""Every fault that a server can commit: what the answers are then, and what was paid for them."""

from __future__ import annotations

import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from persona_collapse.asking import client, limits
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.openai import OpenAI
from tests.helpers import scripted_server as scripted
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import Fault, ScriptedServer, rating_of
from tests.integration.conftest import KEY, Asker

PROMPT = "You are person 0. How much do you agree: statement 1? Answer 0-5."
RIGHT = int(rating_of(PROMPT))


def ratings(frame: pl.DataFrame) -> list[int | None]:
    return frame["rating"].to_list()


def lines(store: Path) -> list[dict[str, Any]]:
    """Return every attempt in the store."""
    texts = [line for path in store.rglob("*.jsonl") for line in path.read_text().splitlines()]
    return [entry for entry in map(json.loads, texts) if "cell" in entry]


def in_a_while(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


# name -> (fault of the first call, its cause in the store)
PASSING: dict[str, tuple[Fault, str]] = {
    "429 without a word": (scripted.status(429), "http_429"),
    "429 in ms": (scripted.status(429, headers={"retry-after-ms": "20"}), "http_429"),
    "429 in seconds": (scripted.status(429, headers={"retry-after": "0.02"}), "http_429"),
    "429 with a date": (scripted.status(429, headers={"retry-after": in_a_while(1)}), "http_429"),
    "429 negative": (scripted.status(429, headers={"retry-after": "-5"}), "http_429"),
    "429 unreadable": (scripted.status(429, headers={"retry-after": "soon"}), "http_429"),
    "429 with resets": (
        scripted.status(
            429,
            headers={
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "12ms",
                "x-ratelimit-remaining-tokens": "100",
                "x-ratelimit-reset-tokens": "6m0s",
            },
        ),
        "http_429",
    ),
    "408": (scripted.status(408), "http_408"),
    "409": (scripted.status(409), "http_409"),
    "500": (scripted.status(500), "http_500"),
    "502 as HTML": (scripted.status(502, text="<html>Bad Gateway</html>"), "http_502"),
    "503": (scripted.status(503), "http_503"),
    "529": (scripted.status(529), "http_529"),
    "error inside 200": (
        scripted.body({"error": {"code": 502, "message": "provider failed"}}),
        "http_502",
    ),
    "rate limit inside 200": (
        scripted.body({"error": {"code": 429, "message": "slow"}}),
        "http_429",
    ),
    "reset before headers": (scripted.reset("before headers"), "connection_lost"),
    "reset after headers": (scripted.reset("after headers"), "connection_lost"),
    "reset mid-body": (scripted.reset("mid-body"), "connection_lost"),
    "body longer than announced": (scripted.wrong_length(-40), "connection_lost"),
    "body shorter than announced": (scripted.wrong_length(40), "connection_lost"),
    "not JSON": (scripted.body("<html>hello</html>"), "not_json"),
    "JSON of another shape": (scripted.body([1, 2]), "not_json"),
    "empty choices": (scripted.edit(lambda reply: reply.update(choices=[])), "no_choices"),
    "null choices": (scripted.edit(lambda reply: reply.update(choices=None)), "no_choices"),
    "choices that failed": (
        scripted.edit(lambda reply: [c.update(finish_reason="error") for c in reply["choices"]]),
        "no_choices",
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_passing_fault_costs_one_more_request(
    name: str, server: ScriptedServer, ask: Asker, store: Path
) -> None:
    fault, cause = PASSING[name]
    server._faults = iter([fault])
    frame = ask(server)
    assert ratings(frame) == [RIGHT] * 4
    assert frame["status"].to_list() == ["ok"] * 4
    assert frame["transport_failures"].to_list() == [1] * 4
    assert frame["attempts"].to_list() == [2] * 4
    assert frame["parse_failures"].to_list() == [0] * 4
    assert [call.get("n") for call in server.calls] == [4, 4]
    assert sorted(str(line.get("cause")) for line in lines(store)) == ["None", cause]
    assert ratings(ask(server)) == [RIGHT] * 4
    assert len(server.calls) == 2


def test_reply_larger_than_the_limit_is_not_read_to_its_end(
    server: ScriptedServer, ask: Asker, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST_BYTES", 100_000)
    packed = zlib.compress(b" " * 3_000_000)  # 3 kB on the way, 3 MB unpacked
    server._faults = iter([scripted.body(packed, {"Content-Encoding": "deflate"})])
    assert ratings(ask(server)) == [RIGHT] * 4
    assert sorted(str(line.get("cause")) for line in lines(store)) == ["None", "too_large"]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirect_is_not_followed_so_that_the_key_stays_here(
    code: int, server: ScriptedServer, ask: Asker
) -> None:
    with ScriptedServer() as other:
        target = f"{other.base_url}/chat/completions"
        server.always = scripted.status(code, headers={"Location": target})
        with pytest.raises(
            UserError, match=f"answered redirect: ask {other.base_url}. Redirects are not"
        ):
            ask(server, max_in_flight=1)
        assert other.count == 0
    assert server.count == 1


@pytest.mark.parametrize("name", ["silence", "slow drip"])
def test_reply_that_does_not_come_times_out(
    name: str, server: ScriptedServer, ask: Asker, store: Path
) -> None:
    server._faults = iter([scripted.silence(600) if name == "silence" else scripted.drip(0.1)])
    frame = ask(server, timeout_s=0.5)
    assert ratings(frame) == [RIGHT] * 4
    causes = [line.get("cause") for line in lines(store)]
    assert len(server.calls) == len(causes)
    # A good reply may take as long on a busy machine.
    assert causes == ["timeout"] * (len(causes) - 1) + [None]
    assert len(causes) > 1


def test_long_wait_is_split_and_logged(
    server: ScriptedServer,
    ask: Asker,
    patient: list[float],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server._faults = iter([scripted.status(429, headers={"retry-after": "300"})])
    assert ratings(ask(server)) == [RIGHT] * 4
    assert len(server.calls) == 2
    assert max(patient) <= 120
    assert 299 < sum(patient) < 303
    said = capsys.readouterr().err
    for left in (300, 180, 60):
        assert said.count(f"asks to wait; {left} s left") == 1


def test_wait_of_one_request_is_cut_to_ten_minutes(
    server: ScriptedServer, ask: Asker, patient: list[float]
) -> None:
    server._faults = iter([scripted.status(429, headers={"retry-after": "1e9"})])
    assert ratings(ask(server)) == [RIGHT] * 4
    assert 599 < sum(patient) < 610


def test_exhausted_limit_is_waited_for_before_the_next_request(
    server: ScriptedServer, ask: Asker, patient: list[float]
) -> None:
    empty = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}
    prompt = PROMPT

    async def last_one(call: scripted.Call) -> Any:
        return scripted.web.json_response(call.server.reply(call), headers=empty)

    server._faults = iter([last_one])
    frame = ask(server, make_task(items=2, repetitions=1), max_in_flight=1)
    assert frame["status"].to_list() == ["ok", "ok"]
    assert server.calls[0]["messages"][0]["content"] == prompt
    assert 89 < sum(patient) < 91


STOPS = {
    "insufficient_quota": (
        scripted.status(429, kind="insufficient_quota", headers={"retry-after": "1"}),
        "no credit left",
    ),
    "401": (scripted.status(401, message=f"Incorrect API key provided: {KEY}"), "check the key"),
    "400 for the key": (
        scripted.status(400, message="API key not valid. Please pass a valid API key."),
        "check the key",
    ),
    "402": (scripted.status(402), "add credit"),
    "403": (scripted.status(403), "may not use the model"),
    "404": (scripted.status(404, message="no such model"), "has no model"),
    "401 inside 200": (scripted.body({"error": {"code": 401, "message": "no"}}), "check the key"),
}


@pytest.mark.parametrize("name", STOPS)
def test_fault_that_only_the_user_can_fix_stops_the_run(
    name: str, server: ScriptedServer, ask: Asker, store: Path
) -> None:
    """Three answers come, then the fault: nothing more is sent, and the three are kept.

    A 403 may concern the prompt alone: it is tried again, and a prompt answered before is sent.
    """
    fault, advice = STOPS[name]
    server._faults = iter([None, None, None])
    server.always = fault
    task = make_task(personas=2, items=5, repetitions=3)
    with pytest.raises(UserError, match=advice) as stopped:
        ask(server, task, max_in_flight=1)
    text = str(stopped.value)
    assert server.base_url in text
    assert "SCRIPTED_KEY" in text or name == "404"
    assert KEY not in text
    sent = 6 if name == "403" else 4
    assert len(server.calls) == sent
    server.always = None
    frame = ask(server, task)
    assert frame["status"].to_list() == ["ok"] * 30
    assert len(server.calls) == sent + 7
    assert not any(KEY.encode() in path.read_bytes() for path in store.rglob("*.jsonl"))


@pytest.mark.parametrize(("code", "reach"), [(401, 1), (404, 2)])
def test_stopped_shard_stops_later_shards(
    code: int, reach: int, server: ScriptedServer, ask: Asker, tmp_path: Path
) -> None:
    """A refused key stops every model of the endpoint, an unknown model itself alone."""
    server.always = scripted.status(code)
    first, later = make_task(), make_task(items=3)
    run = {"stops": str(tmp_path / "run"), "max_in_flight": 1}
    with pytest.raises(UserError, match=f"HTTP {code}") as stopped:
        ask(server, first, **run)
    with pytest.raises(UserError, match="no request was sent for this shard") as refused:
        ask(server, later, **run)
    assert str(stopped.value) in str(refused.value)
    assert len(server.calls) == 1
    with pytest.raises(UserError, match=f"HTTP {code}"):
        ask(server, later, model="another", **run)
    assert len(server.calls) == reach
    # Another run asks anew.
    server.always = None
    ask(server, later, **{**run, "stops": str(tmp_path / "next run")})
    assert len(server.calls) == reach + 3


def test_requests_in_flight_are_stored_when_the_run_stops(
    server: ScriptedServer, ask: Asker
) -> None:
    """One of eight concurrent requests gets a 401 at once; the slower seven are kept."""
    slow = scripted.silence(0.4)
    server._faults = iter([slow, slow, slow, slow, slow, slow, slow, scripted.status(401)])
    task = make_task(items=20, repetitions=2)
    with pytest.raises(UserError, match="check the key"):
        ask(server, task, max_in_flight=8)
    assert 8 <= len(server.calls) <= 8 + 7
    ask(server, task)
    assert len(server.calls) == 20 + 1


def test_rejected_request_is_an_error_and_others_continue(
    server: ScriptedServer, ask: Asker, store: Path
) -> None:
    server._faults = iter([scripted.status(400, message="context too long")])
    frame = ask(server, make_task(items=3, repetitions=2), max_in_flight=1, accept_errors=True)
    assert frame["status"].to_list() == ["error"] * 2 + ["ok"] * 4
    assert frame["response"][0] == "http_400: context too long"
    assert len(server.calls) == 3
    assert ask(server, make_task(items=3, repetitions=2))["status"].to_list() == ["ok"] * 6
    assert len(server.calls) == 4


def test_run_stops_when_the_server_is_down(server: ScriptedServer, ask: Asker) -> None:
    server.always = scripted.status(500)
    with pytest.raises(UserError, match=r"no answer for 5 requests in a row.*HTTP 500"):
        ask(server, make_task(items=8), max_in_flight=1, transport_attempts=3)
    assert len(server.calls) == 5 * 3 + 1  # the last is a neutral prompt


def test_run_stops_when_the_server_only_throttles(
    server: ScriptedServer,
    ask: Asker,
    patient: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LONGEST_BACKOFF_S", 60.0)
    server.always = scripted.status(429)
    with pytest.raises(UserError, match=r"no answer for 30 minutes.*HTTP 429"):
        ask(server, max_in_flight=1)
    assert sum(patient) > 1800
    assert 30 < len(server.calls) < 100


@pytest.mark.parametrize(("wish", "least", "calls"), [(60, 1800, 31), (400, 3600, 10)])
def test_run_stops_when_requested_waits_never_end(
    wish: int,
    least: float,
    calls: int,
    server: ScriptedServer,
    ask: Asker,
    patient: list[float],
) -> None:
    """Half an hour without an answer, and ten waits that it asked for itself."""
    server.always = scripted.status(429, headers={"retry-after": str(wish)})
    with pytest.raises(UserError, match=r"no answer for 30 minutes.*HTTP 429"):
        ask(server, make_task(repetitions=1), max_in_flight=1)
    assert least - 1 < sum(patient) < least + 2 * wish
    assert len(server.calls) == pytest.approx(calls, abs=1)


def test_waits_between_answers_do_not_stop_the_run(
    server: ScriptedServer, ask: Asker, patient: list[float]
) -> None:
    """A limit of one answer every eight minutes is slow, not dead."""
    late = scripted.status(429, headers={"retry-after": "480"})
    server._faults = iter([late, None] * 12)
    frame = ask(server, make_task(items=12, repetitions=1), max_in_flight=1)
    assert frame["status"].to_list() == ["ok"] * 12
    assert len(server.calls) == 24
    assert sum(patient) > 12 * 479


def test_run_stops_when_nothing_listens_at_the_address(ask: Asker) -> None:
    with ScriptedServer() as gone:
        pass
    with pytest.raises(
        UserError, match=r"cannot connect to http://.*/v1: nothing listens on port \d+ there"
    ):
        ask(gone, make_task(items=8), max_in_flight=4, transport_attempts=2)


NO_MODEL = scripted.status(404, message="The model `scripted` does not exist")


def names(count: int) -> list[dict[str, Any]]:
    return [{"id": f"model-{place}"} for place in range(count)]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([{"id": "a"}, {"id": "b"}], r"list of models: it has a, b\. Correct models\."),
        ([*names(9), {"id": "org/scripted-v2"}], r"10 others; the nearest are org/scripted-v2\."),
        (names(9), r"it has 9 others\. Correct models\."),
        ([], "its list of models is empty"),
    ],
)
def test_run_without_its_model_names_those_of_the_server(
    models: list[dict[str, Any]], said: str, server: ScriptedServer, ask: Asker
) -> None:
    server.always, server.models = NO_MODEL, models
    with pytest.raises(UserError, match=said):
        ask(server)
    server.always = scripted.status(400, message="Invalid model name: scripted")
    with pytest.raises(UserError, match=said):
        ask(server, make_task(items=8), max_in_flight=1)


def test_run_at_a_wrong_path_is_told_the_right_one(server: ScriptedServer, ask: Asker) -> None:
    for wrong in ("", "/wrong/v1"):
        address = server.base_url.removesuffix("/v1") + wrong
        with pytest.raises(UserError, match=rf"another address: base_url: {server.base_url}; then"):
            ask(server, base_url=address)


def test_other_refusals_name_no_models(server: ScriptedServer, ask: Asker) -> None:
    server.models = names(3)
    server.always = scripted.status(401, message="no")
    with pytest.raises(UserError, match="check the key") as fault:
        ask(server)
    assert "model-1" not in str(fault.value)


def test_run_says_that_a_web_page_answers(server: ScriptedServer, ask: Asker) -> None:
    server.always = scripted.body("<!doctype html><title>Sign in</title>")
    with pytest.raises(UserError, match=r"last failure: a web page \('Sign in'\) instead of JSON"):
        ask(server, make_task(items=8), max_in_flight=1, transport_attempts=2)


def test_token_parameter_switches_once(server: ScriptedServer, ask: Asker) -> None:
    refusal = "Unsupported parameter: 'max_tokens' is not supported with this model."

    async def modern(call: scripted.Call) -> Any:
        if "max_tokens" in call.payload:
            return await scripted.status(400, message=refusal)(call)
        return await call.server.plain(call)

    server.always = modern
    frame = ask(server, make_task(items=4), max_in_flight=1)
    assert frame["status"].to_list() == ["ok"] * 16
    assert len(server.calls) == 5
    assert [call.get("max_completion_tokens") for call in server.calls] == [None, 1, 1, 1, 1]


def cut(count: int) -> Fault:
    return scripted.edit(lambda reply: reply.update(choices=reply["choices"][:count]))


def index_all(index: Any) -> Fault:
    return scripted.edit(lambda reply: [c.update(index=index) for c in reply["choices"]])


TOPPED_UP = {
    "fewer than n": (cut(3), [4, 1]),
    "n ignored": (cut(1), [4, 3]),
    "one index for all": (index_all(0), [4]),
    "another index for all": (index_all(1), [4]),
    "one index twice": (
        scripted.edit(lambda reply: reply["choices"][1].update(index=0)),
        [4],
    ),
    "one index for all, and fewer than n": (
        scripted.edit(
            lambda reply: reply.update(choices=[{**c, "index": 0} for c in reply["choices"][:3]])
        ),
        [4, 1],
    ),
    "no index": (index_all(None), [4]),
    "a choice that failed": (
        scripted.edit(lambda reply: reply["choices"][1].update(finish_reason="error")),
        [4, 1],
    ),
    "a choice without message": (
        scripted.edit(lambda reply: reply["choices"][1].update(message=None)),
        [4, 1],
    ),
    "more than n": (
        scripted.edit(lambda reply: reply["choices"].append({**reply["choices"][0], "index": 9})),
        [4],
    ),
}


@pytest.mark.parametrize("name", TOPPED_UP)
def test_missing_choices_are_asked_for_again(name: str, server: ScriptedServer, ask: Asker) -> None:
    fault, asked = TOPPED_UP[name]
    server._faults = iter([fault])
    frame = ask(server)
    assert ratings(frame) == [RIGHT] * 4
    assert frame["attempts"].to_list() == [1] * 4
    assert [call.get("n", 1) for call in server.calls] == asked


def test_choices_of_one_index_are_taken_in_order_and_said_once(
    server: ScriptedServer, ask: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    """600 slots are paid once, where 3,300 completions were billed, and each keeps its own text."""
    server.always = index_all(0)
    server.answer = lambda call, index: str(index % 6)
    frame = ask(server, make_task(personas=4, items=15, repetitions=10))
    assert (server.count, server.choices) == (60, 600)
    assert ratings(frame) == [place % 10 % 6 for place in range(600)]
    assert capsys.readouterr().err.count("the same index") == 1


def test_single_batching_sends_one_request_per_repetition(
    server: ScriptedServer, ask: Asker
) -> None:
    assert ratings(ask(server, batching="single")) == [RIGHT] * 4
    assert [call.get("n") for call in server.calls] == [None] * 4


READ = {
    "10": (None, "unparseable"),
    "-1": (None, "unparseable"),
    "5/5": (None, "unparseable"),
    "\uff14": (4, "ok"),
    "I would say 4, really": (4, "ok"),
    "I": (None, "unparseable"),
    "": (None, "unparseable"),
    "half a \ud83d pair, 3": (3, "ok"),
}


@pytest.mark.parametrize("text", READ)
def test_reply_texts_are_read_as_ratings(text: str, server: ScriptedServer, ask: Asker) -> None:
    rating, status = READ[text]
    server.answer = lambda call, index: text
    frame = ask(server, make_task(repetitions=2), max_attempts=3)
    assert frame["status"].to_list() == [status] * 2
    assert ratings(frame) == [rating] * 2
    assert len(server.calls) == (1 if rating is not None else 3 + 1)


def test_null_content_is_a_reply_without_a_rating(server: ScriptedServer, ask: Asker) -> None:
    server._faults = iter(
        [scripted.edit(lambda reply: reply["choices"][0]["message"].update(content=None))]
    )
    frame = ask(server)
    assert ratings(frame) == [RIGHT] * 4
    assert frame["parse_failures"].to_list() == [1, 0, 0, 0]
    assert [call.get("n", 1) for call in server.calls] == [4, 1]


def test_failure_protocol_ends_in_one_longer_reply(server: ScriptedServer, ask: Asker) -> None:
    def talkative(call: scripted.Call, index: int) -> str:
        return "As" if call.limit == 1 else "As a baker I would say 10 out of 10, so 5."

    server.answer = talkative
    frame = ask(server, max_attempts=3, fallback_max_tokens=32)
    assert ratings(frame) == [5] * 4
    assert frame["fallback"].to_list() == [True] * 4
    assert frame["status"].to_list() == ["ok"] * 4
    assert frame["parse_failures"].to_list() == [3] * 4
    assert frame["attempts"].to_list() == [4] * 4
    assert [call["max_tokens"] for call in server.calls] == [1, 1, 1, 32]
    ask(server, max_attempts=3, fallback_max_tokens=32)
    assert len(server.calls) == 4
    # Another length for fallback replies pays for them alone; more tries pay for the tries alone.
    ask(server, max_attempts=3, fallback_max_tokens=48)
    assert [call["max_tokens"] for call in server.calls[4:]] == [48]
    ask(server, max_attempts=5, fallback_max_tokens=48)
    assert [call["max_tokens"] for call in server.calls[5:]] == [1, 1]


def test_failure_protocol_ends_unparseable(server: ScriptedServer, ask: Asker) -> None:
    server.answer = lambda call, index: "I cannot"
    frame = ask(server, make_task(repetitions=2), max_attempts=2)
    assert frame["status"].to_list() == ["unparseable"] * 2
    assert frame["response"].to_list() == ["I cannot"] * 2
    assert frame["parse_failures"].to_list() == [3, 3]
    assert len(server.calls) == 3
    ask(server, make_task(repetitions=2), max_attempts=2)
    assert len(server.calls) == 3


def test_refusals_and_filtered_replies_are_answers(server: ScriptedServer, ask: Asker) -> None:
    def change(reply: dict[str, Any]) -> None:
        reply["choices"][0]["message"].update(content=None, refusal="I will not.")
        reply["choices"][1].update(finish_reason="content_filter")

    server._faults = iter([scripted.edit(change)])
    frame = ask(server)
    assert frame["status"].to_list() == ["refused", "filtered", "ok", "ok"]
    assert ratings(frame) == [None, None, RIGHT, RIGHT]
    assert frame["response"][0] == "I will not."
    ask(server)
    assert len(server.calls) == 1


def test_filtered_prompt_counts_as_an_answer(server: ScriptedServer, ask: Asker) -> None:
    server.always = scripted.status(400, kind="content_filter")
    assert ask(server)["status"].to_list() == ["filtered"] * 4
    assert len(server.calls) == 1


def test_changed_model_is_logged(
    server: ScriptedServer, ask: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(reply: dict[str, Any]) -> None:
        reply.update(model="scripted-other", system_fingerprint="fp_2", provider="elsewhere")

    server._faults = iter([None, scripted.edit(change)])
    frame = ask(server, make_task(items=2, repetitions=1), max_in_flight=1)
    assert frame["served_model"].to_list() == ["scripted-2026-01-01", "scripted-other"]
    assert frame["system_fingerprint"].to_list() == ["fp_1", "fp_2"]
    assert "changed its model during the run" in capsys.readouterr().err
    assert len(server.calls) == 2


def test_key_is_required_only_when_a_request_is_sent(
    server: ScriptedServer, ask: Asker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ask(server)
    monkeypatch.delenv("SCRIPTED_KEY")
    monkeypatch.chdir(tmp_path)
    assert ratings(ask(server)) == [RIGHT] * 4
    with pytest.raises(UserError, match=r"SCRIPTED_KEY .*is not set"):
        ask(server, make_task(repetitions=5))
    (tmp_path / ".env").write_text(f"SCRIPTED_KEY={KEY}\n")
    assert len(ask(server, make_task(repetitions=5))) == 5
    assert len(server.calls) == 2


def test_key_of_another_service_is_not_sent(
    server: ScriptedServer, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    seen: list[str] = []

    async def look(call: scripted.Call) -> Any:
        seen.append(call.request.headers.get("Authorization", ""))
        return await call.server.plain(call)

    server.always = look
    ask(server, api_key_env=None)
    assert seen
    assert not any(KEY in header for header in seen)


def test_misspelt_setting_is_refused(server: ScriptedServer, ask: Asker) -> None:
    with pytest.raises(UserError, match=r"unknown setting 'timeout' .did you mean 'timeout_s'"):
        ask(server, timeout=3)
    with pytest.raises(UserError, match="'model' is missing"):
        OpenAI().answer(make_task(), {"base_url": server.base_url})


def test_slots_without_an_answer_fail_the_shard_and_are_asked_again(
    server: ScriptedServer, ask: Asker
) -> None:
    """What failed is named with cells and reasons; the same call asks for these alone."""
    server._faults = iter([scripted.status(400, message="context too long"), None, None])
    with pytest.raises(UserError) as found:
        ask(server, make_task(items=3, repetitions=2), max_in_flight=1)
    said = str(found.value)
    assert "2 of 6 slots have no answer, of persona 0, item 1" in said
    assert "HTTP 400 (Bad Request): context too long (2)" in said
    assert len(server.calls) == 3
    frame = ask(server, make_task(items=3, repetitions=2))
    assert frame["status"].to_list() == ["ok"] * 6
    assert len(server.calls) == 4


def test_message_about_many_failures_is_short(server: ScriptedServer, ask: Asker) -> None:
    kinds = [scripted.status(400, message=f"context too long by {n}") for n in range(5)]
    server._faults = iter([f for kind in kinds for f in (kind, None, kind, None)])
    task = make_task(items=20, repetitions=1)
    with pytest.raises(UserError, match=r"10 of 20 slots .* and 5 more cells.* and 2 more reasons"):
        ask(server, task, max_in_flight=1)


def test_very_long_wait_is_cut_to_ten_minutes_and_then_one_request_asks(
    server: ScriptedServer, ask: Asker, patient: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    late = scripted.status(429, headers={"retry-after": "1000000000"})
    server._faults = iter([late] * 8)
    frame = ask(server, make_task(items=40, repetitions=1), max_in_flight=8)
    assert frame["status"].to_list() == ["ok"] * 40
    assert sum(patient) < 8 * 700
    assert len(server.calls) == 48
    assert "after 10 minutes one request asks again" in capsys.readouterr().err


def test_endless_long_waits_cost_one_request_each(
    server: ScriptedServer, ask: Asker, patient: list[float]
) -> None:
    server.latency = 0.02
    server.always = scripted.status(429, headers={"retry-after": "1000000000"})
    with pytest.raises(UserError, match="no answer for 30 minutes"):
        ask(server, make_task(items=40, repetitions=1), max_in_flight=8)
    assert len(server.calls) <= 8 + 12


@pytest.mark.slow
def test_rate_limit_without_a_hint_rejects_few_requests(
    server: ScriptedServer, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket of 30 requests, 100 more a second, at no latency: few are sent in vain."""
    monkeypatch.setattr(limits, "BACKOFF_S", 0.2)
    monkeypatch.setattr(limits, "LONGEST_BACKOFF_S", 2.0)
    bucket = {"left": 30.0, "at": time.monotonic()}

    async def limited(call: scripted.Call) -> Any:
        now = time.monotonic()
        bucket["left"] = min(30.0, bucket["left"] + 100 * (now - bucket["at"]))
        bucket["at"] = now
        if bucket["left"] < 1:
            return await scripted.status(429)(call)
        bucket["left"] -= 1
        return await call.server.plain(call)

    server.always = limited
    frame = ask(server, make_task(personas=15, items=30, repetitions=1), max_in_flight=32)
    assert frame["status"].to_list() == ["ok"] * 450
    assert server.count - 450 < 225
