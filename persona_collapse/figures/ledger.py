"""The variance ledger: what part of all ratings' variance belongs to whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import blank, measures, with_interval
from persona_collapse.figures.rows import Line, label, lines_of, place
from persona_collapse.figures.sheet import MARGIN, SWATCH, Entry, Sheet, bare, widest
from persona_collapse.figures.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    PAPER,
    TEXT_WIDTH,
    VERMILLION,
    Paint,
    save,
    styled,
)
from persona_collapse.figures.tables import Row, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOURCES = {
    "persona": ("persona", Paint(BLUE, "/////", "-", "o")),
    "persona_item": ("persona × item", Paint(ORANGE, "\\\\\\\\\\", "-", "o")),
    "item": ("item", Paint(GREY, "", "-", "o")),
    "repetition": ("repetition", Paint(VERMILLION, "xxxxx", "-", "o")),
}
_LABELS, _BAR, _GAP = 1.1, 0.115, 0.14


def variance_ledger(diagnostics: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the shares of the variance of ratings."""
    save(draw_variance_ledger(diagnostics, look), stem)


@styled
def draw_variance_ledger(diagnostics: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and variant, its shares stacked to 100 %.

    Beside the bar stands each share with its 95 % interval. The two parts that tell personas apart
    come first, so that their sum can be read off the axis.
    """
    found = measures(diagnostics, look)
    asked = {(model, variant) for model, variant, name in found if name.startswith("share_persona")}
    models = [
        (m.key, m.label, [v for v in look.variants if (m.key, v) in asked]) for m in look.models
    ]
    groups = place(models, _LABELS)
    if not groups:
        return blank("No variance ledger: nothing was asked under personas.")
    start = MARGIN + widest([group.label for group in groups]) + 0.14
    lines = lines_of(groups)
    shares = {
        line: {name: found.get((line.model, line.variant, f"share_{name}")) for name in SOURCES}
        for line in lines
    }
    tall, top = groups[-1].end, 0.42
    sheet = Sheet(TEXT_WIDTH, top + tall + 0.42, look.notices(diagnostics))
    label(sheet, groups, top)
    for line in lines:
        sheet.text(start, top + line.y, line.variant)
    right = _columns(sheet, lines, shares, top)
    left = start + widest([line.variant for line in lines]) + 0.1
    axes = sheet.axes(left, top, right - left - 0.1, tall, "ledger")
    for line in lines:
        _bar(axes, line, shares[line])
    axes.set(xlim=(0, 100), ylim=(tall, 0), xlabel="% of the variance of ratings")
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.xaxis.grid(visible=True)
    axes.axvline(0, color=INK, linewidth=0.7)
    bare(axes)
    return sheet.figure


def _columns(
    sheet: Sheet, lines: Sequence[Line], shares: dict[Line, dict[str, Row | None]], top: float
) -> float:
    """Print the shares in a column per source, headed by its swatch; return where they start."""
    right = TEXT_WIDTH - MARGIN
    sheet.text(right, 0.1, "% [95 % interval]", ha="right", color=FAINT)
    for name, (heading, paint) in reversed(SOURCES.items()):
        texts = [with_interval(shares[line][name], percent=True) for line in lines]
        wide = max(widest([*texts]), SWATCH + widest([heading]))
        for line, text in zip(lines, texts, strict=True):
            sheet.text(right, top + line.y, text, ha="right")
        sheet.key([Entry(heading, paint)], right - SWATCH - widest([heading]), top - 0.2, 0.0)
        right -= wide + _GAP
    return right


def _bar(axes: Axes, line: Line, shares: dict[str, Row | None]) -> None:
    start = 0.0
    for name, (_, paint) in SOURCES.items():
        row = shares[name]
        if row is None or not finite(row["value"]):
            continue
        share = 100 * row["value"]
        axes.barh(
            line.y, share, left=start, height=_BAR, color=paint.colour, hatch=paint.hatch,
            hatchcolor=PAPER, linewidth=0, label=f"{line.model} {line.variant} {name}",
        )  # fmt: skip
        start += share
