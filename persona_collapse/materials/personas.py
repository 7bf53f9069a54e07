"""Persona sets: ordered lists of descriptions; a persona's id is its place in the list, from 0."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from persona_collapse.common.errors import UserError
from persona_collapse.common.yaml import read_document
from persona_collapse.materials.instruments import digest


@dataclass(frozen=True)
class PersonaSet:
    """An ordered, append-only list of descriptions; ``descriptions[i]`` is persona ``i``."""

    name: str
    title: str
    descriptions: tuple[str, ...]

    def digest(self, start: int, stop: int) -> str:
        """Digest the descriptions of personas ``start:stop``."""
        return digest(list(self.descriptions[start:stop]))


def read_personas(path: Path) -> PersonaSet:
    """Read and check a persona file; raise ``UserError`` with the place of any fault."""
    document = read_document(path, "personas")
    descriptions = tuple(document["personas"])
    places: dict[str, int] = {}
    for position, text in enumerate(descriptions):
        if text in places:
            raise UserError(
                f"{path}: personas[{position}] repeats personas[{places[text]}]; "
                "two personas with one description would be one persona counted twice"
            )
        places[text] = position
    return PersonaSet(document["name"], document["title"], descriptions)
