"""Percent changes against the baseline: of 1/R per model, of S and R per domain."""

import math
from collections.abc import Sequence
from itertools import pairwise, product

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import AutoMinorLocator, FixedLocator, FuncFormatter

from persona_collapse.figures.look import METRICS, Look
from persona_collapse.figures.marks import (
    Row,
    blank,
    change,
    finite,
    point,
    round_ticks,
    rows_by,
    short_names,
    signed,
    whiskers,
)
from persona_collapse.figures.panels import Frame, Rows
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
from persona_collapse.figures.style import FAINT, INK, ONE_COLUMN, PAPER, TEXT_WIDTH

_NAMES = 0.95  # inches for models' labels beside the changes of 1/R
_BETWEEN_TICKS = 0.04  # inches between the labels of ticks
_BEYOND = 0.05  # inches that a label may reach beyond the axis: its neighbour is near
_LABELS = 1.15  # inches for models' labels beside domains
_CELL = 0.19
_UPRIGHT = 0.75  # inches that an upright name may take before it breaks
_MOST = 100.0  # percent at which colours end: R cannot fall by more
_COLOURS = "PuOr_r"
_DARK = 0.19  # luminance below which white reads better than ink
Changes = dict[tuple[str, str, str, str], Row]


def noise_change(contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and changed variant, the study's mean last.

    1/R is sigma_bar, so its percent change is that of ``sigma_bar``. Whiskers are 95 % intervals.
    """
    rows = rows_by(
        contrasts, "model", "contrast", probe=look.roleplay, domain="overall", metric="sigma_bar"
    )
    changes = {
        (model, variant): row
        for (model, contrast), row in rows.items()
        for variant in look.changed
        if contrast == f"{variant}-{look.baseline}"
    }
    if not any(finite(row["percent"]) for row in changes.values()):
        return blank(_unchanged(look, "1/R"))
    layout = Rows(look, changes, _NAMES, mean="Mean change")
    lines, tall = layout.lines, layout.tall
    entries = [
        Entry(v, look.paint(v), "point")
        for v in look.changed
        if any(v == name for _, name in changes)
    ]
    inner = ONE_COLUMN - 2 * MARGIN
    top = key_height(entries, inner) + 0.26
    sheet = Sheet(ONE_COLUMN, top + tall + 0.42, look.notices(contrasts))
    sheet.key(entries, MARGIN, 0.04, inner)
    layout.label(sheet, top)
    texts = {line: change(changes[line.model, line.variant]) for line in lines}
    heading = "% [95 % interval]"
    room = widest([*texts.values(), heading])
    left = MARGIN + _NAMES + 0.1
    width = ONE_COLUMN - MARGIN - room - 0.12 - left
    sheet.text(ONE_COLUMN - MARGIN, top - 0.08, heading, ha="right", color=FAINT)
    for line, text in texts.items():
        sheet.text(ONE_COLUMN - MARGIN, top + line.y, text, ha="right")
    axes = sheet.axes(left, top, width, tall, "change")
    for line in lines:
        row = changes[line.model, line.variant]
        _dot(axes, row, line.y, look, line.variant, f"{line.model} {line.variant}")
    _percent_axis(axes, list(changes.values()), width)
    bare(axes)
    axes.set_ylim(tall, 0)
    axes.set_xlabel(f"Change of 1/R against {look.baseline}, %")
    return sheet.figure


def _unchanged(look: Look, name: str) -> str:
    """Return why no percent change can be drawn."""
    return (
        f"No change of {name}: no variant is compared with {look.baseline}, or the values have no "
        "percent change."
    )


def _dot(axes: Axes, row: Row, y: float, look: Look, variant: str, name: str) -> None:
    """Draw a percent change as a point with its interval, where it is finite."""
    if finite(row["percent"]):
        reach = whiskers(row, "percent")
        point(axes, row["percent"], y, look.paint(variant), name, xerr=reach)


def _percent_axis(axes: Axes, rows: Sequence[Row], width: float) -> None:
    """Let the axis, ``width`` inches wide, hold zero and every finite change and interval."""
    ends = [row[name] for row in rows for name in ("percent", "percent_lo", "percent_hi")]
    found = [0.0, *(end for end in ends if finite(end))]
    low, high = min(found), max(found)
    pad = 0.06 * (high - low) or 1.0
    low, high = low - pad, high + pad
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(low, high, width)))
    axes.xaxis.set_minor_locator(AutoMinorLocator(2))

    def text(value: float, _: object = None) -> str:
        from_end = width * min(value - low, high - value) / (high - low)
        return signed(value) if extent(signed(value))[0] / 2 <= from_end + _BEYOND else ""

    axes.xaxis.set_major_formatter(FuncFormatter(text))
    axes.xaxis.grid(visible=True)
    axes.axvline(0, color=INK, linewidth=0.7, zorder=0.5)


def _ticks(low: float, high: float, width: float) -> list[float]:
    """Return round ticks, as many as have room for their labels."""
    for most in (5, 4, 3, 2, 1):
        ticks = round_ticks(low, high, most)
        halves = [extent(signed(tick))[0] / 2 for tick in ticks]
        apart = [width * (right - left) / (high - low) for left, right in pairwise(ticks)]
        needed = [left + right + _BETWEEN_TICKS for left, right in pairwise(halves)]
        if all(room >= need for room, need in zip(apart, needed, strict=True)):
            return ticks
    return [0.0]


def domain_heatmap(contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: S above, R below, a panel for each control and target, two side by side.

    Cells print the percent change, in brackets where its 95 % interval holds zero; colours end at
    100 % (or at the largest change below that).
    """
    changes, domains = _changes(contrasts, look)
    variants = _compared(changes, look)
    models = _models(changes, look)
    if not any(finite(row["percent"]) for row in changes.values()):
        return blank(_unchanged(look, "S and R"))
    labels = {key: wrap(text, _LABELS - 0.1) for key, text in models}
    heights = [max(_CELL, extent(labels[key])[1] + 0.03) for key, _ in models]
    tall = sum(heights)
    width = (TEXT_WIDTH - 2 * MARGIN - _LABELS - 0.15) / 2
    names = short_names(domains)
    cell = width / max(len(domains), 1)
    upright = widest(names) > cell - 0.05
    if upright:
        names = [wrap(name, _UPRIGHT) for name in names]
    for_names = widest(names) + 0.06 if upright else 0.17
    block = 0.22 + for_names + tall + 0.14
    head = 0.22
    sides = [variants[n : n + 2] for n in range(0, len(variants), 2)]
    tall_block = head + len(METRICS) * block
    sheet = Sheet(TEXT_WIDTH, len(sides) * tall_block + 0.36, look.notices(contrasts))
    limit = _limit(changes, variants)
    colours = matplotlib.colormaps[_COLOURS]
    for nth, side in enumerate(sides):
        for column, variant in enumerate(side):
            left = MARGIN + _LABELS + column * (width + 0.15)
            sheet.heading(left + width / 2, nth * tall_block + 0.1, variant, ha="center")
    for (nth, side), (place, metric) in product(enumerate(sides), enumerate(METRICS)):
        top = nth * tall_block + head + place * block
        sheet.heading(MARGIN, top + 0.1, look.metric(metric))
        below = top + 0.22 + for_names
        for (key, _), y in zip(models, _middles(heights), strict=True):
            sheet.text(MARGIN, below + y, labels[key])
        for column, variant in enumerate(side):
            left = MARGIN + _LABELS + column * (width + 0.15)
            for n, name in enumerate(names):
                middle = left + (n + 0.5) * cell
                if upright:
                    sheet.text(middle, below - 0.04, name, ha="center", va="bottom", rotation=90)
                else:
                    sheet.text(middle, below - 0.09, name, ha="center")
            axes = sheet.axes(left, below, width, tall, f"{metric} {variant}")
            axes.set(xlim=(0, width), ylim=(tall, 0))
            axes.set_axis_off()
            for (key, _), y, high in zip(models, _middles(heights), heights, strict=True):
                for n, domain in enumerate(domains):
                    row = changes.get((key, variant, metric, domain))
                    _cell(axes, row, (n * cell, y - high / 2, cell, high), limit, colours)
    shown = [row for key, row in changes.items() if key[1] in variants]
    _colour_key(sheet, len(sides) * tall_block, limit, shown, look, colours)
    return sheet.figure


def domain_dots(contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: a column of panels per domain, S above and R below.

    Whiskers are 95 % intervals; the panels of one metric share their axis.
    """
    changes, domains = _changes(contrasts, look)
    if not any(finite(row["percent"]) for row in changes.values()):
        return blank(_unchanged(look, "S and R"))
    models = _models(changes, look)
    variants = [v for v in look.changed if any(v == key[1] for key in changes)]
    labels = {key: wrap(text, _LABELS - 0.1) for key, text in models}
    step = 0.1 if len(variants) <= 3 else 0.07
    heights = [max(step * len(variants) + 0.08, extent(labels[key])[1] + 0.05) for key, _ in models]
    tall = sum(heights)
    entries = [Entry(v, look.paint(v), "point") for v in variants]
    inner = TEXT_WIDTH - 2 * MARGIN
    width = (inner - _LABELS) / max(len(domains), 1)
    names = [wrap(name, width - 0.1) for name in short_names(domains)]
    for_names = max((extent(name)[1] for name in names), default=0.0) + 0.06
    head = key_height(entries, inner) + 0.1
    block = 0.24 + for_names + tall + 0.3
    sheet = Sheet(TEXT_WIDTH, head + 2 * block - 0.04, look.notices(contrasts))
    sheet.key(entries, MARGIN, 0.04, inner)
    for place, metric in enumerate(METRICS):
        top = head + place * block
        title = f"{look.metric(metric)}: change against {look.baseline}, %"
        sheet.heading(MARGIN, top + 0.1, title)
        below = top + 0.24 + for_names
        for (key, _), y in zip(models, _middles(heights), strict=True):
            sheet.text(MARGIN, below + y, labels[key])
        rows = [row for key, row in changes.items() if key[2] == metric]
        for n, domain in enumerate(domains):
            left = MARGIN + _LABELS + n * width
            sheet.text(left + (width - 0.12) / 2, below - for_names / 2, names[n], ha="center")
            axes = sheet.axes(left, below, width - 0.12, tall, f"{metric} {domain}")
            _percent_axis(axes, rows, width - 0.12)
            bare(axes)
            axes.set_ylim(tall, 0)
            for (key, _), y in zip(models, _middles(heights), strict=True):
                for nth, variant in enumerate(variants):
                    row = changes.get((key, variant, metric, domain))
                    if row is not None:
                        at = y + (nth - (len(variants) - 1) / 2) * step
                        _dot(axes, row, at, look, variant, f"{key} {variant}")
    return sheet.figure


def _changes(contrasts: pl.DataFrame, look: Look) -> tuple[Changes, list[str]]:
    """Return the rows by model, variant, metric and domain, and the domains."""
    chosen = contrasts.filter(
        pl.col("probe") == look.roleplay,
        pl.col("domain") != "overall",
        pl.col("metric").is_in(list(METRICS)),
    )
    variants = {f"{variant}-{look.baseline}": variant for variant in look.changed}
    rows = rows_by(chosen, "model", "contrast", "metric", "domain")
    changes = {
        (model, variants[contrast], metric, domain): row
        for (model, contrast, metric, domain), row in rows.items()
        if contrast in variants
    }
    return changes, chosen["domain"].unique(maintain_order=True).to_list()


def _models(changes: Changes, look: Look) -> list[tuple[str, str]]:
    """Return keys and labels of the models with a change, the study's mean last."""
    named = [(model.key, model.label) for model in look.models]
    if len(named) > 1:
        named.append(("mean", "Mean of models"))
    known = {key[0] for key in changes}
    return [(key, text) for key, text in named if key in known]


def _compared(changes: Changes, look: Look) -> list[str]:
    """Return controls and targets that have changes; without any, all variants that have."""
    known = [v for v in look.changed if any(v == key[1] for key in changes)]
    return [v for v in known if v in (*look.controls, *look.targets)] or known


def _middles(heights: Sequence[float]) -> list[float]:
    ends = [sum(heights[: n + 1]) for n in range(len(heights))]
    return [end - high / 2 for end, high in zip(ends, heights, strict=True)]


def _limit(changes: Changes, variants: Sequence[str]) -> float:
    """Return the percent change at which colours end."""
    found = [abs(row["percent"]) for key, row in changes.items() if key[1] in variants
             and row["percent"] is not None]  # fmt: skip
    largest = max((x for x in found if not math.isnan(x)), default=_MOST)
    return 10.0 * max(math.ceil(min(largest, _MOST) / 10), 1)


def _cell(axes: Axes, row: Row | None, box: Frame, limit: float, colours: Colormap) -> None:
    """Draw one cell (left, top, width, height in inches) with its number."""
    left, top, width, height = box
    value = row["percent"] if row else None
    known = value is not None and not math.isnan(value)
    share = min(max((value or 0.0) / limit, -1.0), 1.0) if known else 0.0
    red, green, blue, _ = colours(0.5 + share / 2)
    face = (red, green, blue) if known else PAPER
    tile = Rectangle((left, top), width, height, facecolor=face, edgecolor=PAPER, linewidth=0.8)
    axes.add_patch(tile)
    text = f"({signed(value)})" if _unclear(row) else signed(value)
    ink = FAINT if not known else PAPER if _luminance(red, green, blue) < _DARK else INK
    axes.text(
        left + width / 2, top + height / 2, text, ha="center", va="center_baseline", color=ink,
    )  # fmt: skip


def _unclear(row: Row | None) -> bool:
    """Return whether the interval of a change includes zero."""
    if row is None or not (finite(row["percent_lo"]) and finite(row["percent_hi"])):
        return False
    return bool(row["percent_lo"] <= 0 <= row["percent_hi"])


def _luminance(*channels: float) -> float:
    """Return the relative luminance (WCAG 2) of an sRGB colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _colour_key(
    sheet: Sheet, top: float, limit: float, rows: Sequence[Row], look: Look, colours: Colormap
) -> None:
    """Draw a strip of the colours with its ends, and what they and the brackets mean."""
    wide, left = 1.6, MARGIN + _LABELS
    axes = sheet.axes(left, top + 0.06, wide, 0.1, "colours")
    axes.imshow([[n / 100 for n in range(101)]], cmap=colours, aspect="auto", vmin=0, vmax=1)
    beyond = any(row["percent"] is not None and row["percent"] > limit for row in rows)
    highest = f"≥ {signed(limit)}" if beyond else signed(limit)
    axes.set_xticks([0, 50, 100], [signed(-limit), "0", highest])
    axes.tick_params(axis="y", left=False, labelleft=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    brackets = "; (in brackets): its 95 % interval holds 0" if any(map(_unclear, rows)) else ""
    text = f"change against {look.baseline}, %{brackets}"
    sheet.text(left + wide + 0.25, top + 0.11, text)
