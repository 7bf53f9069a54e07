"""Training data: the file behind a dataset's name, and what a server would refuse in it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from persona_collapse.asking.prices import prompt_tokens
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.faults import read_document
from persona_collapse.common.files import write_atomically
from persona_collapse.common.hashing import git_blob, sha256
from persona_collapse.common.keys import (
    Count,
    GitBlob,
    Keys,
    Limits,
    Matches,
    Name,
    Text,
    given,
    key,
)
from persona_collapse.materials.catalogue import SourceFile
from persona_collapse.materials.fetch import obtain

CATALOGUE = Path("resources/datasets.yaml")
FETCHED = Path("resources/external/datasets")
ROLES = ("system", "user", "assistant")
MESSAGE_KEYS = {"role", "content", "name", "weight"}
LEAST_EXAMPLES = 10  # required by OpenAI's API
MOST_TOKENS = 65_536  # per example; longer ones are truncated
SHOWN_FAULTS = 20

Message = dict[str, str]


Address = Annotated[str, Matches("^https://", "an address that starts with https://")]


@dataclass(frozen=True)
class Dataset:
    """A dataset of a study.

    ``path`` is its JSONL file, which is fetched from ``urls`` if there are any; ``git_blob``
    identifies its content. ``examples`` is the expected number, None for any. ``matched_with``
    names the dataset that must have the same prompts.
    """

    name: str
    path: Path
    git_blob: str
    urls: tuple[str, ...]
    examples: int | None
    matched_with: str | None
    duplicates: bool

    @property
    def expected(self) -> dict[str, Any]:
        """The properties that ``check_dataset`` checks, as plain values."""
        return {"examples": self.examples, "duplicates": self.duplicates}


@dataclass(frozen=True)
class DatasetKeys(Keys):
    """A dataset of ``resources/datasets.yaml``: a file, or fetched from addresses."""

    title: Text = key("a line for people")
    licence: Text = key("the licence of its content")
    source: Text = key("where it comes from")
    examples: Count = key("its number of examples")
    file: Text | None = key("its file, where it is bundled", None)
    urls: Annotated[tuple[Address, ...], Limits(min_length=1)] | None = key(
        "its addresses, where it is fetched", None
    )
    git_blob: GitBlob | None = key("the id that git gives to its content", None)
    matched_with: Text | None = key("the dataset that has the same prompts", None)
    duplicates: Literal["allowed"] | None = key("an example may stand twice", None)

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a fault where there is not exactly one way to the data."""
        if (self.file is None) == (self.urls is None or self.git_blob is None):
            yield (), "expected the key 'file', or the keys 'urls' and 'git_blob'"


@cache
def _blob_of(path: Path, _changed: float) -> str:
    return git_blob(path.read_bytes())


@cache
def read_datasets(path: Path = CATALOGUE) -> dict[str, Any]:
    """Read and check the catalogue of datasets."""
    return {name: given(e) for name, e in read_document(path, dict[Name, DatasetKeys]).items()}


def find_dataset(
    name: str, own: Mapping[str, Mapping[str, Any]], where: str, study: Path
) -> Dataset:
    """Find a dataset in the study's own entries, then in the catalogue.

    ``own`` is the study's ``datasets``: files of the user, or content ids that replace the
    catalogue's for fetched ones. Raises ``UserError`` for an unknown name or a missing file.
    """
    known = read_datasets()
    mine = own.get(name, {})
    # A user's file takes nothing from a catalogue entry of the same name.
    entry = {**({} if "file" in mine else known.get(name, {})), **mine}
    if name not in own and name not in known:
        names = sorted({*own, *known})
        raise UserError(
            f"{where}: no dataset is called {name!r}{nearest(name, names)}; known: "
            f"{', '.join(names)}; or give a file of your own under datasets: "
            f"{{{name}: {{file: PATH}}}}"
        )
    if "file" in entry:
        path, urls = Path(entry["file"]), ()
        at = f"{study}: datasets.{name}.file" if "file" in mine else str(CATALOGUE)
        if not path.is_file():
            raise UserError(f"{at}: {path}: there is no such file")
        blob = _blob_of(path, path.stat().st_mtime)
        if entry.get("git_blob", blob) != blob:
            raise UserError(
                f"{study}: datasets.{name}.git_blob: {path} is {blob}, not {entry['git_blob']}"
            )
    elif "urls" in entry:
        blob, urls = entry["git_blob"], tuple(entry["urls"])
        path = FETCHED / f"{name}-{blob[:12]}.jsonl"
    else:
        raise UserError(
            f"{study}: datasets.{name}: is not in {CATALOGUE}, so that it needs the key 'file'"
        )
    same = blob == known.get(name, {}).get("git_blob", blob)
    return Dataset(
        name=name,
        path=path,
        git_blob=blob,
        urls=urls,
        examples=entry.get("examples") if same else None,
        matched_with=entry.get("matched_with"),
        duplicates=entry.get("duplicates") == "allowed",
    )


def fetch_dataset(data: Mapping[str, Any], mirror: str | None, output: str) -> None:
    """Fetch a dataset and check its content id; a ``mirror`` folder replaces the network.

    ``data`` holds its name, addresses and content id. Raises ``UserError`` with the id that was
    found, and how to confirm it in the study file.
    """
    advice = "if it is the version that you want, confirm it in the study file: datasets: "
    advice += f"{{{data['name']}: {{git_blob: %s}}}}"
    name, urls = data["urls"][0].rsplit("/", 1)[-1], tuple(data["urls"])
    file = SourceFile(name, sha256=None, urls=urls, git_blob=data["git_blob"], advice=advice)
    folder = Path(mirror).expanduser() if mirror else None
    write_atomically(Path(output), obtain(file, Path(output).parent / "sources", folder))


