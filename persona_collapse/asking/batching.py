"""Fill the store by batches: send what it lacks of one model in files, wait, and keep the replies.

A batch costs half, and takes up to a day. Whatever happens to this process, another one goes on
where it stopped, also on another machine with the same store: what is sent is announced there
before (``submissions``), and looked up at the server before it is sent again. Replies are judged by
the code that judges live ones (``requests``). A reply is an attempt like any other, so what is
missing after a batch is computed as ever, and asked in the next one. A few requests that are left
are not worth another day: the shards ask them one by one.

One process at a time works on a model's batches, by a lease on their cells. It is kept beyond the
process, so that nobody asks what a batch is about to answer.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Self

from persona_collapse.asking.ask import Attempts, Order, complete, needed_price, stored
from persona_collapse.asking.batches import CANCEL, FAILED, Batch, BatchService, Fault
from persona_collapse.asking.breaker import Breaker
from persona_collapse.asking.budget import Budget, settle_held
from persona_collapse.asking.engine import StoppedError, as_filtered, no_answer, stopped
from persona_collapse.asking.journal import (
    GONE,
    ID,
    Entry,
    Patience,
    RefusedError,
    ThrottledError,
    UnansweredError,
    ensure,
    known_id,
)
from persona_collapse.asking.keys import find_key, known_key
from persona_collapse.asking.prices import Price, most_prompt_tokens
from persona_collapse.asking.progress import Progress
from persona_collapse.asking.reasons import is_filter_finish
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.response import ADAPTED, ANSWERED, FILTERED, STOP
from persona_collapse.asking.settings import FEW, Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.submissions import (
    MOST_REQUESTS,
    Answered,
    Submission,
    Try,
    announce,
    folder_of,
    has_ended,
    names_of,
    read_results,
    running_of,
    settings_of,
    slots_of,
    submissions_of,
)
from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now
from persona_collapse.common.hashing import canonical
from persona_collapse.common.signals import StoppedError as SignalError
from persona_collapse.common.signals import stoppable
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.files import read_attempts, stream_folder, unwritable
from persona_collapse.store.leases import POLL_S, Lease, LeaseLostError, Leases
from persona_collapse.store.writer import write_whole

FEW_AGAIN = 0.05  # the share of a model's cells, of those that were in a batch before
FUTILE = 2  # batches in a row without an answer
LONGEST_PAUSE_S = 120.0  # between two looks at a batch
SILENT_S = 43_200.0  # a server, or the network of a laptop at night, while a batch is waited for
KEPT_S = 129_600.0  # how long a batch holds its cells for the process that collects it
ENQUEUED = "token_limit"  # in the code of a batch that is too large for the account's queue
MOST_NAMED = 3


@dataclass(frozen=True)
class Part:
    """Some cells of a model, how they are asked, and what is pending given stored attempts."""

    settings: Settings
    cells: Sequence[str]
    order: Callable[[Attempts], Order]

    @classmethod
    def bare(cls, settings: Settings, cells: Sequence[str]) -> Self:
        """Return cells whose requests are given otherwise."""
        return cls(settings, cells, lambda _: Order("", "", {}, ()))


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
        self.store = Path(self.settings.store)
        self.cells = {cell for part in self.parts for cell in part.cells}
        self.ended: list[Entry] = []
        self._requests: dict[str, Requests] = {}
        self._said: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._lease: Lease | None = None
        self._most, self._futile = MOST_REQUESTS, 0
        self._progress = Progress(self.label, 0, folder=self.settings.stops)

    def run(self) -> list[Entry]:
        """Send and collect batches until few requests are left; return the entries of their ends.

        Raises ``UserError`` when the run had to stop. Batches that the server works on go on there.
        """
        breaker = Breaker(self.settings)
        breaker.check()
        try:
            self._try_first()  # before signals are caught here: it has a way of its own
            with stoppable():
                while self._round():
                    pass
        except SignalError as fault:
            raise UserError(f"stopped by {fault}; {self._goes_on()}") from None
        except StoppedError as fault:
            breaker.trip(fault.cause, str(fault))
            raise
        except RefusedError as fault:
            raise self.refused(fault, breaker) from None
        except OSError as fault:
            raise unwritable(self.store, fault) from None
        except UnansweredError as fault:
            raise UserError(
                f"{self.settings.base_url}, model {self.settings.model}: no response about its "
                f"batches; the last failure was: {fault}. {self._goes_on()}"
            ) from None
        finally:
            self.close()
        return self.ended

    def close(self) -> None:
        """Close the connections."""
        if "service" in self.__dict__:
            self.service.close()

    # What is missing

    def _round(self) -> bool:
        """Send what is missing and collect what was sent; return whether to look once more."""
        attempts, running = self._attempts(), self.running()
        wanted = self.wanted(attempts, running)
        if not running and self._is_little(wanted):
            if wanted:
                self._say(f"{len(wanted)} requests are left, which are asked one by one")
            self._forget_ended()
            return False
        with self._leased(wanted, running), contextlib.suppress(LeaseLostError):
            self._work({ask.cell for _, ask in wanted})
        return True

    def _work(self, asked: Collection[str]) -> None:
        """Send and collect, of the cells ``asked`` and those in batches, what is leased."""
        assert self._lease is not None
        held = self._lease.cells
        attempts, everything = self._attempts(), self.running()  # as the holders before left it
        running = [one for one in everything if _cells_of(one.submission) <= held]
        wanted = [
            (by, ask)
            for by, ask in self.wanted(attempts, everything)
            if ask.cell in asked and ask.cell in held
        ]
        if not self._is_little(wanted) and not (running and self._most < MOST_REQUESTS):
            running += self.submitted(wanted)
        if running:
            self._collect_all(running)
        else:
            time.sleep(POLL_S)  # other processes hold the rest

    def _is_little(self, wanted: Sequence[tuple[Requests, Ask]]) -> bool:
        again = FEW_AGAIN * len(self.cells) if self.ended else 0
        return not self.submits or len(wanted) < max(FEW, again)

    def _attempts(self) -> Attempts:
        return stored(self.cells, self.settings)

    def running(self) -> list[Try]:
        """Return the stream's batches that a server works on, or may have received."""
        return running_of(self.store, self.settings.stream)

    def wanted(self, attempts: Attempts, running: Sequence[Try]) -> list[tuple[Requests, Ask]]:
        """Return the next requests of all cells, less the slots that a batch is about to answer."""
        coming, found = slots_of(running), []
        for part in self.parts:
            by = self.requests_by(part.settings)
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

    def requests_by(self, settings: Settings) -> Requests:
        """Return the requests of some settings, which share what is learned."""
        kind = canonical([settings.generation, settings.token_limit_parameter, settings.max_n])
        return self._requests.setdefault(kind, Requests(settings, self._key))

    @cached_property
    def _key(self) -> str | None:
        """The key, which is removed from what the server says; nothing is asked with it."""
        name = self.settings.api_key_env
        return known_key(name) if name else None

    def _try_first(self) -> None:
        """Ask one cell of each kind of request at once, where none was answered before.

        It learns what the server takes before a day is spent.
        """
        attempts = self._attempts()
        wanted = self.wanted(attempts, self.running())
        if self._is_little(wanted):
            return
        answered = {
            id(self.requests_by(part.settings))
            for part in self.parts
            if any(one.has_text for cell in part.cells for one in attempts.get(cell, ()))
        }
        for part in self.parts:
            by = self.requests_by(part.settings)
            cells = set(part.cells)
            first = next(
                (ask.cell for mine, ask in wanted if mine is by and ask.cell in cells), None
            )
            if first is None or id(by) in answered:
                continue
            answered.add(id(by))
            self._say("one request is sent at once, to see what the server takes")
            complete([first], part.settings, partial(_only, part, first), partly=True)
        self._requests.clear()  # what was learned is read again

    # Sending

    @contextlib.contextmanager
    def _leased(
        self, wanted: Sequence[tuple[Requests, Ask]], running: Sequence[Try]
    ) -> Iterator[None]:
        """Hold the cells that are asked for, as far as no other process does."""
        cells = {ask.cell for _, ask in wanted}
        numbers = {n for _, ask in wanted for n in ask.repetitions}
        for one in running:
            cells |= _cells_of(one.submission)
            numbers |= {n for line in one.submission.lines for n in line.ask.repetitions}
        folder = stream_folder(self.store, self.settings.stream)
        leases = Leases(folder, self.label, self._progress.say)
        names = names_of(self.store, self.settings.stream)
        resumed = [_kept_for(name) for name in names]
        with leases.claim(cells, sorted(numbers), resumed=resumed) as lease:
            self._lease = lease
            try:
                yield
            finally:
                self._lease = None
                for name in self._over(lease.cells):
                    leases.forget(_kept_for(name))

    def _forget_ended(self) -> None:
        """Release what a process held for a batch that ended, and was killed before it did."""
        stream = self.settings.stream
        leases = Leases(stream_folder(self.store, stream), self.label)
        for name in names_of(self.store, stream):
            if has_ended(folder_of(self.store, stream) / name):
                leases.forget(_kept_for(name))

    def _over(self, cells: frozenset[str]) -> list[str]:
        """Return the names of submissions of these cells that no server works on."""
        found = submissions_of(self.store, self.settings.stream)
        others = {one.folder.name for one in found if one.running() or not _cells_of(one) <= cells}
        return [name for name in names_of(self.store, self.settings.stream) if name not in others]

    def submitted(self, wanted: Sequence[tuple[Requests, Ask]]) -> list[Try]:
        """Announce requests in the store and return their batches, which are not begun yet."""
        made = announce(wanted, self.settings.scope, self.label, self._most)
        # Smaller files than usual are sent one after another.
        return [one.next_try() for one in (made if self._most == MOST_REQUESTS else made[:1])]

    def begun(self, one: Try) -> str:
        """Return the id of a batch, after creating it unless it exists."""
        entries = one.journal.entries()
        known = known_id(entries)
        if known is not None:
            return known
        submission = one.submission
        since = datetime.fromisoformat(submission.at).timestamp()
        try:
            if entries:  # its reply was lost: one that exists needs no upload
                found = self.patience.keep_asking(lambda: self.service.find_batch(one.key, since))
                if found is not None:
                    one.journal.write(ID, id=found, adopted=True)
                    return found
            file = self._uploaded(submission)
            about = {"study": submission.scope[:500], "asks": submission.label[:500]}
            made = ensure(
                one.journal,
                find=lambda: self.service.find_batch(one.key, since),
                post=lambda: self.service.create_batch(file, one.key, about),
                before=lambda _: {"file": file, **self._reserved(one)},
                patience=self.patience,
            )
        except (RefusedError, ThrottledError):  # nothing was begun
            settle_held(self.store, submission.scope, one.stored_as, 0, 0.0)
            raise
        finally:
            one.journal.close()
        self._say(
            f"{len(submission.lines):,} requests are sent as {made}; it may take a day, and this "
            "run may be stopped meanwhile: the same command goes on"
        )
        return made

    def _uploaded(self, submission: Submission) -> str:
        """Return the id of a submission's file, uploading it unless it is there."""
        journal, content = submission.upload(), submission.content()
        try:
            known = known_id(journal.entries())
            if known is not None:
                if self.patience.keep_asking(lambda: self.service.has_file(known)):
                    return known
                journal.write(GONE, id=known)
            return ensure(
                journal,
                find=lambda: self.service.find_file(submission.name, len(content)),
                post=lambda: self.service.upload(submission.name, content),
                before=lambda _: {"name": submission.name, "base_url": self.settings.base_url},
                patience=self.patience,
            )
        finally:
            journal.close()

    def _reserved(self, one: Try) -> dict[str, float]:
        """Reserve the most that a batch can cost, once for all tries to send it."""
        usd, price = 0.0, self.price
        if price is not None:
            kinds = [self.requests_by(by) for by in settings_of(one.submission, self.settings)]
            for line in one.submission.lines:
                completion = kinds[line.settings].tokens(line.ask) * len(line.ask.repetitions)
                usd += price.cost(most_prompt_tokens(line.ask.messages), completion)
        if self.settings.budget and one.submission.scope == self.settings.scope:
            budget = Budget(self.store, self.settings.scope, self.settings.budget, 1)
            budget.hold(one.stored_as, len(one.submission.lines), usd)
        return {"usd": round(usd, 6)}

    @cached_property
    def price(self) -> Price | None:
        """The price in a batch, where the budget is in dollars."""
        price = needed_price(self.settings)
        return price.in_batch() if price else None

    @cached_property
    def service(self) -> BatchService:
        """The server's files and batches."""
        settings = self.settings
        key = partial(find_key, settings.api_key_env, settings.base_url)
        return BatchService(settings.base_url, key, max(settings.timeout_s, 60.0))

    @property
    def patience(self) -> Patience:
        """How long to wait for a response where something is sent."""
        return Patience(self.settings.settle_s, self.settings.poll_s)

    # Collecting

    def _collect_all(self, running: Sequence[Try]) -> None:
        """Begin batches, wait for them, and store what they answered."""
        waiting: dict[Try, str] = {}
        for one in running:
            self._keep(one)
            waiting[one] = self.begun(one)
        patience = replace(self.patience, silent_s=SILENT_S)
        pause = self.settings.poll_s
        while waiting:
            for one, batch in list(waiting.items()):
                state = patience.keep_asking(partial(self.service.batch, batch))
                self._say_state(state)
                if state.is_done:
                    self._require_lease()
                    del waiting[one]
                    for other in [*waiting][:1]:
                        self._keep(other)
                    self._collect(one, state)
            if waiting:
                time.sleep(pause)
                self._require_lease()
                pause = min(pause * 1.2, max(self.settings.poll_s, LONGEST_PAUSE_S))

    def _keep(self, one: Try) -> None:
        """Hold the leased cells for a batch, beyond this process."""
        if self._lease is not None:
            self._lease.keep(_kept_for(one.submission.folder.name), KEPT_S)

    def _require_lease(self) -> None:
        if self._lease is not None and not self._lease.valid:
            raise LeaseLostError

    def _collect(self, one: Try, batch: Batch) -> None:
        """Store what a batch answered; raise ``UserError`` where the next would fare no better."""
        attempts, verdicts = self.taken(one, batch)
        self._check(one, batch, attempts, verdicts)

    def taken(self, one: Try, batch: Batch) -> tuple[list[Attempt], list[str]]:
        """Store what a batch answered, settle its price and note its end; return the attempts."""
        contents = []
        for file in batch.files:
            content = self.patience.keep_asking(partial(self.service.content, file))
            if content is None:
                self._say(f"{batch.id}: the server has no file {file}, which it names as a result")
            else:
                contents.append(content)
        answered, useless = read_results(one.submission, contents, self._key)
        if useless:
            self._say(f"{batch.id}: {useless} lines of its results answer nothing that was asked")
        at = datetime.fromtimestamp(batch.ended_at, UTC) if batch.ended_at else None
        created_at = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at else now()
        attempts, verdicts = self._judged(one.submission, answered, created_at)
        keep(one.submission, attempts, one.stored_as, batch.id, self.settings)
        prompt = sum(attempt.prompt_tokens or 0 for attempt in attempts)
        completion = sum(attempt.completion_tokens or 0 for attempt in attempts)
        usd = self.price.cost(prompt, completion) if self.price else 0.0
        settle_held(self.store, one.submission.scope, one.stored_as, len(attempts), usd)
        good = sum(attempt.cause is None for attempt in attempts)
        left = len(one.submission.lines) - good
        end = one.end(
            {
                "id": batch.id,
                "status": batch.status,
                "requests": len(one.submission.lines),
                "answered": good,
                "prompt_tokens": prompt,
                "completion_tokens": completion,
            }
        )
        self.ended.append(end)
        rest = f"; {left:,} have none and are asked again" if left else ""
        self._say(f"{batch.id} is {batch.status}: {good:,} requests are answered{rest}")
        return attempts, verdicts

    def _judged(
        self, submission: Submission, answered: Mapping[str, Answered], created_at: str
    ) -> tuple[list[Attempt], list[str]]:
        kinds = [self.requests_by(given) for given in settings_of(submission, self.settings)]
        return judged(submission, answered, kinds, created_at)

    def _check(
        self,
        one: Try,
        batch: Batch,
        attempts: Sequence[Attempt],
        verdicts: Sequence[str],
    ) -> None:
        settings = self.settings
        good = sum(attempt.cause is None for attempt in attempts)
        for attempt, verdict in zip(attempts, verdicts, strict=True):
            if verdict == STOP:
                raise stopped(attempt, settings)
        if batch.status == FAILED:
            if any(ENQUEUED in fault.code for fault in batch.faults) and self._smaller(one):
                return
            raise UserError(self.rejected(one.submission, batch))
        if batch.status.startswith(CANCEL):
            raise UserError(
                f"{settings.base_url}: the batch {batch.id} was cancelled at the server; the "
                f"{good:,} requests that it answered are in the store. Run the same command again "
                "to ask for the rest"
            )
        self._futile = 0 if good else self._futile + 1
        failed = [attempt for attempt in attempts if attempt.cause is not None]
        if len(failed) == len(one.submission.lines) and ADAPTED not in verdicts:
            raise no_answer(failed[-1], settings, f"all {len(failed)} requests of {batch.id}")
        if self._futile >= FUTILE:
            raise UserError(
                f"{settings.base_url}, model {settings.model}: {self._futile} batches in a row "
                f"ended without an answer; the last is {batch.id} ({batch.status}). The model may "
                "not be offered in batches: set batching: n, or try again later"
            )

    def _smaller(self, one: Try) -> bool:
        """Halve the files to come where the account's queue took none; False where it cannot."""
        size = len(one.submission.lines)
        others = [other for other in self.running() if other.key != one.key]
        if not others:
            self._most = min(self._most, size) // 2
            self._say(
                f"the queue of the account is too short for {size:,} requests: they are sent in "
                f"files of {self._most:,}, one after another"
            )
        return size > FEW

    def rejected(self, submission: Submission, batch: Batch) -> str:
        """Return the message about a file that the server rejected."""
        said = [self._fault(submission, fault) for fault in batch.faults]
        more = f" and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
        text = "; ".join(said[:MOST_NAMED]) or "it gives no reason"
        return (
            f"{self.settings.base_url}, model {self.settings.model}: the server rejected the file "
            f"of the batch {batch.id}: {text}{more}. Nothing was asked or paid. The file is "
            f"{submission.folder / 'requests.jsonl'}. Correct what it names in the study (the "
            "model may not be offered in batches), or set batching: n; then run the same command "
            "again"
        )

    def _fault(self, submission: Submission, fault: Fault) -> str:
        where = ""
        if fault.line is not None and 0 < fault.line <= len(submission.lines):
            ask = submission.lines[fault.line - 1].ask
            name = self._names.get(ask.cell)
            where = f"line {fault.line}{f' ({name})' if name else ''}: "
        return f"{where}{fault.code}: {fault.message}"

    # Messages

    def refused(self, fault: RefusedError, breaker: Breaker) -> UserError:
        """Return the message about a refused request; one about the key stops other jobs."""
        settings, cause = self.settings, fault.code or f"http_{fault.status}"
        if fault.status in (401, 402, 403) or cause in ("insufficient_quota", "invalid_api_key"):
            known = cause in ("insufficient_quota", "invalid_api_key")
            cause = cause if known else f"http_{fault.status}"
            attempt = Attempt("", (), 0, now(), status=fault.status, cause=cause, detail=str(fault))
            error = stopped(attempt, settings)
            breaker.trip(error.cause, str(error))
            return error
        said = f"{settings.base_url} answered http_{fault.status}: {str(fault).rstrip('.')}"
        if fault.status in (404, 405, 501):
            return UserError(
                f"{said}. It seems to have no batches (/files and /batches), or does not know one "
                "that was begun with another key: set batching: n on the endpoint, or use that key"
            )
        return UserError(
            f"{said}. It does not take the batch: correct what it names, or set batching: n on "
            "the endpoint; then run the same command again"
        )

    def _goes_on(self) -> str:
        names = [batch for one in self.running() if (batch := one.batch)]
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
            self._say(text)

    def _say(self, text: str) -> None:
        self._progress.say(text)


