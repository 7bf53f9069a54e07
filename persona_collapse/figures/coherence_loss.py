"""Does robustness go where coherence goes: one point per model, and their correlation in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.labels import Placer, Segment
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.plane import family_entries, names_of
from persona_collapse.figures.sheet import MARGIN, SWATCH, Entry, Sheet, extent, key_height, wrap
from persona_collapse.figures.style import FAINT, GRID, INK, SMALL, TEXT_WIDTH, Paint, save, styled
from persona_collapse.figures.tables import (
    ABSENT,
    MINUS,
    Row,
    finite,
    interval,
    rows_by,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEAN = "mean"
ACROSS, UPWARDS = "coherence_excess", "robustness_excess"
_KEY = 2.0  # inches of the column with key and words
_PLOT = 3.2  # inches of the plot's height

Spot = tuple[ModelLook, Row]


def coherence_loss(loss: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the figure of excess losses."""
    save(draw_coherence_loss(loss, look), stem)


@styled
def draw_coherence_loss(loss: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: excess change of mean coherence across, of R upwards, in points.

    An excess is the target's percent change less the control's; whiskers are 95 % intervals. The
    dashed diagonal is where both change alike. Pearson's r stands in words beside the plot.
    """
    rows = rows_by(loss, "model")
    models = [m for m in look.models if m.key in rows]
    spots = [(m, rows[m.key]) for m in models if _whole(rows[m.key])]
    entries = _entries(models, look)
    words = _words(rows.get(MEAN), models, spots)
    for_key = key_height(entries, 0.0)
    height = max(_PLOT + 0.5, for_key + extent(words)[1] + 0.5)
    sheet = Sheet(TEXT_WIDTH, height, look.notices(loss))
    wide = TEXT_WIDTH - _KEY - 0.48 - 4 * MARGIN
    excess = f"{look.target} less {look.control}, percent of {look.baseline}"
    across = wrap(f"Mean coherence: {excess}", wide - 0.2)
    upwards = wrap(f"Moral robustness R: {excess}", _PLOT - 0.2)
    below, beside = (extent(label)[1] - extent("x")[1] for label in (across, upwards))
    box = (MARGIN + 0.48 + beside, 0.08, wide - beside, height - 0.5 - below)
    axes = sheet.axes(*box, "excesses")
    axes.set(xlabel=across, ylabel=upwards)
    lines = _axes(axes, [row for _, row in spots])
    for spot in spots:
        lines += _point(axes, spot, look)
    placer = Placer(axes, [(row[ACROSS], row[UPWARDS]) for _, row in spots], lines)
    names = names_of(models)
    for model in models:
        row = rows[model.key]
        if _whole(row):
            placer.place(names[model.key], (row[ACROSS], row[UPWARDS]), color=INK, fontsize=SMALL)
    left = TEXT_WIDTH - MARGIN - _KEY
    sheet.key(entries, left, 0.1, 0.0)
    sheet.text(left, 0.3 + for_key + extent(words)[1] / 2, words, color=INK)
    return sheet.figure


def _whole(row: Row) -> bool:
    return finite(row[ACROSS]) and finite(row[UPWARDS])


def _entries(models: Sequence[ModelLook], look: Look) -> list[Entry]:
    entries = family_entries(models, look, _KEY, look.paint(look.target).colour)
    alike = wrap("both change alike", _KEY - SWATCH)
    return [*entries, Entry(alike, Paint(FAINT, "", (0, (4, 3)), "o", 0.8), "stroke")]


def _words(mean: Row | None, models: Sequence[ModelLook], spots: Sequence[Spot]) -> str:
    """Say what the correlation is and how little or much it tells."""
    drawn = {model.key for model, _ in spots}
    parts = [f"{model.label}: {ABSENT}" for model in models if model.key not in drawn]
    if mean is not None and finite(mean["r"]):
        parts.insert(0, f"Pearson r = {_r(mean['r'])} over {mean['n_models']:.0f} models")
        parts.insert(1, f"95 % interval [{_r(mean['r_lo'])}, {_r(mean['r_hi'])}] (Fisher z)")
        if finite(mean["r_lo_bootstrap"]):
            ends = f"[{_r(mean['r_lo_bootstrap'])}, {_r(mean['r_hi_bootstrap'])}]"
            parts.insert(2, f"{ends} (models redrawn)")
    elif mean is not None and mean["note"]:
        parts.insert(0, mean["note"])
    return "\n".join(wrap(part, _KEY) for part in parts)


def _r(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)


def _axes(axes: Axes, rows: Sequence[Row]) -> list[Segment]:
    """Set limits and ticks, draw zero and the diagonal; return where those run."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    limits = []
    for name in (ACROSS, UPWARDS):
        ends = [0.0, *(end for row in rows for end in (row[name], *(interval(row, name) or ())))]
        low, high = min(ends), max(ends)
        pad = 0.1 * (high - low) or 1.0
        limits.append((low - pad, high + pad))
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))
    axes.grid(visible=True)
    axes.axhline(0, color=GRID, linewidth=1.2, zorder=1)
    axes.axvline(0, color=GRID, linewidth=1.2, zorder=1)
    low, high = max(limits[0][0], limits[1][0]), min(limits[0][1], limits[1][1])
    axes.plot(
        [low, high], [low, high], color=FAINT, linestyle=(0, (4, 3)), linewidth=0.8, zorder=1,
        label="alike",
    )  # fmt: skip
    return [((low, low), (high, high))]


def _point(axes: Axes, spot: Spot, look: Look) -> list[Segment]:
    """Draw a point with its whiskers; return where the whiskers run."""
    model, row = spot
    x, y = row[ACROSS], row[UPWARDS]
    ends = {name: interval(row, name) or (row[name], row[name]) for name in (ACROSS, UPWARDS)}
    reach = {
        name: [[max(0.0, row[name] - low)], [max(0.0, high - row[name])]]
        for name, (low, high) in ends.items()
    }
    axes.errorbar(
        x, y, xerr=reach[ACROSS], yerr=reach[UPWARDS], color=look.paint(look.target).colour,
        marker=look.families[model.family], markersize=5, elinewidth=0.7, markeredgecolor="white",
        markeredgewidth=0.5, linestyle="none", zorder=3, label=model.key,
    )  # fmt: skip
    (left, right), (down, up) = ends[ACROSS], ends[UPWARDS]
    return [((left, y), (right, y)), ((x, down), (x, up))]
