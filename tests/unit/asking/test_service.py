"""A server's files, lists and batches, by the real client on replies that a test writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from persona_collapse.asking import batches, service
from persona_collapse.asking.batches import DAY_S, KEY, Batch, BatchService, Fault
from persona_collapse.asking.journal import RefusedError, ThrottledError, UnansweredError
from persona_collapse.asking.service import LONGEST_TEXT, MOST_PAGES

SECRET = "sk-secret-0123456789abcdef"
Reply = httpx2.Response


class Server:
    """Answers each request by ``reply``, and keeps the requests."""

    def __init__(self, reply: Callable[[httpx2.Request], Reply]) -> None:
        self.reply, self.asked = reply, list[httpx2.Request]()

    def __call__(self, request: httpx2.Request) -> Reply:
        self.asked.append(request)
        return self.reply(request)


Serve = Callable[[Callable[[httpx2.Request], Reply]], tuple[BatchService, Server]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Return a function that makes a client of replies, and what it asks."""

    def made(reply: Callable[[httpx2.Request], Reply]) -> tuple[BatchService, Server]:
        server = Server(reply)

        def client(**options: Any) -> httpx2.Client:
            return httpx2.Client(**{**options, "transport": httpx2.MockTransport(server)})

        monkeypatch.setattr(service.openai, "DefaultHttpxClient", client)
        return BatchService("https://api.test/v1", lambda: SECRET, 7.0), server

    return made


def listed(entries: list[dict[str, Any]], page: int) -> Callable[[httpx2.Request], Reply]:
    """Return what answers with a page of a list."""

    def reply(request: httpx2.Request) -> Reply:
        after = request.url.params.get("after")
        ids = [entry["id"] for entry in entries]
        start = ids.index(after) + 1 if after else 0
        some = entries[start : start + page]
        more = start + page < len(ids)
        return Reply(200, json={"object": "list", "data": some, "has_more": more})

    return reply


def file(name: str, size: int, status: str = "processed") -> dict[str, Any]:
    return {"id": f"file-{name}-{size}-{status}", "filename": name, "bytes": size, "status": status}


def test_file_is_found_by_name_and_size_on_any_page(serve: Serve) -> None:
    others = [file("a", 1), file("a", 3), file("b", 2), file("a", 2, "error"), file("0", 2)]
    found, server = serve(listed([*others, file("a", 2)], 2))
    assert found.find_file("a", 2) == "file-a-2-processed"
    assert len(server.asked) == 3
    assert {request.url.params["purpose"] for request in server.asked} == {"batch"}
    assert {request.url.params["limit"] for request in server.asked} == {"100"}
    assert serve(listed(others, 2))[0].find_file("a", 2) is None
    found, server = serve(listed([], 2))
    assert found.find_file("a", 2) is None
    assert len(server.asked) == 1


