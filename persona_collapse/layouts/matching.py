"""Match what a file calls items and personas with those of the study."""

import re
from collections.abc import Iterable, Mapping, Sequence

from persona_collapse.common.errors import UserError
from persona_collapse.materials.instruments import Instrument
from persona_collapse.materials.personas import PersonaSet

# A number, with one word before it at most: 7, Q7, item_07, persona-00, "Person #3".
NUMBERED = re.compile(r"(?:[^\W\d]{1,20}[\s_#.:-]{0,2})?0*(\d{1,9})(?:\.0+)?")


def number_in(label: str) -> int | None:
    """Return the number that a label is, with one word before it at most; else None."""
    match = NUMBERED.fullmatch(label.strip())
    return int(match[1]) if match else None


def plain(text: str) -> str:
    """Return a text without differences of case, white space and a final full stop."""
    return " ".join(text.split()).casefold().removesuffix(".").rstrip()


class Items:
    """The items of an instrument, found by id, code, text, or the question as it is asked."""

    def __init__(self, instrument: Instrument, first: int | None) -> None:
        self.name, self.first = instrument.name, first
        self.ids = [item.id for item in instrument.items]
        self.codes = {i.code: i.id for i in instrument.items if i.code is not None}
        self.loose_codes = {plain(code): id for code, id in self.codes.items()}
        self.from_zero = False  # whether a file has an item 0
        self.shared: dict[str, list[int]] = {}
        for item in instrument.items:
            for text in {plain(item.text), plain(instrument.question(item))}:
                self.shared.setdefault(text, []).append(item.id)

    def exact(self, label: str) -> int | None:
        """Return the id of the item whose id, code, text or question a label is, else None.

        Raises ``UserError`` for a text that several items share.
        """
        label = label.strip()
        if label in self.codes:
            return self.codes[label]
        ids = self.shared.get(plain(label), [])
        if len(ids) > 1:
            raise UserError(
                f"the text {label[:60]!r} is that of items {' and '.join(map(str, ids))} of "
                f"{self.name}; give the items a `code`, and name a column of codes or ids with "
                "layout.columns.item"
            )
        if ids:
            return ids[0]
        if plain(label) in self.loose_codes:
            return self.loose_codes[plain(label)]
        return self._by_number(number_in(label)) if label.isdecimal() else None

    def _by_number(self, number: int | None) -> int | None:
        if number is None:
            return None
        if self.first is None:
            return number if number in self.ids else None
        place = number - self.first
        return self.ids[place] if 0 <= place < len(self.ids) else None

    def find(self, label: str) -> int | None:
        """Return the id of an item, also by a number with a word before it; else None."""
        found = self.exact(label)
        return self._by_number(number_in(label)) if found is None else found

    def find_all(self, labels: Iterable[str]) -> dict[str, int | None]:
        """Return the ids of items by label."""
        found = {label: self.find(label) for label in labels}
        self.from_zero = any(number_in(label) == 0 for label in found)
        return found

    def rule(self) -> str:
        """Return what an item of the study is, with a hint where numbers start at 0."""
        hint = ""
        if self.first is None and self.from_zero and 0 not in self.ids:
            hint = "; if items are counted from 0, say layout.first.item: 0"
        known = ", ".join(map(str, list(self.codes)[:3]))
        codes = f", codes {known}, ..." if known else ""
        return (
            f"no item of {self.name} has this id, code or text (ids {min(self.ids)} to "
            f"{max(self.ids)}{codes}){hint}"
        )


class People:
    """The personas of a set, found by description, or by number with one word before it at most."""

    def __init__(self, personas: PersonaSet, first: int | None) -> None:
        self.name, self.size, self.first = personas.name, personas.size, first
        self.texts = {plain(text): place for place, text in enumerate(personas.descriptions)}
        self.from_one = False  # the lowest number of a file

    def find_all(self, labels: Sequence[str]) -> dict[str, int | None]:
        """Return the ids of personas by label, None where the set has none.

        Raises ``UserError`` where numbers start at 1 and could be counted from 0 as well.
        """
        found: dict[str, int | None] = {label: self.texts.get(plain(label)) for label in labels}
        numbers = {label: number_in(label) for label in labels if found[label] is None}
        counted = [number for number in numbers.values() if number is not None]
        if self.first is None and counted and min(counted) == 1 and max(counted) < self.size:
            raise UserError(
                f"personas are numbered from 1 to {max(counted)}, and the set {self.name!r} has "
                f"{self.size}: say layout.first.persona: 1 if its first persona is number 1, or 0 "
                "if it is left out"
            )
        self.from_one = counted != [] and min(counted) == 1
        for label, number in numbers.items():
            place = None if number is None else number - (self.first or 0)
            found[label] = place if place is not None and 0 <= place < self.size else None
        return found

    def rule(self) -> str:
        """Return what a persona of the study is, with a hint where numbers start at 1."""
        first = self.first or 0
        hint = ""
        if self.first is None and self.from_one:
            hint = "; if personas are counted from 1, say layout.first.persona: 1"
        return (
            f"no persona of the set {self.name!r} has this number or description (numbers {first} "
            f"to {first + self.size - 1}){hint}"
        )


def examples(labels: Mapping[str, int]) -> str:
    """Return the first three labels with their number of rows."""
    shown = [f"{label[:60]!r} ({count})" for label, count in list(labels.items())[:3]]
    return ", ".join(shown)
