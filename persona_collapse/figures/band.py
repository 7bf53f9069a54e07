"""Variants beside earlier base models: their range of S, and their distribution of S and R."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import stdtrit

from persona_collapse.figures.findings import noun_of, sentence, subjects, where
from persona_collapse.figures.labels import Panel, Point, Segment, named_in_place
from persona_collapse.figures.look import METRICS, Look
from persona_collapse.figures.marks import (
    ABSENT,
    DASH,
    FINE,
    NORMAL,
    Row,
    blank,
    finite,
    interval,
    log_axis,
    number,
    point,
    reach_across,
    round_values,
    rows_by,
    ticks,
    whiskers,
)
from persona_collapse.figures.panels import Frame, Line, Rows
from persona_collapse.figures.sheet import (
    MARGIN,
    Entry,
    Sheet,
    bare,
    extent,
    key_height,
    widest,
    wrap,
)
from persona_collapse.figures.style import (
    DEEP_SHADE,
    FAINT,
    GRID,
    HEADING,
    INK,
    LIGHT,
    PAPER,
    SHADE,
    Paint,
    titled,
)

_ROW, _SPACE, _HEAD = 0.135, 0.1, 0.2  # heights in inches: published model, gap, heading
_PRIOR = Paint(INK, "", "-", "o")
_LABELS, _BETWEEN, _COLUMN_GAP = 1.1, 0.22, 0.1
_CURVE, _RUG, _LEAST = 0.62, 0.2, 0.12  # heights of curve, ticks and, without rows, of the lanes
_COUNTED, _OTHERS = Paint(INK, "", "-", "|"), Paint(LIGHT, "", "-", "|")
_RANGE = (0, (2, 1.5))
SELDOM = 0.05
_OUTSIDE, _BASE = "chance\noutside", "p as\nbase"


def counted(prior: pl.DataFrame) -> list[str]:
    """Return the earlier models that count for the band."""
    return prior.filter("in_band")["model"].to_list()


def prior_band(
    metrics: pl.DataFrame, band_values: pl.DataFrame, prior: pl.DataFrame, look: Look
) -> Figure:
    """Return the figure: earlier models (``prior``) by family above, the study's models below.

    The band (``band_values``) is shaded and its ends are printed. Whiskers are 95 % intervals; of
    earlier models 1.96 standard errors each way.
    """
    band = rows_by(band_values, "metric")["S"]
    members = counted(prior)
    values = rows_by(metrics, "model", "variant", probe=look.roleplay, domain="overall")
    if not any(finite(row["S"]) for row in values.values()):
        return blank("No comparison with earlier models: no variant has an S.", look, metrics)
    published = list(prior.sort("family", "S", "model").iter_rows(named=True))
    drawn = [variant for variant in look.variants if any(variant == v for _, v in values)]
    models = [m for m in look.models if any((m.key, v) in values for v in drawn)]
    labels = {m.key: wrap(m.label, 1.2) for m in models}
    room = max(widest([row["model"] for row in published]), widest(list(labels.values()))) + 0.1
    step = 0.1 if len(drawn) <= 3 else 0.078
    heights = {m.key: max(len(drawn) * step, extent(labels[m.key])[1]) + _SPACE for m in models}
    earlier = [
        *([Entry("earlier, in the band", _PRIOR, "point")] if members else []),
        *([Entry("earlier, not in it", _PRIOR, "open")] if len(members) < prior.height else []),
    ]
    inner = look.column - 2 * MARGIN
    upper = len(published) * _ROW
    tall = upper + 2 * _HEAD + sum(heights.values())
    top = 0.26

    def draw(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        entries = [*_variants(drawn, look, with_key), *earlier]
        for_key = key_height(entries, inner)
        places: dict[str, list[Point]] = {variant: [] for variant in drawn}
        lines: list[Segment] = []
        sheet = Sheet(look.column, top + tall + 0.36 + for_key, look.notices(metrics, prior))
        axes = sheet.axes(MARGIN + room, top, inner - room - 0.1, tall, "S")
        axes.set_ylim(tall, 0)
        _susceptibility_axis(axes, published, list(values.values()), band)
        axes.set_xlabel(look.metric("S"))
        _shade(sheet, axes, band, (MARGIN + room, inner - room - 0.1))
        sheet.text(MARGIN, top + _HEAD / 2, "Earlier base models", weight="bold")
        for place, row in enumerate(published):
            y = _HEAD + (place + 0.5) * _ROW
            sheet.text(MARGIN + room - 0.08, top + y, row["model"], ha="right")
            point(
                axes, row["S"], y, _PRIOR, f"prior {row['model']}", markeredgewidth=0.8,
                xerr=whiskers(row, "S", errors=NORMAL),
                markerfacecolor=INK if row["model"] in members else PAPER,
            )  # fmt: skip
        y = _HEAD + upper
        sheet.rule(MARGIN, look.column - MARGIN, top + y + 0.03, color=GRID)
        sheet.text(MARGIN, top + y + _HEAD / 2 + 0.04, "This study", weight="bold")
        y += _HEAD
        for model in models:
            middle = y + heights[model.key] / 2
            sheet.text(MARGIN + room - 0.08, top + middle, labels[model.key], ha="right")
            for place, variant in enumerate(drawn):
                found = values.get((model.key, variant))
                if found is not None and finite(found["S"]):
                    at = middle + (place - (len(drawn) - 1) / 2) * step
                    name = f"{model.key} {variant} S"
                    reach = whiskers(found, "S")
                    point(
                        axes,
                        found["S"],
                        at,
                        look.paint(variant),
                        name,
                        xerr=reach,
                        markeredgewidth=0.8,
                    )
                    own = reach_across(found, at, "S")
                    places[variant] += own
                    lines.append((own[0], own[-1]))
            y += heights[model.key]
        sheet.key(entries, MARGIN, top + tall + 0.36, inner)
        return sheet.figure, [[Panel(axes, places, joined=False, strokes=lines)]]

    figure = named_in_place(draw, {name: look.paint(name) for name in drawn})
    return titled(figure, _outside(values, band, look))


def _variants(names: Sequence[str], look: Look, wanted: bool) -> list[Entry]:
    """Return the variants' entries of a key, where it is wanted."""
    return [Entry(name, look.paint(name), "point") for name in names] if wanted else []


