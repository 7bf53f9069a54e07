"""Whether the process that left a file behind is still there."""

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

from persona_collapse.common.hashing import digest


@cache
def this_host() -> str:
    """Return a name for the processes that see each other's ids: host, boot and container."""
    boot, container = "", 0
    with suppress(OSError):  # Linux alone has these files
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        container = Path("/proc/self/ns/pid").stat().st_ino
    return digest([socket.gethostname(), boot, container])[:12]


def is_gone(host: str, pid: int) -> bool:
    """Return whether a process has ended; False where this host (``this_host``) cannot tell."""
    if host != this_host():
        return False
    with suppress(PermissionError):  # another user's process
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
    return False
