"""The catalogue of fetched resources (``resources/external.yaml``), checked and typed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.yaml import read_document

CONFIRM = "if this is the version you want, say so in the study file: git_blob: %s"


@dataclass(frozen=True)
class SourceFile:
    """A file at its public addresses, which are tried in order, and what its bytes must be.

    One of ``sha256`` and ``git_blob`` (the id that git gives to the content) is known.
    ``advice`` says what to do about another content, ``%s`` standing for the id found.
    """

    name: str
    sha256: str | None
    urls: tuple[str, ...]
    git_blob: str | None = None
    advice: str = ""


@dataclass(frozen=True)
class External:
    """A fetched resource.

    ``size`` counts its items, personas or questions. ``literals`` says what is read out of which
    file, ``extracted`` names the files that may hold just that, ``content_sha256`` is its digest.
    ``header`` holds the keys of the converted file that the catalogue itself states.
    """

    name: str
    kind: str
    size: int
    header: dict[str, Any]
    files: dict[str, SourceFile]
    literals: dict[str, Any]
    extracted: dict[str, str]
    content_sha256: str | None

    def confirmed(self, git_blob: str) -> External:
        """Return the resource with the version of its file that the user accepts."""
        files = {
            name: replace(file, sha256=None, git_blob=git_blob) for name, file in self.files.items()
        }
        source = f"{self.header['source']} (git blob {git_blob}, confirmed in the study file)"
        header = {**self.header, "source": source}
        return replace(self, header=header, files=files, content_sha256=None)


def read_catalogue(path: Path) -> dict[str, External]:
    """Read and check a catalogue; raise ``UserError`` with the place of any fault."""
    return {
        name: _external(path, name, entry)
        for name, entry in read_document(path, "external").items()
    }


def find_external(path: Path, name: str) -> External:
    """Return one resource of a catalogue; refuse an unknown name with the nearest valid one."""
    known = read_catalogue(path)
    if name not in known:
        raise UserError(
            f"{path}: there is no resource {name!r}{nearest(name, known)}; "
            f"it lists: {', '.join(known)}"
        )
    return known[name]


def _external(path: Path, name: str, entry: dict[str, Any]) -> External:
    header = {key: entry[key] for key in ("title", "licence", "source")}
    header |= {key: entry[key] for key in ("scale", "foundations") if key in entry}
    literals = entry["literals"]
    files = {
        file: SourceFile(
            file, found.get("sha256"), tuple(found["urls"]), found.get("git_blob"), CONFIRM
        )
        for file, found in entry["files"].items()
    }
    parts = [literals]
    if entry["kind"] == "instrument":
        parts = [*literals["items"].values(), *literals["prompts"].values()]
        if set(literals["prompts"]) != {*literals["items"], "persona"}:
            raise UserError(
                f"{path}: {name}.literals.prompts: expected the sections of literals.items "
                f"({', '.join(literals['items'])}) and 'persona'"
            )
    for part in parts:
        if part["file"] not in files:
            raise UserError(
                f"{path}: {name}.literals: {part['file']!r} is not listed under {name}.files"
                f"{nearest(part['file'], files)}"
            )
    return External(
        name=name,
        kind=entry["kind"],
        size=entry["size"],
        header=header,
        files=files,
        literals=literals,
        extracted=entry.get("extracted", {}),
        content_sha256=entry["content_sha256"],
    )