def _outside(values: Mapping[tuple[str, str], Row], band: Row, look: Look) -> str:
    """Say where the interval of S lies wholly outside the range of earlier models."""
    name, pairs = subjects(look, list(values))
    if not pairs:
        return ""
    ends = [(values[pair]["S_lo"], values[pair]["S_hi"]) for pair in pairs]
    parts: list[str] = []
    for side, flags in (
        ("above", [finite(low) and low > band["hi"] for low, _ in ends]),
        ("below", [finite(high) and high < band["lo"] for _, high in ends]),
    ):
        if any(flags) or (side == "above" and not any(parts)):
            shown = f"S of {name} lies {side} the range of {band['n_models']:.0f} earlier models"
            not_shown = shown.replace("lies above", "is not shown to lie above")
            parts.append(where(shown, not_shown, flags, noun_of(pairs)))
    return sentence(*parts)


def _susceptibility_axis(axes: Axes, published: list[Row], rows: list[Row], band: Row) -> None:
    """Leave room for every whisker and the band; the axis need not start at zero."""
    found = [end for row in published for end in interval(row, "S", NORMAL) or ()]
    found += [end for row in rows for end in interval(row, "S") or ()]
    found += [row["S"] for row in rows if finite(row["S"])]
    low, high = min([*found, band["lo"]]), max([*found, band["hi"]])
    pad = 0.04 * (high - low) or 0.1
    axes.set_xlim(low - pad, high + pad)
    ticks(axes.xaxis, 6, FINE)
    axes.xaxis.grid(visible=True)
    bare(axes)


def _shade(sheet: Sheet, axes: Axes, band: Row, across: tuple[float, float]) -> None:
    """Shade the band and print its ends above it, kept inside the sheet."""
    axes.axvspan(band["lo"], band["hi"], color=SHADE, linewidth=0, zorder=0.1, label="band")
    for end in (band["lo"], band["hi"]):
        axes.axvline(end, color=FAINT, linewidth=0.7, zorder=0.2)
    text = f"Band of {band['n_models']} models: {band['lo']:.3f}{DASH}{band['hi']:.3f}"
    low, high = axes.get_xlim()
    left, width = across
    middle = left + width * ((band["lo"] + band["hi"]) / 2 - low) / (high - low)
    half = extent(text, HEADING, bold=True)[0] / 2
    middle = min(max(middle, MARGIN + half), sheet.width - MARGIN - half)
    sheet.heading(middle, 0.14, text, ha="center")


