"""How scripts speak to the user: a fault they can mend is one clear message, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from persona_collapse.common.errors import UserError

_logs: list[Path] = []  # of the scripts that run in this process, the innermost last


@contextmanager
def reported(log: str | None) -> Iterator[None]:
    """Write a ``UserError`` to stderr and the log, then exit with 1; a bug still shows itself."""
    path = Path(log) if log else None
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        _logs.append(path)
    try:
        yield
    except UserError as fault:
        message = f"persona-collapse: {fault}"
        log_line(message)
        print(message, file=sys.stderr)
        sys.exit(1)
    finally:
        if path:
            _logs.pop()


def log_line(text: str) -> None:
    """Add a line to the log of the running script, where it has one and the disk takes it."""
    if _logs:
        with suppress(OSError), _logs[-1].open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")
