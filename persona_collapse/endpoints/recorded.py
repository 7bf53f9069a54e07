"""Recorded answers: the published CSV format and this project's own Parquet, checked row by row.

CSV: UTF-8, RFC 4180 quoting, columns ``persona_id`` (absent when unconditioned), ``question_id``,
``run_index``, ``rating`` (-1 or empty for none) and, where present, ``failures``, ``response``,
``collected_at`` (released answers of arXiv 2605.12850). Parquet: the columns of ``answers.SCHEMA``,
of which ``item_id``, ``repetition``, ``rating`` and, under personas, ``persona_id`` are needed.
Rows beyond the design's repetitions are kept; the last block of repetitions holds them.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import polars as pl

from persona_collapse.answers import RECORDED, SCHEMA, SLOT, STATUSES, conform
from persona_collapse.common.errors import UserError, missing_column
from persona_collapse.common.keys import Limits, Text, key
from persona_collapse.common.log import LOG
from persona_collapse.endpoints.base import (
    Endpoint,
    EndpointKeys,
    Method,
    UnitSettings,
    VariantKeys,
)
from persona_collapse.tasks import Task

NEARLY = 1e-6  # how far from 1 probabilities may sum, for rounding
# Column of the published CSV -> column of the answers table.
PUBLISHED = {
    "persona_id": "persona_id",
    "question_id": "item_id",
    "run_index": "repetition",
    "rating": "rating",
    "failures": "parse_failures",
    "response": "response",
    "collected_at": "created_at",
}
ROW = "row"  # the record's number in the file, the header being row 1


@dataclass(frozen=True)
class RecordedEndpoint(EndpointKeys):
    """Answers that are there already."""

    root: Text = key(
        "the folder that `files` are relative to; `${published_root}` stands for the run setting, "
        "`${study_folder}` for the study file's own folder",
        type="path",
    )


@dataclass(frozen=True)
class RecordedVariant(VariantKeys):
    """The files of a variant's answers."""

    files: Annotated[dict[str, Text], Limits(min_length=1)] = key(
        "from probe to a `.csv` of the published format or a `.parquet` of this project's answers"
    )
    method: Method | None = key(
        "how these answers were sampled, where not as the study says", None, shown="the probe's"
    )


class Recorded(Endpoint):
    """Answers that are there already."""

    Settings = RecordedEndpoint
    VariantSettings = RecordedVariant
    methods = ("repeats", "logprobs")
    keeps_extra = True
    inputs_called = "recorded answers"
    inputs_advice = (
        "give their folder (the released answers: make published-answers fetches them, "
        "--config published_root=PATH names a copy)"
    )

    def identity(self, unit: UnitSettings) -> dict[str, Any]:
        """Return nothing: answers depend on their file alone, an input."""
        return {}

    def inputs(self, unit: UnitSettings) -> list[str]:
        """Return the file of the unit's answers."""
        return [str(Path(unit.endpoint["root"]) / str(unit.variant["files"][unit.probe]))]

    def answer(self, task: Task, settings: dict[str, Any]) -> pl.DataFrame:
        """Return the recorded answers of a shard; the one of ``inputs`` is a CSV or Parquet."""
        path = Path(settings["inputs"][0])
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
                model=pl.lit(shard.model),
                variant=pl.lit(shard.variant),
                probe=pl.lit(shard.probe),
                read_from=pl.when(status="ok").then(
                    pl.coalesce(
                        *([pl.col("read_from")] if "read_from" in rows.columns else []),
                        pl.lit(RECORDED),
                    )
                ),
            )
        )


