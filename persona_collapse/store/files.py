"""Read the answer store: every attempt ever made, in append-only files.

``<store>/<host>-<model>-<digest>/`` is one stream: an endpoint and a requested model. It has one
file per writing process, ``<time>-<host>-<pid>-<random>.jsonl``: a header, a line per attempt, and
an end marker on clean shutdown. Only its writer ever writes to a file, so no locks are needed, also
on network file systems. The header lists the cells that the file may hold (8 hex digits of each
key): a reader of one shard opens every file of the stream, but reads beyond the header only where
its own cells may be. Every line has a checksum, and a reader checks all lines of the files that it
reads; a header whose checksum fails, or that has none, hides nothing: the whole file is read.
``compaction`` rewrites closed files as Parquet beside them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import canonical, digest
from persona_collapse.common.log import LOG
from persona_collapse.store.attempts import CELL_AT, Attempt, from_fields
from persona_collapse.store.checksums import file_is_whole, line_is_whole, with_checksum

FORMAT = 2  # 1: lines without checksums
PREFIX = 8  # hex digits of a cell key in a header; a false match only costs reading a file
HEADER = b'{"format":'
END = b'{"end":'
ATTEMPT = re.compile(rb'\{"cell":"[0-9a-f]{64}",')
RELISTS = 5
# Metadata of a compacted file: the originals' headers, and the cell keys' prefixes.
WRITERS, CELLS = "writers", "cells"


def stream_folder(root: Path, stream: dict[str, Any]) -> Path:
    """Return the folder of a stream; the digest distinguishes streams with similar names."""
    words = f"{urlsplit(stream['base_url']).netloc} {stream['model']}"
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", words).strip("-")[:80]
    return root / f"{plain}-{digest(stream)[:12]}"


def header_line(header: dict[str, Any], cells: Iterable[str]) -> bytes:
    """Return the header of a file for attempts at these cells."""
    rest = canonical({**header, "~cells": prefixes_of(cells)})
    return with_checksum(HEADER + f"{FORMAT},{rest[1:]}\n".encode())


def prefixes_of(cells: Iterable[str]) -> str:
    """Return the distinct prefixes of cell keys, sorted and concatenated."""
    return "".join(sorted({cell[:PREFIX] for cell in cells}))


class CellFilter:
    """The cells that a reader asks for; None: all."""

    def __init__(self, cells: Iterable[str] | None) -> None:
        self.cells = None if cells is None else frozenset(cells)
        self._prefixes = {cell[:PREFIX] for cell in self.cells or ()}

    def __contains__(self, cell: object) -> bool:
        return self.cells is None or cell in self.cells

    def matches(self, held: str) -> bool:
        """Return whether one of the concatenated prefixes is that of a cell."""
        starts = range(0, len(held), PREFIX)
        return self.cells is None or any(held[at : at + PREFIX] in self._prefixes for at in starts)


@dataclass
class StoredAttempts:
    """Attempts by cell, in the order of their replies, and messages about damaged lines."""

    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def report(self) -> None:
        """Log the damaged lines."""
        for line in self.damage:
            LOG.warning(line)


def unwritable(folder: Path, fault: OSError) -> UserError:
    """Return the error of a store that cannot be written before anything was asked."""
    return UserError(
        f"{folder}: {fault.strerror}: answers cannot be stored there, so no request was sent. Make "
        "that folder writable, or free space on its disk, and run the same command again"
    )


def read_attempts(folder: Path, cells: Iterable[str], *more: Path) -> StoredAttempts:
    """Return every attempt at these cells; reads all headers, and the files that match.

    ``more`` are folders with files of the same stream that could not be written into its own.
    A torn or damaged line is dropped and reported in ``damage``. An attempt that is in a file and
    in its compacted copy is taken once.
    """
    found, unique, asked = StoredAttempts(), {}, CellFilter(cells)
    for place in (folder, *more):
        for attempt in stream_attempts(place, asked, found.damage):
            unique[attempt.source] = attempt
    for attempt in sorted(unique.values(), key=lambda attempt: attempt.order):
        found.attempts.setdefault(attempt.cell, []).append(attempt)
    return found


def stream_attempts(folder: Path, cells: CellFilter, damage: list[str]) -> Iterator[Attempt]:
    """Yield the attempts of a stream, file by file; an attempt may come twice.

    A file that is deleted meanwhile was compacted; the next listing has its copy.
    """
    read: set[str] = set()
    for _ in range(RELISTS):
        waiting = [path for path in store_files(folder) if path.name not in read]
        if not waiting:
            return
        for path in waiting:
            try:
                yield from file_attempts(path, cells, damage)
                read.add(path.name)
            except FileNotFoundError:
                continue


def store_files(folder: Path) -> list[Path]:
    """Return the files of a stream; none where no request was ever sent."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for path in paths if path.suffix in (".jsonl", ".parquet")]


