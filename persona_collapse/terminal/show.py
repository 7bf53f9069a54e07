"""What a run shows while it works and when it ends."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import psutil  # type: ignore[import-untyped]

from persona_collapse.asking.breaker import DROP_S, halt
from persona_collapse.asking.progress import clock, counts, taken
from persona_collapse.common.errors import UserError
from persona_collapse.terminal.about import About
from persona_collapse.terminal.faults import JobFault, summary
from persona_collapse.terminal.screen import Screen, bar, ended, facts
from persona_collapse.terminal.tally import ASKING, Tally
from persona_collapse.terminal.work import Job

LOOK_S = 0.5  # between two looks at how far the jobs are
SPENT_S = 5.0  # and at what the study has spent
PASS_ON_S = 3.0  # after which a job that goes on has got no signal
SAID_S = 30.0  # how long a message of a job is shown


def end_jobs() -> None:
    """Send SIGTERM to the processes of jobs, but not to the shells that wait for them."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if not process.children():
                process.terminate()


class Show:
    """The lines of one run; ``begun`` from its first job on.

    ``quiet`` shows errors, warnings and the last lines alone, ``silent`` errors alone. ``nothing``
    is set where there is nothing to do.
    """

    def __init__(
        self, about: About, screen: Screen, *, quiet: bool = False, silent: bool = False
    ) -> None:
        self.about, self.screen = about, screen
        self.quiet, self.silent = quiet, silent
        self.nothing = self.begun = False
        self.tally = Tally(())
        self._commands = self._error = False
        self._reasons: set[str] = set()  # of failed jobs, those shown
        self._said: set[str] = set()  # other errors, and warnings
        self._interrupts = 0
        self._stopping = False  # and said so
        self._warned_at = float("-inf")  # of what is on its way
        self._dropped = False
        self._spent, self._spent_at = "", float("-inf")
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None

    def begin(self) -> None:
        """Show the first lines, and the block where there is a terminal."""
        self.begun, self.tally = True, Tally(self.about.jobs())
        self._commands = any(job.command for job in self.tally.needed)
        if self.quiet or self._commands:
            return
        self._title()
        if self.screen.live:
            self._ticker = threading.Thread(target=self._tick, daemon=True)
            self._ticker.start()

    def tell(self, text: str) -> None:
        """Show what the workflow says before the first job."""
        if not self.quiet:
            self.screen.say(text, "dim")

    def warn(self, text: str) -> None:
        """Show a warning, once."""
        if not self.silent:
            self._once(text, "yellow")

    def error(self, text: str) -> None:
        """Show an error that is no job's, once."""
        if self._interrupts:
            return
        self._error = True
        self._once(text, "red")

    def start(self, number: int) -> None:
        """Note that a job has begun."""
        self.tally.begin(number)

    def finish(self, number: int) -> None:
        """Note that a job has ended well; show its stage where that has ended with it."""
        self._keep(number)
        job = self.tally.finish(number)
        if job is None or self.screen.live or self.quiet or self._commands:
            return
        line = next(line for line in self.tally.lines() if line.stage == job.stage)
        if line.total:
            without = self.tally.without_rating if line.stage == "ask" else ""
            self.screen.say(ended(line, self.tally.seconds) + (without and f"; {without}"))

    def fail(self, job: Job, fault: JobFault) -> None:
        """Show why a job has failed; of like faults the first alone."""
        self._keep(job.number)
        self.tally.fail(job.number)
        if self._interrupts:
            return
        if fault.reason in self._reasons:
            return
        self._reasons.add(fault.reason)
        if job.command:
            self.screen.say(fault.message)
            return
        self.screen.say(f"Error in {job.name}:", "bold red")
        what, _, remedy = fault.message.rpartition("\n")
        again = bool(what) and remedy in self._said
        self._said.add(remedy)
        self.screen.say(f"  {what if again else fault.message}")
        self.screen.say(f"  Log: {fault.log}", "dim")

    def retry(self) -> None:
        """Say that the job that failed last is tried again."""
        if not self._interrupts and not self.quiet:
            self.screen.say("  It is tried again.", "dim")

    def interrupt(self, pass_on: bool) -> int:
        """Show what a signal does and ask jobs to stop; return how many signals came.

        ``pass_on`` sends SIGTERM to the jobs that go on: those of a terminal have got its signal.
        """
        self._interrupts += 1
        which = self._interrupts
        if which == 1:
            self._stop(pass_on)
            self._stopping = True
            further = self._interrupts - 1  # signals that came meanwhile
        else:
            further = int(self._stopping)
        for _ in range(further):
            self._warn()
        return which

    def _stop(self, pass_on: bool) -> None:
        self._look()
        self.screen.close()
        flying = self.tally.in_flight
        longest = max((c.timeout_s for c in self.tally.counts if c.in_flight), default=0)
        self.screen.say(
            f"Stopping. {flying} requests on their way (at most {longest:.0f} s); Ctrl-C twice "
            "more drops them."
            if flying
            else "Stopping."
        )
        if self.about.notes is not None:
            halt(self.about.notes)
        if pass_on:
            timer = threading.Timer(PASS_ON_S, end_jobs)
            timer.daemon = True
            timer.start()

    def _warn(self) -> None:
        self._look()
        if self._dropped or not self.tally.in_flight:
            return
        now = time.monotonic()
        self._dropped = now - self._warned_at <= DROP_S  # as the jobs do
        self._warned_at = now
        self.screen.say(
            "Requests on their way are dropped; the next run asks them again."
            if self._dropped
            else f"Answers on their way are paid for; Ctrl-C once more in {DROP_S:.0f} s drops "
            "them."
        )

    def end(self) -> None:
        """Show how the run ended: stopped, failed, or with its verdicts."""
        self._over.set()
        if self._ticker is not None:
            self._ticker.join(timeout=5)
        if self.begun:
            self._look()
            if self._ticker is not None and not self._interrupts:
                self._draw()
        self.screen.close()
        if self._interrupts:
            self._end_stopped()
        elif self._error or self.tally.failed:
            self._end_failed()
        elif (self.begun or self.nothing) and not self._commands and not self.silent:
            self._end_well()
        if self.about.notes is not None:
            with suppress(OSError):
                for path in self.about.notes.iterdir():
                    path.unlink()
                self.about.notes.rmdir()

    def _end_stopped(self) -> None:
        kept = [
            f"{line.done:,} of {line.total:,} {line.unit}"
            for line in self.tally.lines()
            if line.stage in ASKING and line.done < line.total
        ]
        stored = f"{' and '.join(kept)} are stored" if kept else "Every answer is stored"
        if any(line.stage == "batch" and line.done < line.total for line in self.tally.lines()):
            stored = "Batches that were sent go on at the server, and the next run collects them"
        self.screen.say(f"Stopped. {stored}; nothing is lost.")
        self.screen.say(f"To go on: {self.about.command}", whole=True)

    def _end_failed(self) -> None:
        if self._commands or not self.begun:
            return
        self.screen.say("")
        for line in summary(self.tally, len(self._reasons), self.about.notes):
            self.screen.say(line)
        self.screen.say(f"Mend the cause, then go on: {self.about.command}", whole=True)
        self.screen.say(f"Full log: {self.about.log}", "dim")

    def _end_well(self) -> None:
        try:
            verdicts = self.about.verdicts()
        except UserError as fault:  # tables of another version
            self.screen.say(str(fault), "red")
            verdicts = []
        if self.nothing:
            if verdicts:
                self._title()
            self.screen.say("Nothing to be done: every file is there and up to date.")
        if verdicts:
            self.screen.say("")
            for line in verdicts:
                self.screen.say(f"  {line}")
            self.screen.say("")
        took = f"({clock(self.tally.seconds)}; full log: {self.about.log})"
        last = f"Read {self.about.page}" if verdicts else "Done"
        if verdicts or self.begun:
            self.screen.say(last if self.nothing else f"{last}   {took}", "bold")

    def _keep(self, number: int) -> None:
        """Take the counts of a job that has ended, so that those on disk are few."""
        job, notes = self.tally.jobs.get(number), self.about.notes
        if job is not None and job.stage in ASKING and notes is not None:
            for label in (label for group in job.labels for label in group):
                if (count := taken(notes, label)) is not None:
                    self.tally.keep(count)

    def _once(self, text: str, style: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.screen.say(text, style)

    def _title(self) -> None:
        parts = self.about.title
        whole = "   ".join(parts)
        if self.screen.live and len(whole) >= self.screen.width:
            whole = f"{parts[0]}\n{'   '.join(parts[1:])}"
        self.screen.say(f"{whole}\n", "bold")

    def _tick(self) -> None:
        while not self._over.wait(LOOK_S) and not self._interrupts:
            self._look()
            self._draw()

    def _look(self) -> None:
        if self.about.notes is not None:
            self.tally.look(counts(self.about.notes))
        if time.monotonic() - self._spent_at >= SPENT_S:
            self._spent_at = time.monotonic()
            with suppress(Exception):  # a file that another process is about to write
                self._spent = self.about.spent()

    def _draw(self) -> None:
        tally, width = self.tally, self.screen.width
        lines, left = tally.lines(), tally.left()
        elapsed = f"{clock(tally.seconds)} elapsed"
        if left is not None and not self._over.is_set():
            elapsed += f", about {clock(left)} left"
        parts = [(elapsed, "")]
        asking = any(line.stage in ASKING and line.done < line.total for line in lines)
        if asking and tally.rate:
            parts.append((f"{tally.rate:,.{int(tally.rate < 10)}f} answers/s", ""))
        if self._spent:
            parts.append((self._spent, ""))
        if tally.without_rating:
            parts.append((tally.without_rating, ""))
        if tally.failures:
            parts.append((f"{tally.failures:,} failed requests", "yellow"))
        if tally.failed:
            parts.append((f"{len(tally.failed)} failed jobs", "red"))
        shown = [bar(line, width) for line in lines] + facts(parts, width)
        last = max(tally.counts, key=lambda count: count.said_at, default=None)
        if last is not None and last.said and time.time() - last.said_at < SAID_S:
            shown += facts([(f"{last.label}: {last.said}", "dim")], width)
        if not self._interrupts:
            self.screen.show(shown)
