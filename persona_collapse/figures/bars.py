"""S and R of every model and variant as bars, with the percent change against the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.figures.rows import ROW, Line, label, lines_of, place
from persona_collapse.figures.sheet import (
    MARGIN,
    Entry,
    Sheet,
    bare,
    key_height,
    widest,
)
from persona_collapse.figures.style import (
    FAINT,
    HEADING,
    INK,
    PAPER,
    TEXT_WIDTH,
    save,
    styled,
)
from persona_collapse.figures.tables import (
    Row,
    change,
    finite,
    interval,
    number,
    rows_by,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {"S": "Moral susceptibility S", "R": "Moral robustness R"}
_LABELS = 1.2
_BAR = 0.115
_COLUMN_GAP, _BETWEEN = 0.1, 0.16


def collapse_bars(metrics: pl.DataFrame, contrasts: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the S and R bars of ``metrics`` with the changes of ``contrasts``."""
    save(draw_collapse_bars(metrics, contrasts, look), stem)


@styled
def draw_collapse_bars(metrics: pl.DataFrame, contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and variant, S on the left and R on the right.

    Bars start at zero; whiskers are 95 % intervals, or one standard error where there is none. An
    infinite R is a bar without an end. Beside each bar stand the value and the percent change
    against the baseline with its interval.
    """
    values = rows_by(metrics, "model", "variant", probe=look.roleplay, foundation="overall")
    changes = rows_by(
        contrasts, "model", "contrast", "metric", probe=look.roleplay, foundation="overall"
    )
    models = [
        (m.key, m.label, [v for v in look.variants if (m.key, v) in values]) for m in look.models
    ]
    groups = place(models, _LABELS - 0.12)
    tall = groups[-1].end if groups else ROW
    averages = _averages(changes, look, tall + 0.3) if len(groups) > 1 else []
    bottom = averages[-1].y + ROW if averages else tall + 0.3
    shown = [name for name in look.variants if any(name == variant for _, variant in values)]
    entries = [Entry(name, look.paint(name)) for name in shown]
    inner = TEXT_WIDTH - 2 * MARGIN
    top = key_height(entries, inner) + 0.5
    sheet = Sheet(TEXT_WIDTH, top + bottom, look.notices(metrics))
    sheet.key(entries, MARGIN, 0.04, inner)
    label(sheet, groups, top)
    if averages:
        sheet.text(MARGIN, top + averages[0].y, "Mean change")
    lines = lines_of(groups)
    width = (inner - _LABELS - _BETWEEN) / 2
    for column, metric in enumerate(PANELS):
        left = MARGIN + _LABELS + column * (width + _BETWEEN)
        panel = _Panel(sheet, metric, values, changes, look)
        panel.draw(lines, averages, (left, top, width, tall))
    return sheet.figure


def _averages(changes: dict[tuple[str, str, str], Row], look: Look, y: float) -> list[Line]:
    """Place the study's mean changes below the axis: there is no bar to an average of changes."""
    names = [v for v in look.changed if ("mean", f"{v}-{look.baseline}", "S") in changes]
    return [Line("mean", name, y + n * ROW) for n, name in enumerate(names)]


@dataclass(frozen=True)
class _Panel:
    """One metric: bars on the left, columns of values and changes on the right."""

    sheet: Sheet
    metric: str
    values: dict[tuple[str, str], Row]
    changes: dict[tuple[str, str, str], Row]
    look: Look

    def draw(
        self, lines: list[Line], averages: list[Line], box: tuple[float, float, float, float]
    ) -> None:
        """Draw into the box (left, top, width, height) in inches."""
        left, top, width, tall = box
        sheet, base = self.sheet, self.look.baseline
        numbers = {line: number(self._row(line)[self.metric]) for line in lines}
        shifts = {
            line: change(self.changes.get((line.model, f"{line.variant}-{base}", self.metric)))
            for line in [*lines, *averages]
            if line.variant != base
        }
        heading = f"% vs {base}" if len(base) <= 12 else "% change"
        for_shifts = widest([*shifts.values(), heading])
        for_numbers = widest([*numbers.values(), self.metric])
        bars = width - for_shifts - for_numbers - 2 * _COLUMN_GAP
        right = left + bars + _COLUMN_GAP + for_numbers
        sheet.text(left, top - 0.28, PANELS[self.metric], fontsize=HEADING, weight="bold")
        sheet.text(right, top - 0.07, self.metric, ha="right", color=FAINT)
        sheet.text(left + width, top - 0.07, heading, ha="right", color=FAINT)
        for line, text in numbers.items():
            sheet.text(right, top + line.y, text, ha="right")
        for line, text in shifts.items():
            sheet.text(left + width, top + line.y, text, ha="right")
        for line in averages:
            sheet.text(left, top + line.y, line.variant)
        axes = sheet.axes(left, top, bars, tall, self.metric)
        self._bars(axes, lines)
        axes.set_ylim(tall, 0)
        axes.xaxis.grid(visible=True)
        bare(axes)
        axes.axvline(0, color=INK, linewidth=0.7)

    def _row(self, line: Line) -> Row:
        return self.values[line.model, line.variant]

    def _bars(self, axes: Axes, lines: list[Line]) -> None:
        """Draw the bars and whiskers; the axis ends just beyond the longest of them."""
        from matplotlib.ticker import MaxNLocator

        rows = [self._row(line) for line in lines]
        ends = [row[self.metric] for row in rows if finite(row[self.metric])]
        ends += [end[1] for row in rows if (end := interval(row, self.metric))]
        limit = 1.04 * max([end for end in ends if math.isfinite(end)], default=0.0) or 1.0
        axes.set_xlim(0, limit)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        for line in lines:
            value = self._row(line)[self.metric]
            if value is not None and not math.isnan(value):
                self._bar(axes, line, value, limit)

    def _bar(self, axes: Axes, line: Line, value: float, limit: float) -> None:
        paint, endless = self.look.paint(line.variant), math.isinf(value)
        name = f"{line.model} {line.variant} {self.metric}"
        axes.barh(
            line.y, limit if endless else value, height=_BAR, color=paint.colour,
            hatch=paint.hatch, hatchcolor=PAPER, linewidth=0, label=name,
        )  # fmt: skip
        if endless:
            # Two slanted cuts before the end: the bar does not stop here.
            for cut in (0.90, 0.94):
                x, y = (limit * cut, limit * (cut + 0.02)), (line.y + _BAR, line.y - _BAR)
                axes.plot(x, y, color=PAPER, linewidth=2.0, label=f"{name} cut")
        whisker = interval(self._row(line), self.metric)
        if whisker:
            reach = [[max(value - whisker[0], 0)], [max(min(whisker[1], limit) - value, 0)]]
            axes.errorbar(
                value, line.y, xerr=reach, fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.6,
                capthick=0.8, label=f"{name} interval",
            )  # fmt: skip
