"""What each design of a study can detect, and the cheapest that suffices."""

from pathlib import Path

import polars as pl
from rich.console import Console

from persona_collapse.commands import shown
from persona_collapse.commands.shown import Column
from persona_collapse.measures.power import DETECTED, cheapest
from persona_collapse.tables import read
from persona_collapse.tables.contracts.power import TABLE


def show_power(power: str, S_percent: float, R_percent: float) -> None:
    """Print the plan of ``tables/power.csv`` to detect a rise of S and a fall of R, in percent."""
    table, screen = read(TABLE, Path(power)), shown.screen()
    if table.is_empty():
        text = "No plan: no baseline has the spread that it could start from; see the log."
        shown.show_note(screen, text)
        return
    show_designs(screen, table, S_percent, R_percent)
    screen.print(f"\nAll numbers: {power}", soft_wrap=True)


def show_designs(screen: Console, table: pl.DataFrame, S_percent: float, R_percent: float) -> None:
    """Show per pilot of ``power.csv`` the cheapest design and a table of all."""
    text = (
        "Two variants on the same personas; two-sided 5 % test, 80 % power. A cell: the smallest "
        "rise of S / fall of R that is found, in percent."
    )
    shown.show_note(screen, text)
    for (name,), rows in table.group_by("model", maintain_order=True):
        simulated = " (simulated respondents)" if rows["simulated"].any() else ""
        screen.print()
        shown.show_note(screen, _advice(rows, S_percent, R_percent), f"{name}{simulated}")
        _show_grid(screen, rows)


def _advice(rows: pl.DataFrame, S_percent: float, R_percent: float) -> str:
    effect = f"a rise of S of {S_percent:g} % and a fall of R of {R_percent:g} %"
    best = cheapest(rows, S_percent, R_percent).head(1)
    if best.is_empty():
        return f"no design of the grid detects {effect}; widen analysis.power"
    row = best.row(0, named=True)
    return (
        f"to detect {effect}, the cheapest design is {row['personas']:.0f} personas x "
        f"{row['repetitions']:.0f} repetitions: {row['answers']:,.0f} answers in "
        f"{row['requests']:,.0f} requests"
    )


def _show_grid(screen: Console, rows: pl.DataFrame) -> None:
    columns = [Column("personas")]
    lines: dict[int, dict[str, object]] = {}
    for row in rows.sort("personas", "repetitions").to_dicts():
        name = f"{row['repetitions']:.0f} repetitions"
        if all(column.name != name for column in columns):
            columns.append(Column(name, right=True))
        line = lines.setdefault(row["personas"], {"personas": row["personas"]})
        line[name] = " / ".join(_percent(row[found]) for found in DETECTED)
    shown.show_table(screen, columns, list(lines.values()))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