def judged(
    submission: Submission,
    answered: Mapping[str, Answered],
    kinds: Sequence[Requests],
    created_at: str,
) -> tuple[list[Attempt], list[str]]:
    """Return an attempt and a verdict for each request that got a reply, in the file's order.

    ``kinds`` are the requests of each of the submission's settings.
    """
    attempts, verdicts = [], []
    for line, body in submission.bodies():
        found = answered.get(line.custom_id)
        if found is None:
            continue
        attempt, verdict = kinds[line.settings].taken(
            line.ask, body, found.reply, found.status, 0.0
        )
        attempts.append(replace(attempt, created_at=created_at))
        verdicts.append(verdict)
    if any(
        verdict == ANSWERED and not all(is_filter_finish(one.finish) for one in attempt.choices)
        for attempt, verdict in zip(attempts, verdicts, strict=True)
    ):  # the model answers other prompts, so what a filter refused is an answer of its prompt
        for place, verdict in enumerate(verdicts):
            if verdict == FILTERED:
                attempts[place] = as_filtered(attempts[place], attempts[place].repetitions)
                verdicts[place] = ANSWERED
    return attempts, verdicts


def keep(
    submission: Submission, attempts: Sequence[Attempt], name: str, batch: str, settings: Settings
) -> int:
    """Store the attempts of a submission that are not in the store; return their number."""
    known = {_slots(one) for one in _kept(submission, settings) if one.source[0] != f"{name}.jsonl"}
    new = [one for one in attempts if _slots(one) not in known]
    if new:
        about = {"scope": submission.scope, "probe": submission.label, "batch": batch}
        write_whole(Path(settings.store), settings.stream, name, new, about)
    return len(new)


