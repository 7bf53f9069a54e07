"""Profiles without a persona: a strip of radars per model, or of dots where domains are few."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import versus_base
from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import (
    MINUS,
    blank,
    finite,
    point,
    rows_by,
    short_names,
    ticks,
)
from persona_collapse.figures.panels import Blocks, Frame, Space
from persona_collapse.figures.sheet import MARGIN, Sheet, extent, widest, wrap
from persona_collapse.figures.style import FAINT, GRID, INK, PAPER, TOXIC, Paint, titled

Scale = Sequence[float]
_FEWEST = 3  # domains that span a polygon
_AWAY = 0.05  # inches between a corner and its label
_GUIDE = 0.56  # radius in inches of the empty radar with the names of domains and rings
_APART = 0.11  # least distance in inches of two numbered rings
Columns = tuple[str, ...]  # of the profiles table: variant, probe, and the spread's or ""


@dataclass(frozen=True)
class Profile:
    """A mean and a spread per domain, None where the table has none."""

    mean: tuple[float | None, ...]
    spread: tuple[float | None, ...]


def saturation_radars(
    profiles: pl.DataFrame, diagnostics: pl.DataFrame, look: Look, *, scale: Scale
) -> Figure:
    """Return the figure: unconditioned profiles, bands of one mean within-item SD each way.

    A strip per model has a radar per variant. Where the baseline was asked to play toxic personas,
    its mean profile under them is the last one. A thin line repeats the baseline's profile in all
    other radars. ``scale`` holds the lowest and the highest rating of the instrument.
    """
    probes = profiles.filter(pl.col("probe").is_in([look.unconditioned, look.toxic]))
    present = set(probes.filter(probe=look.unconditioned, domain="overall")["variant"])
    base = look.baseline
    shown: dict[str, Columns] = {
        name: (name, look.unconditioned, "sd_within") for name in look.variants if name in present
    }
    if present and not probes.filter(probe=look.toxic, variant=base).is_empty():
        shown[f"{base} as toxic personas"] = (base, look.toxic, "")
    found = rows_by(probes, "model", "variant", "probe", "domain")
    if not present or not any(finite(row["mean"]) for row in found.values()):
        return blank("No profiles: nothing was answered without a persona.", look, probes)
    figure = _strips(probes, look, scale, shown)
    rows = rows_by(
        diagnostics, "model", "variant",
        probe=look.unconditioned, domain="overall", measure="saturation",
    )  # fmt: skip
    nearer = "the profile without a persona is closer to the top of the scale"
    return titled(figure, versus_base(look, rows, nearer, nearer.replace("is", "is not shown", 1)))


def _strips(profiles: pl.DataFrame, look: Look, scale: Scale, shown: dict[str, Columns]) -> Figure:
    """Draw a block per model and a panel per profile of ``shown``, by their names."""
    found = rows_by(profiles, "model", "variant", "probe", "domain")
    domains = [d for d in profiles["domain"].unique(maintain_order=True) if d != "overall"]
    models = [m for m in look.models if any(key[0] == m.key for key in found)]
    paints = {name: look.paint(name) if name in look.variants else TOXIC for name in shown}
    kind = _Radars if len(domains) >= _FEWEST else _Dots
    drawing = kind(domains, scale, look.domain_word, look.baseline if len(shown) > 1 else "")
    space = drawing.space
    names = {name: wrap(name, space.least - 0.2) for name in shown}
    titles = max(extent(name)[1] for name in names.values())
    space = replace(space, above=space.above + titles)
    sheet = Blocks(look, models, len(shown), space, [], drawing.note, look.notices(profiles))
    drawing.guide(sheet.sheet)
    for block in sheet.blocks:
        own = {}
        for name, (variant, probe, spread) in shown.items():
            rows = [found.get((block.model.key, variant, probe, d), {}) for d in domains]
            means, spreads = (tuple(row.get(c) for row in rows) for c in ("mean", spread))
            own[name] = Profile(means, spreads)
        for (name, profile), frame in zip(own.items(), block.frames, strict=True):
            left, top, wide, tall = frame
            sheet.sheet.named(left, top - space.above + titles / 2, paints[name], names[name])
            if not any(finite(mean) for mean in profile.mean):
                at = left + wide / 2, top + tall / 2
                sheet.sheet.text(*at, "not asked", ha="center", color=FAINT)
                continue
            first = left == block.frames[0][0]
            axes = drawing.axes(sheet.sheet, frame, f"{block.model.key} {name}", first=first)
            if name != look.baseline and look.baseline in own:
                drawing.outline(axes, own[look.baseline], look.paint(look.baseline))
            drawing.profile(axes, profile, paints[name], f"{block.model.key} {name}")
    return sheet.sheet.figure


def _ends(scale: Scale) -> list[str]:
    return [f"{end:g}".replace("-", MINUS) for end in scale]


class _Radars:
    """Radars of one size on rings that all share; an empty one above names corners and rings.

    ``outlined`` is the baseline, whose profile is repeated in all radars; "" without any.
    """

    note = ""

    def __init__(self, domains: Sequence[str], scale: Scale, word: str, outlined: str) -> None:
        self.scale, self.span = scale, scale[1] - scale[0]
        self.angles = [2 * math.pi * place / len(domains) for place in range(len(domains))]
        self.names = [wrap(name, 0.7) for name in short_names(domains)]
        self.letters = _beginnings(short_names(domains))
        low, high = _ends(scale)
        self.text = (
            f"Mean rating per {word} without a persona, from {low} at the centre to {high} at the "
            "rim. Bands: mean \u00b1 SD of repeated answers."
        ) + (f" Thin grey line: {outlined}." if outlined else "")
        _, above, below = _reach(self.names, self.angles, _GUIDE)
        self.space = Space(
            left=0, gap=0.06, above=0.02, below=0.08, foot=0.03, height=None, widest=1.5,
            least=0.84, most=8, head=above + below + 0.06,
        )  # fmt: skip

    def guide(self, sheet: Sheet) -> None:
        """Draw the empty radar, and beside it what is drawn."""
        side, above, _ = _reach(self.names, self.angles, _GUIDE)
        axes = self._rings(sheet, (MARGIN + side, 0.04 + above), _GUIDE, self.names, "rings")
        every = max(1, math.ceil(_APART * self.span / _GUIDE))
        ground = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
        for ring in range(every, math.ceil(self.span), every):
            (text,) = _ends([self.scale[0] + ring])
            axes.text(0, ring, text, ha="center", va="center_baseline", color=FAINT, bbox=ground)
        left = 2 * MARGIN + 2 * side + 0.14
        text = wrap(self.text, min(3.6, sheet.width - MARGIN - left))
        sheet.text(left, 0.04 + above, text, color=FAINT)

    def axes(self, sheet: Sheet, frame: Frame, label: str, *, first: bool) -> Axes:
        """Return a radar's axes in a frame; every one names its own corners."""
        left, top, width, height = frame
        radius = _radius(self.letters, self.angles, width, height)
        above = _reach(self.letters, self.angles, radius)[1]
        return self._rings(sheet, (left + width / 2, top + above), radius, self.letters, label)

    def _rings(
        self,
        sheet: Sheet,
        centre: tuple[float, float],
        radius: float,
        names: Sequence[str],
        label: str,
    ) -> Axes:
        """Draw rings, spokes and the corners' names around a centre in inches."""
        x, y = centre
        axes = sheet.axes(x - radius, y - radius, 2 * radius, 2 * radius, label)
        axes.set(xlim=(-self.span, self.span), ylim=(-self.span, self.span))
        axes.set_axis_off()
        for ring in range(1, math.floor(self.span) + 1):
            rim = ring == self.span
            style: dict[str, Any] = {"color": FAINT if rim else GRID, "linewidth": 0.6}
            axes.plot(*self._closed([float(ring)] * len(names)), label=f"ring {ring}", **style)
        for angle, name in zip(self.angles, names, strict=True):
            axes.plot(*_points([0.0, self.span], [angle, angle]), color=GRID, linewidth=0.5)
            across, down = _label_place(name, angle, radius)
            sheet.text(x + across, y + down, name, ha="center", color=FAINT)
        return axes

    def _closed(self, radii: Sequence[float]) -> tuple[list[float], list[float]]:
        return _points([*radii, radii[0]], [*self.angles, self.angles[0]])

    def outline(self, axes: Axes, profile: Profile, paint: Paint) -> None:
        """Draw a profile as a thin line."""
        radii = [m - self.scale[0] if m is not None else math.nan for m in profile.mean]
        axes.plot(*self._closed(radii), color=paint.colour, linewidth=paint.width, label="outline")

    def profile(self, axes: Axes, profile: Profile, paint: Paint, name: str) -> None:
        """Draw a polygon; a point lies (mean - scale minimum) from the centre, in rating units."""
        low, high = self.scale
        mean = [math.nan if value is None else value for value in profile.mean]
        spread = [v if v is not None and finite(v) else 0.0 for v in profile.spread]
        inner = [max(m - s, low) - low for m, s in zip(mean, spread, strict=True)]
        outer = [min(m + s, high) - low for m, s in zip(mean, spread, strict=True)]
        if any(spread) and not any(math.isnan(value) for value in mean):
            (outer_x, outer_y), (inner_x, inner_y) = self._closed(outer), self._closed(inner)
            axes.fill(
                [*outer_x, *reversed(inner_x)], [*outer_y, *reversed(inner_y)],
                color=paint.colour, alpha=0.25, linewidth=0, label=f"{name} band",
            )  # fmt: skip
        axes.plot(
            *self._closed([value - low for value in mean]), color=paint.colour,
            linestyle=paint.line, linewidth=paint.width, marker=paint.marker, markersize=3,
            clip_on=False, label=name,
        )  # fmt: skip


