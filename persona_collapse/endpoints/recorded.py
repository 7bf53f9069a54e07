"""Recorded answers: the published CSV format and this project's own Parquet, checked row by row.

Rows beyond the design's repetitions are kept; the last block of repetitions holds them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.answers import SLOT, STATUSES, conform
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.recorded_files import PUBLISHED, ROW, csv_rows, parquet_rows
from persona_collapse.tasks import Task

NEARLY = 1e-6  # how far from 1 probabilities may sum, for rounding


def answer(task: Task, settings: dict[str, Any]) -> pl.DataFrame:
    """Return the recorded answers of a shard; ``settings["file"]`` is a CSV or Parquet path."""
    path = Path(settings["file"])
    read = parquet_rows if path.suffix == ".parquet" else csv_rows
    rows = read(path, task.shard.personas is not None)
    rows = _distinct(_checked(rows, path, task), path)
    shard = task.shard
    inside = pl.col("repetition") >= shard.repetitions[0]
    if not shard.last:
        inside &= pl.col("repetition") < shard.repetitions[1]
    items = [item.id for item in task.instrument.items[slice(*shard.items)]]
    inside &= pl.col("item_id").is_in(items)
    if shard.personas is not None:
        inside &= pl.col("persona_id").is_between(shard.personas[0], shard.personas[1] - 1)
    return conform(
        rows.filter(inside).with_columns(
            model=pl.lit(shard.model), variant=pl.lit(shard.variant), probe=pl.lit(shard.probe)
        )
    )


def _checked(rows: pl.DataFrame, path: Path, task: Task) -> pl.DataFrame:
    """Turn numbers into integers and hold every row against the design of the task."""
    scale, items = task.instrument.scale, {item.id for item in task.instrument.items}
    if task.personas is None:
        if "persona_id" in rows.columns and rows["persona_id"].is_not_null().any():
            raise UserError(f"{path}: holds personas, but the probe {task.shard.probe!r} has none")
        rows = rows.with_columns(persona_id=pl.lit(None, pl.Int32))
    else:
        rows = _integers(rows, "persona_id", path)
        last = len(task.personas.descriptions) - 1
        outside = ~pl.col("persona_id").is_between(0, last)
        _refuse(rows, outside, "persona_id", path, f"not a persona of the design (0 to {last})")
    rows = _integers(rows, "item_id", path)
    _refuse(
        rows,
        ~pl.col("item_id").is_in(sorted(items)),
        "item_id",
        path,
        f"not an item of {task.instrument.name} ({min(items)} to {max(items)})",
    )
    rows = _integers(rows, "repetition", path)
    outside = ~pl.col("repetition").is_between(1, pl.Int32.max())
    _refuse(rows, outside, "repetition", path, "not a repetition; they start at 1")
    rows = _integers(rows, "rating", path, optional=True)
    ends = f"{scale.minimum} to {scale.maximum}"
    outside = ~pl.col("rating").is_between(scale.minimum, scale.maximum)
    _refuse(rows, outside, "rating", path, f"outside the scale ({ends}; -1 or empty for none)")
    return _statuses(_counts(rows, path), path, len(scale.ratings))


def _counts(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Check what was counted for an answer; without a count of attempts, the last one succeeded."""
    for name in ("parse_failures", "transport_failures", "attempts"):
        if name in rows.columns:
            rows = _integers(rows, name, path, optional=True)
            outside = ~pl.col(name).is_between(0, pl.Int32.max())
            _refuse(rows, outside, name, path, "not a count")
    if "attempts" in rows.columns:
        return rows
    failed = pl.col("parse_failures").fill_null(0) if "parse_failures" in rows.columns else 0
    return rows.with_columns(attempts=1 + failed)


def _statuses(rows: pl.DataFrame, path: Path, width: int) -> pl.DataFrame:
    """Hold an answer's status against what it holds; ``width`` is the number of ratings."""
    known = pl.col("status").is_in(STATUSES).fill_null(False)
    _refuse(rows, ~known, "status", path, f"not one of: {', '.join(STATUSES)}")
    answered = pl.col("rating").is_not_null()
    if "probabilities" in rows.columns:
        held = pl.col("probabilities")
        whole = (held.list.len() == width) & (held.list.min() >= 0)
        whole &= ((held.list.sum() - 1).abs() < NEARLY) & (
            held.list.drop_nulls().list.len() == width
        )
        rule = f"not {width} probabilities that sum to 1"
        _refuse(rows, held.is_not_null() & ~whole.fill_null(False), "probabilities", path, rule)
        answered |= held.is_not_null()
    rule = "which is said of an answer with a rating, and of no other"
    _refuse(rows, (pl.col("status") == "ok") & ~answered, "status", path, rule)
    rule = "but there is a rating"
    _refuse(rows, (pl.col("status") != "ok") & answered, "status", path, rule)
    return rows


def _integers(rows: pl.DataFrame, name: str, path: Path, optional: bool = False) -> pl.DataFrame:
    """Cast a column to integers; a value that is none is refused with its row."""
    numbers = rows.with_columns(pl.col(name).cast(pl.Int64, strict=False).alias("_number"))
    # A float such as 3.5 casts by truncation, so a number must also read back as itself.
    changed = pl.col("_number").is_null() | (pl.col(name).cast(pl.Float64, strict=False) % 1 != 0)
    wrong = (pl.col(name).is_not_null() & changed) if optional else changed
    _refuse(numbers, wrong, name, path, "not an integer")
    return numbers.drop(name).rename({"_number": name})


def _refuse(rows: pl.DataFrame, wrong: pl.Expr, name: str, path: Path, rule: str) -> None:
    faults = rows.filter(wrong)
    if faults.height:
        more = f" (and {faults.height - 1} more rows)" if faults.height > 1 else ""
        source = {ours: theirs for theirs, ours in PUBLISHED.items()}.get(name, name)
        column = name if path.suffix == ".parquet" else source
        found = faults[name].to_list()[0]
        raise UserError(f"{path}, row {faults[ROW][0]}: {column} is {found!r}, {rule}{more}")


def _distinct(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Keep one row per slot; equal repeats are dropped and told, different ratings refused.

    Where a slot holds rows with and without a rating, the rating stands: the others are attempts.
    """
    ratings = pl.col("rating").drop_nulls()
    clashes = (
        rows.group_by(SLOT, maintain_order=True)
        .agg(
            ratings.unique(maintain_order=True), pl.col(ROW).filter(pl.col("rating").is_not_null())
        )
        .filter(pl.col("rating").list.len() > 1)
    )
    if clashes.height:
        persona, item, repetition, found, places = clashes.row(0)
        slot = f"item {item}, repetition {repetition}"
        slot = slot if persona is None else f"persona {persona}, {slot}"
        raise UserError(
            f"{path}, rows {' and '.join(str(place) for place in places[:2])}: {slot} is answered "
            f"twice with different ratings ({', '.join(str(rating) for rating in found)}); "
            "keep the row that belongs to the study"
        )
    kept = rows.sort(pl.col("rating").is_null(), ROW).unique(
        SLOT, keep="first", maintain_order=True
    )
    if kept.height < rows.height:
        repeated = rows.height - kept.height
        print(
            f"{path}: {repeated} repeated rows of slots already answered dropped", file=sys.stderr
        )
    return kept
