"""The two forms of recorded answers, read into one: the published CSV, and this project's Parquet.

CSV: UTF-8, RFC 4180 quoting, columns ``persona_id`` (absent when unconditioned), ``question_id``,
``run_index``, ``rating`` (-1 or empty for none) and, where present, ``failures``, ``response``,
``collected_at`` (released answers of arXiv 2605.12850). Parquet: the columns of ``answers.SCHEMA``,
of which ``item_id``, ``repetition``, ``rating`` and, under personas, ``persona_id`` are needed.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl

from persona_collapse.answers import SCHEMA
from persona_collapse.common.errors import UserError, nearest

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


def csv_rows(path: Path, with_personas: bool) -> pl.DataFrame:
    """Read the published CSV as texts, one column per field of the answers table."""
    header, records = _csv_records(path)
    required = ["question_id", "run_index", "rating"]
    if with_personas:
        required.insert(0, "persona_id")
    for name in required:
        if name not in header:
            raise UserError(
                f"{path}, row 1: the column {name!r} is missing{nearest(name, header)}; "
                f"found: {', '.join(header)}"
            )
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
    return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in optional).with_columns(
        rating=pl.when(~absent).then(pl.col("rating")),
        status=pl.when(~absent)
        .then(pl.lit("ok"))
        .when(broke)
        .then(pl.lit("error"))
        .otherwise(pl.lit("unparseable")),
        parse_failures=failed,
    )


def _csv_records(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return header and records; refuse a file that is empty, cut off, ragged or not UTF-8."""
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
        raise UserError(f"{path}, row 1: the column {twice!r} stands twice")
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
            hint = nearest(name, rows.columns)
            raise UserError(f"{path}: the column {name!r} is missing{hint}")
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
