"""How scripts speak to the user: a fault they can mend is one clear message, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from persona_collapse.errors import UserError


@contextmanager
def reported(log: str | None) -> Iterator[None]:
    """Write a ``UserError`` to stderr and the log, then exit with 1; a bug still shows itself."""
    path = Path(log) if log else None
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    try:
        yield
    except UserError as fault:
        message = f"persona-collapse: {fault}"
        if path:
            path.write_text(message + "\n", encoding="utf-8")
        print(message, file=sys.stderr)
        sys.exit(1)
