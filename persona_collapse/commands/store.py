"""The answer store's contents by endpoint and model: answers, failures, tokens, cost, dates."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.asking.prices import find_price
from persona_collapse.asking.submissions import FOLDER, read_submission
from persona_collapse.commands import shown
from persona_collapse.commands.shown import Column
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.compaction import compact_store
from persona_collapse.store.files import (
    CellFilter,
    compacted_headers,
    file_attempts,
    has_checksum,
    has_end,
    read_header,
    store_files,
)

COLUMNS: dict[str, Any] = {
    "base_url": pl.String,
    "requested_model": pl.String,
    **dict.fromkeys(("files", "attempts", "answers", "failures", "lost", "short"), pl.Int64),
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "estimated"), pl.Int64),
    "usd": pl.Float64,
    "first": pl.String,
    "last": pl.String,
    **dict.fromkeys(("damaged_lines", "damaged_files", "unchecked_files"), pl.Int64),
    "open_files": pl.Int64,
}
SHOWN = (
    Column("base_url", "address", folds=True),
    Column("requested_model", "model", folds=True),
    Column("days", folds=True),
    *(Column(name) for name in ("files", "attempts", "answers", "failures")),
    *(Column(name, optional=True) for name in ("lost", "short")),
    Column("prompt_tokens", "tokens in"),
    Column("completion_tokens", "tokens out"),
    Column("estimated", optional=True),
    Column("usd"),
    *(
        Column(name, optional=True)
        for name in ("damaged_lines", "damaged_files", "unchecked_files")
    ),
)
COMPACTED = (
    Column("path", "file", folds=True),
    Column("attempts"),
    Column("files", "of files"),
    Column("damaged_lines", "damaged lines left out", optional=True),
)
NO_STORE = "there is no answer store here; the first run creates it"
# Failures after which the request may have been paid.
LOST = ("timeout", "connection_lost", "not_json")


def show_store(store: str, prices: str) -> None:
    """Verify the store; print one row per endpoint and model, then what is damaged."""
    damage: list[str] = []
    frame = store_contents(Path(store), Path(prices), damage)
    screen = shown.screen()
    for note in running_batches(Path(store)):
        shown.show_note(screen, note, "Batch")
    if frame.is_empty():
        screen.print(f"{store}: no answers yet")
        return
    rows = [{**row, "days": _days(row)} for row in frame.to_dicts()]
    shown.show_table(screen, SHOWN, rows)
    for line in damage:
        shown.show_note(screen, line)
    if unchecked := frame["unchecked_files"].sum():
        shown.show_note(
            screen,
            f"{unchecked} files were written without checksums by an earlier version: damage that "
            "changes an answer cannot be detected in them",
        )
    if still_open := frame["open_files"].sum():
        shown.show_note(
            screen,
            f"{still_open} {'file has' if still_open == 1 else 'files have'} no end mark: being "
            "written, left by a killed process, or with the last lines cut off, which looks the "
            "same. What is missing is asked and paid for again",
        )
    if not damage:
        files = frame["files"].sum()
        screen.print(f"Verified: no damage in {files:,} {'file' if files == 1 else 'files'}.")


def _days(row: dict[str, Any]) -> str | None:
    """Return the days of the first and the last attempt."""
    first, last = ((row[name] or "")[:10] for name in ("first", "last"))
    return first if first == last else f"{first} to {last}"


def compact(store: str) -> None:
    """Compact the store and print a row for each file that was written."""
    screen = shown.screen()
    if not Path(store).is_dir():
        raise UserError(f"{store}: {NO_STORE}")
    rows = [{**vars(one), "path": str(one.path)} for one in compact_store(Path(store))]
    if not rows:
        text = "Nothing to compact: no file of the store is closed that is not compacted yet."
        shown.show_note(screen, text)
        return
    shown.show_table(screen, COMPACTED, rows)


def store_contents(root: Path, prices: Path, damage: list[str] | None = None) -> pl.DataFrame:
    """Return one row per stream of a store, by address and model.

    ``answers`` counts replies, ``failures`` attempts without one, ``lost`` the failures that may
    have been paid, ``short`` responses with fewer choices than requested. Tokens are the servers'
    counts; ``estimated`` counts the replies without a usable count, which have upper estimates, or
    count as no tokens where an earlier version stored them. ``usd`` is null without a price.
    Every checksum is verified; ``unchecked_files`` have none. ``open_files`` have no end marker.
    ``damage`` gets a message for each damaged line, and each damaged compacted file, of which
    nothing is counted.
    """
    if not root.is_dir():
        raise UserError(f"{root}: {NO_STORE}")
    found = [] if damage is None else damage
    rows = [_row(folder, prices, found) for folder in sorted(root.iterdir()) if store_files(folder)]
    frame = pl.DataFrame(rows, schema=COLUMNS)
    return frame.sort("base_url", "requested_model")


def _row(folder: Path, prices: Path, damage: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS, 0)
    row |= {"base_url": None, "requested_model": None, "first": None, "last": None}
    whole: list[Path] = []
    for path in store_files(folder):
        row["files"] += 1
        row["unchecked_files"] += not has_checksum(path)
        row["open_files"] += path.suffix == ".jsonl" and not has_end(path)
        try:
            headers = _headers(path)
        except UserError as fault:
            damage.append(str(fault))
            row["damaged_files"] += 1
            continue
        whole.append(path)
        for header in headers:
            row["base_url"] = row["base_url"] or header.get("base_url")
            row["requested_model"] = row["requested_model"] or header.get("model")
    lines: list[str] = []
    halved = [0, 0]  # tokens in and out, of batches
    for attempt in _once(whole, lines):
        _count(row, attempt)
        if attempt.in_batch:
            halved[0] += attempt.prompt_tokens or 0
            halved[1] += attempt.completion_tokens or 0
    row["damaged_lines"] = len(lines)
    damage += lines
    price = None
    if row["base_url"] and row["requested_model"]:
        price = find_price(prices, row["base_url"], row["requested_model"])
    if price:
        full = price.cost(row["prompt_tokens"], row["completion_tokens"])
        row["usd"] = full - price.cost(*halved) + price.in_batch().cost(*halved)
    else:
        row["usd"] = None
    return row


def running_batches(root: Path) -> list[str]:
    """Return a sentence about each batch of a store that a server works on."""
    found = []
    for folder in sorted((root / FOLDER).glob("*/*")):
        one = read_submission(folder)
        running = one.running() if one else None
        if one and running:
            name = running.batch or "a batch without a known id"
            found.append(
                f"{one.label}: {len(one.lines):,} requests are at the server since {one.at[:16]} "
                f"UTC ({name}); run the study again to collect their answers"
            )
    return found


def _headers(path: Path) -> Iterable[dict[str, Any]]:
    return compacted_headers(path).values() if path.suffix == ".parquet" else [read_header(path)]


def _once(paths: Iterable[Path], damage: list[str]) -> Iterator[Attempt]:
    """Yield every attempt of a stream once, even if a file exists beside its compacted copy."""
    compacted: dict[str, int] = {}
    for path in sorted(paths, key=lambda path: path.suffix, reverse=True):
        for attempt in file_attempts(path, CellFilter(None), damage):
            name, line = attempt.source
            if path.suffix == ".parquet":
                compacted[name] = max(line, compacted.get(name, 0))
            elif line <= compacted.get(name, 0):
                continue
            yield attempt


def _count(row: dict[str, Any], attempt: Attempt) -> None:
    replies = len(attempt.replies()) if attempt.cause is None else 0
    row["attempts"] += 1
    row["answers"] += replies
    row["failures"] += attempt.cause is not None
    row["lost"] += attempt.cause in LOST
    row["short"] += attempt.cause is None and replies < len(attempt.repetitions)
    row["prompt_tokens"] += attempt.prompt_tokens or 0
    row["completion_tokens"] += attempt.completion_tokens or 0
    counted = None not in (attempt.prompt_tokens, attempt.completion_tokens)
    row["estimated"] += attempt.has_text and (attempt.estimated is not None or not counted)
    row["first"] = min(row["first"] or attempt.created_at, attempt.created_at)
    row["last"] = max(row["last"] or attempt.created_at, attempt.created_at)
