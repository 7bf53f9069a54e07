"""Fetching a source file: addresses in order, cache, mirror, and every way to go wrong."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import write_atomically
from persona_collapse.materials import fetch
from persona_collapse.materials.catalogue import SourceFile
from persona_collapse.materials.fetch import obtain

CONTENT = b"ITEMS = []\n" * 20
PAGE = b"<html><title>Sign in</title></html>"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves the content at /good and one fault at each other path."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        others = {"/other": b"something else", "/large": b"x" * 5000, "/page": PAGE}
        body = others.get(self.path, CONTENT)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == "/slow":
            self.server.release.wait(5)
        self.wfile.write(body[:40] if self.path == "/truncated" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    handler = type("Fresh", (Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.release = threading.Event()
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        running.base = f"http://127.0.0.1:{running.server_port}"
        running.asked = handler.asked
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


def file_at(server, *paths):
    return SourceFile("items.py", SHA256, tuple(f"{server.base}{path}" for path in paths))


def test_valid_file_is_fetched_and_cached(server, tmp_path):
    assert obtain(file_at(server, "/good"), tmp_path, None) == CONTENT
    assert (tmp_path / "items.py").read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["items.py"]


def test_cached_file_is_not_fetched_again(server, tmp_path):
    obtain(file_at(server, "/good"), tmp_path, None)
    assert obtain(file_at(server, "/missing"), tmp_path, None) == CONTENT
    assert server.asked == ["/good"]


def test_corrupt_cached_file_is_fetched_again(server, tmp_path):
    (tmp_path / "items.py").write_bytes(CONTENT[:-1])
    assert obtain(file_at(server, "/good"), tmp_path, None) == CONTENT
    assert (tmp_path / "items.py").read_bytes() == CONTENT


@pytest.mark.parametrize("bad", ["/missing", "/other", "/truncated"])
def test_second_address_is_tried_after_a_failure(server, tmp_path, bad):
    assert obtain(file_at(server, bad, "/good"), tmp_path, None) == CONTENT
    assert server.asked == [bad, "/good"]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/missing", "HTTP 404"),
        ("/other", f"sha256 is {hashlib.sha256(b'something else').hexdigest()} (14 bytes)"),
        ("/page", "it is a web page ('Sign in') and not the file"),
        ("/truncated", "the transfer broke off"),
        ("/large", "larger than 1000 bytes"),
        ("/slow", "no data for 0.2 s"),
    ],
)
def test_failure_names_file_address_cause_and_remedy(server, tmp_path, monkeypatch, path, fault):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2 if path == "/slow" else 5)
    monkeypatch.setattr(fetch, "MAX_BYTES", 1000)
    with pytest.raises(UserError) as caught:
        obtain(file_at(server, path), tmp_path, None)
    text = str(caught.value)
    assert text.startswith("items.py: could not be fetched")
    assert f"{server.base}{path}: " in text
    assert fault in text
    assert "resources={mirror: FOLDER}" in text
    if path == "/other":
        assert f"expected {SHA256}" in text
    assert list(tmp_path.iterdir()) == []


def test_transfer_is_given_up_after_the_deadline(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "DEADLINE_S", -1.0)
    with pytest.raises(UserError, match="not complete after"):
        obtain(file_at(server, "/good"), tmp_path, None)


def test_refused_connection_is_reported(server, tmp_path):
    server.server_close()
    with pytest.raises(UserError, match="no connection: nothing listens on port 9 there"):
        obtain(SourceFile("items.py", SHA256, ("http://127.0.0.1:9/x",)), tmp_path, None)


def test_mirror_replaces_cache_and_network(server, tmp_path):
    mirror, cache = tmp_path / "mirror", tmp_path / "cache"
    mirror.mkdir()
    (mirror / "items.py").write_bytes(CONTENT)
    assert obtain(file_at(server, "/good"), cache, mirror) == CONTENT
    assert server.asked == []
    assert not cache.exists()


def test_mirror_without_the_file_is_an_error_even_with_a_network(server, tmp_path):
    with pytest.raises(UserError, match=r"items\.py: cannot be read: No such file"):
        obtain(file_at(server, "/good"), tmp_path, tmp_path)
    assert server.asked == []


def test_other_version_in_the_mirror_is_refused(server, tmp_path):
    (tmp_path / "items.py").write_bytes(CONTENT + b"\n")
    with pytest.raises(UserError, match=rf"items\.py: sha256 is .*expected {SHA256}"):
        obtain(file_at(server, "/good"), tmp_path, tmp_path)


def test_failed_write_leaves_the_old_file_and_no_temporary_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
