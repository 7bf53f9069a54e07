"""Which differences in S and R a design can detect."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.blocks import Block, Blocks, Space
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.meaning import blank, log_ticks, ticks
from persona_collapse.figures.sheet import Entry, Sheet
from persona_collapse.figures.style import FAINT, Paint, save, styled
from persona_collapse.figures.tables import Row, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = {"S": "rise of S, %", "R": "fall of R, %"}
_PLANTED = ModelLook("planted", "Planned from S and R alone", "")
# From pale to dark with more repetitions (a scale, not a choice), told apart by markers too.
_SHADES = ("#8fc1de", "#5fa6d2", "#3182bd", "#08519c", "#08306b")
_MARKERS = ("v", "o", "s", "^", "D", "P", "X")
_WANTED = Paint(FAINT, "", (0, (2, 2)), "", 0.8)


def power_curves(power: pl.DataFrame, wanted: tuple[float, float], look: Look, stem: Path) -> None:
    """Write what designs can detect; ``wanted`` are the changes of S and R that a study aims at."""
    save(draw_power_curves(power, wanted, look), stem)


@styled
def draw_power_curves(power: pl.DataFrame, wanted: tuple[float, float], look: Look) -> Figure:
    """Return the figure: S and R side by side per model, a curve per number of repetitions.

    The smallest percent change found with 80 % power, over the number of personas. These are
    planned values, so they have no intervals; a value that a design cannot have is left out.
    """
    models = [m for m in (*look.models, _PLANTED) if m.key in set(power["model"])]
    if not models:
        return blank("No power curves: no baseline has the spread that a plan can start from.")
    rows = power.sort("repetitions", "personas").to_dicts()
    paints = _paints(sorted({int(row["repetitions"]) for row in rows}))
    entries = [
        *(Entry(f"{n} repetition{'s' * (n > 1)}", paint, "line") for n, paint in paints.items()),
        Entry("what the study aims at", _WANTED, "stroke"),
    ]
    note = "Smallest change against the baseline that a two-sided 5 % test finds with 80 % power."
    space = Space(left=0.26, gap=0.3, above=0.2, below=0.24, foot=0.14, height=1.15, widest=1.7)
    sheet = Blocks(models, len(METRICS), space, entries, note, look.notices(power))
    for block in sheet.blocks:
        own = [row for row in rows if row["model"] == block.model.key]
        _block(sheet.sheet, block, own, rows, wanted, paints)
    return sheet.sheet.figure


def _paints(repetitions: Sequence[int]) -> dict[int, Paint]:
    last = max(len(repetitions) - 1, 1)
    shades = [_SHADES[round(n * (len(_SHADES) - 1) / last)] for n in range(len(repetitions))]
    markers = cycle(_MARKERS)
    return {
        n: Paint(shade, "", "-", marker, 1.0)
        for n, shade, marker in zip(repetitions, shades, markers, strict=False)
    }


def _block(
    sheet: Sheet,
    block: Block,
    own: Sequence[Row],
    rows: Sequence[Row],
    wanted: tuple[float, float],
    paints: dict[int, Paint],
) -> None:
    grid = sorted({row["personas"] for row in rows})
    for (metric, title), frame, aim in zip(METRICS.items(), block.frames, wanted, strict=True):
        left, top, _, _ = frame
        sheet.text(left, top - 0.09, title)
        axes = sheet.axes(*frame, f"{block.model.key} {metric}")
        log_ticks(axes, _shown(grid))
        axes.set_xlim(grid[0] / 1.2, grid[-1] * 1.2)
        column = f"{metric}_detectable_percent"
        values = [row[column] for row in rows if finite(row[column])]
        axes.set_ylim(0, 1.05 * max([*values, aim]))
        ticks(axes.yaxis, 4)
        axes.grid(visible=True)
        axes.axhline(
            aim, color=_WANTED.colour, linestyle=_WANTED.line, linewidth=_WANTED.width, label="aim"
        )
        if block.lowest:
            axes.set_xlabel("personas")
        _curves(axes, f"{block.model.key} {metric}", own, column, paints)


def _shown(grid: Sequence[float]) -> list[float]:
    """Return the numbers of personas that get a tick: the ends and the middle one."""
    return sorted({grid[0], grid[len(grid) // 2], grid[-1]})


def _curves(
    axes: Axes, name: str, own: Sequence[Row], column: str, paints: dict[int, Paint]
) -> None:
    for place, (n, paint) in enumerate(paints.items()):
        # Where curves coincide, each marker leaves the rim of the one below it to be seen.
        size = max(4.4 - 0.45 * place, 2.2)
        known = [row for row in own if row["repetitions"] == n and finite(row[column])]
        if known:
            axes.plot(
                [row["personas"] for row in known], [row[column] for row in known],
                color=paint.colour, linestyle=paint.line, linewidth=paint.width,
                marker=paint.marker, markersize=size, label=f"{name} {n}",
            )  # fmt: skip
