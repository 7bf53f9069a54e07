"""One model's profiles as polygons around a centre, or as dots where foundations are few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_collapse.figures.sheet import extent, wrap
from persona_collapse.figures.style import FAINT, GRID, INK, Paint
from persona_collapse.figures.tables import finite, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from persona_collapse.figures.sheet import Sheet

Scale = tuple[float, float]
Box = tuple[float, float, float, float]
_AWAY = 0.05  # inches between a corner and its label


@dataclass(frozen=True)
class Series:
    """One profile: a mean and a spread per foundation, None where the table has none."""

    name: str
    paint: Paint
    mean: tuple[float | None, ...]
    spread: tuple[float | None, ...]


def radar(
    sheet: Sheet,
    label: str,
    series: Sequence[Series],
    foundations: Sequence[str],
    scale: Scale,
    box: Box,
) -> None:
    """Draw polygons; a point lies (mean - scale minimum) from the centre, in rating units."""
    left, top, width, height = box
    angles = [2 * math.pi * place / len(foundations) for place in range(len(foundations))]
    labels = [wrap(name, 0.7) for name in short_names(foundations)]
    radius = _radius(labels, angles, width, height)
    centre = _reach(labels, angles, radius)[1]
    span = scale[1] - scale[0]
    axes = sheet.axes(
        left + width / 2 - radius, top + centre - radius, 2 * radius, 2 * radius, label
    )
    axes.set(xlim=(-span, span), ylim=(-span, span))
    axes.set_axis_off()
    closed = [*angles, angles[0]]
    for ring in range(1, math.floor(span) + 1):
        whole = ring == span
        colour, width_pt = (FAINT, 0.7) if whole else (GRID, 0.5)
        axes.plot(*_points([float(ring)] * len(closed), closed), color=colour, linewidth=width_pt)
    for angle in angles:
        axes.plot(*_points([0.0, span], [angle, angle]), color=GRID, linewidth=0.5)
    for one in series:
        _polygon(axes, f"{label} {one.name}", one, angles, scale)
    for name, angle in zip(labels, angles, strict=True):
        x, y = _label_place(name, angle, radius)
        sheet.text(left + width / 2 + x, top + centre + y, name, ha="center")


def _polygon(axes: Axes, name: str, one: Series, angles: Sequence[float], scale: Scale) -> None:
    low, high = scale
    closed = [*angles, angles[0]]
    mean = [math.nan if value is None else value for value in one.mean]
    spread = [value if finite(value) else 0.0 for value in one.spread]
    inner = [max(m - (s or 0.0), low) - low for m, s in zip(mean, spread, strict=True)]
    outer = [min(m + (s or 0.0), high) - low for m, s in zip(mean, spread, strict=True)]
    middle = [value - low for value in mean]
    if not any(math.isnan(value) for value in mean):
        outer_x, outer_y = _points([*outer, outer[0]], closed)
        inner_x, inner_y = _points([*inner, inner[0]], closed)
        axes.fill(
            [*outer_x, *reversed(inner_x)], [*outer_y, *reversed(inner_y)],
            color=one.paint.colour, alpha=0.22, linewidth=0, label=f"{name} band",
        )  # fmt: skip
    axes.plot(
        *_points([*middle, middle[0]], closed), color=one.paint.colour, linestyle=one.paint.line,
        linewidth=one.paint.width, marker=one.paint.marker, markersize=3, clip_on=False, label=name,
    )  # fmt: skip


def _points(radii: Sequence[float], angles: Sequence[float]) -> tuple[list[float], list[float]]:
    """Turn radii and angles (clockwise from the top) into x and y."""
    x = [radius * math.sin(angle) for radius, angle in zip(radii, angles, strict=True)]
    y = [radius * math.cos(angle) for radius, angle in zip(radii, angles, strict=True)]
    return x, y


def _label_place(label: str, angle: float, radius: float) -> tuple[float, float]:
    """Return the middle of a label beyond its corner, in inches right of and below the centre."""
    wide, tall = extent(label)
    away = radius + _AWAY
    return (
        math.sin(angle) * away + _lean(math.sin(angle)) * wide / 2,
        -math.cos(angle) * away - _lean(math.cos(angle)) * tall / 2,
    )


def _lean(share: float) -> float:
    """Return how far a label moves to one side of its corner: smoothly from -1 to 1."""
    return max(-1.0, min(1.0, 1.6 * share))


def _reach(
    labels: Sequence[str], angles: Sequence[float], radius: float
) -> tuple[float, float, float]:
    """Return how far labels reach to the side, above and below the centre, in inches."""
    side = above = below = radius
    for label, angle in zip(labels, angles, strict=True):
        wide, tall = extent(label)
        x, y = _label_place(label, angle, radius)
        side = max(side, abs(x) + wide / 2)
        above, below = max(above, tall / 2 - y), max(below, y + tall / 2)
    return side, above, below


def _radius(labels: Sequence[str], angles: Sequence[float], width: float, height: float) -> float:
    """Return the largest radius in inches whose labels stay inside the box."""
    radius = min(width, height) / 2
    while radius > 0.3:
        side, above, below = _reach(labels, angles, radius)
        if 2 * side <= width and above + below <= height:
            break
        radius -= 0.01
    return radius


def dots_height(foundations: int, series: int) -> float:
    """Return the height in inches that dots in rows of foundations need."""
    return 0.1 + max(foundations, 1) * max(0.35, 0.14 * series)


def dots(
    sheet: Sheet,
    label: str,
    series: Sequence[Series],
    foundations: Sequence[str],
    scale: Scale,
    box: Box,
) -> None:
    """Draw dots with whiskers where there are too few foundations for a polygon."""
    left, top, width, height = box
    labels = [wrap(name, width * 0.35) for name in short_names(foundations)]
    room = max(extent(label)[0] for label in labels) + 0.1
    tall = height - 0.34
    axes = sheet.axes(left + room, top, width - room - 0.1, tall, label)
    axes.set(xlim=scale, ylim=(len(foundations) - 0.5, -0.5))
    axes.xaxis.grid(visible=True)
    axes.set_yticks(range(len(foundations)), labels)
    axes.tick_params(axis="y", left=False)
    axes.set_xlabel("mean rating")
    step = 0.7 / max(len(series), 1)
    for place, one in enumerate(series):
        for row, (mean, spread) in enumerate(zip(one.mean, one.spread, strict=True)):
            if mean is None:
                continue
            reach = spread or 0.0
            axes.errorbar(
                mean, row + (place - (len(series) - 1) / 2) * step,
                xerr=[[min(reach, mean - scale[0])], [min(reach, scale[1] - mean)]],
                color=one.paint.colour, ecolor=INK, elinewidth=0.8, capsize=1.6,
                marker=one.paint.marker, markersize=3.5, linestyle="none", clip_on=False,
                label=f"{label} {one.name}",
            )  # fmt: skip
