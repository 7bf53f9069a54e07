"""How far a run is: jobs and answers by stage, their rate, and the time left."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from persona_collapse.asking.progress import Count
from persona_collapse.terminal.work import STAGES, Job

ASKING = ("ask", "judge")
WINDOW_S = 60.0  # over which the rate of answers is measured
ENOUGH = 3  # finished jobs after which the time that jobs take is known


@dataclass(frozen=True)
class Line:
    """A stage: what it has made of what it is to make, and whether it has begun and ended."""

    stage: str
    done: int
    total: int
    begun: bool
    ended: bool

    @property
    def unit(self) -> str:
        """What the stage makes, in the number of ``total``."""
        one, many = STAGES[self.stage]
        return one if self.total == 1 else many


class Tally:
    """Counts the jobs of a run as they begin and end, and the answers of those that ask."""

    def __init__(self, jobs: Iterable[Job], now: Callable[[], float] = time.monotonic) -> None:
        self.jobs = {job.number: job for job in jobs}
        self._live: list[Count] = []  # of jobs that ask
        self._ended: dict[str, Count] = {}  # of jobs that have ended, by label
        self.failed: set[int] = set()
        self._now, self.began = now, now()
        self._finished: set[int] = set()
        self._stage_began: dict[str, float] = {}
        self._stage_ended: set[str] = set()
        self._open = Counter(job.stage for job in self.needed)
        self._answers: deque[tuple[float, int]] = deque()

    @property
    def needed(self) -> list[Job]:
        """The jobs that this run runs."""
        return [job for job in self.jobs.values() if job.needed]

    @property
    def seconds(self) -> float:
        """How long the run takes so far."""
        return self._now() - self.began

    def begin(self, number: int) -> None:
        """Note that a job has begun, perhaps once more."""
        self.failed.discard(number)
        job = self.jobs.get(number)
        if job is not None and job.stage is not None:
            self._stage_began.setdefault(job.stage, self._now())

    def finish(self, number: int) -> Job | None:
        """Note that a job has ended well; return it where its stage has ended with it."""
        job = self.jobs.get(number)
        if job is None or job.stage is None or number in self._finished:
            return None
        self._finished.add(number)
        self._open[job.stage] -= 1
        if self._open[job.stage]:
            return None
        self._stage_ended.add(job.stage)
        return job

    def fail(self, number: int) -> None:
        """Note that a job has failed."""
        self.failed.add(number)

    @property
    def counts(self) -> list[Count]:
        """How far every job is, or came, that has asked."""
        live = {count.label: count for count in self._live}
        return list({**self._ended, **live}.values())

    def keep(self, count: Count) -> None:
        """Remember how far a job came that has ended."""
        self._ended[count.label] = count

    def look(self, counts: list[Count]) -> None:
        """Take the counts that asking jobs have written."""
        self._live = counts
        now = self._now()
        asked = sum(line.done for line in self.lines() if line.stage in ASKING)
        self._answers.append((now, asked))
        while now - self._answers[0][0] > WINDOW_S:
            self._answers.popleft()

    def lines(self) -> list[Line]:
        """Return the stages that this run has work for, in their order."""
        written = {count.label: count for count in self.counts}
        done, total = dict.fromkeys(STAGES, 0.0), dict.fromkeys(STAGES, 0)
        for job in self.jobs.values():
            if job.stage is not None:
                done[job.stage] += self._made(job, written)
                total[job.stage] += job.amount
        lines = []
        for stage in STAGES:
            if stage in self._open:
                made = int(done[stage] + 1e-6)
                begun, ended = stage in self._stage_began, stage in self._stage_ended
                lines.append(Line(stage, made, total[stage], begun, ended))
        return lines

    @property
    def in_flight(self) -> int:
        """Requests that are on their way."""
        return sum(count.in_flight for count in self.counts)

    @property
    def failures(self) -> int:
        """Requests that failed in this run; many of them were sent again and answered."""
        return sum(count.failures for count in self.counts)

    @property
    def without_rating(self) -> str:
        """The answers of this run that hold no rating, "" where all do."""
        filtered = sum(count.filtered for count in self.counts)
        unrated = sum(count.unrated for count in self.counts)
        parts = [f"{filtered:,} filtered"] if filtered else []
        parts += [f"{unrated:,} without a rating"] if unrated else []
        return ", ".join(parts)

    @property
    def rate(self) -> float:
        """Answers in a second, of late."""
        if len(self._answers) < 2:
            return 0.0
        (then, before), (now, after) = self._answers[0], self._answers[-1]
        return (after - before) / (now - then) if now > then else 0.0

    def left(self) -> float | None:
        """Return the seconds that are probably left, None while nothing is known."""
        asked = sum(line.total - line.done for line in self.lines() if line.stage in ASKING)
        rest = [job for job in self.needed if job.stage not in ASKING and job.stage]
        ended = [job for job in rest if job.number in self._finished]
        open_jobs = len(rest) - len(ended)
        if (asked and not self.rate) or (open_jobs and not asked and len(ended) < ENOUGH):
            return None
        seconds = asked / self.rate if asked else 0.0
        if len(ended) >= ENOUGH:
            began = min(at for stage, at in self._stage_began.items() if stage not in ASKING)
            seconds += open_jobs * (self._now() - began) / len(ended)
        return seconds

    def failed_by_stage(self) -> Counter[str]:
        """Return how many jobs have failed, by stage; those without a stage by their name."""
        failed = [self.jobs[number] for number in sorted(self.failed) if number in self.jobs]
        return Counter(job.stage or job.name for job in failed)

    def never_ran(self) -> int:
        """Return how many jobs of the run neither ended nor failed."""
        known = self._finished | self.failed
        return sum(job.stage is not None and job.number not in known for job in self.needed)

    def _made(self, job: Job, written: dict[str, Count]) -> float:
        if not job.needed or job.number in self._finished:
            return job.amount
        if job.stage not in ASKING:
            return 0
        share, later = 0.0, False
        for group in reversed(job.labels):
            count = next((written[label] for label in group if label in written), None)
            if count is not None:
                left = count.total - count.answers
                share += 1 - left / max(job.amount, count.total, 1)
            elif later:  # what comes before has ended, and needed no request
                share += 1
            later = later or count is not None
        return job.amount * share / len(job.labels)
