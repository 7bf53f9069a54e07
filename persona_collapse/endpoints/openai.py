"""The ``openai`` endpoint: any OpenAI-compatible server, asked for what the store lacks."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Annotated, Any, Literal

import polars as pl

from persona_collapse.answers import SCHEMA, conform
from persona_collapse.asking.ask import Attempts, Order, complete
from persona_collapse.asking.settings import (
    NO_LOGPROBS,
    URL_PATTERN,
    Identity,
    Settings,
    base_of,
    job_settings,
    known,
    normalised_url,
)
from persona_collapse.asking.slots import ERROR, Ask, Protocol, RatingJob, Slot, resolve
from persona_collapse.common.errors import UserError
from persona_collapse.common.keys import (
    Count,
    Keys,
    Limits,
    NonNegative,
    Positive,
    Text,
    key,
)
from persona_collapse.common.secrets import is_like_key, is_service_key, masked
from persona_collapse.endpoints.base import (
    Endpoint,
    EndpointKeys,
    FinetuneKeys,
    UnitSettings,
    VariantKeys,
)
from persona_collapse.materials.instruments import Item
from persona_collapse.tasks import Task

HIGHEST = 9  # ratings of one digit are one token
VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")


class BaseUrl:
    """The address of an API, without what clients append to it; a fault says the right form."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def check(url: str) -> str:
            right = base_of(url)
            if url.rstrip("/") == right:
                return url
            what = (
                "a URL that starts with http:// or https://"
                if not re.match("https?://", url.strip(), re.IGNORECASE)
                else "a URL without spaces around it"
                if url != url.strip()
                else "the address of an API, which ends before /chat/completions and the like"
            )
            meaning = f"{what}; write {masked(right)}"
            raise PydanticCustomError("pattern", "{meaning}", {"meaning": meaning})

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {**handler(schema), "pattern": URL_PATTERN}


Url = Annotated[str, BaseUrl()]


@dataclass(frozen=True)
class Thinking(Keys):
    """How a model thinks before it answers; the rating is read from its final answer."""

    max_tokens: Annotated[int, Limits(ge=16)] = key("length limit of thoughts and answer together")
    effort: Text | None = key(
        "how much it thinks, in the server's words, such as `low`", None, shown="the model's own"
    )