def _checked(rows: pl.DataFrame, path: Path, task: Task) -> pl.DataFrame:
    """Cast numbers to integers and check every row against the design of the task."""
    scale, items = task.instrument.scale, {item.id for item in task.instrument.items}
    if task.personas is None:
        if "persona_id" in rows.columns and rows["persona_id"].is_not_null().any():
            raise UserError(f"{path}: holds personas, but the probe {task.shard.probe!r} has none")
        rows = rows.with_columns(persona_id=pl.lit(None, pl.Int32))
    else:
        last = len(task.personas.descriptions) - 1
        rule = f"not a persona of the design (0 to {last})"
        rows = _integers(rows, "persona_id", path, pl.col("persona_id").is_between(0, last), rule)
    rule = f"not an item of {task.instrument.name} ({min(items)} to {max(items)})"
    rows = _integers(rows, "item_id", path, pl.col("item_id").is_in(sorted(items)), rule)
    allowed = pl.col("repetition").is_between(1, pl.Int32.max())
    rows = _integers(rows, "repetition", path, allowed, "not a repetition; they start at 1")
    rule = f"outside the scale ({scale.minimum} to {scale.maximum}; -1 or empty for none)"
    allowed = pl.col("rating").is_between(scale.minimum, scale.maximum)
    rows = _integers(rows, "rating", path, allowed, rule, optional=True)
    for name in ("parse_failures", "transport_failures", "attempts"):
        if name in rows.columns:
            allowed = pl.col(name).is_between(0, pl.Int32.max())
            rows = _integers(rows, name, path, allowed, "not a count", optional=True)
    if "attempts" not in rows.columns:  # one more than the failures
        failed = pl.col("parse_failures").fill_null(0) if "parse_failures" in rows.columns else 0
        rows = rows.with_columns(attempts=1 + failed)
    return _statuses(rows, path, len(scale.ratings))


def _statuses(rows: pl.DataFrame, path: Path, width: int) -> pl.DataFrame:
    """Check each status against the answer; ``width`` is the number of ratings."""
    known = pl.col("status").is_in(STATUSES).fill_null(False)
    _refuse(rows, ~known, "status", path, f"not one of: {', '.join(STATUSES)}")
    answered = pl.col("rating").is_not_null()
    if "probabilities" in rows.columns:
        held = pl.col("probabilities")
        whole = (held.list.len() == width) & (held.list.drop_nulls().list.len() == width)
        whole &= (held.list.min() >= 0) & ((held.list.sum() - 1).abs() < NEARLY)
        rule = f"not {width} probabilities that sum to 1"
        _refuse(rows, held.is_not_null() & ~whole.fill_null(False), "probabilities", path, rule)
        answered |= held.is_not_null()
    rule = "but there is no rating"
    _refuse(rows, (pl.col("status") == "ok") & ~answered, "status", path, rule)
    rule = "but there is a rating"
    _refuse(rows, (pl.col("status") != "ok") & answered, "status", path, rule)
    return rows


def _integers(
    rows: pl.DataFrame,
    name: str,
    path: Path,
    allowed: pl.Expr,
    rule: str,
    optional: bool = False,
) -> pl.DataFrame:
    """Cast a column to integers. Raises ``UserError`` with the row of any value not ``allowed``."""
    numbers = rows.with_columns(pl.col(name).cast(pl.Int64, strict=False).alias("_number"))
    # Casting truncates a float such as 3.5, so whole numbers are checked for.
    changed = pl.col("_number").is_null() | (pl.col(name).cast(pl.Float64, strict=False) % 1 != 0)
    wrong = (pl.col(name).is_not_null() & changed) if optional else changed
    _refuse(numbers, wrong, name, path, "not an integer")
    rows = numbers.drop(name).rename({"_number": name})
    _refuse(rows, ~allowed, name, path, rule)
    return rows


def _refuse(rows: pl.DataFrame, wrong: pl.Expr, name: str, path: Path, rule: str) -> None:
    faults = rows.filter(wrong)
    if faults.height:
        more = f" (and {faults.height - 1} more rows)" if faults.height > 1 else ""
        source = {ours: theirs for theirs, ours in PUBLISHED.items()}.get(name, name)
        column = name if path.suffix == ".parquet" else source
        found = faults[name].to_list()[0]
        raise UserError(f"{path}, row {faults[ROW][0]}: {column} is {found!r}, {rule}{more}")


