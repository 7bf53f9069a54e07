"""Waiting for a state: tests never wait for a time, which a busy machine may need more of."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

PATIENCE_S = 600.0  # until a test gives up; a busy machine is slow, not wrong


def until(
    reached: Callable[[], object],
    run: subprocess.Popen[bytes] | subprocess.Popen[str] | None = None,
    every_s: float = 0.01,
) -> None:
    """Wait until a condition is true; fail at once where the process that works on it has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        ended = run is not None and run.poll() is not None
        assert not ended or reached(), "the process ended before"
        assert time.monotonic() < deadline, f"not reached in {PATIENCE_S:.0f} s"
        time.sleep(every_s)
