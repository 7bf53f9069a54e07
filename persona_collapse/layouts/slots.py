"""Find the slot of each recorded answer: its persona, its item and its repetition."""

import polars as pl

from persona_collapse.common.errors import UserError
from persona_collapse.layouts.choosing import same_text
from persona_collapse.layouts.design import FOUND, PERSONA, Design, Reading
from persona_collapse.layouts.matching import Items, People, examples, number_in
from persona_collapse.layouts.tables import FILE, ROW, Records, texts


def matched(rows: pl.DataFrame, reading: Reading) -> tuple[pl.DataFrame, dict[str, int]]:
    """Add the ids of item and persona; return the labels of dropped rows with their counts."""
    columns, layout, design = reading.columns, reading.layout, reading.design
    path = reading.records.paths[0]
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
        try:
            found = finder.find_all(named.unique(maintain_order=True).to_list())
        except UserError as fault:
            raise UserError(f"{path}: {column.removeprefix(chr(9))}: {fault}") from None
        ids = named.replace_strict(list(found), list(found.values()), return_dtype=pl.Int64)
        rows = rows.with_columns(ids.alias(FOUND[name]))
        if not ids.null_count():
            continue
        lost = rows.with_columns(named.alias("\tlabel")).filter(ids.is_null())
        if layout.unmatched == "refuse":
            raise _unmatched(lost, rows.height, reading.records, column, finder)
        counted = lost.group_by("\tlabel", maintain_order=True).len().iter_rows()
        for label, count in counted:
            dropped[label] = dropped.get(label, 0) + count
        rows = rows.filter(ids.is_not_null())
    if rows.is_empty():
        raise UserError(
            f"{path}: no row is left: its personas or items are none of the study's "
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


def numbered(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Add the repetition, from 1: a column's numbers, or the order of the rows of a cell."""
    if "repetition" not in reading.columns:
        cell = (FOUND["persona_id"], FOUND["item_id"])
        order = pl.int_range(1, pl.len() + 1).over(cell).alias(FOUND["repetition"])
        rows = rows.sort(FILE, ROW, maintain_order=True).with_columns(order)
        _refuse_surplus(rows, reading.records, reading.design)
        return rows
    column, first = reading.columns["repetition"], reading.layout.first.repetition
    named = same_text(texts(rows[column]).str.strip_chars()).fill_null("")
    found = {label: number_in(label) for label in named.unique(maintain_order=True)}
    for label, number in found.items():
        if number is None or not first <= number < 2**31 - 1:
            at = rows.filter(named == label).row(0, named=True)
            hint = "; if they start at 0, say layout.first.repetition: 0" if number == 0 else ""
            raise UserError(
                f"{reading.records.place(at[FILE], at[ROW])}: {column} is {label!r}, not a "
                f"repetition; "
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
