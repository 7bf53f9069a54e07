"""The percent change of 1/R, the mean SD of repeated answers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.figures.rows import ROW, Line, label, lines_of, place
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, bare, extent, key_height, widest
from persona_collapse.figures.style import FAINT, INK, ONE_COLUMN, save, styled
from persona_collapse.figures.tables import Row, change, finite, rows_by, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = 0.95
_BETWEEN_TICKS = 0.04  # inches between the labels of ticks
_BEYOND = 0.05  # inches that a label may reach beyond the axis: its neighbour is near


def noise_change(contrasts: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the changes of 1/R against the baseline."""
    save(draw_noise_change(contrasts, look), stem)


@styled
def draw_noise_change(contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and changed variant, the study's mean last.

    1/R is sigma_bar, so its percent change is that of ``sigma_bar``. Whiskers are 95 % intervals.
    """
    rows = rows_by(
        contrasts,
        "model",
        "contrast",
        probe=look.roleplay,
        foundation="overall",
        metric="sigma_bar",
    )
    changes = {
        (model, variant): row
        for (model, contrast), row in rows.items()
        for variant in look.changed
        if contrast == f"{variant}-{look.baseline}"
    }
    named = [(model.key, model.label) for model in look.models]
    if len(named) > 1:
        named.append(("mean", "Mean change"))
    groups = place(
        [(key, text, [v for v in look.changed if (key, v) in changes]) for key, text in named],
        _LABELS,
    )
    lines = lines_of(groups)
    tall = groups[-1].end if groups else ROW
    entries = [
        Entry(v, look.paint(v), "point")
        for v in look.changed
        if any(v == name for _, name in changes)
    ]
    inner = ONE_COLUMN - 2 * MARGIN
    top = key_height(entries, inner) + 0.26
    sheet = Sheet(ONE_COLUMN, top + tall + 0.42, look.notices(contrasts))
    sheet.key(entries, MARGIN, 0.04, inner)
    label(sheet, groups, top)
    texts = {line: change(changes[line.model, line.variant]) for line in lines}
    heading = "% [95 % interval]"
    room = widest([*texts.values(), heading])
    left = MARGIN + _LABELS + 0.1
    width = ONE_COLUMN - MARGIN - room - 0.12 - left
    sheet.text(ONE_COLUMN - MARGIN, top - 0.08, heading, ha="right", color=FAINT)
    for line, text in texts.items():
        sheet.text(ONE_COLUMN - MARGIN, top + line.y, text, ha="right")
    axes = sheet.axes(left, top, width, tall, "change")
    _dots(axes, lines, changes, look, width)
    axes.set_ylim(tall, 0)
    axes.set_xlabel(f"Change of 1/R against {look.baseline}, %")
    return sheet.figure


def _dots(
    axes: Axes,
    lines: Sequence[Line],
    changes: dict[tuple[str, str], Row],
    look: Look,
    width: float,
) -> None:
    for line in lines:
        row = changes[line.model, line.variant]
        if finite(row["percent"]):
            dot(axes, row, line.y, look, line.variant, f"{line.model} {line.variant}")
    percent_axis(axes, list(changes.values()), width)
    bare(axes)


def dot(axes: Axes, row: Row, y: float, look: Look, variant: str, name: str) -> None:
    """Draw a percent change as a point with its interval, where there is one."""
    value, low, high = row["percent"], row["percent_lo"], row["percent_hi"]
    reach = None
    if finite(low) and finite(high):
        reach = [[max(value - low, 0)], [max(high - value, 0)]]
    paint = look.paint(variant)
    axes.errorbar(
        value, y, xerr=reach, color=paint.colour, marker=paint.marker, markersize=3.5,
        elinewidth=0.9, linestyle="none", label=name,
    )  # fmt: skip


def percent_axis(axes: Axes, rows: Sequence[Row], width: float) -> None:
    """Let the axis, ``width`` inches wide, hold zero and every finite change and interval."""
    from matplotlib.ticker import AutoMinorLocator, FixedLocator, FuncFormatter

    ends = [row[name] for row in rows for name in ("percent", "percent_lo", "percent_hi")]
    found = [0.0, *(end for end in ends if finite(end))]
    low, high = min(found), max(found)
    pad = 0.06 * (high - low) or 1.0
    low, high = low - pad, high + pad
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(low, high, width)))
    axes.xaxis.set_minor_locator(AutoMinorLocator(2))

    def told(value: float, _: object = None) -> str:
        from_end = width * min(value - low, high - value) / (high - low)
        return signed(value) if extent(signed(value))[0] / 2 <= from_end + _BEYOND else ""

    axes.xaxis.set_major_formatter(FuncFormatter(told))
    axes.xaxis.grid(visible=True)
    axes.axvline(0, color=INK, linewidth=0.7, zorder=0.5)


def _ticks(low: float, high: float, width: float) -> list[float]:
    """Return round ticks, as many as have room for their labels."""
    from matplotlib.ticker import MaxNLocator

    for most in (5, 4, 3, 2, 1):
        locator = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10])
        ticks = [float(t) for t in locator.tick_values(low, high) if low <= t <= high]
        halves = [extent(signed(tick))[0] / 2 for tick in ticks]
        apart = [width * (right - left) / (high - low) for left, right in pairwise(ticks)]
        needed = [left + right + _BETWEEN_TICKS for left, right in pairwise(halves)]
        if all(room >= need for room, need in zip(apart, needed, strict=True)):
            return ticks
    return [0.0]