def _distinct(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Keep one row per slot; drop equal repeats with a message.

    Of rows with and without a rating, the one with the rating is kept. Raises ``UserError`` where
    a slot has different ratings.
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
        LOG.info("%s: %d repeated rows of slots already answered dropped", path, repeated)
    return kept


def csv_rows(path: Path, with_personas: bool) -> pl.DataFrame:
    """Read the published CSV as text, one column per field of the answers table."""
    header, records = _csv_records(path)
    required = ["question_id", "run_index", "rating"]
    if with_personas:
        required.insert(0, "persona_id")
    for name in required:
        if name not in header:
            raise UserError(f"{path}, row 1: {missing_column(name, header, PUBLISHED)}")
    if not with_personas and "persona_id" in header:
        raise UserError(
            f"{path}, row 1: an unconditioned probe has no personas, but there is a column "
            "'persona_id'; name the file of unconditioned answers"
        )
    columns = dict(zip(header, zip(*records, strict=True), strict=True))
    rows = pl.DataFrame(
        {name: columns[source] for source, name in PUBLISHED.items() if source in columns},
        schema_overrides=dict.fromkeys(PUBLISHED.values(), pl.String),
    ).with_row_index(ROW, offset=2)
    failed = pl.col("parse_failures").str.strip_chars()
    failed = pl.when(failed != "").then(failed).otherwise(pl.lit("0"))
    absent = pl.col("rating").str.strip_chars().is_in(["", "-1"])
    broke = pl.col("response").fill_null("").str.starts_with("ERROR")
    optional = [n for n in ("parse_failures", "response") if n not in rows.columns]
    unrated = pl.when(broke).then(pl.lit("error")).otherwise(pl.lit("unparseable"))
    return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in optional).with_columns(
        rating=pl.when(~absent).then(pl.col("rating")),
        status=pl.when(~absent).then(pl.lit("ok")).otherwise(unrated),
        parse_failures=failed,
    )


def _csv_records(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return header and records.

    Raises ``UserError`` for a file that is empty, cut off, ragged or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise UserError(f"{path}: cannot be read: {fault.strerror}") from None
    if not data.strip():
        raise UserError(f"{path}: is empty; expected a header and one row per answer")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: is not UTF-8; save the file as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[list[str]] = []
    try:
        records.extend(reader)
    except csv.Error as fault:
        raise UserError(
            f"{path}, row {len(records) + 1}: broken quoting ({fault}); "
            "the file may have been cut off"
        ) from None
    header, records = records[0], records[1:]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise UserError(f"{path}, row 1: the column {twice!r} occurs twice")
    for number, record in enumerate(records, start=2):
        if len(record) != len(header):
            last = "; the file may have been cut off" if number == len(records) + 1 else ""
            raise UserError(
                f"{path}, row {number}: {len(record)} fields where the header has "
                f"{len(header)}{last}"
            )
    if not records:
        raise UserError(f"{path}: has a header but no answers")
    if not text.endswith("\n"):
        raise UserError(
            f"{path}, row {len(records) + 1}: the last row has no line break, so it may have been "
            "cut off; fetch the file again, or end it with a line break if it is complete"
        )
    return header, records


def parquet_rows(path: Path, with_personas: bool) -> pl.DataFrame:
    """Read this project's own answers; a file of no other columns than the needed ones will do."""
    try:
        rows = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as fault:
        reason = str(fault).splitlines()[0]
        raise UserError(f"{path}: cannot be read as Parquet: {reason}") from None
    for name in ("persona_id", "item_id", "repetition", "rating")[0 if with_personas else 1 :]:
        if name not in rows.columns:
            raise UserError(f"{path}: {missing_column(name, rows.columns, SCHEMA)}")
    if rows.is_empty():
        raise UserError(f"{path}: has no answers")
    rows = rows.select(_fitting(rows[name], path) for name in rows.columns if name in SCHEMA)
    rating = pl.col("rating")
    absent = rating.cast(pl.Int64, strict=False).fill_null(0) == -1
    rows = rows.with_row_index(ROW, 1).with_columns(rating=pl.when(~absent).then(rating))
    if "status" not in rows.columns:
        answered = rating.is_not_null()
        if "probabilities" in rows.columns:
            answered |= pl.col("probabilities").is_not_null()
        status = pl.when(answered).then(pl.lit("ok")).otherwise(pl.lit("unparseable"))
        rows = rows.with_columns(status=status)
    return rows


def _fitting(column: pl.Series, path: Path) -> pl.Series:
    """Return a column as it is where it is checked value by value, else with its type; refuse it
    where its type cannot hold what belongs there."""
    kind = SCHEMA[column.name]
    by_value = kind.is_integer() and (column.dtype.is_numeric() or column.dtype == pl.String)
    if by_value or column.dtype == pl.Null:
        return column
    try:
        if kind.is_integer():
            raise TypeError
        return column.cast(kind)
    except (TypeError, pl.exceptions.PolarsError):
        expected = "whole numbers" if kind.is_integer() else str(kind)
        raise UserError(
            f"{path}: the column {column.name!r} holds {column.dtype}, expected {expected}"
        ) from None