def _beginnings(names: Sequence[str]) -> list[str]:
    """Return the shortest beginnings of one length that differ between all names."""
    for length in range(1, max(map(len, names))):
        if len({name[:length] for name in names}) == len(names):
            return [name[:length] for name in names]
    return list(names)


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


class _Dots:
    """Rows of dots on one scale, where there are too few domains for a polygon.

    ``outlined`` is the baseline, whose means are repeated as ticks in all panels; "" without any.
    """

    def __init__(self, domains: Sequence[str], scale: Scale, word: str, outlined: str) -> None:
        self.scale, self.domains = scale, domains
        self.names = [wrap(name, 0.7) for name in short_names(domains)]
        self.note = (
            f"Mean rating per {word} without a persona. Whiskers: mean \u00b1 SD of repeated "
            "answers."
        ) + (f" Grey ticks: {outlined}." if outlined else "")
        self.space = Space(
            left=widest(self.names) + 0.08, gap=0.14, above=0.04, below=0.34, foot=0,
            height=0.1 + 0.24 * len(domains), widest=1.6, most=8,
        )  # fmt: skip

    def guide(self, sheet: Sheet) -> None:
        """Draw nothing: axes have numbers and names."""

    def axes(self, sheet: Sheet, frame: Frame, label: str, *, first: bool) -> Axes:
        """Return a panel's axes in a frame; the first of a line names the domains."""
        axes = sheet.axes(*frame, label)
        axes.set(xlim=self.scale, ylim=(len(self.domains) - 0.5, -0.5))
        axes.xaxis.grid(visible=True)
        ticks(axes.xaxis, 2, integer=True)
        axes.set_yticks(range(len(self.domains)), self.names if first else [""] * len(self.names))
        axes.tick_params(axis="y", left=False)
        axes.set_xlabel("mean rating")
        return axes

    def outline(self, axes: Axes, profile: Profile, paint: Paint) -> None:
        """Draw a profile as ticks."""
        means = [math.nan if mean is None else mean for mean in profile.mean]
        axes.plot(
            means, range(len(means)), linestyle="none", marker="|", markersize=8,
            color=paint.colour, label="outline",
        )  # fmt: skip

    def profile(self, axes: Axes, profile: Profile, paint: Paint, name: str) -> None:
        """Draw a dot with its whiskers per domain."""
        low, high = self.scale
        for row, (mean, spread) in enumerate(zip(profile.mean, profile.spread, strict=True)):
            if mean is None:
                continue
            reach = spread or 0.0
            point(
                axes, mean, row, paint, name, ecolor=INK, elinewidth=0.8, capsize=1.6,
                clip_on=False, xerr=[[min(reach, mean - low)], [min(reach, high - mean)]],
            )  # fmt: skip
