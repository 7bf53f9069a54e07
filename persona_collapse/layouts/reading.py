"""Read recorded files as answers by a layout, and count what became of every row."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.answers import NAMES, SCHEMA
from persona_collapse.common.errors import UserError
from persona_collapse.common.log import LOG
from persona_collapse.layouts.checks import checked, distinct
from persona_collapse.layouts.choosing import (
    columns_of,
    kept_rows,
    lacking,
    refuse_several_runs,
    same_text,
)
from persona_collapse.layouts.keys import ITEM, WIDE, Layout, layout_of
from persona_collapse.layouts.matching import Items, People, examples, number_in
from persona_collapse.layouts.patterns import LABELS, labels
from persona_collapse.layouts.ratings import (
    MASS,
    MEAN,
    READ,
    SHARES,
    Fields,
    answers_in,
    probabilities_in,
)
from persona_collapse.layouts.tables import FILE, ROW, Records, read_tables, texts
from persona_collapse.materials.instruments import Instrument
from persona_collapse.materials.personas import PersonaSet

PERSONA, ITEM_LABEL, VALUE = "\tpersona", "\titem", "\tvalue"  # made of several columns
PEOPLE = {
    *("id", "pid", "persona", "persona_id", "person", "person_id", "participant", "respondent"),
    *("participant_id", "respondent_id", "subject", "subject_id", "character", "agent", "agent_id"),
}  # names of a column that may say who answers
# What is found for a row, under names that no file has.
FOUND = {
    "persona_id": "\tpersona_id",
    "item_id": "\titem_id",
    "repetition": "\trepetition",
    "rating": READ,
    "mean_rating": MEAN,
    "probabilities": SHARES,
    "rating_mass": MASS,
}
FOUND_ALWAYS = ("persona_id", "item_id", "repetition", "rating")
KEPT = {"response": "response", "failures": "parse_failures", "collected_at": "created_at"}


@dataclass(frozen=True)
class Design:
    """What answers may be about; ``repetitions`` are the designed ones, None if unknown."""

    instrument: Instrument
    personas: PersonaSet | None
    probe: str
    repetitions: int | None


@dataclass(frozen=True)
class Outcome:
    """What became of the rows of a unit's files.

    ``read`` = ``filtered`` (by ``where``) + the rows that answers were looked for in. ``unmatched``
    answers name a persona or item that the study lacks, ``repeated`` ones a slot that is answered
    already; ``answers`` were kept, ``rated`` of them have a rating.
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
    whole = read_tables(paths)
    labelled = _labelled(whole, pattern, keys)
    read = whole.frame.height
    del whole
    records = kept_rows(labelled, keys.get("where") or {})
    del labelled
    filtered = read - records.frame.height
    columns = _columns(records, keys, layout, design)
    refuse_several_runs(records, columns, list(keys.get("where") or {}))
    own = not keys and all(path.name.endswith(".parquet") for path in paths)
    rows = _people_in_order(records, columns, keys, layout, design)
    records = replace(records, frame=rows.clear())  # what was read may leave the memory
    rows, columns = _one_answer_a_row(rows, records, columns, layout, design)
    rows = _rated(rows, records, columns, layout, design)
    rows, dropped = _matched(rows, records, columns, layout, design)
    rows = _numbered(rows, records, columns, layout, design)
    rows = checked(_known(rows, columns, own=own), records, columns, design.instrument.scale)
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


def _labelled(records: Records, pattern: str | None, keys: Mapping[str, Any]) -> Records:
    """Add what the names of files say as the columns ``{persona}`` and ``{repetition}``."""
    found = [labels(str(path), pattern) for path in records.paths] if pattern else []
    names = [label for label in LABELS if pattern and f"{{{label}}}" in pattern]
    for name in names:
        if (keys.get("columns") or {}).get(name) is not None:
            raise UserError(
                f"layout.columns.{name}: the names of the files say the {name} already "
                f"({pattern}); remove one of the two"
            )
    frame = records.frame
    for name in names:
        values = pl.Series([entry[name] for entry in found])
        frame = frame.with_columns(values.gather(frame[FILE]).alias(f"{{{name}}}"))
    columns = tuple((*file, *(f"{{{name}}}" for name in names)) for file in records.columns)
    return replace(records, frame=frame, columns=columns)


