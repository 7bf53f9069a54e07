"""What an endpoint is given: a shard of a study, with the texts that it asks about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_collapse.materials.instruments import Instrument, Item, read_instrument
from persona_collapse.materials.personas import PersonaSet, read_personas

Span = tuple[int, int]  # half-open: the first position and the one after the last


@dataclass(frozen=True)
class Shard:
    """A block of one model x variant x probe.

    ``personas`` and ``items`` are half-open positions in their lists (from 0), ``repetitions``
    half-open numbers (from 1). ``personas`` is None for an unconditioned probe. ``last`` says that
    no later block of repetitions exists, so that a recorded endpoint puts surplus runs here.
    """

    model: str
    variant: str
    probe: str
    personas: Span | None
    items: Span
    repetitions: Span
    last: bool
    name: str


@dataclass(frozen=True)
class Task:
    """One shard and everything that its answers may depend on."""

    shard: Shard
    instrument: Instrument
    personas: PersonaSet | None
    seed: int

    def cells(self) -> Iterator[tuple[int | None, str | None, Item]]:
        """Yield (persona id, description, item) in persona-major order."""
        people: Sequence[tuple[int | None, str | None]] = [(None, None)]
        if self.personas is not None and self.shard.personas is not None:
            start, stop = self.shard.personas
            people = list(enumerate(self.personas.descriptions))[start:stop]
        start, stop = self.shard.items
        for persona_id, description in people:
            for item in self.instrument.items[start:stop]:
                yield persona_id, description, item

    @property
    def repetitions(self) -> range:
        """The repetition numbers of the shard, from 1."""
        return range(*self.shard.repetitions)


def task_of(params: Mapping[str, Any], instrument: str, personas: str | None = None) -> Task:
    """Rebuild a task from a shard's params (``Layout.shard_params``) and its files."""
    names = {name: params[name] for name in ("model", "variant", "probe", "name")}
    given = {name: params[name] for name in ("personas", "items", "repetitions")}
    spans: dict[str, Any] = {name: bounds and tuple(bounds) for name, bounds in given.items()}
    shard = Shard(**names, **spans, last=params.get("last", False))
    return Task(
        shard=shard,
        instrument=read_instrument(Path(instrument)),
        personas=read_personas(Path(personas)) if personas else None,
        seed=params.get("seed", 0),
    )
