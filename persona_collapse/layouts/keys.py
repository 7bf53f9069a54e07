"""Keys of ``layout``: where a recorded file keeps personas, items, repetitions and ratings."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from persona_collapse.common.errors import UserError
from persona_collapse.common.faults import build
from persona_collapse.common.keys import Keys, Natural, Text, key

Value = str | float | bool | None
Fault = tuple[tuple[str | int, ...], str]
WIDE = "wide"
ITEM, RATING = "{item}", "{rating}"
MISSING = ("", "NA", "NaN", "-1")


@dataclass(frozen=True)
class Columns(Keys):
    """Columns of a recorded file; nested keys of JSON are joined by dots."""

    persona: Text | None = key(
        "the persona: its number, its code (`P01`, `persona-00`) or its description; `null`: "
        "records are people in order",
        None,
        shown="`persona_id`",
    )
    item: Text | None = key(
        "the item: its id, code or text", None, shown="`question_id` or `item_id`"
    )
    repetition: Text | None = key(
        "the repetition; `null`, or no such column: the rows of a cell are numbered in order",
        None,
        shown="`run_index` or `repetition`",
    )
    rating: Text | None = key("the rating, or the text that holds it", None, shown="`rating`")
    response: Text | None = key("the model's reply, kept as it is", None, shown="`response`")
    failures: Text | None = key(
        "failed attempts before this answer", None, shown="`failures` or `parse_failures`"
    )
    collected_at: Text | None = key(
        "when it was collected, kept as it is", None, shown="`collected_at` or `created_at`"
    )


@dataclass(frozen=True)
class First(Keys):
    """Where counting starts."""

    persona: Natural | None = key(
        "the number of the first persona", None, shown="0; required where numbers start at 1"
    )
    item: Natural | None = key(
        "the number of the first item, where items go by position and not by id", None
    )
    repetition: Natural = key("the number of the first repetition", 1)


@dataclass(frozen=True)
class Layout(Keys):
    """How recorded files keep answers."""

    columns: Columns = key("columns that are called otherwise, below", Columns(), shown="below")
    where: dict[str, Value | tuple[Value, ...]] | None = key(
        "keeps the rows that have these values: `{condition: free, model: [a, b]}`; `{model}`, "
        "`{variant}` and `{probe}` stand for the study's own names, `null` for an empty field",
        None,
        type="mapping from column to value or list",
    )
    items: Text | None = key(
        "`wide`: every column that is an item's id, code or text holds its ratings; or what such "
        "columns are called: `Q{item}`",
        None,
        type="`wide` or text with `{item}`",
        shown="one row per answer",
    )
    first: First = key("where counting starts, below", First(), shown="below")
    values: dict[str, float | None] | None = key(
        "words that stand for ratings: `{Strongly disagree: 1, Agree: 4}`; case and a final full "
        "stop do not matter, `null` means no rating",
        None,
        type="mapping from text to number",
    )
    missing: tuple[str | float, ...] = key(
        "what stands for no rating, besides an empty field; case does not matter", MISSING
    )
    log_probabilities: Text | None = key(
        "columns of natural log-probabilities, one per rating: `digit_{rating}_logprob`; an empty "
        "one has probability 0, and the others are divided by their sum",
        None,
        type="text with `{rating}`",
    )
    probabilities: Text | None = key("likewise probabilities", None, type="text with `{rating}`")
    answers: Text | None = key(
        r"a regular expression that finds answers in the text of `columns.rating`: two groups are "
        r"item and rating, `'\((\w+)\) (\d)'`, one group is the rating alone",
        None,
        type="text",
    )
    rating: Literal["answer", "mean"] = key(
        "`mean`: ratings are means of several answers and need not be whole; S is computed, R is "
        "not available",
        "answer",
    )
    unmatched: Literal["refuse", "drop"] = key(
        "what happens to rows whose persona or item the study does not have, and to texts in which "
        "`answers` finds neither",
        "refuse",
    )

    def faults(self) -> Iterator[Fault]:
        """Yield templates without their placeholder and a pattern that is none."""
        if self.items is not None and self.items != WIDE and ITEM not in self.items:
            yield ("items",), f"expected `{WIDE}` or a text with {ITEM}, found {self.items!r}"
        for name in ("log_probabilities", "probabilities"):
            template = getattr(self, name)
            if template is not None and RATING not in template:
                yield (name,), f"expected a text with {RATING}, found {template!r}"
        if self.answers is not None:
            try:
                groups = re.compile(self.answers).groups
            except re.error as fault:
                yield ("answers",), f"is no regular expression: {fault}"
            else:
                if groups not in (1, 2):
                    yield (
                        ("answers",),
                        f"has {groups} groups in parentheses; expected two (item and rating) or "
                        "one (rating)",
                    )

    def clash(self) -> str | None:
        """Return what is wrong with keys that do not go together, None if they do."""
        ways = ("log_probabilities", "probabilities", "answers", "items")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) > 1 and not (given == ["answers", "items"] and self._one_group()):
            return f"{given[0]!r} and {given[1]!r} do not go together; remove one of the two"
        if self.rating == "mean" and given and given[0].endswith("probabilities"):
            return f"rating: mean and {given[0]!r} do not go together; remove one of the two"
        return None

    def _one_group(self) -> bool:
        return self.answers is not None and re.compile(self.answers).groups == 1


def merged(general: Mapping[str, Any] | None, own: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the keys of an endpoint's layout with those of a variant over them.

    Mappings (``columns``, ``where``, ``first``, ``values``) are joined key by key.
    """
    result = dict(general or {})
    for name, value in (own or {}).items():
        before = result.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    return result


def layout_of(keys: Mapping[str, Any], where: str) -> Layout:
    """Return checked keys as a layout; raise ``UserError`` for keys that exclude each other."""
    layout: Layout = build(Layout, dict(keys))
    clash = layout.clash()
    if clash is not None:
        raise UserError(f"{where}: {clash}")
    return layout
