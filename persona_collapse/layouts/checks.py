"""Check the rows of recorded answers, and keep one answer per slot."""

import polars as pl

from persona_collapse.answers import RECORDED, SCHEMA, SLOT, STATUSES
from persona_collapse.common.errors import UserError
from persona_collapse.layouts.design import Reading
from persona_collapse.layouts.tables import FILE, ROW, Records, texts

NEARLY = 1e-6  # how far from 1 probabilities may sum, for rounding
COUNTS = ("parse_failures", "transport_failures", "attempts")


def checked(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Give every column its type and every row a status; refuse what contradicts itself."""
    records, columns = reading.records, reading.columns
    for name in COUNTS:
        if name in rows.columns:
            shown = columns.get("failures", name) if name == "parse_failures" else name
            rows = _counts(rows, name, shown, records)
    if "mean_rating" not in rows.columns:
        rows = rows.with_columns(mean_rating=pl.lit(None, pl.Float64))
    typed = [name for name in rows.columns if name in SCHEMA and name not in (*COUNTS, "rating")]
    rows = rows.with_columns(_fitting(rows[name], records) for name in typed)
    answered = pl.col("rating").is_not_null() | pl.col("mean_rating").is_not_null()
    if "probabilities" in rows.columns:
        answered |= pl.col("probabilities").is_not_null()
        _refuse_wrong_probabilities(rows, records, len(reading.design.instrument.scale.ratings))
    if "status" not in rows.columns:
        response = pl.col("response") if "response" in rows.columns else pl.lit("")
        broke = response.fill_null("").str.starts_with("ERROR")
        unrated = pl.when(broke).then(pl.lit("error")).otherwise(pl.lit("unparseable"))
        rows = rows.with_columns(status=pl.when(answered).then(pl.lit("ok")).otherwise(unrated))
    way = pl.col("read_from") if "read_from" in rows.columns else pl.lit(None, pl.String)
    way = pl.coalesce(way, pl.lit(RECORDED))
    rows = rows.with_columns(read_from=pl.when(status="ok").then(way))
    if "parse_failures" not in rows.columns:
        rows = rows.with_columns(parse_failures=pl.lit(None, pl.Int64))
    if "attempts" not in rows.columns:  # one more than the failures
        rows = rows.with_columns(attempts=1 + pl.col("parse_failures").fill_null(0))
    known = pl.col("status").is_in(STATUSES).fill_null(False)
    _refuse(rows, ~known, "status", records, f"not one of: {', '.join(STATUSES)}")
    rule = "but there is no rating"
    _refuse(rows, (pl.col("status") == "ok") & ~answered, "status", records, rule)
    rule = "but there is a rating"
    _refuse(rows, (pl.col("status") != "ok") & answered, "status", records, rule)
    return rows


def _refuse_wrong_probabilities(rows: pl.DataFrame, records: Records, width: int) -> None:
    held = pl.col("probabilities")
    whole = (held.list.len() == width) & (held.list.drop_nulls().list.len() == width)
    whole &= (held.list.min() >= 0) & ((held.list.sum() - 1).abs() < NEARLY)
    rule = f"not {width} probabilities that sum to 1"
    wrong = held.is_not_null() & ~whole.fill_null(False)
    _refuse(rows, wrong, "probabilities", records, rule)


def _counts(rows: pl.DataFrame, name: str, shown: str, records: Records) -> pl.DataFrame:
    """Read a column of counts; an empty field of ``parse_failures`` is 0."""
    fields = texts(rows[name]).str.strip_chars()
    empty = "0" if name == "parse_failures" else None
    fields = pl.select(pl.when(fields != "").then(fields).otherwise(pl.lit(empty))).to_series()
    numbers = fields.cast(pl.Float64, strict=False)
    rows = rows.with_columns(fields.alias("\tshown"), numbers.alias("\tnumber"))
    value = pl.col("\tnumber")
    given = pl.col("\tshown").is_not_null()
    broken = given & (value.is_null() | ~value.is_finite() | (value % 1 != 0))
    _refuse(rows, broken, "\tshown", records, "not an integer", shown)
    outside = given & ~value.is_between(0, pl.Int32.max())
    _refuse(rows, outside, "\tshown", records, "not a count", shown)
    return rows.with_columns(value.cast(pl.Int64).alias(name)).drop("\tshown", "\tnumber")


def _fitting(column: pl.Series, records: Records) -> pl.Series:
    """Return a column with the type of the answers' column; refuse it where it cannot have it."""
    kind = SCHEMA[column.name]
    try:
        return texts(column) if kind == pl.String else column.cast(kind)
    except pl.exceptions.PolarsError:
        raise UserError(
            f"{records.paths[0]}: the column {column.name!r} holds {column.dtype}, expected {kind}"
        ) from None


def _refuse(
    rows: pl.DataFrame,
    wrong: pl.Expr,
    name: str,
    records: Records,
    rule: str,
    shown: str | None = None,
) -> None:
    faults = rows.filter(wrong)
    if faults.height:
        first = faults.row(0, named=True)
        more = f" (and {faults.height - 1} more rows)" if faults.height > 1 else ""
        raise UserError(
            f"{records.place(first[FILE], first[ROW])}: {shown or name} is {first[name]!r}, "
            f"{rule}{more}"
        )


def distinct(rows: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Keep one row per slot: of rows with and without a rating, the one with the rating.

    Raises ``UserError`` where a slot has different ratings.
    """
    rating = pl.coalesce("mean_rating", "rating")
    kept = rows.sort(rating.is_null(), FILE, ROW).unique(SLOT, keep="first", maintain_order=True)
    if kept.height == rows.height:
        return kept
    ratings = rating.drop_nulls().alias("rating")
    places = pl.struct(FILE, ROW).filter(rating.is_not_null())
    clashes = (
        rows.group_by(SLOT, maintain_order=True)
        .agg(ratings.unique(maintain_order=True), places.alias("places"))
        .filter(pl.col("rating").list.len() > 1)
    )
    if clashes.height:
        persona, item, repetition, found, at = clashes.row(0)
        slot = f"item {item}, repetition {repetition}"
        slot = slot if persona is None else f"persona {persona}, {slot}"
        first = records.place(at[0][FILE], at[0][ROW]).replace(", row ", ", rows ")
        second = records.place(at[1][FILE], at[1][ROW])
        second = str(at[1][ROW]) if at[0][FILE] == at[1][FILE] else second
        values = ", ".join(f"{rating:g}" for rating in found)
        raise UserError(
            f"{first} and {second}: {slot} is answered twice with different ratings ({values}); "
            "keep the rows that belong to the study, with layout.where or by removing the others"
        )
    return kept
