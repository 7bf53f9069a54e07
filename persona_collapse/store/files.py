"""The answer store, read side: every attempt ever made, in append-only files, one per writer.

``<store>/<host>-<model>-<digest>/`` is one stream: an endpoint and a requested model. In it lies
one file per writing process, ``<time>-<host>-<pid>-<random>.jsonl``: a header, a line per attempt,
and a last line when the writer closed it in peace. Nobody but its writer ever touches a file, so
there is nothing to lock, on a network file system either. The header names the cells that the file
may hold (8 hex digits of each key): a reader of one shard opens every file of the stream but reads
on only where its own cells are, so that a study of thousands of shards does not read its whole
store for each. Parquet files beside them hold what ``compaction`` has rewritten.
"""

from __future__ import annotations

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

FORMAT = 1
PREFIX = 8  # hex digits of a cell key in a header: a false alarm costs one file read in vain
HEADER = b'{"format":'
END = b'{"end":'
RELISTS = 5
# Metadata of a compacted file: the originals' headers, and the cell keys' prefixes.
WRITERS, CELLS = "writers", "cells"


def stream_folder(root: Path, stream: dict[str, Any]) -> Path:
    """Return the folder of an endpoint and model; the digest tells look-alikes apart."""
    words = f"{urlsplit(stream['base_url']).netloc} {stream['model']}"
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", words).strip("-")[:80]
    return root / f"{plain}-{digest(stream)[:12]}"


def header_line(header: dict[str, Any], cells: Iterable[str]) -> bytes:
    """Return the first line of a file that will hold attempts at these cells."""
    rest = canonical({**header, "~cells": prefixes_of(cells)})
    return HEADER + f"{FORMAT},{rest[1:]}\n".encode()


def prefixes_of(cells: Iterable[str]) -> str:
    """Return the beginnings of cell keys, sorted, one after the other."""
    return "".join(sorted({cell[:PREFIX] for cell in cells}))


class Wanted:
    """The cells that a reader looks for; None: all."""

    def __init__(self, cells: Iterable[str] | None) -> None:
        self.cells = None if cells is None else frozenset(cells)
        self._prefixes = {cell[:PREFIX] for cell in self.cells or ()}

    def __contains__(self, cell: object) -> bool:
        return self.cells is None or cell in self.cells

    def may_stand_in(self, first_line: bytes) -> bool:
        """Tell whether the file that starts so can hold one of them; a torn header means it may."""
        if self.cells is None:
            return True
        try:
            return self.may_be_among(json.loads(first_line)["~cells"])
        except (ValueError, KeyError, TypeError):
            return True

    def may_be_among(self, held: str) -> bool:
        """Tell whether one of the prefixes, written one after the other, belongs to a cell."""
        starts = range(0, len(held), PREFIX)
        return self.cells is None or any(held[at : at + PREFIX] in self._prefixes for at in starts)


@dataclass
class Found:
    """What a reader found: attempts by cell, in the order of their replies; faults of files."""

    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def report(self) -> None:
        """Log the lines that could not be read."""
        for line in self.damage:
            LOG.warning(line)


def read_attempts(folder: Path, cells: Iterable[str]) -> Found:
    """Return every attempt at these cells; costs a header per file and the files that match.

    A torn or damaged line is dropped and told in ``damage``. Reading a file and its compacted copy
    is harmless: an attempt is known by the file and line it was first written to.
    """
    found, unique = Found(), {}
    for attempt in stream_attempts(folder, Wanted(cells), found.damage):
        unique[attempt.source] = attempt
    for attempt in sorted(unique.values(), key=lambda attempt: attempt.order):
        found.attempts.setdefault(attempt.cell, []).append(attempt)
    return found


def stream_attempts(folder: Path, wanted: Wanted, damage: list[str]) -> Iterator[Attempt]:
    """Yield the attempts of a stream, file by file; one may come twice from a compacted file.

    A file that goes while we read was compacted: its copy is in the next listing.
    """
    read: set[str] = set()
    for _ in range(RELISTS):
        waiting = [path for path in store_files(folder) if path.name not in read]
        if not waiting:
            return
        for path in waiting:
            try:
                yield from file_attempts(path, wanted, damage)
                read.add(path.name)
            except FileNotFoundError:
                continue


def store_files(folder: Path) -> list[Path]:
    """Return the files of a stream that hold attempts; none where nothing was ever asked."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    return [path for path in paths if path.suffix in (".jsonl", ".parquet")]


def file_attempts(path: Path, wanted: Wanted, damage: list[str]) -> Iterator[Attempt]:
    """Yield the wanted attempts of one file of the store."""
    if path.suffix == ".parquet":
        yield from compacted_attempts(path, wanted)
        return
    with path.open("rb") as handle:
        first = handle.readline()
        if not wanted.may_stand_in(first):
            return
        for number, line in enumerate(chain([first], handle), start=1):
            whole = line.endswith(b"}\n")
            skipped = line[CELL_AT].decode("ascii", "replace") not in wanted
            if line.startswith((HEADER, END)) or not line or (whole and skipped):
                continue
            try:
                if not whole:
                    raise ValueError(line)
                yield from_fields(json.loads(line), (path.name, number))
            except (ValueError, KeyError, TypeError):
                kind = "damaged" if line.endswith(b"\n") else "cut off"
                damage.append(f"{path}, line {number}: {kind}; its {len(line)} bytes are dropped")


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a writer's file, empty where it is torn."""
    with path.open("rb") as handle:
        try:
            header = json.loads(handle.readline())
        except ValueError:
            return {}
    return header if isinstance(header, dict) and "format" in header else {}


def compacted_attempts(path: Path, wanted: Wanted) -> Iterator[Attempt]:
    """Yield the wanted attempts of a Parquet file; raise ``FileNotFoundError`` when it is gone."""
    import polars as pl  # here: most stores are never compacted, and most readers need no tables

    try:
        if not wanted.may_be_among(pl.read_parquet_metadata(path)[CELLS]):
            return
        rows = pl.scan_parquet(path)
        if wanted.cells is not None:
            rows = rows.filter(pl.col("cell").is_in(sorted(wanted.cells)))
        found = rows.collect()
    except pl.exceptions.PolarsError as fault:
        reason = str(fault).splitlines()[0]
        raise UserError(
            f"{path}: cannot be read ({reason}); it holds paid answers: restore it from a backup"
        ) from None
    for row in found.iter_rows(named=True):
        yield from_fields(row, (row["writer"], row["line"]))


def compacted_headers(path: Path) -> dict[str, dict[str, Any]]:
    """Return the headers of the files that a Parquet file was made from, by file name."""
    import polars as pl

    headers: dict[str, dict[str, Any]] = json.loads(pl.read_parquet_metadata(path)[WRITERS])
    return headers
