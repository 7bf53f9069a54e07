"""The predicted distribution of base models, and the study's variants against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.band import band_of
from persona_collapse.figures.bars import PANELS
from persona_collapse.figures.look import Look
from persona_collapse.figures.prediction import Prediction, decades, evenly, probability
from persona_collapse.figures.rows import Line, label, lines_of, place
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, bare, key_height, widest
from persona_collapse.figures.style import (
    FAINT,
    HEADING,
    INK,
    TEXT_WIDTH,
    Paint,
    save,
    styled,
)
from persona_collapse.figures.tables import DASH, Row, finite, interval, number, rows_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS, _BETWEEN, _COLUMN_GAP = 1.1, 0.22, 0.1
_CURVE, _RUG, _LEAST = 0.62, 0.2, 0.12  # heights of curve, ticks and, without rows, of the lanes
_LIGHT, _DARK = "#ececec", "#d6d6d6"
_COUNTED, _OTHERS = Paint(INK, "", "-", "|"), Paint("#9a9a9a", "", "-", "|")
_RANGE = (0, (2, 1.5))
_OUTSIDE, _BASE = "chance\noutside", "p as\nbase"


def band_distribution(
    metrics: pl.DataFrame,
    band: pl.DataFrame,
    values: pl.DataFrame,
    prior: pl.DataFrame,
    look: Look,
    stem: Path,
) -> None:
    """Write the predicted distribution of base models with the study's variants against it."""
    save(draw_band_distribution(metrics, band, values, prior, look), stem)


@styled
def draw_band_distribution(
    metrics: pl.DataFrame,
    band: pl.DataFrame,
    values: pl.DataFrame,
    prior: pl.DataFrame,
    look: Look,
) -> Figure:
    """Return the figure: S on the left, R on a log axis on the right.

    Above, the density of a new base model (``values``) over its middle 50 and 95 %, and a tick for
    each earlier model (``prior``); below, the variants with 95 % intervals, or one standard error
    where there is none (``metrics``), and beside them p_outside and p_base (``band``). An infinite
    R is an arrow at the axis' end.
    """
    points = rows_by(metrics, "model", "variant", probe=look.roleplay, foundation="overall")
    placed = rows_by(band, "model", "variant", "metric", probe=look.roleplay)
    groups = place(
        [(m.key, m.label, [v for v in look.variants if (m.key, v) in points]) for m in look.models],
        _LABELS - 0.12,
    )
    shown = [name for name in look.variants if any(name == variant for _, variant in points)]
    inner = TEXT_WIDTH - 2 * MARGIN
    members = band_of(prior, look.band).members
    entries = _entries(shown, look, len(members) < prior.height)
    top = key_height(entries, inner) + 0.62
    lanes = groups[-1].end if groups else _LEAST
    sheet = Sheet(TEXT_WIDTH, top + _CURVE + _RUG + lanes + 0.3, look.notices(metrics))
    sheet.key(entries, MARGIN, 0.04, inner)
    label(sheet, groups, top + _CURVE + _RUG)
    width = (inner - _LABELS - _BETWEEN) / 2
    bands = rows_by(values, "metric")
    for column, metric in enumerate(PANELS):
        panel = _Panel(sheet, metric, bands[metric], points, placed, look)
        left = MARGIN + _LABELS + column * (width + _BETWEEN)
        panel.draw(lines_of(groups), prior, members, (left, top, width, lanes))
    return sheet.figure


def _entries(shown: Sequence[str], look: Look, some_left_out: bool) -> list[Entry]:
    """Return the key; it names earlier models that do not count where there are any."""
    return [
        *(Entry(name, look.paint(name), "point") for name in shown),
        Entry("earlier model", _COUNTED, "point"),
        Entry("their range", Paint(FAINT, "", _RANGE, "", 0.8), "stroke"),
        *([Entry("left out", _OTHERS, "point")] if some_left_out else []),
        Entry("prediction, 50 %", Paint(_DARK, "", "-", "o"), "block"),
        Entry("95 %", Paint(_LIGHT, "", "-", "o"), "block"),
    ]


