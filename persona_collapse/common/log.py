"""The log of all modules: one handler for stderr and the log file of the running job."""

import logging
import sys
from contextlib import suppress
from pathlib import Path


class JobHandler(logging.Handler):
    """Writes messages to stderr and to the last of ``files``; debug messages to files alone."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; a full disk does not stop the job."""
        text = self.format(record)
        if self.files:
            with suppress(OSError), self.files[-1].open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        if record.levelno >= logging.INFO:
            # Loaded where a progress bar is shown, which tqdm then keeps whole.
            tqdm = sys.modules.get("tqdm")
            if tqdm is None:
                print(text, file=sys.stderr, flush=True)
            else:
                tqdm.tqdm.write(text, file=sys.stderr)


HANDLER = JobHandler()
LOG = logging.getLogger("persona_collapse")
LOG.addHandler(HANDLER)
LOG.setLevel(logging.DEBUG)
LOG.propagate = False