def test_list_without_an_end_is_read_to_a_limit(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_PAGES == 1000
    monkeypatch.setattr(service, "MOST_PAGES", 3)
    endless = {"object": "list", "data": [file("b", 1)], "has_more": True}
    found, server = serve(lambda _: Reply(200, json=endless))
    assert found.find_file("a", 1) is None
    assert len(server.asked) == 3


@pytest.mark.parametrize("page", [{"data": [], "has_more": True}, {"data": None}, {}])
def test_empty_page_ends_a_list(page: dict[str, Any], serve: Serve) -> None:
    found, server = serve(lambda _: Reply(200, json={"object": "list", **page}))
    assert found.find_file("a", 1) is None
    assert len(server.asked) == 1


def test_uploaded_file_has_its_name_purpose_and_content(serve: Serve) -> None:
    found, server = serve(lambda _: Reply(200, json={"id": "file-1"}))
    assert found.upload("a.jsonl", b"content\n") == "file-1"
    sent = server.asked[0].read()
    for part in (b'filename="a.jsonl"', b"application/jsonl", b"batch", b"content\n"):
        assert part in sent
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("said", [{"id": ""}, {"id": 5}, {}])
def test_reply_without_an_id_is_none(said: dict[str, Any], serve: Serve) -> None:
    found, _ = serve(lambda _: Reply(200, json=said))
    with pytest.raises(UnansweredError, match="the reply holds no id"):
        found.upload("a", b"")


def test_file_exists_unless_the_server_knows_none_or_refused_it(serve: Serve) -> None:
    assert serve(lambda _: Reply(200, json=file("a", 1)))[0].has_file("x")
    assert not serve(lambda _: Reply(404, json={}))[0].has_file("x")
    with pytest.raises(RefusedError) as fault:
        serve(lambda _: Reply(403, json={}))[0].has_file("x")
    assert fault.value.status == 403
    wrong = {**file("a", 1, "error"), "status_details": "line 3\n is bad"}
    with pytest.raises(RefusedError, match="line 3 is bad") as fault:
        serve(lambda _: Reply(200, json=wrong))[0].has_file("x")
    assert (fault.value.status, fault.value.code) == (200, "invalid_file")
    with pytest.raises(RefusedError, match="no reason given"):
        serve(lambda _: Reply(200, json=file("a", 1, "error")))[0].has_file("x")


def error(code: str | None = None, kind: str | None = None, text: str = "said") -> dict[str, Any]:
    return {"error": {"code": code, "type": kind, "message": text}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "text"),
    [
        (429, error("rate_limit"), ThrottledError, None, "said"),
        (429, error("insufficient_quota"), RefusedError, "insufficient_quota", "said"),
        (429, error("x", "insufficient_quota"), RefusedError, "insufficient_quota", "said"),
        (402, error("billing_hard_limit_reached"), RefusedError, "insufficient_quota", "said"),
        (408, error(), UnansweredError, None, r"HTTP 408 \(Request Timeout\): said"),
        (409, error(), UnansweredError, None, r"HTTP 409 \(Conflict\): said"),
        (425, error(), UnansweredError, None, r"HTTP 425 \(Too Early\): said"),
        (500, error(), UnansweredError, None, r"HTTP 500 \(Internal Server Error\): said"),
        (501, error(), UnansweredError, None, r"HTTP 501 \(Not Implemented\): said"),
        (499, error(), RefusedError, "", "said"),
        (407, error(), RefusedError, "", "said"),
        (410, error(), RefusedError, "", "said"),
        (424, error(), RefusedError, "", "said"),
        (426, error(), RefusedError, "", "said"),
        (428, error(), RefusedError, "", "said"),
        (430, error(), RefusedError, "", "said"),
        (400, error("bad", "kind"), RefusedError, "bad", "said"),
        (400, error(None, "kind"), RefusedError, "kind", "said"),
        (
            400,
            error("bad", None, f"key {SECRET} is wrong"),
            RefusedError,
            "bad",
            r"key \[api key\] is",
        ),
    ],
)
def test_error_of_a_server_says_whether_it_may_have_acted(
    status: int, body: dict[str, Any], kind: type, code: str | None, text: str, serve: Serve
) -> None:
    found, _ = serve(lambda _: Reply(status, json=body, headers={"retry-after": "3"}))
    with pytest.raises(kind, match=f"^{text}") as fault:
        found.upload("a", b"")
    assert type(fault.value) is kind
    assert SECRET not in str(fault.value)
    if isinstance(fault.value, RefusedError):
        assert (fault.value.status, fault.value.code) == (status, code)
    else:
        assert getattr(fault.value, "wait_s") == 3.0  # noqa: B009


def test_web_page_or_text_is_no_answer(serve: Serve) -> None:
    page, text = {"content-type": "text/html; x"}, {"content-type": "text/plain"}
    html = b"<html><title>Sign in</title>"
    found, _ = serve(lambda _: Reply(200, content=html, headers=page))
    with pytest.raises(UnansweredError, match=r"with a web page \('Sign in'\) instead of JSON"):
        found.upload("a", b"")
    for begin, end in (("it said: ", ""), ("x" * (LONGEST_TEXT - 45), "x" * 900)):
        said = f"{begin}{SECRET}{end}".encode()
        found, _ = serve(lambda _, said=said: Reply(200, content=said, headers=text))
        with pytest.raises(UnansweredError, match="with a text instead of JSON: ") as fault:
            found.upload("a", b"")
        assert begin in str(fault.value)
        assert SECRET[:12] not in str(fault.value)
        assert len(str(fault.value)) <= LONGEST_TEXT
    found, _ = serve(lambda _: Reply(403, content=html, headers=page))
    with pytest.raises(RefusedError, match=r"it answered with a web page \('Sign in'\)"):
        found.upload("a", b"")


def test_lost_connection_is_no_answer_in_words(serve: Serve) -> None:
    def lost(request: httpx2.Request) -> Reply:
        raise httpx2.ReadTimeout("", request=request)

    with pytest.raises(UnansweredError, match="no complete answer within 7 s"):
        serve(lost)[0].upload("a", b"")

    def refused(request: httpx2.Request) -> Reply:
        raise httpx2.ConnectError("x") from ConnectionRefusedError()

    with pytest.raises(UnansweredError, match="nothing listens on port 443"):
        serve(refused)[0].upload("a", b"")
    found, _ = serve(lambda _: Reply(200, content=b"{", headers={"content-type": "a/json"}))
    with pytest.raises(UnansweredError):
        found.upload("a", b"")


def test_text_of_a_server_is_one_line_of_bounded_length_without_the_key(serve: Serve) -> None:
    said = f"{SECRET}\n\t " + "x" * 600
    found, _ = serve(lambda _: Reply(400, json=error("bad", None, said)))
    with pytest.raises(RefusedError) as fault:
        found.upload("a", b"")
    assert len(str(fault.value)) == LONGEST_TEXT
    assert "\n" not in str(fault.value)
    assert SECRET not in str(fault.value)


