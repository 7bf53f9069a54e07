"""Which file an instrument or persona set lies in, and how large it is before it is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.materials.catalogue import External, read_catalogue
from persona_collapse.materials.instruments import Instrument, read_instrument
from persona_collapse.materials.personas import PersonaSet, read_personas
from persona_collapse.materials.questions import QuestionSet, read_questions

RESOURCES = Path("resources")
FOLDERS = {"instrument": "instruments", "personas": "personas", "questions": "questions"}
WORDS = {"instrument": "instrument", "personas": "persona set", "questions": "set of questions"}


@dataclass(frozen=True)
class Source:
    """A resource as the study names it: its file and the number of entries in it.

    An external source need not be there yet; ``fingerprint`` then stands for its fixed content.
    """

    name: str
    kind: str
    path: Path
    size: int
    fingerprint: str | None

    def digest(self, start: int, stop: int) -> str:
        """Identify the texts of the entries ``start:stop``, so that only their change reruns."""
        if self.fingerprint is not None:
            return f"{self.fingerprint[:16]}:{start}-{stop}"
        if self.kind == "instrument":
            return instrument_at(self.path).items_digest(start, stop)
        if self.kind == "questions":
            return questions_at(self.path).digest(start, stop)
        return personas_at(self.path).digest(start, stop)

    def foundations(self) -> tuple[str, ...]:
        """Return an instrument's foundations; a fetched one's stand in the catalogue."""
        if self.fingerprint is not None:
            return tuple(_catalogue()[self.name].header["foundations"])
        return instrument_at(self.path).foundations


@cache
def instrument_at(path: Path) -> Instrument:
    """Read an instrument once per process."""
    return read_instrument(path)


@cache
def personas_at(path: Path) -> PersonaSet:
    """Read a persona set once per process."""
    return read_personas(path)


@cache
def questions_at(path: Path) -> QuestionSet:
    """Read a set of questions once per process."""
    return read_questions(path)


def _catalogue() -> dict[str, External]:
    return read_catalogue(RESOURCES / "external.yaml")


def find_source(name: str, kind: str, where: str) -> Source:
    """Resolve a bundled name, a fetched name or a path to a YAML file; refuse an unknown one."""
    bundled = RESOURCES / FOLDERS[kind] / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return _local(name, kind, Path(name))
    if bundled.is_file():
        return _local(name, kind, bundled)
    entry = _catalogue().get(name)
    if entry is not None and entry.kind == kind:
        path = RESOURCES / "external" / FOLDERS[kind] / f"{name}.yaml"
        return Source(name, kind, path, entry.size, entry.content_sha256)
    shipped = [file.stem for file in sorted((RESOURCES / FOLDERS[kind]).glob("*.yaml"))]
    known = shipped + [key for key, found in _catalogue().items() if found.kind == kind]
    raise UserError(
        f"{where}: no {WORDS[kind]} is called {name!r}"
        f"{nearest(name, known)}; known: {', '.join(known)}; or give a path that ends in .yaml"
    )


def _local(name: str, kind: str, path: Path) -> Source:
    if kind == "instrument":
        return Source(name, kind, path, len(instrument_at(path).items), None)
    if kind == "questions":
        return Source(name, kind, path, len(questions_at(path).questions), None)
    return Source(name, kind, path, len(personas_at(path).descriptions), None)