def unanswered(submission: Submission, settings: Settings) -> int:
    """Return the number of requests of a submission that the store has no answer to."""
    known = {_slots(one) for one in _kept(submission, settings) if one.cause is None}
    asked = ((one.ask.cell, one.ask.repetitions, one.ask.max_tokens) for one in submission.lines)
    return sum(slots not in known for slots in asked)


def _kept(submission: Submission, settings: Settings) -> Iterator[Attempt]:
    """Yield the attempts that came from a submission."""
    folder = stream_folder(Path(settings.store), settings.stream)
    for found in read_attempts(folder, _cells_of(submission)).attempts.values():
        yield from (one for one in found if one.source[0].startswith(submission.stored_as))


def _slots(attempt: Attempt) -> tuple[str, tuple[int, ...], int]:
    return attempt.cell, attempt.repetitions, attempt.max_tokens


def _only(part: Part, cell: str, attempts: Attempts) -> Order:
    """Return what is pending of one cell, under a label that is no shard's."""
    order = part.order(attempts).of([cell])
    return replace(order, label=f"{order.label}, first request")


def _kept_for(name: str) -> str:
    """Return what cells of a submission are claimed for, as messages say it."""
    return f"batch {name}"


def _cells_of(submission: Submission) -> set[str]:
    return {line.ask.cell for line in submission.lines}
