"""Profiles per model: polygons around a centre, or dots where domains are few."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import versus_base
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.marks import MINUS, blank, finite, point, rows_by, short_names
from persona_collapse.figures.panels import Frame, Grid
from persona_collapse.figures.sheet import Entry, Sheet, extent, widest, wrap
from persona_collapse.figures.style import FAINT, GRID, HEADING, INK, SMALL, TOXIC, Paint, titled

Scale = Sequence[float]
_FEWEST = 3  # domains that span a polygon
_AWAY = 0.05  # inches between a corner and its label


@dataclass(frozen=True)
class Series:
    """One profile: a mean and a spread per domain, None where the table has none."""

    name: str
    paint: Paint
    mean: tuple[float | None, ...]
    spread: tuple[float | None, ...]


def saturation_radars(
    profiles: pl.DataFrame, diagnostics: pl.DataFrame, look: Look, *, scale: Scale
) -> Figure:
    """Return the figure: unconditioned profiles, bands of one mean within-item SD each way.

    Where the baseline was asked to play toxic personas, its mean profile under them is drawn, too.
    ``scale`` holds the lowest and the highest rating of the instrument.
    """
    probes = profiles.filter(pl.col("probe").is_in([look.unconditioned, look.toxic]))
    present = set(probes.filter(probe=look.unconditioned)["variant"])
    shown = [
        (name, name, look.unconditioned, "sd_within", look.paint(name))
        for name in look.variants
        if name in present
    ]
    base = look.baseline
    if present and not probes.filter(probe=look.toxic, variant=base).is_empty():
        shown.append((f"{base} as toxic personas", base, look.toxic, "", TOXIC))
    figure = _figure(probes, look, scale, shown, "mean \u00b1 SD of repeated answers.")
    if not present:
        return figure
    rows = rows_by(
        diagnostics, "model", "variant",
        probe=look.unconditioned, domain="overall", measure="saturation",
    )  # fmt: skip
    nearer = "the profile without a persona is closer to the top of the scale"
    return titled(figure, versus_base(look, rows, nearer, nearer.replace("is", "is not shown", 1)))


def _figure(
    profiles: pl.DataFrame,
    look: Look,
    scale: Scale,
    shown: Sequence[tuple[str, str, str, str, Paint]],
    note: str,
) -> Figure:
    """Draw one panel per model.

    ``shown`` are the series: their name, variant, probe, the column of their spread ("" for none),
    and paint.
    """
    found = rows_by(profiles, "model", "variant", "probe", "domain")
    names = profiles["domain"].unique(maintain_order=True)
    domains = [name for name in names if name != "overall"]
    polygons = len(domains) >= _FEWEST
    if polygons:
        low, high = (f"{end:g}".replace("-", MINUS) for end in scale)
        note = f"Bands: {note} The centre is {low}, the rim {high}."
    else:
        note = f"Whiskers: {note}"
    models = [m for m in look.models if any(key[0] == m.key for key in found)]
    if not shown or not any(finite(row["mean"]) for row in found.values()):
        return blank("No profiles: nothing was answered without a persona.")
    entries = [Entry(name, paint, "line") for name, _, _, _, paint in shown]
    for_dots = 0.85 + max(len(domains), 1) * max(0.35, 0.14 * len(shown))
    heights = (2.5, 2.15, 1.75) if polygons else (for_dots,) * 3
    grid = Grid(look, len(models), entries, note, heights, look.notices(profiles))
    draw = _radar if polygons else _dots
    panels = []
    for model, box in zip(models, grid.boxes, strict=True):
        series = []
        for name, variant, probe, spread, paint in shown:
            rows = [found.get((model.key, variant, probe, f), {}) for f in domains]
            means, spreads = (tuple(row.get(column) for row in rows) for column in ("mean", spread))
            series.append(Series(name, paint, means, spreads))
        present = [one for one in series if any(finite(mean) for mean in one.mean)]
        absent = [one.name for one in series if one not in present]
        panels.append((model, present, box, _heading(grid.sheet, model, absent, box)))
    used = max((head for *_, head in panels), default=0.0)  # one size for all: they compare
    for model, present, (left, top, width, height), _ in panels:
        below = (left, top + used, width, height - used)
        draw(grid.sheet, model.key, present, domains, scale, below)
    return grid.sheet.figure


def _heading(sheet: Sheet, model: ModelLook, absent: Sequence[str], box: Frame) -> float:
    """Write the model's label and which series it has not; return the height used, in inches."""
    left, top, width, _ = box
    middle = left + width / 2
    size = HEADING if extent(model.label, HEADING, bold=True)[0] <= width else SMALL
    label = wrap(model.label, width, size, bold=True)
    tall = extent(label, size)[1]
    sheet.text(middle, top + tall / 2, label, ha="center", fontsize=size, weight="bold")
    if not absent:
        return tall + 0.06
    note = wrap(f"no {', '.join(absent)}", width)
    more = extent(note)[1]
    sheet.text(middle, top + tall + more / 2, note, ha="center", color=FAINT)
    return tall + more + 0.06


