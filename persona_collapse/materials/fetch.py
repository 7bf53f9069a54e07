"""Getting a source file: from a mirror folder, from the cache, or from its public addresses.

Whatever the road, the bytes are those of the catalogue's digest or they are refused.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import write_atomically
from persona_collapse.common.hashing import git_blob, sha256
from persona_collapse.materials.catalogue import SourceFile

TIMEOUT_S = 30.0  # for a connection and for each read
DEADLINE_S = 300.0  # for a whole file, so that a server that trickles bytes cannot hold a run
MAX_BYTES = 20 * 1024 * 1024
CHUNK = 64 * 1024
ADVICE = (
    "Check the connection and the proxy settings, or put the file into a folder and name that "
    "folder: --config 'resources={mirror: FOLDER}', or resources.mirror in config/config.yaml"
)


class _FetchError(Exception):
    """Why one address gave no usable file."""


def obtain(file: SourceFile, cache: Path, mirror: Path | None) -> bytes:
    """Return the checked bytes of a source file.

    With a mirror the file is taken from that folder and the network is left alone. Otherwise it
    comes from ``cache``, or from the first address that gives the right bytes, which are then put
    into ``cache``. Raises ``UserError`` that names the file, every address, what was found there
    and what was expected.
    """
    if mirror is not None:
        return _from_mirror(file, mirror)
    kept = cache / file.name
    if kept.is_file():
        content = kept.read_bytes()
        if is_right(content, file):
            return content
    faults = []
    for url in file.urls:
        try:
            content = download(url)
        except _FetchError as fault:
            faults.append(f"{url}: {fault}")
            continue
        if is_right(content, file):
            write_atomically(kept, content)
            return content
        faults.append(f"{url}: {_wrong(content, file)}")
    tried = "\n  ".join(faults)
    raise UserError(f"{file.name}: could not be fetched\n  {tried}\n{ADVICE}")


def is_right(content: bytes, file: SourceFile) -> bool:
    """Tell whether bytes are those that the catalogue knows a file by."""
    if file.git_blob is not None:
        return git_blob(content) == file.git_blob
    return sha256(content) == file.sha256


def download(url: str) -> bytes:
    """Return what an http(s) address gives; raise a private fault that says why it cannot."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            content = _read(response)
            promised = response.headers.get("Content-Length")
    except urllib.error.HTTPError as fault:
        raise _FetchError(f"HTTP {fault.code} {fault.reason}") from None
    except urllib.error.URLError as fault:
        raise _FetchError(f"no connection ({fault.reason})") from None
    except TimeoutError:
        raise _FetchError(f"no data for {TIMEOUT_S:g} s") from None
    except (OSError, http.client.HTTPException) as fault:
        raise _FetchError(f"the transfer broke off ({fault or type(fault).__name__})") from None
    if promised and promised.isdigit() and len(content) < int(promised):
        raise _FetchError(f"the transfer broke off ({len(content)} of {promised} bytes)")
    return content


def _read(response: http.client.HTTPResponse) -> bytes:
    """Read a reply in chunks, so that the size and the whole duration can be limited."""
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
            f"{file.name}; it is to be had from {file.urls[0]}"
        ) from None
    if not is_right(content, file):
        raise UserError(
            f"{path}: {_wrong(content, file)}. The mirror (resources.mirror) holds another "
            f"version; the right one is {file.urls[0]}"
        )
    return content


def _wrong(content: bytes, file: SourceFile) -> str:
    if file.git_blob is not None:
        found = git_blob(content)
        text = f"its git blob id is {found} ({len(content)} bytes), expected {file.git_blob}"
        return f"{text}; {file.advice % found}" if file.advice else text
    return f"sha256 is {sha256(content)} ({len(content)} bytes), expected {file.sha256}"
