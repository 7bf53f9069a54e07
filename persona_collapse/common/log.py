"""The log of all modules: one handler for stderr and the log file of the running job."""

import logging
import re
import sys
from contextlib import suppress
from pathlib import Path

# What terminals act on instead of showing it: escape sequences, control characters but for tab and
# newline, and marks that turn the direction of text around. Servers and files may hold them.
ACTED_ON = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


# What a user's error and a warning begin with; the run's terminal finds them by it in a job's log.
ERROR, WARNING = "persona-collapse: ", "Warning: "


def plain_text(text: object) -> str:
    """Return a text without what a terminal would act on."""
    return ACTED_ON.sub("", str(text))


class JobHandler(logging.Handler):
    """Writes messages to stderr and to the last of ``files``; debug messages to files alone."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[Path] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; a full disk does not stop the job."""
        text = plain_text(self.format(record))
        if record.levelno == logging.WARNING:
            text = WARNING + text
        if self.files:
            with suppress(OSError), self.files[-1].open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        if record.levelno >= logging.INFO:
            print(text, file=sys.stderr, flush=True)


HANDLER = JobHandler()
LOG = logging.getLogger("persona_collapse")
LOG.addHandler(HANDLER)
LOG.setLevel(logging.DEBUG)
LOG.propagate = False
