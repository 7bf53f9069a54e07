"""Find the parts of an answer in recorded files, and make one row of each answer."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from persona_collapse.common.errors import UserError
from persona_collapse.layouts.choosing import columns_of, lacking
from persona_collapse.layouts.design import ITEM_LABEL, PERSONA, VALUE, Design, Reading
from persona_collapse.layouts.keys import ITEM, WIDE, Layout
from persona_collapse.layouts.matching import Items
from persona_collapse.layouts.patterns import LABELS, labels
from persona_collapse.layouts.ratings import answers_in
from persona_collapse.layouts.tables import FILE, ROW, Records, texts

PEOPLE = {
    *("id", "pid", "persona", "persona_id", "person", "person_id", "participant", "respondent"),
    *("participant_id", "respondent_id", "subject", "subject_id", "character", "agent", "agent_id"),
}  # names of a column that may say who answers


def labelled(records: Records, pattern: str | None, keys: Mapping[str, Any]) -> Records:
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


def part_columns(
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


def people_in_order(
    records: Records, columns: Mapping[str, str], keys: Mapping[str, Any], design: Design
) -> pl.DataFrame:
    """Number people by their order where nothing says who they are, column ``PERSONA``."""
    frame = records.frame
    if design.personas is None or "persona" in columns:
        return frame
    chosen = "persona" in (keys.get("columns") or {})
    maybe = [name for name in records.columns[0] if name.lower() in PEOPLE]
    if maybe and not chosen:
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


def one_answer_a_row(
    rows: pl.DataFrame, reading: Reading
) -> tuple[pl.DataFrame, Reading, dict[str, int]]:
    """Return one row per answer, from columns per item and from texts of several answers.

    Also return the reading with the columns of these rows, and texts without an answer, which are
    left out.
    """
    layout, changed = reading.layout, dict(reading.columns)
    silent: dict[str, int] = {}
    if layout.items is not None:
        wide = _item_columns(rows, reading)
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
        rows, silent = answers_in(rows, changed["rating"], layout, reading.records)
        if _groups(layout) == 2:
            changed["item"] = ITEM_LABEL
    return rows, replace(reading, columns=changed), silent


def _item_columns(rows: pl.DataFrame, reading: Reading) -> list[str]:
    """Return the columns that hold the ratings of an item."""
    records, layout, instrument = reading.records, reading.layout, reading.design.instrument
    assert layout.items is not None
    others = {*reading.columns.values(), *(layout.where or {}), FILE, ROW, PERSONA}
    free = [name for name in rows.columns if name not in others]
    items = Items(instrument, layout.first.item)
    if layout.items == WIDE:
        found = {name: items.exact(name) for name in free}
        wide = [name for name, item in found.items() if item is not None]
        absent = [item for item in instrument.items if item.id not in found.values()]
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
