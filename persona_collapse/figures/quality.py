"""Designed answers without a rating, by cause."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.figures.rows import ROW, Line, label, lines_of, place
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, bare, key_height, widest
from persona_collapse.figures.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    HEADING,
    INK,
    ORANGE,
    PAPER,
    TEXT_WIDTH,
    VERMILLION,
    Paint,
    save,
    styled,
)
from persona_collapse.figures.tables import ABSENT, Row, rows_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAUSES = {
    "missing": Paint(GREY, "", "-", "o"),
    "unparseable": Paint(ORANGE, "\\\\\\\\\\", "-", "o"),
    "refused": Paint(VERMILLION, "xxxxx", "-", "o"),
    "filtered": Paint(BLUE, "/////", "-", "o"),
    "error": Paint(GREEN, "...", "-", "o"),
}
_LABELS, _BAR, _GAP = 1.05, 0.115, 0.16


def quality_bars(quality: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the shares of designed answers without a rating."""
    save(draw_quality_bars(quality, look), stem)


@styled
def draw_quality_bars(quality: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and variant, one panel per probe.

    Bars are percent of the designed answers, stacked by cause; the number beside a bar counts them.
    """
    found = rows_by(quality, "model", "variant", "probe")
    probes = quality["probe"].unique(maintain_order=True).to_list()
    asked = {(model, variant) for model, variant, _ in found}
    models = [
        (m.key, m.label, [v for v in look.variants if (m.key, v) in asked]) for m in look.models
    ]
    groups = place(models, _LABELS - 0.1)
    lines = lines_of(groups)
    tall = groups[-1].end if groups else ROW
    entries = [Entry(cause, paint) for cause, paint in CAUSES.items()]
    inner = TEXT_WIDTH - 2 * MARGIN
    top = key_height(entries, inner) + 0.3
    sheet = Sheet(TEXT_WIDTH, top + tall + 0.42, look.notices(quality))
    sheet.key(entries, MARGIN, 0.04, inner)
    label(sheet, groups, top)
    for line in lines:
        sheet.text(MARGIN + _LABELS, top + line.y, line.variant)
    start = MARGIN + _LABELS + widest([line.variant for line in lines]) + 0.1
    width = (TEXT_WIDTH - MARGIN - start) / max(len(probes), 1)
    for n, probe in enumerate(probes):
        rows = {line: found.get((line.model, line.variant, probe)) for line in lines}
        _panel(sheet, probe, rows, (start + n * width, top, width, tall))
    return sheet.figure


def lost(row: Row) -> int:
    """Return how many designed answers have no rating."""
    return int(sum(row[cause] or 0 for cause in CAUSES))


def _panel(
    sheet: Sheet,
    probe: str,
    rows: dict[Line, Row | None],
    box: tuple[float, float, float, float],
) -> None:
    left, top, width, tall = box
    counts = {line: f"{lost(row):,}" if row else ABSENT for line, row in rows.items()}
    room = widest(list(counts.values())) + 0.06
    right = left + width - _GAP / 2
    sheet.text(left, top - 0.12, probe, fontsize=HEADING, weight="bold")
    for line, text in counts.items():
        colour = INK if rows[line] else FAINT
        sheet.text(right, top + line.y, text, ha="right", color=colour)
    axes = sheet.axes(left, top, right - room - left, tall, probe)
    _bars(axes, probe, rows)
    axes.set_ylim(tall, 0)
    axes.set_xlabel("% of designed")
    bare(axes)


def _bars(axes: Axes, probe: str, rows: dict[Line, Row | None]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    shares: list[float] = [0.0]
    for line, row in rows.items():
        if not row or not row["expected"]:
            continue
        start = 0.0
        for cause, paint in CAUSES.items():
            share = 100 * (row[cause] or 0) / row["expected"]
            if share:
                axes.barh(
                    line.y, share, left=start, height=_BAR, color=paint.colour, linewidth=0,
                    hatch=paint.hatch, hatchcolor=PAPER,
                    label=f"{line.model} {line.variant} {probe} {cause}",
                )  # fmt: skip
            start += share
        shares.append(start)
    # A study that lost next to nothing shall look so: the axis spans at least one percent.
    axes.set_xlim(0, max(1.04 * max(shares), 1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
    axes.xaxis.grid(visible=True)
    axes.axvline(0, color=INK, linewidth=0.7)