def band_distribution(
    metrics: pl.DataFrame,
    band: pl.DataFrame,
    band_values: pl.DataFrame,
    prior: pl.DataFrame,
    look: Look,
) -> Figure:
    """Return the figure: S on the left, R on a log axis on the right.

    Above, the density of a new base model (``band_values``) over its middle 50 and 95 %, and a tick
    for each earlier model (``prior``); below, the variants with 95 % intervals, or one standard
    error where there is none (``metrics``), and beside them p_outside and p_base (``band``). An
    infinite R is an arrow at the axis' end.
    """
    points = rows_by(metrics, "model", "variant", probe=look.roleplay, domain="overall")
    placed = rows_by(band, "model", "variant", "metric", probe=look.roleplay)
    if not placed:
        return blank("No comparison with earlier models: no variant has an S or R.", look, metrics)
    layout = Rows(look, points, _LABELS - 0.12)
    shown = [name for name in look.variants if any(name == variant for _, variant in points)]
    inner = look.width - 2 * MARGIN
    members = counted(prior)

    def draw(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        entries = [*_variants(shown, look, with_key), *_entries(len(members) < prior.height)]
        for_key, beside = key_height(entries, inner), not look.narrow
        panels = []
        lanes = layout.tall if layout.lines else _LEAST
        metrics_shown = [metric for metric in METRICS if metric in rows_by(band_values, "metric")]
        block = 0.62 + _CURVE + _RUG + lanes + 0.3
        height = for_key + block * (1 if beside else len(metrics_shown))
        sheet = Sheet(look.width, height, look.notices(metrics, prior))
        sheet.key(entries, MARGIN, 0.04, inner)
        width = (inner - _LABELS - _BETWEEN) / 2 if beside else inner - _LABELS
        bands = rows_by(band_values, "metric")
        for place, metric in enumerate(metrics_shown):
            panel = _Panel(sheet, metric, bands[metric], points, placed, look)
            left = MARGIN + _LABELS + (place * (width + _BETWEEN) if beside else 0.0)
            top = for_key + 0.62 + (0.0 if beside else place * block)
            if place == 0 or not beside:
                layout.label(sheet, top + _CURVE + _RUG)
            box = (left, top, width, lanes)
            panels.append(panel.draw(layout.lines, prior, members, box))
        return sheet.figure, [panels]

    figure = named_in_place(draw, {name: look.paint(name) for name in shown})
    return titled(figure, _unusual(placed, look))


def _unusual(placed: Mapping[tuple[str, str, str], Row], look: Look) -> str:
    """Say where a new base model would seldom lie so far from the centre."""
    parts = []
    for metric in METRICS:
        known = {
            (m, v): row for (m, v, name), row in placed.items()
            if name == metric and finite(row["p_base"])
        }  # fmt: skip
        name, pairs = subjects(look, list(known))
        if pairs:
            flags = [known[pair]["p_base"] < SELDOM for pair in pairs]
            shown = f"{metric} of {name} is unusual for a base model (p < {SELDOM})"
            not_shown = f"{metric} of {name} is not shown to be unusual for a base model"
            parts.append(where(shown, not_shown, flags, noun_of(pairs)))
    return sentence(*parts)


def _entries(some_left_out: bool) -> list[Entry]:
    """Return the key of all but variants; it names earlier models that do not count, if any."""
    return [
        Entry("earlier model", _COUNTED, "point"),
        Entry("their range", Paint(FAINT, "", _RANGE, "", 0.8), "stroke"),
        *([Entry("left out", _OTHERS, "point")] if some_left_out else []),
        Entry("prediction, 50 %", Paint(DEEP_SHADE, "", "-", "o"), "block"),
        Entry("95 %", Paint(SHADE, "", "-", "o"), "block"),
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
        self, lines: Sequence[Line], prior: pl.DataFrame, members: Sequence[str], box: Frame
    ) -> Panel:
        """Draw into the box (left, top, width, height of the lanes) in inches."""
        left, top, width, lanes = box
        sheet, floor = self.sheet, _CURVE + _RUG
        texts = {line: self._probabilities(line) for line in lines}
        for_outside = widest([*(text[0] for text in texts.values()), _OUTSIDE])
        for_base = widest([*(text[1] for text in texts.values()), _BASE])
        right = left + width - for_base - _COLUMN_GAP
        across = right - for_outside - _COLUMN_GAP - left
        sheet.heading(left, top - 0.47, self.look.metric(self.metric))
        sheet.text(left, top - 0.3, self._range("lo", "hi", f"{self.band['n_models']:.0f} earlier"))
        sheet.text(left, top - 0.15, self._range("prediction_lo", "prediction_hi", "95 % of base"))
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
        places: dict[str, list[Point]] = {line.variant: [] for line in lines}
        strokes: list[Segment] = []
        for line in lines:
            self._point(axes, line, floor)
            row = self.points[line.model, line.variant]
            own = reach_across(row, floor + line.y, self.metric)
            places[line.variant] += own
            strokes += [(own[0], own[-1])] if own else []
        bare(axes)
        return Panel(axes, places, joined=False, strokes=strokes)

    def _range(self, low: str, high: str, whose: str) -> str:
        return f"{whose} models: {number(self.band[low])}{DASH}{number(self.band[high])}"

    def _probabilities(self, line: Line) -> tuple[str, str]:
        row = self.placed.get((line.model, line.variant, self.metric), {})
        return probability(row.get("p_outside")), probability(row.get("p_base"))

    def _limits(self, axes: Axes, lines: Sequence[Line], prior: pl.DataFrame) -> None:
        """Leave room for the middle 95 %, every earlier model and every finite interval."""
        rows = [self.points[line.model, line.variant] for line in lines]
        found = [end for row in rows for end in interval(row, self.metric) or ()]
        found += [row[self.metric] for row in rows]
        found += [self.band[end] for end in ("prediction_lo", "prediction_hi")]
        found += prior[self.metric].to_list()
        log = self.metric == "R"
        found = [end for end in found if finite(end) and (end > 0 or not log)]
        low, high = min(found), max(found)
        if log:
            pad = (high / low) ** 0.05
            log_axis(axes, "x", round_values(low / pad, high * pad, 5))
            axes.set_xlim(low / pad, high * pad)
        else:
            pad = 0.05 * (high - low)
            axes.set_xlim(low - pad, high + pad)
            ticks(axes.xaxis, 6, FINE)

    def _distribution(self, axes: Axes, bottom: float) -> None:
        """Draw the curve, its middle parts down to the last lane, and the ends of the range."""
        prediction = Prediction.of(self.band)
        low, high = axes.get_xlim()
        for level, colour in ((0.95, SHADE), (0.5, DEEP_SHADE)):
            ends = prediction.middle(level)
            inside = _evenly(*ends, prediction.log)
            curve = _CURVE * (1 - prediction.density(inside))
            axes.fill_between(
                inside, curve, bottom, color=colour, linewidth=0, zorder=0.1,
                label=f"{self.metric} {100 * level:.0f} %",
            )  # fmt: skip
        values = _evenly(low, high, prediction.log)
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
            values = prior.filter(chosen)[self.metric].drop_nulls().to_list()
            axes.vlines(
                values, _CURVE + 0.02, _CURVE + 0.13,
                color=paint.colour, linewidth=0.9, label=f"{self.metric} {name}",
            )  # fmt: skip
        axes.axhline(_CURVE, color=FAINT, linewidth=0.6, zorder=0.4)

    def _point(self, axes: Axes, line: Line, floor: float) -> None:
        row, paint = self.points[line.model, line.variant], self.look.paint(line.variant)
        value, name = row[self.metric], f"{line.model} {line.variant} {self.metric}"
        if value is not None and math.isinf(value):
            axes.plot(
                axes.get_xlim()[1], floor + line.y, color=paint.colour, marker=">", markersize=4.5,
                clip_on=False, label=f"{name} infinite",
            )  # fmt: skip
        elif finite(value):
            reach = whiskers(row, self.metric, within=axes.get_xlim())
            point(axes, value, floor + line.y, paint, name, xerr=reach)


@dataclass(frozen=True)
class Prediction:
    """Where a new base model lies: a t distribution of S as it is, of R on the log scale."""

    centre: float
    scale: float
    freedom: int
    log: bool

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read it from a row of ``band_values.csv``, whose ends are those of the middle 95 %."""
        log = row["metric"] == "R"
        to = math.log if log else float
        freedom = int(row["n_models"]) - 1
        wide = to(row["prediction_hi"]) - to(row["prediction_lo"])
        return cls(to(row["centre"]), wide / 2 / _t(0.95, freedom), freedom, log)

    def middle(self, level: float) -> tuple[float, float]:
        """Return the ends of the middle part of the distribution that has this probability."""
        reach = _t(level, self.freedom) * self.scale
        low, high = self.centre - reach, self.centre + reach
        return (math.exp(low), math.exp(high)) if self.log else (low, high)

    def density(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the density (of log R for R) at these values, as a share of its peak."""
        places = (np.log(values) if self.log else values) - self.centre
        squares: NDArray[np.float64] = (places / self.scale) ** 2 / self.freedom
        return (1 + squares) ** (-(self.freedom + 1) / 2)


def _t(level: float, freedom: int) -> float:
    """Return the half-width, in scales, of the middle ``level`` of a t distribution."""
    return float(stdtrit(freedom, (1 + level) / 2))


def _evenly(low: float, high: float, log: bool) -> NDArray[np.float64]:
    """Return 200 values, equally spaced on a linear or log axis."""
    if log:
        return np.geomspace(low, high, 200, dtype=np.float64)
    return np.linspace(low, high, 200, dtype=np.float64)


def probability(value: float | None) -> str:
    """Write a probability: 0.29, 0.012, <0.001, >0.999."""
    if value is None or math.isnan(value):
        return ABSENT
    if value < 0.001:
        return "<0.001"
    if value > 0.999:
        return ">0.999"
    return f"{value:.3f}" if value < 0.0995 or value > 0.9905 else f"{value:.2f}"
