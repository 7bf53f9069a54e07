"""Submissions: files of requests in the store, from their announcement to their results.

``<store>/batches/<stream>/<key>/`` belongs to one file of requests, whose sha256 is the key:
``requests.jsonl`` is what a server gets, ``asks.json`` says which slots each line asks for, and is
written last. A submission may be sent more than once, where its batch expired, say: ``try-1``,
``try-2`` and so on are journals of one batch each, ``upload`` is that of the file.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from persona_collapse.asking.journal import (
    GONE,
    ID,
    INTENT,
    REFUSED,
    Entry,
    Journal,
    known_id,
    last_of,
)
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.settings import Identity, Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.common.files import now, write_atomically
from persona_collapse.common.hashing import canonical, digest, sha256
from persona_collapse.store.attempts import BATCH
from persona_collapse.store.files import stream_folder

FOLDER = "batches"
REQUESTS, ASKS = "requests.jsonl", "asks.json"
SHORT_KEY = 32  # digits of a key in names
ENDED = "ended"  # an event: all that a batch answered is in the store
# Every service takes so much in one file: OpenAI 50,000 and 200 MB, Together 100 MB.
MOST_REQUESTS, MOST_BYTES = 50_000, 100_000_000
MOST_TOKENS = 100_000_000  # of all replies in one file of results, which is read as a whole
ABOUT = ("key", "scope", "label", "at")  # what an announcement says of a submission
# What a line's settings need so that its reply is read as a live one.
KEPT = (*(entry.name for entry in fields(Identity)), "token_limit_parameter", "max_n")


@dataclass(frozen=True)
class Line:
    """One request of a file: its id there, its slots, and which of the settings asked for it."""

    custom_id: str
    ask: Ask
    settings: int


@dataclass(frozen=True, eq=False)
class Submission:
    """A file of requests that was announced in the store; ``scope`` names the budget."""

    folder: Path
    key: str
    scope: str
    label: str
    at: str
    settings: tuple[dict[str, Any], ...]
    lines: tuple[Line, ...]

    @property
    def name(self) -> str:
        """The file's name at a server, which holds its digest."""
        return f"persona-collapse-{self.key[:SHORT_KEY]}.jsonl"

    @property
    def stored_as(self) -> str:
        """How the names of files begin that hold its replies in the store."""
        return f"{BATCH}{self.key[:SHORT_KEY]}-"

    @cached_property
    def cells(self) -> set[str]:
        """The cells that it asks for."""
        return {line.ask.cell for line in self.lines}

    def content(self) -> bytes:
        """Return the file that a server gets."""
        return (self.folder / REQUESTS).read_bytes()

    def bodies(self) -> Iterator[tuple[Line, dict[str, Any]]]:
        """Yield each line with the JSON of its request."""
        for line, text in zip(self.lines, self.content().splitlines(), strict=True):
            yield line, json.loads(text)["body"]

    def remove(self) -> None:
        """Remove the requests; the journals stay."""
        for name in (ASKS, REQUESTS):
            (self.folder / name).unlink(missing_ok=True)

    def upload(self) -> Journal:
        """Return the journal of the file's upload."""
        return Journal(self.folder / "upload", self.key)

    def tries(self) -> list["Try"]:
        """Return the batches that were begun for this file, the oldest first."""
        numbers = sorted(int(path.name[4:]) for path in self.folder.glob("try-*"))
        return [Try(self, number) for number in numbers]

    def running(self) -> "Try | None":
        """Return the batch that a server works on, or may have received; None where none is."""
        return next((found for found in reversed(self.tries()) if found.is_open), None)

    def next_try(self) -> "Try":
        """Return a batch that was not begun yet."""
        tries = self.tries()
        return Try(self, tries[-1].number + 1 if tries else 1)


@dataclass(frozen=True, eq=False)
class Try:
    """One batch of a submission, with its journal."""

    submission: Submission
    number: int

    @cached_property
    def journal(self) -> Journal:
        """The journal of the batch."""
        return Journal(self.submission.folder / f"try-{self.number}", self.key)

    @property
    def key(self) -> str:
        """What the batch's metadata say, by which it is looked up."""
        return f"{self.submission.key}-{self.number}"

    @property
    def stored_as(self) -> str:
        """The name, in the store, of the file of its replies, and of what its budget reserves."""
        return f"{self.submission.stored_as}{self.number}"

    @property
    def is_open(self) -> bool:
        """Whether the server works on it, or may have received it."""
        return is_open(self.journal.entries())

    @property
    def batch(self) -> str | None:
        """The batch's id at the server, None where it got none."""
        return known_id(self.journal.entries())

    def end(self, batch: Mapping[str, Any]) -> Entry:
        """Note that all its results are in the store; ``batch`` says what became of it."""
        try:
            entry = self.journal.write(ENDED, **batch)
        finally:
            self.journal.close()
        if batch["answered"]:  # else the file may tell what was wrong with it
            self.submission.remove()
        return entry


def is_open(entries: list[Entry]) -> bool:
    """Return whether a batch was sent, or may have been, and has not ended by its journal."""
    last = last_of(entries, INTENT, ID, REFUSED, GONE, ENDED)
    return last is not None and last["event"] in (INTENT, ID)


def folder_of(store: Path, stream: dict[str, Any]) -> Path:
    """Return the folder of a stream's submissions."""
    return store / FOLDER / stream_folder(store, stream).name


