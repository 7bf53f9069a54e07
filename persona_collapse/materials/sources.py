"""Find the file and the size of a resource that a study names, also before it is fetched."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.faults import read_document
from persona_collapse.materials.catalogue import External, read_catalogue
from persona_collapse.materials.instruments import Instrument, Resource
from persona_collapse.materials.personas import PersonaSet
from persona_collapse.materials.questions import QuestionSet

RESOURCES = Path("resources")
DECLARED: dict[str, type[Resource]] = {
    "instrument": Instrument,
    "personas": PersonaSet,
    "questions": QuestionSet,
}
FOLDERS = {"instrument": "instruments", "personas": "personas", "questions": "questions"}
WORDS = {"instrument": "instrument", "personas": "persona set", "questions": "set of questions"}


@dataclass(frozen=True)
class Source:
    """A resource that a study names: its file and its number of entries.

    ``fingerprint`` identifies the content of a fetched resource, whose file may not exist yet.
    """

    name: str
    kind: str
    path: Path
    size: int
    fingerprint: str | None

    def digest(self, start: int, stop: int) -> str:
        """Return an identifier of the texts of entries ``start:stop``, for the params of shards."""
        if self.fingerprint is not None:
            return f"{self.fingerprint[:16]}:{start}-{stop}"
        return str(self.read().digest(start, stop))

    def identity(self, count: int | None = None) -> str:
        """Return a digest of the first ``count`` texts (of all by default), as they are asked.

        Files of equal texts have equal ones, also a file of one's own and a fetched resource.
        """
        count = self.size if count is None else count
        if self.fingerprint is None:
            return str(self.read().digest(0, count))
        texts = _catalogue()[self.name].texts
        return texts if texts and count == self.size else self.digest(0, count)

    def domains(self) -> tuple[str, ...]:
        """Return an instrument's domains; those of a fetched one are in the catalogue."""
        return tuple(self._stated().domains)

    def read(self) -> Any:
        """Return the instrument, persona set or set of questions, read once per process."""
        return _read(self.kind, self.path)

    def scale(self) -> tuple[int, int]:
        """Return an instrument's lowest and highest rating; the catalogue has a fetched one's."""
        scale = self._stated().scale
        return scale.minimum, scale.maximum

    def words(self) -> dict[str, str]:
        """Return what an instrument calls a domain and what it measures ("" if not stated)."""
        stated = self._stated()
        return {"domain_word": stated.domain_word or "domain", "construct": stated.construct or ""}

    def _stated(self) -> Any:
        """Return the instrument, or its entry in the catalogue, known before it is fetched."""
        return self.read() if self.fingerprint is None else _catalogue()[self.name]


@cache
def _read(kind: str, path: Path) -> Any:
    return read_document(path, DECLARED[kind])


def _catalogue() -> dict[str, External]:
    return read_catalogue(RESOURCES / "external.yaml")


def find_source(name: str, kind: str, where: str, folder: Path | None = None) -> Source:
    """Resolve a bundled name, a fetched name or a path to a YAML file; refuse an unknown one.

    A file of the name below ``folder``, the study's own, comes first: a bundle carries its own
    texts, so that it stays what it was when the shipped ones change.
    """
    if folder is not None and (own := folder / FOLDERS[kind] / f"{name}.yaml").is_file():
        return _local(str(own), kind, own)
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
    known = shipped + [key for key, other in _catalogue().items() if other.kind == kind]
    raise UserError(
        f"{where}: no {WORDS[kind]} is called {name!r}"
        f"{nearest(name, known)}; known: {', '.join(known)}; or give a path that ends in .yaml"
    )


def _local(name: str, kind: str, path: Path) -> Source:
    return Source(name, kind, path, _read(kind, path).size, None)
