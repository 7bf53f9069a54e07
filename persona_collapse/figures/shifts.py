"""Percent changes of S and R per foundation: a heat map, and dots with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.bars import PANELS
from persona_collapse.figures.change import dot, percent_axis
from persona_collapse.figures.look import Look
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
from persona_collapse.figures.style import FAINT, HEADING, INK, PAPER, TEXT_WIDTH, save, styled
from persona_collapse.figures.tables import (
    Row,
    finite,
    rows_by,
    short_names,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_LABELS = 1.15
_CELL = 0.19
_UPRIGHT = 0.75  # inches that an upright name may take before it breaks
_MOST = 100.0  # percent at which colours end: R cannot fall by more
_COLOURS = "PuOr_r"
_DARK = 0.19  # luminance below which white reads better than ink
Changes = dict[tuple[str, str, str, str], Row]


def foundation_heatmap(contrasts: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the heat map of changes per foundation, target and control side by side."""
    save(draw_foundation_heatmap(contrasts, look), stem)


def foundation_dots(contrasts: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the changes per foundation as dots with intervals."""
    save(draw_foundation_dots(contrasts, look), stem)


@styled
def draw_foundation_heatmap(contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: S above, R below, a column of panels for control and for target.

    Cells print the percent change, in brackets where its 95 % interval holds zero; colours end at
    100 % (or at the largest change below that).
    """
    import matplotlib

    changes, foundations = _changes(contrasts, look)
    variants = _compared(changes, look)
    models = _models(changes, look)
    labels = {key: wrap(text, _LABELS - 0.1) for key, text in models}
    heights = [max(_CELL, extent(labels[key])[1] + 0.03) for key, _ in models]
    tall = sum(heights)
    width = (TEXT_WIDTH - 2 * MARGIN - _LABELS - 0.15) / 2
    names = short_names(foundations)
    cell = width / max(len(foundations), 1)
    upright = widest(names) > cell - 0.05
    if upright:
        names = [wrap(name, _UPRIGHT) for name in names]
    for_names = widest(names) + 0.06 if upright else 0.17
    block = 0.22 + for_names + tall + 0.14
    head = 0.22
    sheet = Sheet(TEXT_WIDTH, head + 2 * block + 0.36, look.notices(contrasts))
    limit = _limit(changes, variants)
    colours = matplotlib.colormaps[_COLOURS]
    for column, variant in enumerate(variants):
        left = MARGIN + _LABELS + column * (width + 0.15)
        sheet.text(left + width / 2, 0.1, variant, ha="center", fontsize=HEADING, weight="bold")
    for place, metric in enumerate(PANELS):
        top = head + place * block
        sheet.text(MARGIN, top + 0.1, PANELS[metric], fontsize=HEADING, weight="bold")
        below = top + 0.22 + for_names
        for (key, _), y in zip(models, _middles(heights), strict=True):
            sheet.text(MARGIN, below + y, labels[key])
        for column, variant in enumerate(variants):
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
                for n, foundation in enumerate(foundations):
                    row = changes.get((key, variant, metric, foundation))
                    _cell(axes, row, (n * cell, y - high / 2, cell, high), limit, colours)
    shown = [row for key, row in changes.items() if key[1] in variants]
    _colour_key(sheet, head + 2 * block, limit, shown, look, colours)
    return sheet.figure


@styled
def draw_foundation_dots(contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: a column of panels per foundation, S above and R below.

    Whiskers are 95 % intervals; the panels of one metric share their axis.
    """
    changes, foundations = _changes(contrasts, look)
    models = _models(changes, look)
    variants = [v for v in look.changed if any(v == key[1] for key in changes)]
    labels = {key: wrap(text, _LABELS - 0.1) for key, text in models}
    step = 0.1 if len(variants) <= 3 else 0.07
    heights = [max(step * len(variants) + 0.08, extent(labels[key])[1] + 0.05) for key, _ in models]
    tall = sum(heights)
    entries = [Entry(v, look.paint(v), "point") for v in variants]
    inner = TEXT_WIDTH - 2 * MARGIN
    width = (inner - _LABELS) / max(len(foundations), 1)
    names = [wrap(name, width - 0.1) for name in short_names(foundations)]
    for_names = max((extent(name)[1] for name in names), default=0.0) + 0.06
    head = key_height(entries, inner) + 0.1
    block = 0.24 + for_names + tall + 0.3
    sheet = Sheet(TEXT_WIDTH, head + 2 * block - 0.04, look.notices(contrasts))
    sheet.key(entries, MARGIN, 0.04, inner)
    for place, metric in enumerate(PANELS):
        top = head + place * block
        title = f"{PANELS[metric]}: change against {look.baseline}, %"
        sheet.text(MARGIN, top + 0.1, title, fontsize=HEADING, weight="bold")
        below = top + 0.24 + for_names
        for (key, _), y in zip(models, _middles(heights), strict=True):
            sheet.text(MARGIN, below + y, labels[key])
        rows = [row for key, row in changes.items() if key[2] == metric]
        for n, foundation in enumerate(foundations):
            left = MARGIN + _LABELS + n * width
            sheet.text(left + (width - 0.12) / 2, below - for_names / 2, names[n], ha="center")
            axes = sheet.axes(left, below, width - 0.12, tall, f"{metric} {foundation}")
            percent_axis(axes, rows, width - 0.12)
            bare(axes)
            axes.set_ylim(tall, 0)
            for (key, _), y in zip(models, _middles(heights), strict=True):
                for nth, variant in enumerate(variants):
                    row = changes.get((key, variant, metric, foundation))
                    if row is not None and finite(row["percent"]):
                        at = y + (nth - (len(variants) - 1) / 2) * step
                        dot(axes, row, at, look, variant, f"{key} {variant}")
    return sheet.figure


def _changes(contrasts: pl.DataFrame, look: Look) -> tuple[Changes, list[str]]:
    """Return the rows by model, variant, metric and foundation, and the foundations."""
    chosen = contrasts.filter(
        pl.col("probe") == look.roleplay,
        pl.col("foundation") != "overall",
        pl.col("metric").is_in(list(PANELS)),
    )
    variants = {f"{variant}-{look.baseline}": variant for variant in look.changed}
    rows = rows_by(chosen, "model", "contrast", "metric", "foundation")
    changes = {
        (model, variants[contrast], metric, foundation): row
        for (model, contrast, metric, foundation), row in rows.items()
        if contrast in variants
    }
    return changes, chosen["foundation"].unique(maintain_order=True).to_list()


def _models(changes: Changes, look: Look) -> list[tuple[str, str]]:
    """Return keys and labels of the models with a change, the study's mean last."""
    named = [(model.key, model.label) for model in look.models]
    if len(named) > 1:
        named.append(("mean", "Mean of models"))
    known = {key[0] for key in changes}
    return [(key, text) for key, text in named if key in known]


def _compared(changes: Changes, look: Look) -> list[str]:
    """Return control and target, where they have changes; else the first two that have."""
    known = [v for v in look.changed if any(v == key[1] for key in changes)]
    roles = [v for v in known if v in (look.control, look.target)]
    return roles or known[:2]


def _middles(heights: Sequence[float]) -> list[float]:
    ends = [sum(heights[: n + 1]) for n in range(len(heights))]
    return [end - high / 2 for end, high in zip(ends, heights, strict=True)]


def _limit(changes: Changes, variants: Sequence[str]) -> float:
    """Return the percent change at which colours end."""
    found = [abs(row["percent"]) for key, row in changes.items() if key[1] in variants
             and row["percent"] is not None]  # fmt: skip
    largest = max((x for x in found if not math.isnan(x)), default=_MOST)
    return 10.0 * max(math.ceil(min(largest, _MOST) / 10), 1)


def _cell(
    axes: Axes,
    row: Row | None,
    box: tuple[float, float, float, float],
    limit: float,
    colours: Colormap,
) -> None:
    """Draw one cell (left, top, width, height in inches) with its number."""
    from matplotlib.patches import Rectangle

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
    """Tell whether the interval of a change holds zero."""
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