def _columns(
    records: Records, keys: Mapping[str, Any], layout: Layout, design: Design
) -> dict[str, str]:
    """Return the column of each part of an answer; refuse a layout that lacks a needed one."""
    given = dict(keys.get("columns") or {})
    for label in LABELS:
        if f"{{{label}}}" in records.frame.columns:
            given[label] = f"{{{label}}}"
    if design.personas is None:  # a column of an endpoint's layout that this file need not have
        given = {k: v for k, v in given.items() if k != "persona" or v in records.frame.columns}
    columns = columns_of(given, records)
    if design.personas is None and "persona" in columns:
        named = texts(records.frame[columns["persona"]]).fill_null("").str.strip_chars() != ""
        if named.any():
            raise UserError(
                f"{records.paths[0]}: an unconditioned probe has no personas, but the column "
                f"{columns['persona']!r} names some; name the file of unconditioned answers, or "
                "keep its rows with layout.where"
            )
        del columns["persona"]
    needed = ["item", "rating"]
    if layout.items is not None:
        needed = []
    elif layout.answers is not None and _groups(layout) == 2:
        needed = ["rating"]
    elif layout.log_probabilities or layout.probabilities:
        needed = ["item"]
    elif design.personas is not None:
        needed.insert(0, "persona")
    for part in needed:
        if part not in columns:
            raise lacking(
                str(records.paths[0]),
                _usual(part, records),
                records.columns[0],
                f"layout.columns.{part}",
            )
    return columns


def _usual(part: str, records: Records) -> str:
    usual = {"persona": "persona_id", "item": "question_id", "rating": "rating"}
    is_own = part == "item" and "repetition" in records.frame.columns
    return "item_id" if is_own else usual[part]


def _groups(layout: Layout) -> int:
    return re.compile(layout.answers).groups if layout.answers else 0


def _people_in_order(
    records: Records,
    columns: Mapping[str, str],
    keys: Mapping[str, Any],
    layout: Layout,
    design: Design,
) -> pl.DataFrame:
    """Number people by their order where nothing says who they are, column ``PERSONA``."""
    frame = records.frame
    if design.personas is None or "persona" in columns:
        return frame
    told = "persona" in (keys.get("columns") or {})
    maybe = [name for name in records.columns[0] if name.lower() in PEOPLE]
    if maybe and not told:
        raise UserError(
            f"{records.paths[0]}: does the column {maybe[0]!r} say who answers? Name it with "
            f"layout.columns.persona: {maybe[0]}, or say null if records are people in order"
        )
    group = [FILE, *([columns["repetition"]] if "repetition" in columns else [])]
    frame = frame.with_columns(pl.int_range(pl.len()).over(group).alias(PERSONA))
    most = int(frame[PERSONA].max()) + 1  # type: ignore[arg-type]
    if most > design.personas.size:
        raise UserError(
            f"{records.paths[0]}: has {most} records, taken for people in order, and the set "
            f"{design.personas.name!r} has {design.personas.size} personas; name the column that "
            "says who answers with layout.columns.persona, or the repetition's with "
            f"layout.columns.repetition; found: {', '.join(records.columns[0][:20])}"
        )
    return frame


