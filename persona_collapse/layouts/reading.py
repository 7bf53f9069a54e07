"""Read recorded files as answers by a layout, and count what became of every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.answers import NAMES, SCHEMA
from persona_collapse.common.log import LOG
from persona_collapse.layouts.checks import checked, distinct
from persona_collapse.layouts.choosing import kept_rows, refuse_several_runs
from persona_collapse.layouts.design import FOUND, Design, Reading
from persona_collapse.layouts.keys import layout_of
from persona_collapse.layouts.matching import examples
from persona_collapse.layouts.ratings import MEAN, READ, Fields, probabilities_in
from persona_collapse.layouts.rows import labelled, one_answer_a_row, part_columns, people_in_order
from persona_collapse.layouts.slots import matched, numbered
from persona_collapse.layouts.tables import FILE, ROW, read_tables

FOUND_ALWAYS = ("persona_id", "item_id", "repetition", "rating")
KEPT = {"response": "response", "failures": "parse_failures", "collected_at": "created_at"}


@dataclass(frozen=True)
class Outcome:
    """What became of the rows of a unit's files.

    ``read`` = ``filtered`` (by ``where``) + the rows that answers were looked for in. ``unmatched``
    answers name a persona or item that the study lacks, or are texts in which ``layout.answers``
    finds none. ``repeated`` ones name a slot that is answered already. ``answers`` were kept,
    ``rated`` of them have a rating.
    """

    files: int
    read: int
    filtered: int
    unmatched: int
    examples: str
    repeated: int
    answers: int
    rated: int


def read_answers(
    paths: Sequence[Path], keys: Mapping[str, Any], pattern: str | None, design: Design
) -> tuple[pl.DataFrame, Outcome]:
    """Return the answers of files, columns of ``answers.SCHEMA`` that are known, and the outcome.

    ``keys`` are the study's ``layout``, empty for files with the usual columns. ``pattern`` is the
    name of the files, with labels. Raises ``UserError`` with file, row and key for anything that
    does not fit the design.
    """
    layout = layout_of(keys, "layout")
    records = labelled(read_tables(paths), pattern, keys)
    read = records.frame.height
    records = kept_rows(records, keys.get("where") or {})
    filtered = read - records.frame.height
    columns = part_columns(records, keys, layout, design)
    refuse_several_runs(records, columns, list(keys.get("where") or {}))
    own = not keys and all(path.name.endswith(".parquet") for path in paths)
    rows = people_in_order(records, columns, keys, design)
    records = replace(records, frame=rows.clear())  # what was read may leave the memory
    reading = Reading(records, columns, layout, design)
    rows, reading, silent = one_answer_a_row(rows, reading)
    rows = _rated(rows, reading)
    rows, unknown = matched(rows, reading)
    dropped = silent | unknown
    rows = numbered(rows, reading)
    rows = checked(_known(rows, reading.columns, own=own), reading)
    kept = distinct(rows, records)
    if kept.height < rows.height:
        repeated = rows.height - kept.height
        LOG.info("%s: %d repeated rows of slots already answered dropped", paths[0], repeated)
    rated = kept.select(pl.col("status") == "ok").to_series().sum()
    outcome = Outcome(
        files=len(paths),
        read=read,
        filtered=filtered,
        unmatched=sum(dropped.values()),
        examples=examples(dropped),
        repeated=rows.height - kept.height,
        answers=kept.height,
        rated=int(rated),
    )
    return kept, outcome


def _rated(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Add the rating, or the probabilities of the ratings."""
    records, layout, scale = reading.records, reading.layout, reading.design.instrument.scale
    template = layout.log_probabilities or layout.probabilities
    if template is not None:
        logarithms = layout.log_probabilities is not None
        rows = probabilities_in(rows, template, scale, records, logarithms)
        return rows.with_columns(pl.lit(None, pl.Float64).alias(READ))
    fields = Fields(layout, scale, records.decimal_comma)
    rows = fields.read(rows, records, reading.columns["rating"])
    if layout.rating == "mean":
        rows = rows.rename({READ: MEAN}).with_columns(pl.lit(None, pl.Float64).alias(READ))
    return rows


def _known(rows: pl.DataFrame, columns: Mapping[str, str], *, own: bool) -> pl.DataFrame:
    """Keep the columns of answers: those of this project's files, or those that were read."""
    found = [pl.col(made).alias(name) for name, made in FOUND.items() if made in rows.columns]
    if own:
        names = [n for n in SCHEMA if n in rows.columns and n not in (*FOUND_ALWAYS, *NAMES)]
        return rows.select(FILE, ROW, *found, *names)
    named = {KEPT[part]: column for part, column in columns.items() if part in KEPT}
    kept = [pl.col(column).alias(name) for name, column in named.items()]
    return rows.select(FILE, ROW, *found, *kept)