def _radar(
    sheet: Sheet,
    label: str,
    series: Sequence[Series],
    domains: Sequence[str],
    scale: Scale,
    box: Frame,
) -> None:
    """Draw polygons; a point lies (mean - scale minimum) from the centre, in rating units."""
    left, top, width, height = box
    angles = [2 * math.pi * place / len(domains) for place in range(len(domains))]
    labels = [wrap(name, 0.7) for name in short_names(domains)]
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
    _number_rings(axes, radius, scale, angles)
    for one in series:
        _polygon(axes, f"{label} {one.name}", one, angles, scale)
    for name, angle in zip(labels, angles, strict=True):
        x, y = _label_place(name, angle, radius)
        sheet.text(left + width / 2 + x, top + centre + y, name, ha="center")


def _number_rings(axes: Axes, radius: float, scale: Scale, angles: Sequence[float]) -> None:
    """Write on each ring inside the rim what it stands for, where rings are apart enough."""
    low, span = scale[0], scale[1] - scale[0]
    every = max(1, math.ceil(0.13 * span / radius))
    # In the middle of the side left of the first spoke, where no corner and no label is.
    half = math.pi / len(angles)
    for ring in range(every, math.ceil(span), every):
        away = ring * math.cos(half)
        text = f"{low + ring:g}".replace("-", MINUS)
        axes.text(
            -away * math.sin(half), away * math.cos(half), text, color=FAINT, ha="center",
            va="center_baseline", zorder=1.5,
        )  # fmt: skip


def _polygon(axes: Axes, name: str, one: Series, angles: Sequence[float], scale: Scale) -> None:
    low, high = scale
    closed = [*angles, angles[0]]
    mean = [math.nan if value is None else value for value in one.mean]
    spread = [value if value is not None and finite(value) else 0.0 for value in one.spread]
    inner = [max(m - s, low) - low for m, s in zip(mean, spread, strict=True)]
    outer = [min(m + s, high) - low for m, s in zip(mean, spread, strict=True)]
    middle = [value - low for value in mean]
    if any(spread) and not any(math.isnan(value) for value in mean):
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


def _dots(
    sheet: Sheet,
    label: str,
    series: Sequence[Series],
    domains: Sequence[str],
    scale: Scale,
    box: Frame,
) -> None:
    """Draw dots with whiskers where there are too few domains for a polygon."""
    left, top, width, height = box
    labels = [wrap(name, width * 0.35) for name in short_names(domains)]
    room = widest(labels) + 0.1
    tall = height - 0.34
    axes = sheet.axes(left + room, top, width - room - 0.1, tall, label)
    axes.set(xlim=scale, ylim=(len(domains) - 0.5, -0.5))
    axes.xaxis.grid(visible=True)
    axes.set_yticks(range(len(domains)), labels)
    axes.tick_params(axis="y", left=False)
    axes.set_xlabel("mean rating")
    step = 0.7 / max(len(series), 1)
    for place, one in enumerate(series):
        for row, (mean, spread) in enumerate(zip(one.mean, one.spread, strict=True)):
            if mean is None:
                continue
            reach = spread or 0.0
            point(
                axes, mean, row + (place - (len(series) - 1) / 2) * step, one.paint,
                f"{label} {one.name}", ecolor=INK, elinewidth=0.8, capsize=1.6, clip_on=False,
                xerr=[[min(reach, mean - scale[0])], [min(reach, scale[1] - mean)]],
            )  # fmt: skip