def file_attempts(path: Path, cells: CellFilter, damage: list[str]) -> Iterator[Attempt]:
    """Yield the attempts of one file at these cells."""
    if path.suffix == ".parquet":
        yield from compacted_attempts(path, cells)
        return
    with path.open("rb") as handle:
        first = handle.readline()
        header = _header(first)
        checked = header.get("format") == FORMAT
        if checked and not cells.matches(header["~cells"]):
            return
        lines: Iterable[bytes] = chain([first], handle)
        if not header:  # damaged: does the file have checksums?
            lines = list(lines)
            checked = any(map(line_is_whole, lines))
        for number, line in enumerate(lines, start=1):
            try:
                if number == 1 and not line.endswith(b"\n"):
                    continue  # its writer was killed before the first attempt
                fields = _fields(line, cells, checked=checked)
                if fields is not None:
                    yield from_fields(fields, (path.name, number))
            except (ValueError, KeyError, TypeError, RecursionError):
                kind = "damaged" if line.endswith(b"\n") else "cut off"
                damage.append(f"{path}, line {number}: {kind}; its {len(line)} bytes are dropped")


def _fields(line: bytes, cells: CellFilter, *, checked: bool) -> dict[str, Any] | None:
    """Return the fields of an attempt at one of the cells, None for other lines.

    Raises ``ValueError`` for a damaged line; ``checked``: the file's lines have checksums.
    """
    whole = line_is_whole(line)
    if whole is False or (checked and whole is None) or not line.endswith(b"}\n"):
        raise ValueError(line)
    if line.startswith((HEADER, END)):
        return None
    if not ATTEMPT.match(line):
        raise ValueError(line)
    if line[CELL_AT].decode("ascii") not in cells:
        return None
    fields: dict[str, Any] = json.loads(line)
    return fields


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a writer's file, empty where it is damaged."""
    with path.open("rb") as handle:
        return _header(handle.readline())


def has_end(path: Path) -> bool:
    """Return whether a writer's file has its end marker; lines cut off at its end took it along."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - 200))
        return handle.read().rpartition(b"\n")[0].rpartition(b"\n")[2].startswith(END)


def has_checksum(path: Path) -> bool:
    """Return whether a file has checksums, damaged ones included."""
    if path.suffix == ".parquet":
        return file_is_whole(path) is not None
    return read_header(path).get("format") != 1


def _header(line: bytes) -> dict[str, Any]:
    """Return a header without its checksum; empty where it is damaged."""
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(header, dict) or "format" not in header:
        return {}
    whole = line_is_whole(line)
    if whole or (whole is None and header["format"] == 1):
        header.pop("crc", None)
        return header
    return {}


def compacted_attempts(path: Path, cells: CellFilter) -> Iterator[Attempt]:
    """Yield the attempts of a Parquet file at these cells.

    Raises ``FileNotFoundError`` where the file was deleted meanwhile.
    """
    import polars as pl  # most stores are never compacted, and most readers need no polars

    _check(path)
    try:
        if not cells.matches(pl.read_parquet_metadata(path)[CELLS]):
            return
        rows = pl.scan_parquet(path)
        if cells.cells is not None:
            rows = rows.filter(pl.col("cell").is_in(sorted(cells.cells)))
        found = rows.collect()
    except pl.exceptions.PolarsError as fault:
        raise _damaged(path, str(fault).splitlines()[0]) from None
    for row in found.iter_rows(named=True):
        yield from_fields(row, (row["writer"], row["line"]))


def compacted_headers(path: Path) -> dict[str, dict[str, Any]]:
    """Return the headers of the files that a Parquet file was made from, by file name."""
    import polars as pl

    _check(path)
    headers: dict[str, dict[str, Any]] = json.loads(pl.read_parquet_metadata(path)[WRITERS])
    return headers


def _check(path: Path) -> None:
    """Refuse a compacted file that does not fit the checksum in its name."""
    if file_is_whole(path) is False:
        raise _damaged(path, "it differs from what was written")


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path}: cannot be read ({reason}); it holds paid answers: restore it from a backup, or "
        "move it out of the store, and they are asked and paid again"
    )
