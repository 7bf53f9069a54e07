"""Whether the process that left a file behind is still there."""

import os
import socket
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from persona_collapse.common.hashing import digest

STATE, START = 0, 19  # in /proc/<pid>/stat, counted after the command's name
ENDED = ("Z", "X")  # states of a process that only waits for its parent


@cache
def this_host() -> str:
    """Return a name for the processes that see each other's ids: host, boot and container."""
    container = 0
    with suppress(OSError):  # Linux alone has this file
        container = Path("/proc/self/ns/pid").stat().st_ino
    return digest([socket.gethostname(), _boot(), container])[:12]


def birth(pid: int) -> str | None:
    """Return what tells a process of this host from later ones with its id; None: it has ended.

    Empty for a process that is there and shows nothing.
    """
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return None if fields[STATE] in ENDED else f"{_boot()} {fields[START]}".strip()
    try:
        os.kill(pid, 0)
    except PermissionError:  # another user's process
        pass
    except (OSError, OverflowError):
        return None
    shown = ""
    with suppress(OSError):  # systems without /proc
        run = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        shown = subprocess.run(run, capture_output=True, text=True, check=False).stdout.strip()
    state, _, started = shown.partition(" ")
    return None if state.startswith(ENDED) else started.strip()


def is_gone(host: str, pid: int, born: str = "") -> bool:
    """Return whether a process has ended; False where this host (``this_host``) cannot tell.

    ``born`` is its ``birth``: a process with the same id and another birth is a later one.
    """
    if host != this_host():
        return False
    found = birth(pid)
    return found is None or bool(born and found and found != born)


@cache
def _boot() -> str:
    with suppress(OSError):  # Linux alone has this file
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
