"""What a command shows, as text, on a screen of a given width."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from rich.console import Console


def shown(show: Callable[..., None], *given: Any, width: int = 80, terminal: bool = False) -> str:
    """Return what a function shows whose first parameter is the screen."""
    file = io.StringIO()
    show(Console(file=file, width=width, force_terminal=terminal, highlight=False), *given)
    return file.getvalue()
