"""Run pending requests for one endpoint and model, and keep every reply in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from persona_collapse.asking.breaker import STORE, Breaker
from persona_collapse.asking.keys import find_key
from persona_collapse.asking.prices import Price, find_price
from persona_collapse.asking.progress import Progress
from persona_collapse.asking.replays import without_replays
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask, Job
from persona_collapse.asking.unanswered import failed_of, refuse
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.files import read_attempts, stream_folder
from persona_collapse.store.leases import Lease, LeaseLostError, Leases
from persona_collapse.store.writer import Writer, import_rescued

Attempts = Mapping[str, list[Attempt]]  # by cell, in the order of their replies


@dataclass(frozen=True)
class Order:
    """Pending requests for one endpoint and model.

    ``label`` names them in messages, ``key`` is the model's place in the study file. ``cells`` are
    the keys of what is asked, with the repetitions that are missing. ``jobs`` may be an iterator,
    so that memory does not grow with the answers. ``answered`` are prompts that were answered
    before, ``names`` what messages call the cells, by key.
    """

    label: str
    key: str
    cells: Mapping[str, Sequence[int]]
    jobs: Iterable[Job]
    answered: Sequence[Ask] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_jobs(
        cls, label: str, key: str, jobs: Sequence[Job], names: Mapping[str, str] | None = None
    ) -> Order:
        """Return an order of these jobs."""
        cells: dict[str, list[int]] = {}
        for job in jobs:
            cells.setdefault(job.cell, []).extend(job.repetitions)
        return cls(label, key, cells, jobs, names=names or {})

    @property
    def replies(self) -> int:
        """The number of replies that are missing."""
        return sum(map(len, self.cells.values()))

    @property
    def repetitions(self) -> set[int]:
        """The repetitions that are missing of any cell."""
        return set().union(*self.cells.values())

    def of(self, cells: Container[str]) -> Order:
        """Return the part of the order that asks for these cells."""
        mine = {cell: missing for cell, missing in self.cells.items() if cell in cells}
        return replace(self, cells=mine, jobs=(job for job in self.jobs if job.cell in cells))


def stored(cells: Iterable[str], settings: Settings) -> Attempts:
    """Return the stored attempts at these cells, without replies that a cache gave again.

    Answers that the store could not take yet count, too. Damaged lines are reported.
    """
    folder = stream_folder(Path(settings.store), settings.stream)
    result = read_attempts(folder, cells, Path(settings.rescued) / folder.name)
    result.report()
    return without_replays(result.attempts)


def complete(
    cells: Collection[str],
    settings: Settings,
    pending: Callable[[Attempts], Order],
    partly: bool = False,
) -> Attempts:
    """Return every attempt at these cells, after asking for the replies that the store lacks.

    ``pending`` returns the requests that are missing, given the stored attempts. With nothing
    missing no request is sent and no key is needed. What another process asks for is not asked
    again, but awaited. Raises ``UserError`` when the run had to stop, and when some requests
    failed, unless ``settings.accept_errors`` or ``partly`` allow it; what arrived until then is in
    the store.
    """
    folder = stream_folder(Path(settings.store), settings.stream)
    import_rescued(Path(settings.rescued), folder)
    attempts = stored(cells, settings)
    order = first = pending(attempts)
    progress = Progress(first.label, 0, folder=settings.stops, missing=first.replies)
    leases, done = Leases(folder, first.label, progress.say), set[str]()
    while waiting := order.cells.keys() - done:
        lease = claimed(leases, waiting, order.repetitions, settings)
        with lease, suppress(LeaseLostError):
            # The holders before may have stored some of it since it was read.
            whole = pending(stored(cells, settings))
            order = whole.of(lease.cells)
            if order.replies:
                ask(order, settings, lease, whole.replies)
            done |= lease.cells
        # Read again instead of remembering: what another process wrote meanwhile counts too, and a
        # later reading of the same cells says the same.
        attempts = stored(cells, settings)
        order = pending(attempts)
    if order.replies and not partly:
        refuse(order.label, first.replies, failed_of(order.jobs, order.names), settings)
    return attempts


def claimed(
    leases: Leases, cells: Collection[str], repetitions: Iterable[int], settings: Settings
) -> Lease:
    """Return a lease on some of the cells; a store that cannot be written stops the run."""
    with _stopping(Breaker(settings)):
        return leases.claim(cells, repetitions)


def ask(order: Order, settings: Settings, lease: Lease, missing_in_all: int | None = None) -> None:
    """Send every request of an order and put the replies into the store.

    ``missing_in_all`` counts the replies that others ask for, too; None: nobody asks for more.
    Raises ``UserError`` when the run had to stop, and ``LeaseLostError`` when other processes may
    ask for the cells of ``lease``; what arrived until then is in the store.
    """
    # Imported here: where the store has every answer, no network client is loaded.
    from persona_collapse.asking.budget import Budget
    from persona_collapse.asking.client import Client
    from persona_collapse.asking.engine import Engine
    from persona_collapse.asking.listing import missing
    from persona_collapse.asking.stops import StoppedError

    if is_placeholder(settings.model):
        raise UserError(
            f"{order.key}: {settings.model} is a placeholder; "
            "put the name of your own model there, or leave the variant out of the study"
        )
    breaker = Breaker(settings)
    breaker.check()
    key = find_key(settings.api_key_env, settings.base_url)
    price, store = needed_price(settings), Path(settings.store)
    budget = None
    if settings.budget:
        budget = Budget(store, settings.scope, settings.budget, settings.max_in_flight)
    about = {"generation": settings.generation, "scope": settings.scope, "probe": order.label}
    cells = {*order.cells, *(known.cell for known in order.answered)}
    writer = Writer(store, settings.stream, cells, about, Path(settings.rescued))
    with _stopping(breaker):
        writer.open()
    progress = Progress(
        *(order.label, order.replies, settings.progress),
        folder=settings.stops,
        timeout_s=settings.timeout_s,
        missing=missing_in_all,
    )

    async def run() -> None:
        engine = Engine(Client(settings, key), writer, settings, progress, lease, budget, price)
        await engine.run(iter(order.jobs), order.answered)

    try:
        asyncio.run(run())
    except StoppedError as fault:
        found = missing(settings.base_url, settings.model, key, order.key, str(fault))
        known = StoppedError(fault.happened, found, fault.cause) if found else fault
        breaker.trip(known.cause, str(known))
        raise known from None
    except UserError as fault:
        found = missing(settings.base_url, settings.model, key, order.key, str(fault))
        raise UserError(f"{fault}\n  {found}" if found else str(fault)) from None
    finally:
        progress.close()
        try:
            with _stopping(breaker):
                if writer.fault is not None:
                    breaker.trip(STORE, f"{writer.folder}: {writer.fault.strerror}")
                writer.close()  # first: it holds paid answers that are not yet on disk
        finally:
            if budget:
                budget.close()


@contextmanager
def _stopping(breaker: Breaker) -> Iterator[None]:
    """Stop the other jobs of a run where the store cannot be written."""
    try:
        yield
    except UserError as fault:
        breaker.trip(STORE, str(fault))
        raise


def is_placeholder(model: str) -> bool:
    """Return whether a model's name is a placeholder such as ``<your model>``."""
    return model.startswith("<") and model.endswith(">")


def needed_price(settings: Settings) -> Price | None:
    """Return the price of the model where the budget is in dollars, else None.

    Raises ``UserError`` where such a budget has no price.
    """
    limit = (settings.budget or {}).get("max_usd")
    if limit is None:
        return None
    price = find_price(Path(settings.prices), settings.base_url, settings.model)
    if price is None:
        raise UserError(
            f"budget.max_usd: {settings.prices} has no price for the model {settings.model!r} of "
            f"{settings.base_url}; add an entry (0 for a server of your own), or limit "
            "budget.max_requests instead"
        )
    return price