def test_client_that_asked_nothing_looks_up_no_key_and_closes() -> None:
    asked: list[int] = []

    def find_key() -> str:
        asked.append(1)
        return SECRET

    made = BatchService("https://api.test/v1", find_key, 1.0)
    made.close()
    assert asked == []
    api = made._api
    assert asked == [1]
    made.close()
    assert api.is_closed()


def batch(name: str, created_at: Any, key: str | None = None) -> dict[str, Any]:
    return {"id": name, "created_at": created_at, "metadata": key and {KEY: key}}


def test_batch_is_looked_up_back_to_a_day_before_it_can_have_been_made(serve: Serve) -> None:
    since = 10 * DAY_S
    new = [batch("new", since + 5), batch("other", since - DAY_S, "another")]
    old = [batch("older", since - DAY_S - 1), batch("oldest", 1, "mine")]
    found, server = serve(listed([*new, *new[:1], batch("mine", since - DAY_S, "mine")], 2))
    assert found.find_batch("mine", since) == "mine"
    assert len(server.asked) == 2
    found, server = serve(listed([*new, *old], 1))
    assert found.find_batch("mine", since) is None
    assert len(server.asked) == 3  # the third is too old, so that the fourth is not read
    found, server = serve(listed([batch("a", None), *old[1:]], 1))
    assert found.find_batch("mine", since) == "oldest"
    assert serve(listed([], 1))[0].find_batch("mine", since) is None


def test_batch_is_made_of_a_file_with_its_key_in_the_metadata(serve: Serve) -> None:
    found, server = serve(lambda _: Reply(200, json={"id": "batch-1"}))
    assert found.create_batch("file-1", "key", {"model": "m"}) == "batch-1"
    assert json.loads(server.asked[0].read()) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {KEY: "key", "model": "m"},
    }
    assert len(server.asked) == 1


def state(serve: Serve, **fields: Any) -> Batch:
    found, _ = serve(lambda _: Reply(200, json={"id": "b", "status": "in_progress", **fields}))
    return found.batch("b")


def test_state_of_a_batch_has_its_files_counts_and_faults(serve: Serve) -> None:
    assert state(serve) == Batch("b", "in_progress")
    faults = [
        {"line": 3, "code": "bad", "message": f"not\n {SECRET}"},
        {"line": None, "code": None, "message": None},
    ]
    done = state(
        serve,
        status="completed",
        output_file_id="out",
        error_file_id="errors",
        request_counts={"total": 7, "completed": 5, "failed": 2},
        errors={"data": faults},
        completed_at=9,
        expired_at=None,
    )
    assert (done.files, done.total, done.answered, done.ended_at) == (("out", "errors"), 7, 5, 9)
    assert done.faults[0].message.startswith("not ")
    assert SECRET not in done.faults[0].message
    assert (done.faults[0].line, done.faults[0].code) == (3, "bad")
    assert done.faults[1] == Fault(None, "invalid", "no reason given")
    assert state(serve, output_file_id="", error_file_id="e").files == ("e",)
    assert state(serve, expired_at=4).ended_at == 4
    assert state(serve, cancelled_at=3).ended_at == 3
    assert state(serve, request_counts={"total": None}).total == 0


@pytest.mark.parametrize("status", [*batches.DONE, "Completed"])
def test_batch_that_has_ended_is_done(status: str) -> None:
    assert Batch("b", status).is_done
    assert not Batch("b", "cancelling").is_done


def test_content_of_a_file_is_read_to_a_limit(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert batches.MOST_BYTES == 4 * 1024**3
    monkeypatch.setattr(batches, "MOST_BYTES", 10)
    plain = {"content-type": "text/plain"}
    found, server = serve(lambda _: Reply(200, content=b"x" * 10, headers=plain))
    assert found.content("f") == b"x" * 10
    assert server.asked[0].url.path == "/v1/files/f/content"
    found, _ = serve(lambda _: Reply(200, content=b"x" * 11, headers=plain))
    with pytest.raises(RefusedError, match="larger than 10 bytes") as fault:
        found.content("f")
    assert (fault.value.status, fault.value.code) == (200, "too_large")
    assert serve(lambda _: Reply(404, json={}))[0].content("f") is None
    with pytest.raises(RefusedError):
        serve(lambda _: Reply(403, json={}))[0].content("f")
    page = {"content-type": "text/html"}
    with pytest.raises(UnansweredError, match="web page"):
        serve(lambda _: Reply(200, content=b"<html>", headers=page))[0].content("f")


def test_batch_is_cancelled_by_one_request(serve: Serve) -> None:
    found, server = serve(lambda _: Reply(200, json={"id": "b"}))
    found.cancel("b")
    assert [(r.method, r.url.path) for r in server.asked] == [("POST", "/v1/batches/b/cancel")]


def test_fault_of_the_library_without_words_is_named_by_its_type(serve: Serve) -> None:
    def fails(_: httpx2.Request) -> Reply:
        raise openai.OpenAIError("")

    with pytest.raises(UnansweredError, match=r"\w"):
        serve(fails)[0].upload("a", b"")