def _one_answer_a_row(
    rows: pl.DataFrame,
    records: Records,
    columns: Mapping[str, str],
    layout: Layout,
    design: Design,
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return one row per answer, from columns per item and from texts of several answers."""
    changed = dict(columns)
    if layout.items is not None:
        wide = _item_columns(rows, records, columns, layout, design)
        if len({rows[name].dtype for name in wide}) > 1:
            rows = rows.with_columns(texts(rows[name]).alias(name) for name in wide)
        index = [name for name in rows.columns if name not in wide]
        rows = rows.unpivot(wide, index=index, variable_name=ITEM_LABEL, value_name=VALUE)
        if layout.items != WIDE:
            before, _, after = layout.items.partition(ITEM)
            label = pl.col(ITEM_LABEL).str.strip_prefix(before).str.strip_suffix(after)
            rows = rows.with_columns(label)
        changed |= {"item": ITEM_LABEL, "rating": VALUE}
    if layout.answers is not None:
        rows = answers_in(rows, changed["rating"], layout.answers, records)
        if _groups(layout) == 2:
            changed["item"] = ITEM_LABEL
    return rows, changed


def _item_columns(
    rows: pl.DataFrame,
    records: Records,
    columns: Mapping[str, str],
    layout: Layout,
    design: Design,
) -> list[str]:
    """Return the columns that hold the ratings of an item."""
    assert layout.items is not None
    others = {*columns.values(), *(layout.where or {}), FILE, ROW, PERSONA}
    free = [name for name in rows.columns if name not in others]
    items = Items(design.instrument, layout.first.item)
    if layout.items == WIDE:
        found = {name: items.exact(name) for name in free}
        wide = [name for name, item in found.items() if item is not None]
        absent = [item for item in design.instrument.items if item.id not in found.values()]
        if not wide or (absent and layout.unmatched == "refuse"):
            raise UserError(
                f"{records.paths[0]}: layout.items: wide: no column is the id, code or text of "
                f"item {absent[0].id} ({absent[0].text[:50]!r}) and of {len(absent) - 1} more; "
                "give items of the instrument a `code`, say what such columns are called (items: "
                f"Q{ITEM}), or go without these items with layout.unmatched: drop; columns that "
                f"are no item: {', '.join(n for n in free if n not in wide) or 'none'}"
            )
        return wide
    before, _, after = layout.items.partition(ITEM)
    rule = re.compile(re.escape(before) + ".+" + re.escape(after))
    wide = [name for name in free if rule.fullmatch(name)]
    if not wide:
        raise lacking(str(records.paths[0]), layout.items, records.columns[0], "layout.items")
    return wide


def _rated(
    rows: pl.DataFrame,
    records: Records,
    columns: Mapping[str, str],
    layout: Layout,
    design: Design,
) -> pl.DataFrame:
    """Add the rating, or the probabilities of the ratings."""
    scale = design.instrument.scale
    template = layout.log_probabilities or layout.probabilities
    if template is not None:
        logarithms = layout.log_probabilities is not None
        rows = probabilities_in(rows, template, scale, records, logarithms)
        return rows.with_columns(pl.lit(None, pl.Float64).alias(READ))
    fields = Fields(layout, scale, records.decimal_comma)
    rows = fields.read(rows, records, columns["rating"])
    if layout.rating == "mean":
        rows = rows.rename({READ: MEAN}).with_columns(pl.lit(None, pl.Float64).alias(READ))
    return rows


def _matched(
    rows: pl.DataFrame,
    records: Records,
    columns: Mapping[str, str],
    layout: Layout,
    design: Design,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Add the ids of item and persona; return the labels of dropped rows with their counts."""
    items = Items(design.instrument, layout.first.item)
    finders: list[tuple[str, str, Items | People]] = [("item_id", columns["item"], items)]
    if design.personas is None:
        rows = rows.with_columns(pl.lit(None, pl.Int64).alias(FOUND["persona_id"]))
    elif "persona" in columns:
        people = People(design.personas, layout.first.persona)
        finders.append(("persona_id", columns["persona"], people))
    else:
        rows = rows.rename({PERSONA: FOUND["persona_id"]})
    dropped: dict[str, int] = {}
    for name, column, finder in finders:
        named = same_text(texts(rows[column]).str.strip_chars()).fill_null("")
        found = finder.find_all(named.unique(maintain_order=True).to_list())
        ids = named.replace_strict(list(found), list(found.values()), return_dtype=pl.Int64)
        rows = rows.with_columns(ids.alias(FOUND[name]))
        if not ids.null_count():
            continue
        lost = rows.with_columns(named.alias("\tlabel")).filter(ids.is_null())
        if layout.unmatched == "refuse":
            raise _unmatched(lost, rows.height, records, column, finder)
        counted = lost.group_by("\tlabel", maintain_order=True).len().iter_rows()
        for label, count in counted:
            dropped[label] = dropped.get(label, 0) + count
        rows = rows.filter(ids.is_not_null())
    if rows.is_empty():
        raise UserError(
            f"{records.paths[0]}: no row is left: its personas or items are none of the study's "
            f"({examples(dropped)}); correct layout.columns or layout.first"
        )
    return rows, dropped


def _unmatched(
    lost: pl.DataFrame, total: int, records: Records, column: str, finder: Items | People
) -> UserError:
    first = lost.row(0, named=True)
    counted = dict(lost.group_by("\tlabel", maintain_order=True).len().iter_rows())
    shown = column.removeprefix("\t")
    return UserError(
        f"{records.place(first[FILE], first[ROW])}: {shown} is {first[chr(9) + 'label'][:60]!r}, "
        f"and {finder.rule()}; unmatched are {lost.height} of {total} rows: "
        f"{examples(counted)}; correct the file or the layout, or leave them out with "
        "layout.unmatched: drop"
    )


def _numbered(
    rows: pl.DataFrame,
    records: Records,
    columns: Mapping[str, str],
    layout: Layout,
    design: Design,
) -> pl.DataFrame:
    """Add the repetition, from 1: a column's numbers, or the order of the rows of a cell."""
    if "repetition" not in columns:
        cell = (FOUND["persona_id"], FOUND["item_id"])
        order = pl.int_range(1, pl.len() + 1).over(cell).alias(FOUND["repetition"])
        rows = rows.sort(FILE, ROW, maintain_order=True).with_columns(order)
        _refuse_surplus(rows, records, design)
        return rows
    column, first = columns["repetition"], layout.first.repetition
    named = same_text(texts(rows[column]).str.strip_chars()).fill_null("")
    found = {label: number_in(label) for label in named.unique(maintain_order=True)}
    for label, number in found.items():
        if number is None or not first <= number < 2**31 - 1:
            at = rows.filter(named == label).row(0, named=True)
            hint = "; if they start at 0, say layout.first.repetition: 0" if number == 0 else ""
            raise UserError(
                f"{records.place(at[FILE], at[ROW])}: {column} is {label!r}, not a repetition; "
                f"they are whole numbers that start at {first}{hint}; layout.columns.repetition: "
                "null numbers the rows of a cell in order"
            )
    numbers = [number - first + 1 for number in found.values() if number is not None]
    shown = named.replace_strict(list(found), numbers, return_dtype=pl.Int64)
    return rows.with_columns(shown.alias(FOUND["repetition"]))


def _refuse_surplus(rows: pl.DataFrame, records: Records, design: Design) -> None:
    """Refuse more rows in a cell than repetitions, where nothing numbers them."""
    if design.repetitions is None:
        return
    surplus = rows.filter(pl.col(FOUND["repetition"]) > design.repetitions)
    if surplus.height:
        first = surplus.row(0, named=True)
        persona, item = first[FOUND["persona_id"]], first[FOUND["item_id"]]
        who = "" if persona is None else f"persona {persona}, "
        raise UserError(
            f"{records.place(first[FILE], first[ROW])}: {who}item {item} has more than the probe's "
            f"{design.repetitions} answers, and no column numbers them, so they may be of several "
            "runs; name the column with layout.columns.repetition, keep one run with layout.where, "
            f"or raise probes.{design.probe}.repetitions"
        )


def _known(rows: pl.DataFrame, columns: Mapping[str, str], *, own: bool) -> pl.DataFrame:
    """Keep the columns of answers: those of this project's files, or those that were read."""
    found = [pl.col(made).alias(name) for name, made in FOUND.items() if made in rows.columns]
    if own:
        names = [n for n in SCHEMA if n in rows.columns and n not in (*FOUND_ALWAYS, *NAMES)]
        return rows.select(FILE, ROW, *found, *names)
    named = {KEPT[part]: column for part, column in columns.items() if part in KEPT}
    kept = [pl.col(column).alias(name) for name, column in named.items()]
    return rows.select(FILE, ROW, *found, *kept)