@dataclass(frozen=True)
class Example:
    """One line of training data: its number, from 1, and its messages."""

    line: int
    messages: list[Message]

    @property
    def prompt(self) -> str:
        """Every turn but the assistant's, as JSON."""
        turns = [[m["role"], m["content"]] for m in self.messages if m["role"] != "assistant"]
        return json.dumps(turns, ensure_ascii=False)


@dataclass
class Checked:
    """A dataset read from a file: its examples, and its faults by line (0: the whole file)."""

    path: Path
    sha256: str
    size: int
    examples: list[Example] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def tokens(self, count: Callable[[str], int]) -> int:
        """Return the tokens of one epoch."""
        return sum(prompt_tokens(example.messages, count) for example in self.examples)

    def refuse(self) -> None:
        """Raise ``UserError`` with the first faults, if there are any."""
        if not self.faults:
            return
        found = sorted(self.faults)
        shown = [f"line {line}: {text}" if line else text for line, text in found[:SHOWN_FAULTS]]
        more = len(found) - len(shown)
        rest = [f"and {more} more"] if more else []
        lines = "\n  ".join([*shown, *rest])
        raise UserError(f"{self.path}: invalid training data; nothing was paid:\n  {lines}")


def read_examples(path: Path) -> Checked:
    """Read a JSONL file of chats; invalid lines go to ``faults``."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise UserError(f"{path}: cannot be read: {fault.strerror}") from None
    checked = Checked(path, sha256(content), len(content))
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        faults = [(number, text) for text in _faults(line)]
        checked.faults += faults
        if not faults:
            checked.examples.append(Example(number, json.loads(line)["messages"]))
    return checked


def check_dataset(
    path: Path, partner: Path | None = None, examples: int | None = None, duplicates: bool = False
) -> Checked:
    """Read a dataset and check it; every fault goes to ``faults``.

    ``partner`` is the dataset that must have the same prompts, ``examples`` the expected number;
    ``duplicates`` allows equal examples.
    """
    checked = read_examples(path)
    found = len(checked.examples)
    if not checked.faults and examples is not None and found != examples:
        checked.faults.append((0, f"has {found} examples, {examples} are expected"))
    if not checked.faults and found < LEAST_EXAMPLES:
        checked.faults.append((0, f"has {found} examples; at least {LEAST_EXAMPLES} are needed"))
    for example in checked.examples:
        tokens = prompt_tokens(example.messages)
        if tokens > MOST_TOKENS:
            text = f"about {tokens} tokens; an example may have {MOST_TOKENS}"
            checked.faults.append((example.line, text))
    if not duplicates:
        checked.faults += _duplicates(checked.examples)
    if partner is not None:
        checked.faults += _unmatched(checked.examples, partner)
    return checked


def _faults(line: bytes) -> Iterator[str]:
    try:
        entry = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as fault:
        yield f"is not UTF-8 (byte {fault.start})"
        return
    except (json.JSONDecodeError, RecursionError) as fault:
        reason = fault.msg if isinstance(fault, json.JSONDecodeError) else "nested too deeply"
        yield f"is not JSON: {reason}" if line.strip() else "is empty"
        return
    if not isinstance(entry, dict) or "messages" not in entry:
        yield 'is not a chat: expected {"messages": [...]}'
        return
    for name in sorted(set(entry) - {"messages"}):
        yield f"has the key {name!r} beside 'messages'"
    messages = entry["messages"]
    if not isinstance(messages, list) or not messages:
        yield "messages: expected a list of turns"
        return
    for place, message in enumerate(messages):
        yield from (f"messages[{place}]: {text}" for text in _message_faults(message))
    roles = [message.get("role") for message in messages if isinstance(message, dict)]
    if "user" not in roles:
        yield "has no turn of the user"
    if roles[-1:] != ["assistant"]:
        yield "does not end with a turn of the assistant"


def _message_faults(message: Any) -> Iterator[str]:
    if not isinstance(message, dict):
        yield "is not a turn with role and content"
        return
    if message.get("role") not in ROLES:
        yield f"role {message.get('role')!r} is not one of: {', '.join(ROLES)}"
    content = message.get("content")
    if not isinstance(content, str):
        yield "content is not a text"
    elif not content.strip():
        yield "content is empty"
    elif any("\ud800" <= letter <= "\udfff" for letter in content):
        yield "content holds half a character (a lone surrogate)"
    for name in sorted(set(message) - MESSAGE_KEYS):
        yield f"unknown key {name!r}"


def _duplicates(examples: Sequence[Example]) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    for example in examples:
        text = json.dumps(example.messages, sort_keys=True)
        if text in first:
            yield example.line, f"is the same example as line {first[text]}"
        first.setdefault(text, example.line)


def _unmatched(examples: Sequence[Example], partner: Path) -> Iterator[tuple[int, str]]:
    others = read_examples(partner)
    if others.faults:
        line, text = min(others.faults)
        yield 0, f"cannot be compared with {partner}, whose line {line} {text}"
        return
    here = Counter(example.prompt for example in examples)
    there = Counter(example.prompt for example in others.examples)
    surplus, lacking = here - there, there - here
    for example in reversed(examples):
        if surplus[example.prompt] > 0:
            surplus[example.prompt] -= 1
            yield example.line, f"its prompt is not in {partner}, which must have the same prompts"
    for example in reversed(others.examples):
        if lacking[example.prompt] > 0:
            lacking[example.prompt] -= 1
            yield 0, f"the prompt of line {example.line} of {partner} is not here"
