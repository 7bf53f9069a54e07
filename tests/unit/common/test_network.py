"""Why a server could not be reached, in words; with the exceptions of all clients that are used."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import httpx2
import openai
import pytest

from persona_collapse.common.network import place, unreachable, web_page
from tests.helpers.tls import CERTIFICATE

SECONDS = 0.3


class Plain(http.server.BaseHTTPRequestHandler):
    """Answers every request in plain HTTP, and connects nobody."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def do_CONNECT(self) -> None:
        self.send_error(403, "not through here")

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(certificate: Path | None = None) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain) as running:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            running.socket = context.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def by_aiohttp(url: str, proxy: str | None = None) -> None:
    async def send() -> None:
        timeout = httpx2.Timeout(SECONDS).as_dict()
        async with openai.DefaultAioHttpClient(trust_env=False, proxy=proxy) as client:
            await client.send(httpx2.Request("POST", url, extensions={"timeout": timeout}))

    asyncio.run(send())


def by_httpx(url: str, proxy: str | None = None) -> None:
    with httpx2.Client(trust_env=False, proxy=proxy, timeout=SECONDS) as client:
        client.get(url)


def by_urllib(url: str, proxy: str | None = None) -> None:
    given = {"http": proxy, "https": proxy} if proxy else {}
    urllib.request.build_opener(urllib.request.ProxyHandler(given)).open(url, timeout=SECONDS)


CLIENTS = [by_aiohttp, by_httpx, by_urllib]
FAULTS = (OSError, httpx2.HTTPError, aiohttp.ClientError)


def words(ask: Callable[..., None], url: str, proxy: str | None = None) -> str | None:
    with pytest.raises(FAULTS) as caught:
        ask(url, proxy)
    return unreachable(caught.value, url, proxy, SECONDS)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "server.pem"
    path.write_text(CERTIFICATE)
    return path


@pytest.mark.parametrize("ask", CLIENTS)
def test_port_without_a_server_is_named(ask: Callable[..., None]) -> None:
    expected = "cannot connect to http://127.0.0.1:9/v1: nothing listens on port 9 there"
    assert words(ask, "http://127.0.0.1:9/v1") == expected


@pytest.mark.parametrize("ask", CLIENTS)
def test_host_that_does_not_exist_is_named(
    ask: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = words(ask, "http://api.exmaple.org/v1") or ""
    assert found.startswith("cannot connect to http://api.exmaple.org/v1: there is no host 'api.ex")


@pytest.mark.parametrize("ask", CLIENTS)
def test_machine_without_network_is_told_from_a_wrong_name(
    ask: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = words(ask, "http://api.example.org/v1") or ""
    assert "could not be looked up; is this machine online?" in found


@pytest.mark.parametrize("ask", CLIENTS)
def test_certificate_that_is_not_trusted_is_named(
    ask: Callable[..., None], certificate: Path
) -> None:
    with serving(certificate) as port:
        found = words(ask, f"https://127.0.0.1:{port}/v1") or ""
    assert "its certificate is not accepted (self-signed certificate" in found
    assert "SSL_CERT_FILE" in found


@pytest.mark.parametrize("ask", CLIENTS)
def test_https_to_a_port_of_plain_http_says_what_to_write(ask: Callable[..., None]) -> None:
    with serving() as port:
        found = words(ask, f"https://127.0.0.1:{port}/v1") or ""
    assert f"port {port} there does not speak TLS: write http:// instead of https://" in found


@pytest.mark.parametrize("ask", CLIENTS)
def test_proxy_that_is_not_there_is_named_without_its_password(ask: Callable[..., None]) -> None:
    found = words(ask, "http://api.example.org/v1", "http://me:secret@127.0.0.1:9")
    assert found == (
        "cannot connect to http://api.example.org/v1: by the proxy http://127.0.0.1:9: "
        "nothing listens on port 9 there"
    )


@pytest.mark.parametrize("ask", [by_aiohttp, by_httpx])
def test_proxy_that_refuses_is_named(ask: Callable[..., None]) -> None:
    with serving() as port:
        found = words(ask, "https://api.example.org/v1", f"http://127.0.0.1:{port}") or ""
    assert f"by the proxy http://127.0.0.1:{port}: it refuses: " in found
    assert "not through here" in found


def test_connection_that_takes_too_long_says_how_long() -> None:
    for fault in (httpx2.ConnectTimeout("timed out"), aiohttp.ConnectionTimeoutError("Connection")):
        found = unreachable(fault, "https://h/v1", seconds=15.0) or ""
        assert found.startswith("cannot connect to https://h/v1: no connection within 15 s")


@pytest.mark.parametrize("ask", CLIENTS)
def test_server_that_is_silent_was_reached(ask: Callable[..., None]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        assert words(ask, f"http://127.0.0.1:{silent.getsockname()[1]}/v1") is None


def test_no_route_is_said() -> None:
    fault = OSError(113, "No route to host")
    assert "there is no route to h;" in (unreachable(fault, "http://h/v1") or "")


def test_exceptions_in_a_circle_end() -> None:
    fault = OSError("first")
    fault.__cause__ = RuntimeError("second")
    fault.__cause__.__context__ = fault
    assert unreachable(fault, "http://h/v1") is None


def test_address_is_shown_without_password_query_and_key() -> None:
    assert place("https://me:pw@h.org:8/v1/?api_key=abc#x") == "https://h.org:8/v1"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<!DOCTYPE html><html><head><title>Sign\n in</title>", "a web page ('Sign in')"),
        (b"\n<html>x", "a web page"),
        (b"<TITLE>", None),
        (b'{"data": []}', None),
        (b"", None),
    ],
)
def test_web_page_is_recognised(content: bytes, expected: str | None) -> None:
    assert web_page(content) == expected
