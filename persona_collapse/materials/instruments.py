"""Instruments: a questionnaire's items, scale, domains and prompts."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from persona_collapse.common.errors import nearest
from persona_collapse.common.faults import read_document
from persona_collapse.common.keys import Count, Keys, Limits, Matches, Text, key

Wording = Annotated[str, Matches(r"\{item\}", "a text with {item}")]
PersonaPrompt = Annotated[
    str,
    Matches(r"\{persona\}[\s\S]*\{question\}", "a text with {persona} and, after it, {question}"),
]
Fault = tuple[tuple[str | int, ...], str]  # the path of a key, and what is wrong with it


@dataclass(frozen=True)
class Scale(Keys):
    """An integer rating scale, both ends included."""

    minimum: Annotated[int, Limits(ge=0, le=99)] = key("the lowest rating")
    maximum: Annotated[int, Limits(ge=1, le=100)] = key(
        "the highest rating; models are asked up to 9"
    )

    @property
    def ratings(self) -> tuple[int, ...]:
        """All ratings, in rising order."""
        return tuple(range(self.minimum, self.maximum + 1))

    def __contains__(self, rating: object) -> bool:
        return isinstance(rating, int) and self.minimum <= rating <= self.maximum


@dataclass(frozen=True)
class Item(Keys):
    """One question of an instrument."""

    id: Count = key("a number of its own")
    section: str = key("the section, which gives the wording around the item")
    domain: str = key("the domain that the item measures")
    text: Text = key("the item")
    code: Text | None = key("what files of recorded answers call it, such as Q1", None)


@dataclass(frozen=True)
class Prompts(Keys):
    """The prompts around items."""

    persona: PersonaPrompt = key("the role-play prompt around a question")
    sections: Annotated[dict[str, Wording], Limits(min_length=1)] = key(
        "the wording around an item, by section"
    )


@dataclass(frozen=True)
class Resource(Keys):
    """The header of every file of instruments, personas and questions."""

    name: Text = key("the name by which a study knows it")
    title: Text = key("a line for people")
    licence: Text = key("the licence of its texts", "", shown="required")
    source: Text = key("where its texts come from", "", shown="required")

    def faults(self) -> Iterator[Fault]:
        """Yield missing keys."""
        for name in ("licence", "source"):
            if not getattr(self, name):
                yield (), f"the key {name!r} is missing"


@dataclass(frozen=True)
class Instrument(Resource):
    """A questionnaire with its scale, domains and wording."""

    scale: Scale = key("the rating scale")
    domains: Annotated[tuple[Text, ...], Limits(min_length=1)] = key("the names of its domains")
    domain_word: Text = key("what it calls a domain: foundation, trait, facet", "domain")
    construct: Text | None = key("what it measures, as an adjective: moral, political", None)
    prompts: Prompts = key("the prompts")
    items: Annotated[tuple[Item, ...], Limits(min_length=1)] = key("the items, in order")

    def question(self, item: Item) -> str:
        """Return the item as an unconditioned model is asked it."""
        return self.prompts.sections[item.section].replace("{item}", item.text)

    def prompt(self, item: Item, persona: str | None) -> str:
        """Return the text of the user message; without a persona the question stands alone."""
        question = self.question(item)
        if persona is None:
            return question
        # One pass over the template, so that a persona that holds "{question}" stays as it is.
        texts = {"{persona}": persona, "{question}": question}
        return re.sub(r"\{persona\}|\{question\}", lambda m: texts[m[0]], self.prompts.persona)

    def messages(self, item: Item, persona: str | None) -> list[dict[str, str]]:
        """Return the chat messages of one cell: no system message, as in the published study."""
        return [{"role": "user", "content": self.prompt(item, persona)}]

    @property
    def size(self) -> int:
        """The number of items."""
        return len(self.items)

    def digest(self, start: int, stop: int) -> str:
        """Digest what items ``start:stop`` (positions) put into a prompt, and their codes."""
        parts = [f"{self.scale.minimum}-{self.scale.maximum}", self.prompts.persona]
        parts += [f"{item.id}\x1f{self.question(item)}" for item in self.items[start:stop]]
        parts += [f"{item.id}={item.code}" for item in self.items[start:stop] if item.code]
        return digest(parts)

    def faults(self) -> Iterator[Fault]:
        """Yield names and numbers that do not fit together."""
        yield from super().faults()
        low, high = self.scale.minimum, self.scale.maximum
        if low >= high:
            yield ("scale",), f"minimum {low} must be below maximum {high}"
        for place, name in enumerate(self.domains):
            if name == "overall":
                yield ("domains", place), '"overall" is not allowed here'
            if name in self.domains[:place]:
                yield ("domains", place), f"{name!r} is listed twice"
        seen: set[int] = set()
        codes: set[str | None] = set()
        for place, item in enumerate(self.items):
            at = ("items", place)
            if item.id in seen:
                yield at, f"item id {item.id} is used twice; ids must be unique"
            seen.add(item.id)
            if item.code is not None and item.code in codes:
                yield at, f"code {item.code!r} is used twice; codes must be unique"
            codes.add(item.code)
            if item.domain not in self.domains:
                hint = nearest(item.domain, self.domains)
                yield at, f"domain {item.domain!r} is not listed{hint}"
            if item.section not in self.prompts.sections:
                hint = nearest(item.section, self.prompts.sections)
                yield at, f"section {item.section!r} has no wording{hint}"
        for place, item in enumerate(self.items):
            if (item.code or "").isdecimal() and int(item.code or 0) in seen - {item.id}:
                yield ("items", place), f"code {item.code!r} is another item's id"
        used = {item.domain for item in self.items}
        for name in self.domains:
            if name not in used:
                yield ("domains",), f"no item belongs to {name!r}; remove it"


def digest(parts: list[str]) -> str:
    """Return 16 hex digits that identify a list of texts."""
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:16]


def read_instrument(path: Path) -> Instrument:
    """Read and check an instrument file; raise ``UserError`` with the place of any fault."""
    return read_document(path, Instrument)
