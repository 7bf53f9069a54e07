"""Turn the signals that end a process into an exception, so that it can say where it stopped."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any


class StoppedError(Exception):
    """SIGINT or SIGTERM arrived; the text is its name."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raise ``StoppedError`` on SIGINT and SIGTERM."""

    def stop(number: int, _: FrameType | None) -> None:
        raise StoppedError(signal.Signals(number).name)

    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # outside the main thread
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
