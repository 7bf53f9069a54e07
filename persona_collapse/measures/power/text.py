"""What a plan says in words: the cheapest design, and what the others can detect."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from persona_collapse.measures.power.designs import cheapest

DETECTED = ("S_detectable_percent", "R_detectable_percent")


def power_text(table: pl.DataFrame, S_percent: float, R_percent: float) -> str:
    """Return, per pilot of ``tables/power.csv``, its cheapest design and its grid in Markdown.

    A cell of the grid holds the rise of S and the fall of R, in percent, that the design detects.
    """
    blocks = []
    for (name,), rows in table.group_by("model", maintain_order=True):
        simulated = " (simulated respondents)" if rows["simulated"].any() else ""
        words = _advice(rows, S_percent, R_percent)
        blocks.append("\n".join([f"{name}{simulated}: {words}", "", *_grid(rows)]))
    heading = (
        "Two variants on the same personas; two-sided 5 % test, 80 % power. A cell: the smallest "
        "rise of S / fall of R that is found, in percent."
    )
    return "\n\n".join([heading, *blocks])


def _advice(rows: pl.DataFrame, S_percent: float, R_percent: float) -> str:
    wanted = f"a rise of S of {S_percent:g} % and a fall of R of {R_percent:g} %"
    best = cheapest(rows, S_percent, R_percent).head(1)
    if best.is_empty():
        return f"no design of the grid detects {wanted}; widen analysis.power"
    row = best.row(0, named=True)
    return (
        f"to detect {wanted}, the cheapest design is {row['personas']:.0f} personas x "
        f"{row['repetitions']:.0f} repetitions: {row['answers']:,.0f} answers in "
        f"{row['requests']:,.0f} requests"
    )


def _grid(rows: pl.DataFrame) -> Iterator[str]:
    repetitions = sorted(rows["repetitions"].unique())
    cells = {
        (row["personas"], row["repetitions"]): " / ".join(_percent(row[name]) for name in DETECTED)
        for row in rows.to_dicts()
    }
    yield f"| personas | {' | '.join(f'{n:.0f} repetitions' for n in repetitions)} |"
    yield f"| ---: |{' ---: |' * len(repetitions)}"
    for personas in sorted(rows["personas"].unique()):
        line = " | ".join(cells[personas, n] for n in repetitions)
        yield f"| {personas:.0f} | {line} |"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
