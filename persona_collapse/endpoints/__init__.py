"""Where answers come from. An endpoint is one function: a task and its settings in, answers out.

``answer(task, settings) -> polars.DataFrame`` returns one row per slot of the task's shard with the
columns of ``persona_collapse.answers.SCHEMA`` (``conform`` fills the rest).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from persona_collapse.instruments import Instrument, Item
from persona_collapse.personas import PersonaSet
from persona_collapse.shards import Shard


@dataclass(frozen=True)
class Task:
    """One shard and everything that its answers may depend on."""

    shard: Shard
    instrument: Instrument
    personas: PersonaSet | None
    seed: int
    sampling: dict[str, Any]

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
