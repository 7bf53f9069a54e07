"""An attempt: one request and its outcome, one line of the answer store."""

import json
from dataclasses import dataclass, field, fields
from typing import Any

LARGEST = 2**31 - 1  # of the numbers that servers send; larger ones are errors
BATCH = "batch-"  # begins the names of files that hold the replies of a batch
Alternatives = tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the n replies to a request.

    ``alternatives`` are (token, log-probability) pairs of the first token, the sampled token
    first; None without log-probabilities. ``thoughts`` are those that the server returned beside
    the text; they are kept and never read.
    """

    index: int | None
    text: str | None
    finish: str | None = None
    refusal: str | None = None
    alternatives: Alternatives | None = None
    thoughts: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request for some repetitions of one cell.

    ``cause`` is None when the server answered, else the kind of failure (``timeout``, ``http_500``,
    ...) with ``detail``. ``created_at`` is the time of the reply, UTC with microseconds.
    ``completion_tokens`` are all that were billed, those of thoughts (``reasoning_tokens``)
    included. ``left_out`` names the study's settings, with commas, that were not sent because the
    server refuses them, ``estimated`` the counts of tokens that are upper estimates because the
    server reported no possible ones. ``source`` is the line's place in the store: (file name, line
    number).
    """

    cell: str
    repetitions: tuple[int, ...]
    max_tokens: int
    created_at: str
    seconds: float = 0.0
    status: int | None = None
    cause: str | None = None
    detail: str | None = None
    choices: tuple[Choice, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    served_model: str | None = None
    system_fingerprint: str | None = None
    provider: str | None = None
    response_id: str | None = None
    reasoning_tokens: int | None = None
    left_out: str | None = None
    estimated: str | None = None
    source: tuple[str, int] = field(default=("", 0), compare=False)

    @property
    def order(self) -> tuple[str, str, int]:
        """Sort key; readers take the first valid answer in this order."""
        return (self.created_at, *self.source)

    @property
    def in_batch(self) -> bool:
        """Whether it was answered in a batch, at half price: the name of its file says so."""
        return self.source[0].startswith(BATCH)

    @property
    def has_text(self) -> bool:
        """Whether the model answered: a reply with a text."""
        return self.cause is None and any(choice.text for choice in self.choices)

    def replies(self) -> dict[int, Choice]:
        """Return the reply to each repetition that got one.

        Choices are assigned to the repetitions in order of their index. Of choices with the same
        index the first counts; choices that ended in an error, and surplus ones, are ignored.
        """
        distinct: dict[int, Choice] = {}
        for place, choice in enumerate(self.choices):
            if choice.finish != "error":
                distinct.setdefault(place if choice.index is None else choice.index, choice)
        ordered = [distinct[index] for index in sorted(distinct)]
        return dict(zip(self.repetitions, ordered, strict=False))

    def to_line(self) -> bytes:
        """Return the attempt as a line of JSON, the cell first, so that readers skip by prefix."""
        line: dict[str, Any] = {"cell": self.cell, "repetitions": self.repetitions}
        line |= _given(self, PLAIN)
        if self.choices:
            line["choices"] = [
                {"index": choice.index, "text": choice.text, **_given(choice, OPTIONAL)}
                for choice in self.choices
            ]
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# The fields of an attempt that are one text or number, in the order of a line.
PLAIN = tuple(
    part.name
    for part in fields(Attempt)
    if part.name not in ("cell", "repetitions", "choices", "source")
)
OPTIONAL = ("finish", "refusal", "alternatives", "thoughts")  # of a choice
COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens")
CELL_AT = slice(9, 73)  # the cell key's place in a line, after {"cell":"


def _given(value: Attempt | Choice, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(value, name) for name in names}
    return {name: part for name, part in found.items() if part is not None}


def from_fields(line: dict[str, Any], source: tuple[str, int]) -> Attempt:
    """Build an attempt from a parsed line or table row; ``source`` is its place."""
    given = {name: line[name] for name in PLAIN if line.get(name) is not None}
    # Stores of earlier versions hold what servers said, also where it is impossible.
    given |= {name: possible_count(given[name]) for name in COUNTS if name in given}
    return Attempt(
        cell=line["cell"],
        repetitions=tuple(line["repetitions"]),
        choices=tuple(_choice(entry) for entry in line.get("choices") or ()),
        source=source,
        **given,
    )


def possible_count(value: Any) -> int | None:
    """Return a number of tokens, None where a server's value is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= LARGEST else None


def _choice(entry: dict[str, Any]) -> Choice:
    pairs = entry.get("alternatives")
    if pairs is not None:  # a pair is a list in a line, a mapping in a compacted file
        pairs = tuple(tuple(pair.values() if isinstance(pair, dict) else pair) for pair in pairs)
    plain = (entry.get("finish"), entry.get("refusal"))
    index = entry["index"]
    if index is not None:
        index = max(-LARGEST, min(index, LARGEST))
    return Choice(index, entry["text"], *plain, pairs, entry.get("thoughts"))
