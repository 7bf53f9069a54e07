"""From a task to its answers: which slots the store lacks, asking for them, the table of all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.answers import SCHEMA, conform
from persona_collapse.elicitation.attempts import Attempt
from persona_collapse.elicitation.keys import find_key
from persona_collapse.elicitation.prices import Price, find_price
from persona_collapse.elicitation.settings import Settings
from persona_collapse.elicitation.slots import ERROR, Job, Protocol, Slot, resolve
from persona_collapse.elicitation.store import read_attempts, stream_folder
from persona_collapse.endpoints import Task
from persona_collapse.errors import UserError
from persona_collapse.instruments import Item
from persona_collapse.prompts import messages

Attempts = Mapping[str, list[Attempt]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A persona and an item with the key of their request."""

    persona_id: int | None
    persona: str | None
    item: Item
    key: str


class Shard:
    """A task as the ``openai`` endpoint sees it: cells, repetitions, and how replies are read."""

    def __init__(self, task: Task, settings: Settings) -> None:
        self.task, self.settings = task, settings
        self.protocol = Protocol(
            task.instrument.scale,
            settings.logprobs,
            settings.max_attempts,
            settings.late_max_tokens,
        )
        self.repetitions = list(task.repetitions)
        self.cells = [
            Cell(persona_id, persona, item, settings.cell_key(self.messages(persona, item)))
            for persona_id, persona, item in task.cells()
        ]

    @property
    def label(self) -> str:
        """Name the shard in messages."""
        shard = self.task.shard
        return f"{shard.model} {shard.variant} {shard.probe} {shard.name}"

    def messages(self, persona: str | None, item: Item) -> list[dict[str, str]]:
        """Return the chat messages of a cell."""
        return messages(self.task.instrument, item, persona)

    def slots(self, cell: Cell, attempts: Attempts) -> dict[int, Slot]:
        """Return the state of a cell's repetitions."""
        return resolve(attempts.get(cell.key, ()), self.repetitions, self.protocol)

    def missing(self, attempts: Attempts) -> Iterator[tuple[Cell, list[int]]]:
        """Yield each cell that lacks answers with the repetitions it lacks."""
        for cell in self.cells:
            slots = self.slots(cell, attempts)
            open_slots = [repetition for repetition, slot in slots.items() if slot.status is None]
            if open_slots:
                yield cell, open_slots

    def requests(self, repetitions: list[int]) -> list[list[int]]:
        """Return the repetitions of a cell by the request that asks for them: at once or singly."""
        # Choices of one request share its log-probabilities: another asking is another request.
        if self.settings.batching == "single" or self.settings.logprobs:
            return [[repetition] for repetition in repetitions]
        return [repetitions]

    def jobs(self, attempts: Attempts) -> Iterator[Job]:
        """Yield the work: the missing repetitions of every cell, a request's worth at a time."""
        for cell, repetitions in self.missing(attempts):
            for block in self.requests(repetitions):
                text = self.messages(cell.persona, cell.item)
                yield Job(cell.key, text, block, self.protocol, attempts.get(cell.key, ()))

    def frame(self, attempts: Attempts) -> pl.DataFrame:
        """Return the answers: one row per slot; a slot without an answer is an ``error``."""
        columns: dict[str, list[Any]] = {name: [] for name in SCHEMA}
        shard = self.task.shard
        for cell in self.cells:
            for slot in self.slots(cell, attempts).values():
                row = {
                    "model": shard.model,
                    "variant": shard.variant,
                    "probe": shard.probe,
                    "persona_id": cell.persona_id,
                    "item_id": cell.item.id,
                    "repetition": slot.repetition,
                    "rating": slot.rating,
                    "status": slot.status or ERROR,
                    "late": slot.late,
                    "probabilities": slot.probabilities,
                    "attempts": slot.attempts,
                    "parse_failures": slot.parse_failures,
                    "transport_failures": slot.transport_failures,
                    "response": slot.response,
                    "served_model": slot.served_model,
                    "system_fingerprint": slot.system_fingerprint,
                    "request_key": f"{cell.key}:{slot.repetition}",
                    "created_at": slot.created_at,
                }
                for name, column in columns.items():
                    column.append(row[name])
        return conform(pl.DataFrame(columns, schema=SCHEMA))


def answers(task: Task, settings: Settings) -> pl.DataFrame:
    """Return a task's answers from the store, asking for those that it lacks.

    With everything in the store nothing is sent and no key is needed. Raises ``UserError`` when a
    run had to stop; what arrived until then is in the store.
    """
    shard = Shard(task, settings)
    folder = stream_folder(Path(settings.store), settings.stream)
    keys = [cell.key for cell in shard.cells]
    found = read_attempts(folder, keys)
    found.report()
    if next(shard.missing(found.attempts), None) is not None:
        ask(shard, found.attempts)
        # Read again instead of remembering: what another process wrote meanwhile counts too, and a
        # later reading of this shard says the same.
        found = read_attempts(folder, keys)
    return shard.frame(found.attempts)


def ask(shard: Shard, attempts: Attempts) -> None:
    """Ask for every missing slot of a shard and put the replies into the store."""
    # Imported here: a shard that the store answers in full loads no network client.
    from persona_collapse.elicitation.breaker import Breaker
    from persona_collapse.elicitation.budget import Budget
    from persona_collapse.elicitation.client import Client
    from persona_collapse.elicitation.engine import Engine
    from persona_collapse.elicitation.messages import StoppedError
    from persona_collapse.elicitation.progress import Progress
    from persona_collapse.elicitation.writer import Writer

    settings = shard.settings
    check_model(shard)
    breaker = Breaker(settings)
    breaker.check()
    key = find_key(settings.api_key_env, settings.base_url)
    price = needed_price(settings)
    store, missing = Path(settings.store), list(shard.missing(attempts))
    budget = None
    if settings.budget:
        budget = Budget(store, settings.scope, settings.budget, settings.max_in_flight)
    about = {"generation": settings.generation, "scope": settings.scope, "probe": shard.label}
    writer = Writer(store, settings.stream, [cell.key for cell, _ in missing], about)
    total = sum(len(repetitions) for _, repetitions in missing)
    progress = Progress(shard.label, total, settings.progress)

    async def run() -> None:
        engine = Engine(Client(settings, key), writer, settings, progress, budget, price)
        await engine.run(shard.jobs(attempts))

    try:
        asyncio.run(run())
    except StoppedError as fault:
        breaker.trip(fault.cause, str(fault))
        raise
    finally:
        progress.close()
        try:
            writer.close()  # before all else: it holds what is paid and not yet on disk
        finally:
            if budget:
                budget.close()


def check_model(shard: Shard) -> None:
    """Refuse a model's name that still is a placeholder, as in ``config/studies/paper.yaml``."""
    model, where = shard.settings.model, shard.task.shard
    if model.startswith("<") and model.endswith(">"):
        raise UserError(
            f"models.{where.model}.variants.{where.variant}.model: {model} is a placeholder; "
            "put the name of your own model there, or leave the variant out of the study"
        )


def needed_price(settings: Settings) -> Price | None:
    """Return the price of the settings' model; refuse a budget in dollars without one."""
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
