"""Get a source file from a mirror folder, the cache or its public addresses; check its digest."""

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import write_atomically
from persona_collapse.common.hashing import git_blob, sha256
from persona_collapse.common.network import reason, web_page
from persona_collapse.materials.catalogue import SourceFile

TIMEOUT_S = 30.0  # for a connection and for each read
DEADLINE_S = 300.0  # for a whole file, so that a slow server cannot block a run
MAX_BYTES = 20 * 1024 * 1024
CHUNK = 64 * 1024
ADVICE = (
    "Check the connection and the proxy settings, or put the file into a folder and name that "
    "folder: --config 'resources={mirror: FOLDER}', or resources.mirror in config/config.yaml"
)


class _FetchError(Exception):
    """One address gave no usable file."""


def obtain(file: SourceFile, cache: Path, mirror: Path | None) -> bytes:
    """Return the checked bytes of a source file.

    With a mirror the file is read from that folder, without the network. Otherwise it comes from
    ``cache``, or from the first address that gives the expected content, which is then cached.
    Raises ``UserError`` that names the file and, for every address, what was found and expected.
    """
    if mirror is not None:
        return _from_mirror(file, mirror)
    cached = cache / file.name
    if cached.is_file():
        content = cached.read_bytes()
        if has_digest(content, file):
            return content
    faults = []
    for url in file.urls:
        try:
            content = download(url)
        except _FetchError as fault:
            faults.append(f"{url}: {fault}")
            continue
        if has_digest(content, file):
            write_atomically(cached, content)
            return content
        faults.append(f"{url}: {_mismatch(content, file)}")
    tried = "\n  ".join(faults)
    raise UserError(f"{file.name}: could not be fetched\n  {tried}\n{ADVICE}")


def has_digest(content: bytes, file: SourceFile) -> bool:
    """Return whether content has the digest that the catalogue states for a file."""
    if file.git_blob is not None:
        return git_blob(content) == file.git_blob
    return sha256(content) == file.sha256


def download(url: str) -> bytes:
    """Return the content of an http(s) address; raise ``_FetchError`` with the cause."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            content = _read(response)
            promised = response.headers.get("Content-Length")
    except urllib.error.HTTPError as fault:
        raise _FetchError(f"HTTP {fault.code} {fault.reason}") from None
    except urllib.error.URLError as fault:
        why = reason(fault, url, _proxy(url), TIMEOUT_S) or fault.reason
        raise _FetchError(f"no connection: {why}") from None
    except TimeoutError:
        raise _FetchError(f"no data for {TIMEOUT_S:g} s") from None
    except (OSError, http.client.HTTPException) as fault:
        raise _FetchError(f"the transfer broke off ({fault or type(fault).__name__})") from None
    if promised and promised.isdigit() and len(content) < int(promised):
        raise _FetchError(f"the transfer broke off ({len(content)} of {promised} bytes)")
    return content


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for an address, as ``urllib`` takes it."""
    parts = urlsplit(url)
    bypass = urllib.request.proxy_bypass(parts.hostname or "")
    return None if bypass else urllib.request.getproxies().get(parts.scheme)


def _read(response: http.client.HTTPResponse) -> bytes:
    """Read a response in chunks, with a limit on its size and on the whole duration."""
    stop = time.monotonic() + DEADLINE_S
    content = bytearray()
    while chunk := response.read(CHUNK):
        content += chunk
        if len(content) > MAX_BYTES:
            raise _FetchError(f"larger than {MAX_BYTES} bytes, which no listed file is")
        if time.monotonic() > stop:
            raise _FetchError(f"not complete after {DEADLINE_S:g} s")
    return bytes(content)


def _from_mirror(file: SourceFile, mirror: Path) -> bytes:
    path = mirror / file.name
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise UserError(
            f"{path}: cannot be read: {fault.strerror}. The mirror (resources.mirror) must hold "
            f"{file.name}; download it from {file.urls[0]}"
        ) from None
    if not has_digest(content, file):
        raise UserError(
            f"{path}: {_mismatch(content, file)}. The mirror (resources.mirror) holds another "
            f"version; the right one is {file.urls[0]}"
        )
    return content


def _mismatch(content: bytes, file: SourceFile) -> str:
    if found := web_page(content):
        return f"it is {found} and not the file: a login or a proxy may stand between"
    if file.git_blob is not None:
        actual = git_blob(content)
        text = f"its git blob id is {actual} ({len(content)} bytes), expected {file.git_blob}"
        return f"{text}; {file.advice % actual}" if file.advice else text
    return f"sha256 is {sha256(content)} ({len(content)} bytes), expected {file.sha256}"