@dataclass(frozen=True)
class _Panel:
    """One metric: curve, ticks and variants on the left, columns of probabilities on the right.

    The vertical axis counts inches downwards from the curve's top.
    """

    sheet: Sheet
    metric: str
    band: Row
    points: dict[tuple[str, str], Row]
    placed: dict[tuple[str, str, str], Row]
    look: Look

    def draw(
        self,
        lines: Sequence[Line],
        prior: pl.DataFrame,
        members: Sequence[str],
        box: tuple[float, float, float, float],
    ) -> None:
        """Draw into the box (left, top, width, height of the lanes) in inches."""
        left, top, width, lanes = box
        sheet, floor = self.sheet, _CURVE + _RUG
        texts = {line: self._probabilities(line) for line in lines}
        for_outside = widest([*(text[0] for text in texts.values()), _OUTSIDE])
        for_base = widest([*(text[1] for text in texts.values()), _BASE])
        right = left + width - for_base - _COLUMN_GAP
        across = right - for_outside - _COLUMN_GAP - left
        sheet.text(left, top - 0.47, PANELS[self.metric], fontsize=HEADING, weight="bold")
        sheet.text(left, top - 0.3, self._told("lo", "hi", f"{self.band['n_models']:.0f} earlier"))
        sheet.text(left, top - 0.15, self._told("predicted_lo", "predicted_hi", "95 % of base"))
        for x, text in ((right, _OUTSIDE), (left + width, _BASE)):
            sheet.text(x, top + floor - 0.14, text, ha="right", color=FAINT)
        for line, (outside, base) in texts.items():
            sheet.text(right, top + floor + line.y, outside, ha="right")
            sheet.text(left + width, top + floor + line.y, base, ha="right")
        axes = sheet.axes(left, top, across, floor + lanes, self.metric)
        axes.set_ylim(floor + lanes, 0)
        self._limits(axes, lines, prior)
        self._distribution(axes, floor + lanes)
        self._ticks(axes, prior, members)
        for line in lines:
            self._point(axes, line, floor)
        bare(axes)

    def _told(self, low: str, high: str, whose: str) -> str:
        return f"{whose} models: {number(self.band[low])}{DASH}{number(self.band[high])}"

    def _probabilities(self, line: Line) -> tuple[str, str]:
        row = self.placed.get((line.model, line.variant, self.metric), {})
        return probability(row.get("p_outside")), probability(row.get("p_base"))

    def _limits(self, axes: Axes, lines: Sequence[Line], prior: pl.DataFrame) -> None:
        """Leave room for the middle 95 %, every earlier model and every finite interval."""
        from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

        rows = [self.points[line.model, line.variant] for line in lines]
        found = [end for row in rows for end in interval(row, self.metric) or ()]
        found += [row[self.metric] for row in rows]
        found += [self.band[end] for end in ("predicted_lo", "predicted_hi")]
        found += prior[self.metric].to_list()
        log = self.metric == "R"
        found = [end for end in found if finite(end) and (end > 0 or not log)]
        low, high = min(found), max(found)
        if log:
            pad = (high / low) ** 0.05
            axes.set_xscale("log")
            axes.set_xlim(low / pad, high * pad)
            axes.xaxis.set_major_locator(FixedLocator(decades(*axes.get_xlim())))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            pad = 0.05 * (high - low)
            axes.set_xlim(low - pad, high + pad)
            axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))

    def _distribution(self, axes: Axes, bottom: float) -> None:
        """Draw the curve, its middle parts down to the last lane, and the ends of the range."""
        prediction = Prediction.of(self.band)
        low, high = axes.get_xlim()
        for level, colour in ((0.95, _LIGHT), (0.5, _DARK)):
            ends = prediction.middle(level)
            inside = evenly(*ends, prediction.log)
            curve = _CURVE * (1 - prediction.density(inside))
            axes.fill_between(
                inside, curve, bottom, color=colour, linewidth=0, zorder=0.1,
                label=f"{self.metric} {100 * level:.0f} %",
            )  # fmt: skip
        values = evenly(low, high, prediction.log)
        axes.plot(
            values, _CURVE * (1 - prediction.density(values)), color=INK, linewidth=1.0,
            clip_on=False, label=f"{self.metric} density",
        )  # fmt: skip
        for end in ("lo", "hi"):
            axes.plot(
                [self.band[end]] * 2, [_CURVE, bottom], color=FAINT, linewidth=0.8,
                linestyle=_RANGE, zorder=0.3, label=f"{self.metric} {end}",
            )  # fmt: skip

    def _ticks(self, axes: Axes, prior: pl.DataFrame, members: Sequence[str]) -> None:
        counted = pl.col("model").is_in(list(members))
        for chosen, paint, name in ((counted, _COUNTED, "earlier"), (~counted, _OTHERS, "others")):
            axes.vlines(
                prior.filter(chosen)[self.metric].to_list(), _CURVE + 0.02, _CURVE + 0.13,
                color=paint.colour, linewidth=0.9, label=f"{self.metric} {name}",
            )  # fmt: skip
        axes.axhline(_CURVE, color=FAINT, linewidth=0.6, zorder=0.4)

    def _point(self, axes: Axes, line: Line, floor: float) -> None:
        row, paint = self.points[line.model, line.variant], self.look.paint(line.variant)
        value, name = row[self.metric], f"{line.model} {line.variant} {self.metric}"
        if value is not None and math.isinf(value):
            axes.plot(
                axes.get_xlim()[1], floor + line.y, color=paint.colour, marker=">", markersize=4.5,
                clip_on=False, label=f"{name} endless",
            )  # fmt: skip
        elif finite(value):
            ends = interval(row, self.metric)
            reach = [[max(value - ends[0], 0)], [max(ends[1] - value, 0)]] if ends else None
            axes.errorbar(
                value, floor + line.y, xerr=reach, color=paint.colour, marker=paint.marker,
                markersize=3.5, elinewidth=0.9, linestyle="none", label=name,
            )  # fmt: skip
