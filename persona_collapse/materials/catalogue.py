"""The catalogue of fetched resources (``resources/external.yaml``), checked and typed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.faults import read_document
from persona_collapse.common.keys import (
    Count,
    GitBlob,
    Keys,
    Limits,
    Matches,
    Natural,
    Sha256,
    Text,
    Unique,
    given,
    key,
)
from persona_collapse.materials.instruments import Fault, Scale

HEADER = ("title", "licence", "source", "scale", "domains", "domain_word", "construct")
CONFIRM = "if this is the version you want, say so in the study file: git_blob: %s"
FileName = Annotated[str, Matches(r"^[\w.-]*\w$", "a plain file name")]
Urls = Annotated[
    tuple[Annotated[str, Matches("^https?://", "an http(s) address")], ...], Limits(min_length=1)
]


@dataclass(frozen=True)
class SourceFile:
    """A file's addresses, tried in order, and the digest of its content.

    One of ``sha256`` and ``git_blob`` (git's id of the content) is set. ``advice`` says what to do
    about other content, with ``%s`` for the id found.
    """

    name: str
    sha256: str | None
    urls: tuple[str, ...]
    git_blob: str | None = None
    advice: str = ""


@dataclass(frozen=True)
class FileKeys(Keys):
    """A file that is fetched."""

    urls: Urls = key("its addresses, tried in order")
    sha256: Sha256 | None = key("the digest of its content", None)
    git_blob: GitBlob | None = key("or the id that git gives to its content", None)


@dataclass(frozen=True)
class ListPlace(Keys):
    """A module-level list of literals in a Python file."""

    file: FileName = key("one of the resource's files")
    variable: str = key("the list's name", name="list")


@dataclass(frozen=True)
class FunctionPlace(Keys):
    """A function in a Python file that returns a text."""

    file: FileName = key("one of the resource's files")
    function: str = key("the function's name")
    placeholders: Annotated[
        dict[str, Literal["item", "persona", "question"]], Limits(min_length=1)
    ] = key("the placeholder of each parameter")


@dataclass(frozen=True)
class Literals(Keys):
    """What is read from which file: for an instrument items and prompts, else one file."""

    items: Annotated[dict[str, ListPlace], Limits(min_length=1)] | None = key(
        "items, by section", None
    )
    prompts: dict[str, FunctionPlace] | None = key("wordings by section, and of 'persona'", None)
    file: FileName | None = key("the file of personas or questions", None)
    variable: str | None = key("the list in a Python file", None, name="list")
    indices: Annotated[tuple[Natural, ...], Limits(min_length=1), Unique()] | None = key(
        "the entries to take, from 0", None
    )
    without: tuple[str, ...] = key("endings of ids to leave out", ())

    def files(self) -> list[str]:
        """Return the files that are named."""
        lists = [place.file for place in (self.items or {}).values()]
        functions = [place.file for place in (self.prompts or {}).values()]
        return [*lists, *functions, *filter(None, [self.file])]


@dataclass(frozen=True)
class ExternalKeys(Keys):
    """A resource that is fetched."""

    kind: Literal["instrument", "personas", "questions"] = key("what it is")
    title: Text = key("a line for people")
    size: Count = key("its number of items, personas or questions")
    licence: Text = key("the licence of its texts")
    source: Text = key("where its texts come from")
    files: Annotated[dict[FileName, FileKeys], Limits(min_length=1)] = key("what is fetched")
    literals: Literals = key("what is read from the files")
    content_sha256: Sha256 = key("digest of what was read")
    texts: Annotated[str, Matches("^[0-9a-f]{16}$", "16 hex digits")] | None = key(
        "digest of the texts as they are asked, by which a file of the same texts is recognised",
        None,
    )
    extracted: Annotated[dict[str, FileName], Limits(min_length=1)] | None = key(
        "files that a mirror may hold instead, with the literals read out", None
    )
    scale: Scale | None = key("an instrument's scale", None)
    domains: Annotated[tuple[Text, ...], Limits(min_length=1)] | None = key("its domains", None)
    domain_word: Text | None = key("what it calls a domain", None)
    construct: Text | None = key("what it measures, as an adjective", None)

    def faults(self) -> Iterator[Fault]:
        """Yield keys that the kind of resource lacks or must not have, and unknown names."""
        instrument, literals = self.kind == "instrument", self.literals
        owned: dict[tuple[str, ...], Any] = {
            ("scale",): self.scale,
            ("domains",): self.domains,
            ("domain_word",): self.domain_word,
            ("construct",): self.construct,
            ("literals", "items"): literals.items,
            ("literals", "prompts"): literals.prompts,
        }
        optional = {("domain_word",), ("construct",)}
        for place, value in owned.items():
            if instrument and value is None and place not in optional:
                yield place[:-1], f"the key {place[-1]!r} is missing"
            if not instrument and value is not None:
                yield place, f"{place[-1]!r} is not allowed here"
        if not instrument and literals.file is None:
            yield ("literals",), "the key 'file' is missing"
        if instrument and set(literals.prompts or ()) != {*(literals.items or ()), "persona"}:
            yield (
                ("literals", "prompts"),
                "expected the sections of literals.items "
                f"({', '.join(literals.items or ())}) and 'persona'",
            )
        parts = {"items", "prompts"} if instrument else {"personas"}
        if self.extracted and set(self.extracted) != parts:
            yield ("extracted",), f"expected the keys {', '.join(sorted(parts))}"
        for name, file in self.files.items():
            if (file.sha256 is None) == (file.git_blob is None):
                yield ("files", name), "expected one of the keys 'sha256' and 'git_blob'"
        for name in literals.files():
            if name not in self.files:
                hint = nearest(name, self.files)
                yield ("literals",), f"{name!r} is not listed under files{hint}"


@dataclass(frozen=True)
class External(ExternalKeys):
    """A fetched resource with its name; ``version`` is the git blob id that the user accepts."""

    name: str = field(default="", kw_only=True)
    version: str | None = field(default=None, kw_only=True)

    @property
    def header(self) -> dict[str, Any]:
        """The keys of the converted file that the catalogue itself states."""
        known = {key: value for key, value in given(self).items() if key in HEADER}
        if self.version:
            known["source"] += f" (git blob {self.version}, confirmed in the study file)"
        return known

    def source_files(self) -> dict[str, SourceFile]:
        """Return the files to fetch, with the content that is accepted."""
        return {
            name: SourceFile(
                name,
                None if self.version else keys.sha256,
                keys.urls,
                self.version or keys.git_blob,
                CONFIRM,
            )
            for name, keys in self.files.items()
        }


@cache
def read_catalogue(path: Path) -> dict[str, External]:
    """Read and check a catalogue; raise ``UserError`` with the place of any fault."""
    entries = read_document(path, dict[str, ExternalKeys])
    return {name: External(name=name, **vars(entry)) for name, entry in entries.items()}


def find_external(path: Path, name: str) -> External:
    """Return one resource of a catalogue; refuse an unknown name with the nearest valid one."""
    known = read_catalogue(path)
    if name not in known:
        raise UserError(
            f"{path}: there is no resource {name!r}{nearest(name, known)}; "
            f"it lists: {', '.join(known)}"
        )
    return known[name]
