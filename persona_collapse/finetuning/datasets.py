"""Training data: which file a dataset's name stands for, and the content that it must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.files import write_atomically
from persona_collapse.common.hashing import git_blob
from persona_collapse.common.yaml import read_document
from persona_collapse.materials.catalogue import SourceFile
from persona_collapse.materials.fetch import obtain

CATALOGUE = Path("resources/datasets.yaml")
FETCHED = Path("resources/external/datasets")


@dataclass(frozen=True)
class Dataset:
    """A dataset as a study names it.

    ``path`` is its JSONL file, which need not be there yet where ``urls`` say whence it comes;
    ``git_blob`` identifies its content. ``examples`` None: as many as there are. ``matched_with``
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
        """What ``validation.check_dataset`` holds the data against, as plain values."""
        return {"examples": self.examples, "duplicates": self.duplicates}


@cache
def _blob_of(path: Path, _changed: float) -> str:
    return git_blob(path.read_bytes())


@cache
def read_datasets(path: Path = CATALOGUE) -> dict[str, Any]:
    """Read and check the catalogue of datasets."""
    return read_document(path, "datasets")


def find_dataset(
    name: str, own: Mapping[str, Mapping[str, Any]], where: str, study: Path
) -> Dataset:
    """Resolve a dataset's name by the study's own entries, then by the catalogue.

    ``own`` is the study's ``datasets``: a file of one's own, or another content id than the
    catalogue's for a fetched one. Raises ``UserError`` for an unknown name or an absent file.
    """
    known = read_datasets()
    given = own.get(name, {})
    # A file of one's own has nothing of the catalogue's entry of the same name.
    entry = {**({} if "file" in given else known.get(name, {})), **given}
    if name not in own and name not in known:
        names = sorted({*own, *known})
        raise UserError(
            f"{where}: no dataset is called {name!r}{nearest(name, names)}; known: "
            f"{', '.join(names)}; or give a file of your own under datasets: "
            f"{{{name}: {{file: PATH}}}}"
        )
    if "file" in entry:
        path, urls = Path(entry["file"]), ()
        at = f"{study}: datasets.{name}.file" if "file" in given else str(CATALOGUE)
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


def fetch_dataset(name: str, urls: list[str], blob: str, mirror: Path | None, output: Path) -> None:
    """Write a fetched dataset, its content id checked; a mirror folder takes the network's place.

    Raises ``UserError`` that says what was found and how the study file can confirm it.
    """
    advice = f"if it is the version that you want, confirm it in the study file: datasets: {{{name}"
    file = SourceFile(
        name=urls[0].rsplit("/", 1)[-1],
        sha256=None,
        urls=tuple(urls),
        git_blob=blob,
        advice=advice + ": {git_blob: %s}}",
    )
    write_atomically(output, obtain(file, output.parent / "sources", mirror))
