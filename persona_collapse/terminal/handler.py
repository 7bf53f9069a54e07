"""The log handler of a run: reads the workflow's records, shows little and logs everything."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, TextIO

from persona_collapse.terminal.about import About
from persona_collapse.terminal.faults import fault_of, warnings_of
from persona_collapse.terminal.screen import Screen
from persona_collapse.terminal.show import Show

# What Snakemake says of itself before the first job; all of it is in the log.
HOUSEKEEPING = (
    *("Config file ", "Assuming unrestricted shared filesystem", "Building DAG of jobs"),
    *("Using shell", "Provided ", "Rules claiming", "Conda environments: ignored"),
    *("Singularity containers: ignored", "Job stats"),
)
NOTHING = "Nothing to be done"
AGAIN = "Trying to restart job"
ABOUT_JOBS = ("At least one job did not complete", "Exiting because a job execution failed")
STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.(\w+)")


class RunHandler(logging.Handler):
    """Shows a run on a screen, and writes what Snakemake would have shown to the run's log.

    ``original`` is the handler that it replaces; until a run begins, and in all that is no run
    (``--lint``, ``--summary``, ...), that one shows the records. From the first job to the end of
    the run, standard error of this process and its jobs is the log file, so that no line of a job
    tears the block. ``quiet`` shows errors and the last lines alone, ``silent`` errors alone.
    ``about`` is known once the study has been read.
    """

    def __init__(
        self, original: Any, *, colour: bool = True, quiet: bool = False, silent: bool = False
    ) -> None:
        super().__init__()
        self.original, self.colour = original, colour
        self.quiet, self.silent = quiet or silent, silent
        self.about: About | None = None
        self.show: Show | None = None  # from the start of a run
        self._held: list[logging.LogRecord] = []  # from the start to the first job
        self._logs: dict[int, Sequence[str]] = {}  # of jobs, by their number
        self._status: dict[int, str] = {}  # how the job's process ended that failed, by thread
        self._log: TextIO | None = None
        self._shown: TextIO = original.stream
        self._stderr: int | None = None  # a copy of standard error while it is the log
        self._before: dict[int, Any] = {}  # handlers of signals
        self._catch(signal.SIGINT)

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a user needs of a record, and log all of it."""
        try:
            self._emit(record)
        except Exception:  # a fault of what is shown stops no run
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        event = _event(record)
        text = record.getMessage() if record.msg else ""
        show = self.show
        if show is None:
            if event == "workflow_started" and self.about is not None and not self.about.dry():
                screen = Screen(self.original.stream, self.colour)
                self.show = Show(self.about, screen, quiet=self.quiet, silent=self.silent)
                self._held = [record]
            elif not text.startswith(HOUSEKEEPING):
                self.original.handle(record)
        elif show.begun:
            self.original.handle(record)
            self._follow(show, record, event, text)
        else:
            self._held.append(record)
            self._plan(show, record, event, text)

    def _plan(self, show: Show, record: logging.LogRecord, event: str, text: str) -> None:
        if event == "run_info":
            self._redirect(show)
            for held in self._held:
                self.original.handle(held)
            self._catch(signal.SIGTERM)
            show.begin()
        elif text.startswith(NOTHING):
            show.nothing = True
        elif record.levelno >= logging.ERROR:
            show.error(text)
        elif record.levelno >= logging.WARNING:
            show.warn(text)
        elif not event and not text.startswith(HOUSEKEEPING):
            show.tell(text)  # for instance that an environment is made, which takes minutes

    def _follow(self, show: Show, record: logging.LogRecord, event: str, text: str) -> None:
        if event == "job_info":
            number = int(record.__dict__["jobid"])
            self._logs[number] = list(record.__dict__["log"] or ())
            show.start(number)
        elif event == "job_finished":
            number = int(record.__dict__["job_id"])
            for warning in warnings_of(self._logs.pop(number, ())):
                show.warn(warning)
            show.finish(number)
        elif event == "job_error":
            job = show.tally.jobs.get(int(record.__dict__["jobid"]))
            status = self._status.pop(threading.get_ident(), "")
            if job is not None:
                show.fail(job, fault_of(job, record.__dict__, status, show.about.log))
        elif found := STATUS.search(text):
            self._status[threading.get_ident()] = found[1] or found[2]
        elif record.levelno >= logging.ERROR and not any(part in text for part in ABOUT_JOBS):
            show.error(text)
        elif record.levelno == logging.WARNING:
            show.warn(text)
        elif text.startswith(AGAIN):
            show.retry()

    def close(self) -> None:
        """Show the end of the run, and let standard error be what it was."""
        show, self.show = self.show, None
        try:
            if show is not None:
                show.end()
        finally:
            self._restore()
            super().close()

    def _redirect(self, show: Show) -> None:
        """Let standard error, of jobs too, be the log file; the screen keeps the terminal."""
        with suppress(OSError, ValueError):  # a disk that cannot be written; a stream of a test
            log = show.about.log
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = log.open("w", encoding="utf-8", buffering=1)
            kept = os.dup(self._shown.fileno())
            terminal = os.fdopen(kept, "w", encoding="utf-8", errors="replace")
            show.screen = Screen(terminal, self.colour)
            sys.stderr.flush()
            self._stderr = os.dup(2)
            os.dup2(self._log.fileno(), 2)
            self.original.setStream(self._log)
            self.original.nocolor = True

    def _restore(self) -> None:
        if self._stderr is not None:
            sys.stderr.flush()
            os.dup2(self._stderr, 2)
            os.close(self._stderr)
            self._stderr = None
        if self._log is not None:
            self.original.setStream(self._shown)
            self._log.close()
            self._log = None
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _catch(self, number: signal.Signals) -> None:
        with suppress(ValueError):  # outside the main thread
            self._before[number] = signal.signal(number, self._signalled)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Stop the run as Snakemake does at the first signal; say what the next ones do."""
        show = self.show
        if show is None or not show.begun:
            self.show = None
            sys.exit("Stopped before the first job: nothing was asked.")
        before = self._before.get(number)
        if show.interrupt(pass_on=number == signal.SIGTERM) > 1:
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if callable(before):
            before(number, frame)


def _event(record: logging.LogRecord) -> str:
    """Return the name of a record's event, "" where it has none."""
    event = getattr(record, "event", None)
    return str(getattr(event, "value", event) or "")
