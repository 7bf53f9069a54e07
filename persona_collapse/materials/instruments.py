"""Instruments: a questionnaire's items, its scale, its foundations and how it is asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.yaml import read_document


@dataclass(frozen=True)
class Scale:
    """An integer rating scale, both ends included."""

    minimum: int
    maximum: int

    @property
    def ratings(self) -> tuple[int, ...]:
        """All ratings, in rising order."""
        return tuple(range(self.minimum, self.maximum + 1))

    def __contains__(self, rating: object) -> bool:
        return isinstance(rating, int) and self.minimum <= rating <= self.maximum


@dataclass(frozen=True)
class Item:
    """One question: its id (from 1, unique), its section (which gives the wording around it)."""

    id: int
    section: str
    foundation: str
    text: str


@dataclass(frozen=True)
class Instrument:
    """A questionnaire.

    ``sections`` maps a section's name to the wording around an item (``{item}``);
    ``persona_prompt`` wraps a question for role-play (``{persona}`` and ``{question}``).
    """

    name: str
    title: str
    scale: Scale
    foundations: tuple[str, ...]
    sections: dict[str, str]
    persona_prompt: str
    items: tuple[Item, ...]

    def question(self, item: Item) -> str:
        """Return the item as an unconditioned model is asked it."""
        return self.sections[item.section].replace("{item}", item.text)

    def items_digest(self, start: int, stop: int) -> str:
        """Digest everything that items ``start:stop`` (positions) put into a prompt."""
        parts = [f"{self.scale.minimum}-{self.scale.maximum}", self.persona_prompt]
        parts += [f"{item.id}\x1f{self.question(item)}" for item in self.items[start:stop]]
        return digest(parts)


def digest(parts: list[str]) -> str:
    """Return 16 hex digits that identify a list of texts."""
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:16]


def read_instrument(path: Path) -> Instrument:
    """Read and check an instrument file; raise ``UserError`` with the place of any fault."""
    document = read_document(path, "instrument")
    return instrument_from(document, path)


def instrument_from(document: dict[str, Any], path: Path) -> Instrument:
    """Build an instrument from a document that its schema has accepted.

    Raises ``UserError`` for what a schema cannot say: names and numbers that do not fit together.
    """
    prompts, scale = document["prompts"], Scale(**document["scale"])
    if scale.minimum >= scale.maximum:
        raise UserError(
            f"{path}: scale: minimum {scale.minimum} must be below maximum {scale.maximum}"
        )
    foundations = tuple(document["foundations"])
    items = tuple(Item(**entry) for entry in document["items"])
    seen: set[int] = set()
    for position, item in enumerate(items):
        where = f"{path}: items[{position}]"
        if item.id in seen:
            raise UserError(f"{where}: item id {item.id} is used twice; ids must be unique")
        seen.add(item.id)
        if item.foundation not in foundations:
            hint = nearest(item.foundation, foundations)
            raise UserError(f"{where}: foundation {item.foundation!r} is not listed{hint}")
        if item.section not in prompts["sections"]:
            hint = nearest(item.section, prompts["sections"])
            raise UserError(f"{where}: section {item.section!r} has no wording{hint}")
    unused = [name for name in foundations if name not in {item.foundation for item in items}]
    if unused:
        raise UserError(f"{path}: foundations: no item belongs to {unused[0]!r}; remove it")
    return Instrument(
        name=document["name"],
        title=document["title"],
        scale=scale,
        foundations=foundations,
        sections=dict(prompts["sections"]),
        persona_prompt=prompts["persona"],
        items=items,
    )
