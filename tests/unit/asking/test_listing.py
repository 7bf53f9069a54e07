"""A server's list of models: the nearest names, and where else the list may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from persona_collapse.asking import listing
from persona_collapse.asking.listing import Listed, closest, look_up, missing, right_address

URL, REAL = "https://a.test/v1", httpx2.Client
Serve = Callable[[dict[str, Any]], list[str]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Return a function that makes lists at paths, and returns the paths that were asked for."""

    def made(lists: dict[str, Any]) -> list[str]:
        asked: list[str] = []

        def reply(request: httpx2.Request) -> httpx2.Response:
            asked.append(request.url.path)
            found = lists.get(request.url.path)
            if isinstance(found, Exception):
                raise found
            return httpx2.Response(404 if found is None else 200, json=found or {})

        def client(**options: Any) -> httpx2.Client:
            return REAL(**{**options, "transport": httpx2.MockTransport(reply)})

        monkeypatch.setattr(listing.httpx2, "Client", client)
        return asked

    return made


def models(*names: str, **fields: Any) -> dict[str, Any]:
    return {"data": [{"id": name, **fields} for name in names]}


def test_short_list_is_named_whole_and_a_long_one_by_the_nearest() -> None:
    names = tuple(f"model-{n}" for n in range(7))
    assert Listed(names=()).offered("m") == "its list of models is empty"
    assert Listed(names=names[:6]).offered("m") == f"it has {', '.join(names[:6])}"
    found = Listed(names=names).offered("model-3")
    assert found == "it has 7 others; the nearest are model-3, model-6, model-5"
    assert Listed(names=names).offered("0xy") == "it has 7 others"


def test_names_that_hold_the_last_part_come_first_the_shortest_before_longer_ones() -> None:
    names = ["org/llama-3-8b-instruct-long", "org/llama-3-8b", "other", "llama-3-70b", "gpt"]
    assert closest("meta/Llama-3-8b", names)[:2] == [
        "org/llama-3-8b",
        "org/llama-3-8b-instruct-long",
    ]
    assert len(closest("llama", [f"llama-{n}" for n in range(9)])) == 3
    assert closest("qwxz", names) == []
    assert closest("gpt", ["gpt", "gpt"]) == ["gpt"]


def test_model_is_looked_up_with_its_last_day_and_the_servers_kind(serve: Serve) -> None:
    asked = serve({"/v1/models": models("m", "n", owned_by="vllm", shutdown_date="2027-01-01")})
    assert look_up(URL, "n", None) == Listed(True, "2027-01-01", "vllm", ("m", "n"))
    assert asked == ["/v1/models"]
    for other in ("a", "mm", "o"):
        found = look_up(URL, other, None)
        assert (found.found, found.shutdown_date, found.names) == (False, None, ("m", "n"))
    twice = [{"id": "m", "shutdown_date": "2027-01-01"}, {"id": "m"}]
    serve({"/v1/models": {"data": twice}})
    assert look_up(URL, "m", None).shutdown_date == "2027-01-01"
    serve({"/v1/models": models("m", "m", "x" * 101, owned_by="openai")})
    found = look_up(URL, "m", None)
    assert (found.owner, found.shutdown_date, found.names) == (None, None, ("m", "x" * 100))


@pytest.mark.parametrize(
    "content",
    [None, [], {"data": None}, {"data": "m"}, {"other": []}, 3, httpx2.ConnectError("lost")],
)
def test_server_without_a_list_says_nothing(content: Any, serve: Serve) -> None:
    serve({"/v1/models": content})
    assert look_up(URL, "m", None) == Listed()


def test_entries_of_another_kind_are_left_out(serve: Serve) -> None:
    serve({"/v1/models": {"data": [3, None, {"id": "m"}]}})
    assert look_up(URL, "m", None) == Listed(True, names=("m",))


def test_right_address_is_the_first_usual_path_with_a_list(serve: Serve) -> None:
    asked = serve({"/api/v1/models": models("m")})
    assert right_address("https://a.test/", None) == "https://a.test/api/v1"
    assert asked == ["/v1/models", "/api/v1/models"]
    asked = serve({"/x/v1/models": models("m")})
    assert right_address("https://a.test/x?a=b", None) == "https://a.test/x/v1?a=b"
    assert asked == ["/x/v1/models"]
    asked = serve({"/v1/models": models("m")})  # where it was asked already
    assert right_address(URL, None) is None
    assert "/v1/models" not in asked
    assert len(asked) == 5


MODEL_FAULTS = [
    "the model `x` does not exist",
    "HTTP 404 (Not Found): nothing",
    "model_not_found",
    "no such model",
    "model x is not available",
]


@pytest.mark.parametrize("failure", MODEL_FAULTS)
def test_failure_about_a_model_says_what_the_server_has(failure: str, serve: Serve) -> None:
    serve({"/v1/models": models("m")})
    assert missing(URL, "x", None, "models.a", failure) == (
        "The name is not in the server's list of models: it has m. Correct models.a"
    )
    assert missing(URL, "m", None, "models.a", failure) == ""
    serve({"/api/v1/models": models("m")})
    assert missing(URL, "x", None, "models.a", failure) == (
        "The API of this server is at another address: base_url: https://a.test/api/v1"
    )
    serve({})
    assert missing(URL, "x", None, "models.a", failure) == ""


def test_other_failures_ask_nothing(serve: Serve) -> None:
    asked = serve({"/v1/models": models("m")})
    assert missing(URL, "x", None, "models.a", "http_500: the model is busy") == ""
    assert asked == []
