"""``method: logprobs`` against the scripted server: a request a cell, errors with a reason."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.helpers import scripted_server as scripted
from tests.helpers.made_tasks import make_task
from tests.helpers.scripted_server import Reply, ScriptedServer, alternatives_of
from tests.integration.conftest import Asker

METHOD = {"method": "logprobs"}
ONCE = make_task(repetitions=1)


def test_logprobs_take_one_request_per_cell(server: ScriptedServer, ask: Asker) -> None:
    task = make_task(personas=2, items=3, repetitions=1)
    frame = ask(server, task, **METHOD)
    assert server.count == 6
    assert frame["repetition"].to_list() == [1] * 6
    assert frame["rating"].null_count() == 6
    sent = server.calls[0]
    assert (sent["logprobs"], sent["top_logprobs"], sent["temperature"]) == (True, 20, 1.0)
    assert "n" not in sent
    prompts = {call["messages"][0]["content"] for call in server.calls}
    expected = []
    for prompt in prompts:
        weights = {token: math.exp(value) for token, value in alternatives_of(prompt).items()}
        six = [weights[str(k)] + weights.get(f" {k}", 0.0) for k in range(6)]
        expected.append([value / sum(six) for value in six])
    found = frame["probabilities"].to_list()
    assert sorted(map(tuple, found)) == [pytest.approx(row) for row in sorted(map(tuple, expected))]
    ask(server, task, **METHOD)
    ask(server, task, temperature=0.7, **METHOD)
    assert server.count == 6


def test_each_repetition_of_logprobs_is_a_request(server: ScriptedServer, ask: Asker) -> None:
    once = ask(server, ONCE, **METHOD)
    twice = ask(server, make_task(repetitions=2), **METHOD)
    assert server.count == 2
    assert twice["repetition"].to_list() == [1, 2]
    assert twice.head(1).equals(once)
    assert all("n" not in call for call in server.calls)


def first_token(reply: Reply) -> Any:
    return reply["choices"][0]["logprobs"]["content"][0]


def change_values(value: float) -> scripted.Fault:
    def change(reply: Reply) -> None:
        first_token(reply).update(logprob=value)
        for entry in first_token(reply)["top_logprobs"]:
            entry["logprob"] = value

    return scripted.edit(change)


UNUSABLE = {
    "null": (
        scripted.edit(lambda reply: reply["choices"][0].update(logprobs=None)),
        "no log-probabilities",
    ),
    "empty": (
        scripted.edit(lambda reply: reply["choices"][0].update(logprobs={"content": []})),
        "no log-probabilities",
    ),
    "-9999": (change_values(-9999.0), "outside its own alternatives"),
    "-9999 beside others": (
        scripted.edit(lambda reply: first_token(reply).update(token="x", logprob=-9999.0)),
        "outside its own alternatives",
    ),
    "NaN": (change_values(float("nan")), "is null"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_logprobs_are_errors_with_reason(
    name: str, server: ScriptedServer, ask: Asker
) -> None:
    fault, reason = UNUSABLE[name]
    server._faults = iter([fault])
    frame = ask(server, ONCE, **METHOD)
    assert frame["status"].to_list() == ["error"]
    assert frame["probabilities"].to_list() == [None]
    assert reason in frame["response"][0]
    ask(server, ONCE, **METHOD)
    assert server.count == 1  # it was paid for, and would be no better a second time


def test_ratings_with_little_mass_are_unparseable_and_not_asked_again(
    server: ScriptedServer, ask: Asker
) -> None:
    sure = {"token": "Sure", "logprob": math.log(0.95)}
    rare = [{"token": str(k), "logprob": math.log(0.05 / 6)} for k in range(6)]
    server._faults = iter(
        [scripted.edit(lambda reply: first_token(reply).update(sure, top_logprobs=[sure, *rare]))]
    )
    for _ in range(2):
        (row,) = ask(server, ONCE, **METHOD).to_dicts()
        assert (row["status"], row["probabilities"], row["read_from"]) == (
            "unparseable",
            None,
            None,
        )
        assert row["rating_mass"] == pytest.approx(0.05)
        assert row["response"] == "ratings hold 0.05 of the first token's probability"
        assert (row["attempts"], row["parse_failures"], row["fallback"]) == (1, 1, False)
    assert server.count == 1


def test_null_alternative_is_an_impossible_token(server: ScriptedServer, ask: Asker) -> None:
    def change(reply: Reply) -> None:
        first_token(reply)["top_logprobs"] += [
            {"token": word, "logprob": None} for word in ("\n", "Hello")
        ]

    whole = ask(server, ONCE, **METHOD)
    server._faults = iter([scripted.edit(change)])
    (row,) = ask(server, ONCE, **METHOD, model="another").to_dicts()
    assert (row["status"], row["read_from"]) == ("ok", "logprobs")
    assert row["probabilities"] == whole["probabilities"][0].to_list()


def test_missing_ratings_get_smallest_logprob(server: ScriptedServer, ask: Asker) -> None:
    def change(reply: Reply) -> None:
        top = [{"token": "4", "logprob": -0.2}, {"token": "3", "logprob": -2.0}]
        first_token(reply).update(token="4", logprob=-0.2, top_logprobs=top)

    server._faults = iter([scripted.edit(change)])
    frame = ask(server, ONCE, **METHOD)
    least, most = math.exp(-2.0), math.exp(-0.2)
    total = 5 * least + most
    assert frame["status"].to_list() == ["ok"]
    assert frame["probabilities"][0].to_list() == pytest.approx(
        [least / total] * 4 + [most / total, least / total]
    )
    assert server.count == 1


def test_legacy_logprobs_format_is_read(server: ScriptedServer, ask: Asker) -> None:
    def change(reply: Reply) -> None:
        reply["choices"][0]["logprobs"] = {
            "tokens": ["4"],
            "token_logprobs": [-0.2],
            "top_logprobs": [{"4": -0.2, "3": -2.0}],
        }

    server._faults = iter([scripted.edit(change)])
    assert ask(server, ONCE, **METHOD)["status"].to_list() == ["ok"]


def test_repeats_and_logprobs_share_a_store(server: ScriptedServer, ask: Asker) -> None:
    ask(server)
    ask(server, ONCE, **METHOD)
    ask(server)
    ask(server, ONCE, **METHOD)
    assert server.count == 2
