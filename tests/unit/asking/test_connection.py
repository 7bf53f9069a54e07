"""How a server is reached, and what of the environment has a say in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from persona_collapse.asking import connection
from persona_collapse.asking.connection import (
    address,
    api_options,
    http_options,
    isolate,
    key_headers,
)
from persona_collapse.common.errors import UserError

HTTPS = "https://api.example.org/v1"
AZURE = "https://n.openai.azure.com/openai/deployments/mine?api-version=2024-10-21"
PROXIES = [f"{name}_proxy" for name in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*connection.CERTIFICATES, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    connection._certificates.cache_clear()
    connection._ignored.cache_clear()
    yield
    connection._certificates.cache_clear()


def test_query_of_an_address_is_kept_apart() -> None:
    plain, query = address(AZURE)
    assert plain == "https://n.openai.azure.com/openai/deployments/mine"
    assert query == {"api-version": "2024-10-21"}
    assert address(f"{HTTPS}/") == (HTTPS, {})


def test_azure_takes_the_key_in_its_own_header() -> None:
    assert key_headers(AZURE, "k") == {"api-key": "k"}
    assert key_headers(HTTPS, "k") == {"Authorization": "Bearer k"}
    assert key_headers(HTTPS, None) == key_headers(AZURE, None) == {}


def test_client_takes_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORG_ID", "PROJECT_ID", "BASE_URL", "ADMIN_KEY"):
        monkeypatch.setenv(f"OPENAI_{name}", "https://foreign.example.org")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-foreign: 1")
    api = openai.OpenAI(**api_options(HTTPS, "k"))
    isolate(api)
    assert "foreign" not in str(api.base_url) + str(dict(api.default_headers))
    assert api.organization is None
    assert api.project is None
    api.close()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_do_not_exist_are_named_with_their_variable(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone")
    monkeypatch.setenv(name, gone)
    with pytest.raises(UserError, match=f"{name} names {gone}, which does not exist"):
        http_options(HTTPS)
    assert http_options("http://127.0.0.1:8000/v1")["verify"] is True  # needs none


def test_certificates_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "certificates.pem"
    path.write_text("nothing of the kind")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(UserError, match=r"SSL_CERT_FILE .* cannot be read as certificates"):
        http_options(HTTPS)


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy.example.org:3128"}, "http://proxy.example.org:3128"),
        ({"HTTPS_PROXY": "proxy.example.org:3128"}, "http://proxy.example.org:3128"),
        ({"ALL_PROXY": "http://proxy.example.org:3128"}, "http://proxy.example.org:3128"),
        ({"HTTP_PROXY": "http://proxy.example.org:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy.example.org:port"}, None),
        ({"HTTPS_PROXY": "::nonsense::"}, None),
        ({"ALL_PROXY": "socks5://127.0.0.1:1080"}, None),
        ({"HTTPS_PROXY": "http://p.example.org:1", "NO_PROXY": "example.org"}, None),
        (
            {"HTTPS_PROXY": "http://p.example.org:1", "NO_PROXY": "::1, [::1"},
            "http://p.example.org:1",
        ),
    ],
)
def test_proxy_of_the_environment_is_used_where_it_can_be(
    variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert http_options(HTTPS)["proxy"] == proxy
    assert http_options("https://localhost:8000/v1")["proxy"] is None


def test_certificates_are_checked_and_redirects_are_not_followed() -> None:
    plain = {"trust_env": False, "verify": True, "proxy": None, "follow_redirects": False}
    assert http_options(HTTPS) == plain
    assert http_options("http://a.test") == plain


@pytest.mark.parametrize(
    ("host", "proxied"),
    [
        *(("10.0.0.1", True), ("0.example.org", True), ("zzz.test", True), ("[fe80::1]", True)),
        *(("127.0.0.9", False), ("localhost", False), ("[::1]", False)),
    ],
)
def test_only_servers_of_this_machine_are_asked_without_the_proxy(
    host: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p.example.org:1")
    assert (http_options(f"https://{host}/v1")["proxy"] is not None) == proxied


def test_proxy_that_cannot_be_used_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    for _ in range(2):
        assert http_options(HTTPS)["proxy"] is None
    assert len(caplog.messages) == 1
    assert "HTTPS_PROXY is not the address of an http proxy" in caplog.messages[0]