@dataclass(frozen=True)
class OpenaiEndpoint(EndpointKeys):
    """Any server that speaks OpenAI's chat completions."""

    base_url: Url = key("the address that ends before `/chat/completions`", type="URL")
    api_key_env: str | None = key(
        "the environment variable that holds the key (also read from `.env`); null where the "
        "server wants none",
        "OPENAI_API_KEY",
        type="name or null",
    )
    max_in_flight: Count = key(
        "most requests at once over all jobs that use one answer store; a lone shard takes all, "
        "several share them (docs/scaling.md)",
        Settings.max_in_flight,
    )
    requests_per_minute: Count | None = key(
        "requests of the whole endpoint in a minute, where the account has limits; jobs share "
        "them, too",
        None,
    )
    tokens_per_minute: Count | None = key("likewise tokens", None)
    timeout_s: Positive | None = key(
        "time allowed for one attempt, in seconds", None, shown="60; 600 with `thinking`"
    )
    token_limit_parameter: Literal["max_tokens", "max_completion_tokens"] | None = key(
        "the server's name for the length limit; null tries `max_tokens` and changes over once if "
        "that is refused",
        None,
        shown="null",
    )
    transport_attempts: Count = key(
        "failures in a row after which a request is given up for this run", 8
    )
    batching: Literal["n", "single", "batch"] = key(
        "all repetitions of a cell in one request, or one by one; `batch`: as `n`, in files that "
        "are answered within a day at half the price (docs/batches.md)",
        "n",
    )
    max_n: Count | None = key(
        "most repetitions in one request, where the server allows fewer; learned from its refusal "
        "otherwise",
        None,
    )
    reply_tokens: Count | None = key(
        "length of a one-token try in tokens, where the server takes no limit of 1; learned from "
        "its refusal otherwise",
        None,
        shown="1",
    )
    top_logprobs: Annotated[int, Limits(ge=1, le=20)] | None = key(
        "alternatives of the first token that `method: logprobs` asks for, where the server gives "
        "fewer; learned from its refusal otherwise",
        None,
        shown="20",
    )
    sampling_defaults: Literal["neutral"] | None = key(
        "`neutral` sends values of top_p, top_k, min_p and penalties that change nothing, so that "
        "a server takes none from the model's files (docs/servers.md)",
        None,
    )
    extra_body: dict[str, Any] | None = key(
        "sent along with every request, such as a provider to pin", None
    )
    thinking: Thinking | None = key(
        "the models think before they answer, below; a variant can have it, too", None
    )
    poll_s: Positive = key("how often a fine-tuning job or a batch is looked at, in seconds", 15)
    settle_s: NonNegative = key(
        "how long a request to begin something that got no reply may still be heard, before it is "
        "sent again, in seconds",
        30,
    )

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield the places of keys and passwords; no message repeats one."""
        name = self.api_key_env
        if name is not None and (not VARIABLE.fullmatch(name) or is_like_key(name)):
            yield (
                ("api_key_env",),
                "is not the name of an environment variable; if it is the key itself, put that "
                "into a variable such as MY_API_KEY, or into .env, and write the name here",
            )
        try:
            normalised_url(self.base_url)
        except UserError as fault:
            yield (), str(fault)
        for place in _service_keys(self.extra_body, ("extra_body",)):
            yield (
                place,
                "looks like a key, which would be written into results and the store; put it into "
                "an environment variable and name that in api_key_env",
            )


def _service_keys(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, str) and is_service_key(value):
        yield place
    for name, part in value.items() if isinstance(value, dict) else ():
        yield from _service_keys(part, (*place, name))
    for part in value if isinstance(value, list) else ():
        yield from _service_keys(part, place)


@dataclass(frozen=True)
class OpenaiVariant(VariantKeys):
    """A model that a server knows by name, or one that the study makes."""

    model: Text | None = key("the name that the server knows", None, shown="or `finetune`")
    finetune: FinetuneKeys | None = key("how the model is made", None, shown="or `model`")
    thinking: Thinking | None = key(
        "the model thinks before it answers", None, shown="the endpoint's"
    )

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a fault where the model is named and made, or neither."""
        made = "'finetune' (how it is made)"
        if self.model and self.finetune:
            yield (), f"either the key 'model' (the name on the server) or {made}, not both"
        if not self.model and not self.finetune:
            yield (), f"the key 'model' is missing (the name on the server), or {made}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A persona, an item, and the key of their requests."""

    persona_id: int | None
    persona: str | None
    item: Item
    key: str

    @property
    def name(self) -> str:
        """What messages call the cell."""
        person = "" if self.persona_id is None else f"persona {self.persona_id}, "
        return f"{person}item {self.item.id}"


class Shard:
    """A task with its cells and repetitions, and how its replies are read."""

    def __init__(self, task: Task, settings: Settings) -> None:
        self.task, self.settings = task, settings
        self.protocol = Protocol(task.instrument.scale, settings)
        self.repetitions = list(task.repetitions)
        self.cells = [
            Cell(persona_id, persona, item, settings.cell_key(self.messages(persona, item)))
            for persona_id, persona, item in task.cells()
        ]

    def messages(self, persona: str | None, item: Item) -> list[dict[str, str]]:
        """Return the chat messages of a cell."""
        return self.task.instrument.messages(item, persona)

    def slots(self, cell: Cell, attempts: Attempts) -> dict[int, Slot]:
        """Return the state of a cell's repetitions."""
        return resolve(attempts.get(cell.key, ()), self.repetitions, self.protocol)

    def missing(self, attempts: Attempts) -> Iterator[tuple[Cell, list[int]]]:
        """Yield each cell with missing answers, and the repetitions that are missing.

        Items with the same text share a cell of the store, which comes once.
        """
        for cell in {cell.key: cell for cell in self.cells}.values():
            slots = self.slots(cell, attempts)
            open_slots = [repetition for repetition, slot in slots.items() if slot.status is None]
            if open_slots:
                yield cell, open_slots

    def jobs(
        self, missing: Iterable[tuple[Cell, list[int]]], attempts: Attempts
    ) -> Iterator[RatingJob]:
        """Yield the jobs for missing repetitions, one for each request."""
        for cell, repetitions in missing:
            for block in self.settings.blocks(repetitions):
                text = self.messages(cell.persona, cell.item)
                yield RatingJob(cell.key, text, block, attempts.get(cell.key, []), self.protocol)

    def order(self, attempts: Attempts) -> Order:
        """Return the pending requests."""
        shard, missing = self.task.shard, list(self.missing(attempts))
        return Order(
            f"{shard.model} {shard.variant} {shard.probe} {shard.name}",
            f"models.{shard.model}.variants.{shard.variant}.model",
            {cell.key: repetitions for cell, repetitions in missing},
            self.jobs(missing, attempts),
            self.answered(attempts),
            {cell.key: cell.name for cell, _ in missing},
        )

    def answered(self, attempts: Attempts) -> list[Ask]:
        """Return requests of two cells that were answered before, for a single reply."""
        found = (
            Ask(cell.key, self.messages(cell.persona, cell.item), (1,), self.settings.short, 0)
            for cell in self.cells
            if any(attempt.has_text for attempt in attempts.get(cell.key, ()))
        )
        return list(islice(found, 2))

    def frame(self, attempts: Attempts) -> pl.DataFrame:
        """Return one row per slot; an accepted one without an answer has the status ``error``."""
        columns: dict[str, list[Any]] = {name: [] for name in SCHEMA}
        shard = self.task.shard
        names = {"model": shard.model, "variant": shard.variant, "probe": shard.probe}
        of_slot = [name for name in SCHEMA if hasattr(Slot, name)]
        for cell in self.cells:
            for slot in self.slots(cell, attempts).values():
                row = {
                    **names,
                    "persona_id": cell.persona_id,
                    "item_id": cell.item.id,
                    **{name: getattr(slot, name) for name in of_slot},
                    "status": slot.status or ERROR,
                    "request_key": f"{cell.key}:{slot.repetition}",
                    "mean_rating": None,
                }
                for name, column in columns.items():
                    column.append(row[name])
        return conform(pl.DataFrame(columns, schema=SCHEMA))


