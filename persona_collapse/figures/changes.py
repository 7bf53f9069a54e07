"""Percent changes of S and R per domain against the baseline."""

import math
from collections.abc import Sequence
from itertools import product

import matplotlib
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from persona_collapse.figures.findings import moved, sentence, subjects
from persona_collapse.figures.look import METRICS, Look
from persona_collapse.figures.marks import (
    Row,
    blank,
    finite,
    rows_by,
    short_names,
    signed,
)
from persona_collapse.figures.panels import Frame
from persona_collapse.figures.sheet import (
    MARGIN,
    Sheet,
    extent,
    widest,
    wrap,
)
from persona_collapse.figures.style import FAINT, ON_DARK, ON_PALE, PAPER, titled

_LABELS = 1.15  # inches for models' labels beside domains
_CELL = 0.19
_UPRIGHT = 0.75  # inches that an upright name may take before it breaks
_MOST = 100.0  # percent at which colours end: R cannot fall by more
_COLOURS = "PuOr_r"
AT_LEAST = "\u2265 "
TOWARDS = {"S": 1, "R": -1}  # the direction of a collapse
_DARK = 0.19  # luminance below which white reads better than ink
Changes = dict[tuple[str, str, str, str], Row]


def domain_heatmap(contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: S above, R below, a panel for each control and target, two side by side.

    Cells print the percent change, in brackets where its 95 % interval holds zero. Colours tell a
    change towards collapse, a rise of S or a fall of R, from one away from it; they end at 100 %
    (or at the largest change below that).
    """
    changes, domains = _changes(contrasts, look)
    variants = _compared(changes, look)
    models = _models(changes, look)
    if not any(finite(row["percent"]) for row in changes.values()):
        return blank(
            f"No change of S and R: no variant is compared with {look.baseline}, or the values "
            "have no percent change.",
            look,
            contrasts,
        )
    labels = {key: wrap(text, _LABELS - 0.1) for key, text in models}
    heights = [max(_CELL, extent(labels[key])[1] + 0.03) for key, _ in models]
    tall = sum(heights)
    across = 1 if look.narrow else 2
    width = (look.width - 2 * MARGIN - _LABELS - 0.15 * (across - 1)) / across
    names = short_names(domains)
    cell = width / max(len(domains), 1)
    upright = widest(names) > cell - 0.05
    if upright:
        names = [wrap(name, _UPRIGHT) for name in names]
    for_names = widest(names) + 0.06 if upright else 0.17
    block = 0.22 + for_names + tall + 0.14
    head = 0.22
    sides = [variants[n : n + across] for n in range(0, len(variants), across)]
    tall_block = head + len(METRICS) * block
    sheet = Sheet(
        look.width,
        len(sides) * tall_block + (0.7 if look.narrow else 0.36),
        look.notices(contrasts),
    )
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
                    box = (n * cell, y - high / 2, cell, high)
                    _cell(axes, row, box, TOWARDS[metric] * limit, colours)
    shown = [row for key, row in changes.items() if key[1] in variants]
    _colour_key(sheet, len(sides) * tall_block, limit, shown, look, colours)
    return titled(sheet.figure, _finding(changes, domains, look))


def _finding(changes: Changes, domains: Sequence[str], look: Look) -> str:
    """Say in how many domains, and models, S and R moved."""
    name, pairs = subjects(look, list(dict.fromkeys((m, v) for m, v, *_ in changes if m != "mean")))
    rows = {
        metric: [changes.get((*pair, metric, domain)) for pair in pairs for domain in domains]
        for metric in METRICS
    }
    if not pairs or not domains:
        return ""
    noun = f"{look.worded('domains')}" if len(pairs) == 1 else f"{look.worded('domain')} values"
    parts = [moved(metric, rows[metric], noun) for metric in METRICS]
    return sentence(f"from {look.baseline} to {name}, {parts[0]}", parts[1])


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
    """Draw one cell (left, top, width, height in inches) with its number.

    ``limit`` is the percent change towards collapse at which colours end, with its sign.
    """
    left, top, width, height = box
    value = row["percent"] if row else None
    known = value is not None and not math.isnan(value)
    share = min(max((value or 0.0) / limit, -1.0), 1.0) if known else 0.0
    red, green, blue, _ = colours(0.5 + share / 2)
    face = (red, green, blue) if known else "none"
    tile = Rectangle((left, top), width, height, facecolor=face, edgecolor=PAPER, linewidth=0.8)
    axes.add_patch(tile)
    text = f"({signed(value)})" if _unclear(row) else signed(value)
    on = ON_DARK if _luminance(red, green, blue) < _DARK else ON_PALE
    axes.text(
        left + width / 2, top + height / 2, text, ha="center", va="center_baseline",
        color=on if known else FAINT,
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
    wide, away, towards = 1.1, "away from collapse", "towards collapse"
    left = MARGIN + extent(away)[0] + 0.1
    axes = sheet.axes(left, top + 0.06, wide, 0.1, "colours")
    axes.imshow([[n / 100 for n in range(101)]], cmap=colours, aspect="auto", vmin=0, vmax=1)
    capped = any(finite(row["percent"]) and abs(row["percent"]) > limit for row in rows)
    end = f"{AT_LEAST if capped else ''}{limit:.0f} %"
    axes.set_xticks([0, 50, 100], [end, "0", end])
    axes.tick_params(axis="y", left=False, labelleft=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    sheet.text(MARGIN, top + 0.11, away)
    sheet.text(left + wide + 0.1, top + 0.11, towards)
    brackets = "; (in brackets): its 95 % interval holds 0" if any(map(_unclear, rows)) else ""
    beside = left + wide + extent(towards)[0] + 0.3
    if look.narrow:
        beside, top = MARGIN, top + 0.34
    text = wrap(f"change against {look.baseline}, %{brackets}", sheet.width - MARGIN - beside)
    sheet.text(beside, top + 0.06 + extent(text)[1] / 2, text, color=FAINT)