def announce(
    asks: Iterable[tuple[Requests, Ask]], scope: str, label: str, most: int = MOST_REQUESTS
) -> list[Submission]:
    """Write requests to files of at most ``most``; return their submissions.

    Lines are sorted by their ids, so that equal requests are one file with one name, whoever writes
    it. All requests are of one stream.
    """
    found: dict[str, tuple[Requests, Ask]] = {}
    for requests, ask in asks:
        found.setdefault(custom_id(ask), (requests, ask))
    kinds: dict[str, int] = {}
    kept: list[dict[str, Any]] = []
    chunk: list[tuple[Line, bytes]] = []
    submissions: list[Submission] = []
    size = tokens = 0
    for name, (requests, ask) in sorted(found.items()):
        given = {part: getattr(requests.settings, part) for part in KEPT}
        place = kinds.setdefault(canonical(given), len(kinds))
        if place == len(kept):
            kept.append(given)
        text = _text(name, requests.body(ask))
        longest = requests.tokens(ask) * len(ask.repetitions)
        full = len(chunk) >= most or size + len(text) > MOST_BYTES or tokens + longest > MOST_TOKENS
        if chunk and full:
            submissions.append(_written(requests.settings, chunk, kept, scope, label))
            chunk, size, tokens = [], 0, 0
        chunk.append((Line(name, ask, place), text))
        size, tokens = size + len(text), tokens + longest
    if chunk:
        submissions.append(_written(requests.settings, chunk, kept, scope, label))
    return submissions


def custom_id(ask: Ask) -> str:
    """Return the id of a request in a file: what it asks for, and how often it was asked."""
    asked = [ask.cell, list(ask.repetitions), ask.max_tokens, ask.number]
    return f"{ask.cell[:16]}-{digest(asked)[:16]}"


def _text(name: str, body: Mapping[str, Any]) -> bytes:
    line = {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _written(
    settings: Settings,
    chunk: Sequence[tuple[Line, bytes]],
    kept: Sequence[dict[str, Any]],
    scope: str,
    label: str,
) -> Submission:
    content = b"".join(text for _, text in chunk)
    key = sha256(content)
    folder = folder_of(Path(settings.store), settings.stream) / key[:SHORT_KEY]
    known = read_submission(folder)
    if known is not None:  # announced before, perhaps by a process that was killed
        return known
    lines = tuple(line for line, _ in chunk)
    asks = [
        (line.custom_id, line.settings, ask.cell, ask.repetitions, ask.max_tokens, ask.number)
        for line in lines
        for ask in (line.ask,)
    ]
    made = Submission(folder, key, scope, label, now(), tuple(kept), lines)
    about = {name: getattr(made, name) for name in ABOUT}
    write_atomically(folder / REQUESTS, content)
    write_atomically(folder / ASKS, json.dumps({**about, "settings": kept, "asks": asks}).encode())
    return made


def read_submission(folder: Path) -> Submission | None:
    """Return what was announced in a folder, None where the announcement is not complete."""
    try:
        found = json.loads((folder / ASKS).read_bytes())
        requests = (folder / REQUESTS).read_bytes()
    except (OSError, ValueError):
        return None
    if sha256(requests) != found["key"]:
        return None
    messages = [json.loads(text)["body"]["messages"] for text in requests.splitlines()]
    lines = tuple(
        Line(name, Ask(cell, text, tuple(repetitions), tokens, number), place)
        for (name, place, cell, repetitions, tokens, number), text in zip(
            found["asks"], messages, strict=True
        )
    )
    about = {name: found[name] for name in ABOUT}
    return Submission(folder, **about, settings=tuple(found["settings"]), lines=lines)


def names_of(store: Path, stream: dict[str, Any]) -> list[str]:
    """Return the names of a stream's submissions, those whose results are stored included."""
    folder = folder_of(store, stream)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def is_waiting(store: Path, stream: dict[str, Any]) -> bool:
    """Return whether a server works on a batch of this stream, or may have received one."""
    folder = folder_of(store, stream)
    return any(any(_open_tries(folder / name)) for name in names_of(store, stream))


def has_ended(folder: Path) -> bool:
    """Return whether a submission was sent, and no server works on it any more."""
    tries = _open_tries(folder)
    return bool(tries) and not any(tries)


def _open_tries(folder: Path) -> list[bool]:
    return [is_open(Journal(path, "").entries()) for path in folder.glob("try-*")]


def submissions_of(store: Path, stream: dict[str, Any]) -> list[Submission]:
    """Return the submissions of a stream, by their time."""
    paths = [folder_of(store, stream) / name for name in names_of(store, stream)]
    found = [one for path in paths if (one := read_submission(path)) is not None]
    return sorted(found, key=lambda one: (one.at, one.key))


def running_of(store: Path, stream: dict[str, Any]) -> list[Try]:
    """Return the batches of a stream that a server works on, or may have received."""
    found = (one.running() for one in submissions_of(store, stream))
    return [one for one in found if one is not None]


def slots_of(running: Iterable[Try]) -> dict[str, set[int]]:
    """Return the repetitions of each cell that batches are about to answer."""
    coming: dict[str, set[int]] = {}
    for one in running:
        for line in one.submission.lines:
            coming.setdefault(line.ask.cell, set()).update(line.ask.repetitions)
    return coming


def settings_of(submission: Submission, own: Settings) -> list[Settings]:
    """Return the settings that each kind of line was asked with, with places as in ``own``."""
    return [Settings(**{**asdict(own), **given}) for given in submission.settings]
