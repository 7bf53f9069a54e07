"""The R-S map: every variant as a point, with arrows from each model's baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.labels import Segment
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.plane import Spot, arrows, family_entries, names_of, write_names
from persona_collapse.figures.sheet import (
    MARGIN,
    Entry,
    Sheet,
    extent,
    key_height,
    key_width,
    wrap,
)
from persona_collapse.figures.style import (
    FAINT,
    TEXT_WIDTH,
    save,
    styled,
)
from persona_collapse.figures.tables import (
    ABSENT,
    INFINITY,
    Row,
    finite,
    interval,
    rows_by,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEY = 1.75  # inches that the key may take at most


def robustness_map(metrics: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the R-S map of the study's variants."""
    save(draw_robustness_map(metrics, look), stem)


@styled
def draw_robustness_map(metrics: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: R on a log axis, S upwards, families by marker, variants by colour.

    Whiskers are 95 % intervals, or one standard error where there is none. An infinite R stands at
    the right edge; a variant with an undefined S or R is named in the key instead.
    """
    values = rows_by(metrics, "model", "variant", probe=look.roleplay, foundation="overall")
    known = {
        key: row
        for key, row in values.items()
        if finite(row["S"]) and row["R"] is not None and row["R"] > 0
    }
    models = [m for m in look.models if any(key[0] == m.key for key in values)]
    entries, note = _entries(models, values, known, look)
    room = max([key_width(entries), extent(note)[0]])
    for_key, for_note = key_height(entries, 0.0), extent(note)[1]
    height = max(3.2, for_key + for_note + 0.3)
    sheet = Sheet(TEXT_WIDTH, height, look.notices(metrics))
    plot = (MARGIN + 0.42, 0.08, TEXT_WIDTH - room - 0.42 - 3 * MARGIN - 0.1, height - 0.5)
    axes = sheet.axes(*plot, "map")
    edge = _axes(axes, list(known.values()))
    spots = [
        Spot(m, v, known[m.key, v], min(known[m.key, v]["R"], edge), known[m.key, v]["S"])
        for m in models
        for v in look.variants
        if (m.key, v) in known
    ]
    lines = [line for spot in spots for line in _point(axes, spot, look)]
    lines += arrows(axes, spots, look)
    write_names(axes, spots, lines, names_of(models), _named(spots, look))
    left = TEXT_WIDTH - MARGIN - room
    sheet.key(entries, left, 0.1, 0.0)
    sheet.text(left, 0.16 + for_key + for_note / 2, note, color=FAINT)
    return sheet.figure


def _entries(
    models: Sequence[ModelLook],
    values: dict[tuple[str, str], Row],
    known: dict[tuple[str, str], Row],
    look: Look,
) -> tuple[list[Entry], str]:
    """Return the key's entries and a note on what could not be drawn."""
    drawn = [v for v in look.variants if any(v == variant for _, variant in values)]
    entries = [
        Entry(name, look.paint(name), "block" if name == look.baseline else "stroke")
        for name in drawn
    ]
    entries += family_entries(models, look, _KEY)
    labels = {model.key: model.label for model in models}
    missing = [
        wrap(f"{labels[model]}, {variant}: S or R {ABSENT}", _KEY)
        for model, variant in values
        if (model, variant) not in known and model in labels
    ]
    return entries, "\n".join(missing)


def _axes(axes: Axes, rows: Sequence[Row]) -> float:
    """Set limits, ticks and labels; return the x of an infinite R."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

    across = [row["R"] for row in rows if finite(row["R"])]
    across += [end for row in rows for end in interval(row, "R") or () if end > 0]
    upwards = [row["S"] for row in rows]
    upwards += [end for row in rows for end in interval(row, "S") or ()]
    across = [x for x in across if math.isfinite(x)] or [1.0]
    upwards = upwards or [0.0]
    low, high = min(across) / 1.12, max(across) * 1.12
    ticks = [t for t in _log_ticks(low, high) if low <= t <= high]
    labels = [f"{tick:g}" for tick in ticks]
    edge: float = high * (high / low) ** 0.12
    if any(math.isinf(row["R"]) for row in rows):
        ticks, labels = [*ticks, edge], [*labels, INFINITY]
        high = edge * (edge / low) ** 0.04
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.set_xticks(ticks, labels)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    pad = 0.08 * (max(upwards) - min(upwards)) or 0.1
    axes.set_ylim(min(upwards) - pad, max(upwards) + pad)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(visible=True)
    axes.set_xlabel("Moral robustness R (log scale)")
    axes.set_ylabel("Moral susceptibility S")
    return edge


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two positive ones, as few as tell a log axis."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    span = high / low
    dense = (1, 2, 3, 5, 7) if span < 8 else (1, 2, 3, 5) if span < 40 else (1, 3)
    ticks = [step * 10.0**decade for decade in decades for step in dense]
    if sum(low <= tick <= high for tick in ticks) < 2:
        return [float(f"{x:.2g}") for x in (low * 1.02, (low * high) ** 0.5, high / 1.02)]
    return ticks


def _point(axes: Axes, spot: Spot, look: Look) -> list[Segment]:
    """Draw a point with its whiskers; return where the whiskers run."""
    paint = look.paint(spot.variant)
    reach: dict[str, list[list[float]] | None] = {"S": None, "R": None}
    for metric, value in (("S", spot.y), ("R", spot.x)):
        ends = interval(spot.row, metric)
        if ends:
            high = ends[1] if math.isfinite(ends[1]) else axes.get_xlim()[1]
            low = max(ends[0], axes.get_xlim()[0]) if metric == "R" else ends[0]
            reach[metric] = [[max(value - low, 0)], [max(high - value, 0)]]
    axes.errorbar(
        spot.x, spot.y, xerr=reach["R"], yerr=reach["S"], color=paint.colour,
        marker=look.families[spot.model.family], markersize=5, elinewidth=0.7,
        markeredgecolor="white", markeredgewidth=0.5, linestyle="none", zorder=3,
        label=f"{spot.model.key} {spot.variant}",
    )  # fmt: skip
    (left, right), (down, up) = ([ends[0] for ends in reach[m] or [[0.0]] * 2] for m in ("R", "S"))
    return [
        ((spot.x - left, spot.y), (spot.x + right, spot.y)),
        ((spot.x, spot.y - down), (spot.x, spot.y + up)),
    ]


def _named(spots: Sequence[Spot], look: Look) -> dict[str, Spot]:
    """Return where each model's name stands: at its baseline, else at its first variant."""
    firsts: dict[str, Spot] = {}
    for spot in spots:
        if spot.model.key not in firsts or spot.variant == look.baseline:
            firsts[spot.model.key] = spot
    return firsts
