"""Write files that survive crashes and other processes: whole files, and logs of one writer."""

import os
import secrets
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path


def write_atomically(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file completely or not at all: to a temporary file, which is then renamed.

    ``durable``: once written, it survives a power loss, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(name).chmod(0o644)  # mkstemp gives 0600; a shared checkout must stay readable
        Path(name).replace(path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def now() -> str:
    """Return the time as the store writes it: UTC with microseconds, so that texts sort."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def open_own_file(folder: Path) -> tuple[Path, int]:
    """Create a file for this process alone to append to, named by time, host and process.

    Returns path and file descriptor; raises ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    host = socket.gethostname().split(".")[0]
    path = folder / f"{started}-{host}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
    sync_folder(folder)
    return path, file


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, so that new files survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
