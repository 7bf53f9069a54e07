"""Persona sets: ordered lists of descriptions; a persona's id is its position, from 0."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from persona_collapse.common.faults import read_document
from persona_collapse.common.keys import Limits, Text, key
from persona_collapse.materials.instruments import Fault, Resource, digest


@dataclass(frozen=True)
class PersonaSet(Resource):
    """An ordered, append-only list of descriptions; ``descriptions[i]`` is persona ``i``."""

    descriptions: Annotated[tuple[Text, ...], Limits(min_length=1)] = key(
        "the descriptions, in order", name="personas"
    )

    @property
    def size(self) -> int:
        """The number of personas."""
        return len(self.descriptions)

    def digest(self, start: int, stop: int) -> str:
        """Digest the descriptions of personas ``start:stop``."""
        return digest(list(self.descriptions[start:stop]))

    def faults(self) -> Iterator[Fault]:
        """Yield repeated descriptions, in linear time: a set may have 100,000."""
        yield from super().faults()
        places: dict[str, int] = {}
        for position, text in enumerate(self.descriptions):
            first = places.setdefault(text, position)
            if first != position:
                yield (
                    ("personas", position),
                    f"repeats personas[{first}]; two personas with one description would be one "
                    "persona counted twice",
                )


def read_personas(path: Path) -> PersonaSet:
    """Read and check a persona file; raise ``UserError`` with the place of any fault."""
    return read_document(path, PersonaSet)
