"""Fill the store by batches: send what it lacks of one model in files, wait, and keep the replies.

A batch costs half, and takes up to a day. What is missing after a batch is computed as ever, and
asked in the next one. A few requests that are left are not worth another day: the shards ask them
one by one.

One process at a time works on a model's batches, by a lease on their cells. It is kept beyond the
process, so that nobody asks what a batch is about to answer.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from persona_collapse.asking.ask import Attempts, Order, complete, stored
from persona_collapse.asking.batches import CANCEL, FAILED, Batch
from persona_collapse.asking.breaker import TRIED, Breaker
from persona_collapse.asking.collecting import Taken, collected, rejected
from persona_collapse.asking.journal import Entry, RefusedError, ThrottledError, UnansweredError
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.response import ADAPTED, STOP
from persona_collapse.asking.sending import Sender
from persona_collapse.asking.settings import FEW, Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.stops import StoppedError, no_answer, stopped
from persona_collapse.asking.submissions import (
    MOST_REQUESTS,
    Try,
    folder_of,
    has_ended,
    names_of,
    slots_of,
    submissions_of,
)
from persona_collapse.common.errors import UserError
from persona_collapse.common.signals import StoppedError as SignalError
from persona_collapse.common.signals import stoppable
from persona_collapse.store.files import stream_folder, unwritable
from persona_collapse.store.leases import POLL_S, Lease, LeaseLostError, Leases

FEW_AGAIN = 0.05  # the share of a model's cells, of those that were in a batch before
FUTILE = 2  # batches in a row without an answer
LONGEST_PAUSE_S = 120.0  # between two looks at a batch
SILENT_S = 43_200.0  # a server, or the network of a laptop at night, while a batch is waited for
KEPT_S = 129_600.0  # how long a batch holds its cells for the process that collects it
ENQUEUED = "token_limit"  # in the code of a batch that is too large for the account's queue


@dataclass(frozen=True)
class Part:
    """Some cells of a model, how they are asked, and what is pending given stored attempts."""

    settings: Settings
    cells: Sequence[str]
    order: Callable[[Attempts], Order]


@dataclass
class Filling:
    """Fills the cells of ``parts``, which are of one stream; ``label`` names them in messages.

    ``submits`` False collects batches that were sent before and sends none.
    """

    label: str
    parts: Sequence[Part]
    submits: bool = True

    def __post_init__(self) -> None:
        self.settings = self.parts[0].settings
        self.store, self.stream = Path(self.settings.store), self.settings.stream
        self.sender = Sender(self.label, self.settings)
        self.leases = Leases(stream_folder(self.store, self.stream), self.label, self.sender.say)
        self.cells = {cell for part in self.parts for cell in part.cells}
        self.ended: list[Entry] = []
        self._said: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._most, self._futile = MOST_REQUESTS, 0

    def run(self) -> list[Entry]:
        """Send and collect batches until few requests are left; return the entries of their ends.

        Raises ``UserError`` when the run had to stop. Batches that the server works on go on there.
        """
        breaker = Breaker(self.settings)
        breaker.check()
        try:
            reason = breaker.silence()
            with stoppable():
                answers = reason is None or self.sender.service.answers()
            if not answers:
                raise UserError(f"{TRIED}{reason}")
            self._try_first()  # signals are not caught here: it has a way of its own
            with stoppable():
                while self._round():
                    pass
        except SignalError as fault:
            raise UserError(f"stopped by {fault}; {self._goes_on()}") from None
        except StoppedError as fault:
            breaker.trip(fault.cause, str(fault))
            raise
        except RefusedError as fault:
            raise self.sender.refused(fault, breaker) from None
        except OSError as fault:
            raise unwritable(self.store, fault) from None
        except UnansweredError as fault:
            text = (
                f"{self.settings.title}: no response about its batches; the last failure was: "
                f"{fault}. {self._goes_on()}"
            )
            if not isinstance(fault, ThrottledError):
                breaker.silent(text)
            raise UserError(text) from None
        finally:
            self.sender.close()
        return self.ended

    def _round(self) -> bool:
        """Send what is missing and collect what was sent; return whether to look once more."""
        attempts, running = self._attempts(), self.sender.running()
        wanted = self.wanted(attempts, running)
        if not running and self._is_little(wanted):
            if wanted:
                self.sender.say(f"{len(wanted)} requests are left, which are asked one by one")
            self._forget(self._ended())
            return False
        with self._leased(wanted, running) as lease, contextlib.suppress(LeaseLostError):
            self._work({ask.cell for _, ask in wanted}, lease)
        return True

    def _work(self, asked: Collection[str], lease: Lease) -> None:
        """Send and collect, of the cells ``asked`` and those in batches, what is leased."""
        # As the holders before left it.
        attempts, everything = self._attempts(), self.sender.running()
        running = [one for one in everything if one.submission.cells <= lease.cells]
        wanted = [
            (by, ask)
            for by, ask in self.wanted(attempts, everything)
            if ask.cell in asked and ask.cell in lease.cells
        ]
        if not self._is_little(wanted) and not (running and self._most < MOST_REQUESTS):
            running += self.sender.submitted(wanted, self._most)
        if running:
            self._collect_all(running, lease)
        else:
            time.sleep(POLL_S)  # other processes hold the rest

    def _is_little(self, wanted: Sequence[tuple[Requests, Ask]]) -> bool:
        again = FEW_AGAIN * len(self.cells) if self.ended else 0
        return not self.submits or len(wanted) < max(FEW, again)

    def _attempts(self) -> Attempts:
        return stored(self.cells, self.settings)

    def wanted(self, attempts: Attempts, running: Sequence[Try]) -> list[tuple[Requests, Ask]]:
        """Return the next requests of all cells, less the slots that a batch is about to answer."""
        coming, found = slots_of(running), []
        for part in self.parts:
            by = self.sender.requests_by(part.settings)
            order = part.order(attempts)
            self._names.update(order.names)
            for job in order.jobs:
                ask = job.ask()
                if ask is None:
                    continue
                left = [n for n in ask.repetitions if n not in coming.get(ask.cell, ())]
                most = by.allowed.max_n or len(left) or 1
                found += [
                    (by, replace(ask, repetitions=tuple(left[at : at + most])))
                    for at in range(0, len(left), most)
                ]
        return found

    def _try_first(self) -> None:
        """Ask one cell of each kind of request at once, where none was answered before.

        It learns what the server takes before a day is spent.
        """
        attempts = self._attempts()
        wanted = self.wanted(attempts, self.sender.running())
        if self._is_little(wanted):
            return
        answered = {
            id(self.sender.requests_by(part.settings))
            for part in self.parts
            if any(one.has_text for cell in part.cells for one in attempts.get(cell, ()))
        }
        for part in self.parts:
            by = self.sender.requests_by(part.settings)
            cells = set(part.cells)
            first = next(
                (ask.cell for mine, ask in wanted if mine is by and ask.cell in cells), None
            )
            if first is None or id(by) in answered:
                continue
            answered.add(id(by))
            self.sender.say("one request is sent at once, to see what the server takes")
            complete([first], part.settings, partial(_only, part, first), partly=True)
        self.sender.learn_again()

    @contextlib.contextmanager
    def _leased(
        self, wanted: Sequence[tuple[Requests, Ask]], running: Sequence[Try]
    ) -> Iterator[Lease]:
        """Hold the cells that are asked for, as far as no other process does."""
        asks = [ask for _, ask in wanted]
        asks += [line.ask for one in running for line in one.submission.lines]
        cells, numbers = {ask.cell for ask in asks}, {n for ask in asks for n in ask.repetitions}
        resumed = map(_kept_for, names_of(self.store, self.stream))
        with self.leases.claim(cells, sorted(numbers), resumed=list(resumed)) as lease:
            try:
                yield lease
            finally:
                self._forget(self._over(lease.cells))

    def _ended(self) -> list[str]:
        """Return the names of submissions whose batches ended, perhaps after this was killed."""
        folder = folder_of(self.store, self.stream)
        return [name for name in names_of(self.store, self.stream) if has_ended(folder / name)]

    def _over(self, cells: frozenset[str]) -> list[str]:
        """Return the names of submissions of these cells that no server works on."""
        found = submissions_of(self.store, self.stream)
        others = {one.folder.name for one in found if one.running() or not one.cells <= cells}
        return [name for name in names_of(self.store, self.stream) if name not in others]

    def _forget(self, names: Iterable[str]) -> None:
        """Release what is held for batches, beyond the process that began them."""
        for name in names:
            self.leases.forget(_kept_for(name))

    def _collect_all(self, running: Sequence[Try], lease: Lease) -> None:
        """Begin batches, wait for them, and store what they answered.

        Raises ``UserError`` where the next batch would fare no better, and ``LeaseLostError``.
        """
        waiting: dict[Try, str] = {}
        for one in running:
            lease.keep(_kept_for(one.submission.folder.name), KEPT_S)
            waiting[one] = self.sender.begun(one)
        patience = replace(self.sender.patience, silent_s=SILENT_S)
        pause = self.settings.poll_s
        while waiting:
            for one, batch in list(waiting.items()):
                state = patience.keep_asking(partial(self.sender.service.batch, batch))
                self._say_state(state)
                if state.is_done:
                    lease.require()
                    del waiting[one]
                    for other in [*waiting][:1]:
                        lease.keep(_kept_for(other.submission.folder.name), KEPT_S)
                    taken, end = collected(self.sender, one, state)
                    self.ended.append(end)
                    self._check(one, state, taken)
            if waiting:
                time.sleep(pause)
                lease.require()
                pause = min(pause * 1.2, max(self.settings.poll_s, LONGEST_PAUSE_S))

    def _check(self, one: Try, batch: Batch, taken: Sequence[Taken]) -> None:
        settings, submission = self.settings, one.submission
        for attempt, verdict in taken:
            if verdict == STOP:
                raise stopped(attempt, settings)
        failed = [attempt for attempt, _ in taken if attempt.cause is not None]
        good = len(taken) - len(failed)
        if batch.status == FAILED:
            if any(ENQUEUED in fault.code for fault in batch.faults) and self._smaller(one):
                return
            raise UserError(rejected(settings, submission, batch, self._names))
        if batch.status.startswith(CANCEL):
            raise UserError(
                f"{settings.base_url}: the batch {batch.id} was cancelled at the server; the "
                f"{good:,} requests that it answered are in the store. Run the same command again "
                "to ask for the rest"
            )
        self._futile = 0 if good else self._futile + 1
        adapted = any(verdict == ADAPTED for _, verdict in taken)
        if len(failed) == len(submission.lines) and not adapted:
            raise no_answer(failed[-1], settings, f"all {len(failed)} requests of {batch.id}")
        if self._futile >= FUTILE:
            raise UserError(
                f"{settings.title}: {self._futile} batches in a row ended without an answer; the "
                f"last is {batch.id} ({batch.status}). The model may not be offered in batches: "
                "set batching: n, or try again later"
            )

    def _smaller(self, one: Try) -> bool:
        """Halve the files to come where the account's queue took none; False where it cannot."""
        size = len(one.submission.lines)
        others = [other for other in self.sender.running() if other.key != one.key]
        if not others:
            self._most = min(self._most, size) // 2
            self.sender.say(
                f"the queue of the account is too short for {size:,} requests: they are sent in "
                f"files of {self._most:,}, one after another"
            )
        return size > FEW

    def _goes_on(self) -> str:
        names = [batch for one in self.sender.running() if (batch := one.batch)]
        if not names:
            return "every answer that arrived is in the store: run the same command again"
        which = (
            f"the batch {names[0]} goes on"
            if len(names) == 1
            else (f"the batches {', '.join(names)} go on")
        )
        return f"{which} at the server: run the same command again, today or tomorrow, to collect"

    def _say_state(self, batch: Batch) -> None:
        done = f", {batch.answered:,} of {batch.total:,} requests" if batch.total else ""
        text = f"{batch.id} is {batch.status}{done}"
        if self._said.get(batch.id) != text and not batch.is_done:
            self._said[batch.id] = text
            self.sender.say(text)


def _only(part: Part, cell: str, attempts: Attempts) -> Order:
    """Return what is pending of one cell, under a label that is no shard's."""
    order = part.order(attempts).of([cell])
    return replace(order, label=f"{order.label}, first request")


def _kept_for(name: str) -> str:
    """Return what cells of a submission are claimed for, as messages say it."""
    return f"batch {name}"
