"""Compaction: rewrite closed files as Parquet; readers get the same attempts.

A Parquet file appears complete or not at all: it is written under another name, synced, read back
and then renamed. The originals are deleted afterwards. A crash in between leaves both; readers
identify an attempt by the file and line it was first written to and take it once. Files that a
running process may still write to are skipped.
"""

import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.errors import UserError
from persona_collapse.common.files import sync_folder
from persona_collapse.common.hashing import sha256
from persona_collapse.common.processes import birth
from persona_collapse.store.attempts import PLAIN, Attempt, Choice
from persona_collapse.store.checksums import compacted_name
from persona_collapse.store.files import (
    CELLS,
    WRITERS,
    CellFilter,
    compacted_attempts,
    file_attempts,
    has_end,
    prefixes_of,
    read_header,
    store_files,
)

ROWS = 25_000  # attempts in a Parquet file; writing one takes about 300 MB of memory
DAY_S = 86_400.0
MINUTE_S = 60.0

_ALTERNATIVE = pl.Struct({"token": pl.String, "logprob": pl.Float64})
_CHOICE = pl.Struct(
    {
        "index": pl.Int64,
        "text": pl.String,
        "finish": pl.String,
        "refusal": pl.String,
        "alternatives": pl.List(_ALTERNATIVE),
        "thoughts": pl.String,
    }
)
_INTEGERS = ("max_tokens", "status", "prompt_tokens", "completion_tokens", "reasoning_tokens")
TABLE: dict[str, Any] = {
    "cell": pl.String,
    "repetitions": pl.List(pl.Int32),
    **{name: pl.Int64 if name in _INTEGERS else pl.String for name in PLAIN},
    "seconds": pl.Float64,
    "choices": pl.List(_CHOICE),
    "writer": pl.String,
    "line": pl.Int64,
}


@dataclass(frozen=True)
class Compacted:
    """A Parquet file, with what it holds: attempts of so many files, and what it could not."""

    path: Path
    attempts: int
    files: int
    damaged_lines: int


def compact_store(root: Path, idle_s: float = DAY_S) -> list[Compacted]:
    """Compact every stream of a store; return the Parquet files that were written.

    A file is closed when it has an end marker, when its writer's process has exited on this
    machine, or when it was not written to for ``idle_s`` seconds.
    """
    written = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        closed = [path for path in store_files(folder) if _closed(path, idle_s)]
        batch: list[Path] = []
        rows = 0
        for path in closed:
            batch.append(path)
            rows += path.read_bytes().count(b"\n")
            if rows >= ROWS or path == closed[-1]:
                written.append(_compact(folder, batch))
                batch, rows = [], 0
    return written


def _closed(path: Path, idle_s: float) -> bool:
    if path.suffix != ".jsonl":
        return False
    idle = time.time() - path.stat().st_mtime
    if has_end(path):
        return True
    writer = read_header(path)
    pid = writer.get("pid")
    here = writer.get("host") == socket.gethostname()
    gone = here and (not isinstance(pid, int) or birth(pid) is None)
    return idle > idle_s or (gone and idle > min(idle_s, MINUTE_S))


def _compact(folder: Path, originals: Sequence[Path]) -> Compacted:
    sizes = {path: path.stat().st_size for path in originals}
    damage: list[str] = []
    attempts = [a for path in originals for a in file_attempts(path, CellFilter(None), damage)]
    names = sha256("\n".join(path.name for path in originals).encode())
    aside = folder / f"compacted-{names[:16]}.part"
    headers = {path.name: {**read_header(path), "~cells": ""} for path in originals}
    _frame(attempts).write_parquet(
        aside,
        compression="zstd",
        metadata={WRITERS: json.dumps(headers), CELLS: prefixes_of(a.cell for a in attempts)},
    )
    with aside.open("rb") as handle:
        os.fsync(handle.fileno())
    if list(compacted_attempts(aside, CellFilter(None))) != attempts:
        raise UserError(
            f"{aside}: reads back differently from what was written; nothing was removed"
        )
    target = folder / compacted_name(names, aside)
    aside.replace(target)
    for earlier in folder.glob(f"{aside.stem}-*.parquet"):  # of a compaction that was interrupted
        if earlier != target:
            earlier.unlink()
    sync_folder(folder)
    for path, size in sizes.items():
        if path.stat().st_size == size:  # a file that grew meanwhile is kept
            path.unlink()
    return Compacted(target, len(attempts), len(originals), len(damage))


def _frame(attempts: Sequence[Attempt]) -> pl.DataFrame:
    """Return one row per attempt with the columns of ``TABLE``."""
    columns: dict[str, list[Any]] = {
        name: [getattr(attempt, name) for attempt in attempts] for name in ("cell", *PLAIN)
    }
    columns["repetitions"] = [list(attempt.repetitions) for attempt in attempts]
    columns["choices"] = [[_choice_row(choice) for choice in a.choices] for a in attempts]
    columns["writer"] = [attempt.source[0] for attempt in attempts]
    columns["line"] = [attempt.source[1] for attempt in attempts]
    return pl.DataFrame({name: columns[name] for name in TABLE}, schema=TABLE)


def _choice_row(choice: Choice) -> dict[str, Any]:
    row = asdict(choice)
    if choice.alternatives is not None:
        row["alternatives"] = [{"token": t, "logprob": value} for t, value in choice.alternatives]
    return row