class OpenAI(Endpoint):
    """Any server that speaks OpenAI's chat completions."""

    Settings = OpenaiEndpoint
    VariantSettings = OpenaiVariant
    methods = ("repeats", "logprobs")
    sends_requests = True
    replies = "persona_collapse.misalignment.asked"
    batches = "persona_collapse.endpoints.batches"

    def identity(self, unit: UnitSettings) -> dict[str, Any]:
        """Return the settings that change answers.

        ``max_attempts`` is one: more attempts may turn an unparseable answer into a rating.
        """
        _refuse_wide_scale(unit)
        named = {entry.name for entry in fields(Identity)} | {"max_attempts"}
        found = {name: value for name, value in sorted(_all(unit).items()) if name in named}
        if found.get("thinking") and found["method"] == "logprobs":
            raise UserError(f"{unit.where}: {NO_LOGPROBS}")
        return found

    def store_key(self, unit: UnitSettings) -> str:
        """Return the cell key without a prompt."""
        return Settings.of(_all(unit)).cell_key([])

    def run_settings(self, unit: UnitSettings) -> dict[str, Any]:
        """Return how one job asks: limits, time-outs, budget."""
        identity = self.identity(unit)
        return {name: value for name, value in _all(unit).items() if name not in identity}

    def by_batch(self, unit: UnitSettings) -> bool:
        """Return whether ``batching`` is ``batch``."""
        return _all(unit).get("batching") == "batch"

    def answer(self, task: Task, settings: dict[str, Any]) -> pl.DataFrame:
        """Return the answers of a shard; ``settings`` are those of ``asking.settings``.

        One row per repetition; with ``method: logprobs`` ``rating`` is null and ``probabilities``
        are those at T = 1. Raises ``UserError`` when the run had to stop before the shard was
        complete, or slots stayed without an answer; answers that arrived are in the store.
        """
        shard = Shard(task, Settings.of(settings))
        keys = [cell.key for cell in shard.cells]
        return shard.frame(complete(keys, shard.settings, shard.order))


def _refuse_wide_scale(unit: UnitSettings) -> None:
    """Refuse a scale whose ratings are not one token each."""
    low, high = unit.scale()
    if high > HIGHEST:
        how = (
            "log-probabilities of the first token"
            if unit.sampling["method"] == "logprobs"
            else ("one-token replies")
        )
        raise UserError(
            f"{unit.where}: the scale of probe {unit.names['probe']!r} is {low} to {high}, and "
            f"{how} can express ratings of one digit only (0 to {HIGHEST}); ask with a shorter "
            "scale, or read recorded answers"
        )


def _all(unit: UnitSettings) -> dict[str, Any]:
    given = {**unit.endpoint, **unit.variant}
    return {**job_settings(given, unit.budget, unit.scope), **known(unit.sampling)}
