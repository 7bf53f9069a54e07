"""Is a persona under a variant still the persona that it was under the baseline?"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import above, noun_of, sentence, subjects, where
from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import (
    Row,
    blank,
    finite,
    measures,
    ticks,
    whiskers,
    with_interval,
)
from persona_collapse.figures.panels import Block, Blocks, Space
from persona_collapse.figures.sheet import Entry, Sheet, bare, extent, widest, wrap
from persona_collapse.figures.style import FAINT, INK, Paint, titled

_STRIP, _TICKS = 0.32, 0.18  # heights in inches: the strip's, and of the numbers below a frame
_NAME, _SQUARE = 1.3, 0.84  # inches that names may take; a square's side where there are many
_MANY = 1500  # points from which vector files would grow large: then they are drawn as pixels
_PERSONA = Paint(FAINT, "", "-", "|", 0.8)
_MIDDLE = Paint(INK, "", "-", "o", 2.2)
_POOLED = Paint(INK, "", "-", "D", 0.9)


@dataclass(frozen=True)
class _Pair:
    """One variant against the baseline: points (baseline, variant) and fidelities."""

    points: list[tuple[float, float]]
    fidelities: list[float]
    pooled: Row | None


def persona_fidelity(
    personas: pl.DataFrame, fidelity: pl.DataFrame, diagnostics: pl.DataFrame, look: Look
) -> Figure:
    """Return the figure: per model and changed variant a scatter, and below it a strip.

    A point is one persona on one domain: how far its mean rating lies from that of all, under
    the baseline (across) and under the variant (upwards). The strip has each persona's
    fidelity, their median and quartiles, and the model's fidelity with its 95 % interval.
    """
    pooled = measures(diagnostics, look)
    strips = fidelity.filter(probe=look.roleplay).drop_nulls("fidelity")
    pairs = {
        (model.key, variant): _Pair(
            points,
            strips.filter(model=model.key, variant=variant)["fidelity"].to_list(),
            pooled.get((model.key, variant, "fidelity")),
        )
        for model in look.models
        for variant in look.changed
        if (points := deviations(personas, look, model.key, variant))
    }
    models = [m for m in look.models if any(key[0] == m.key for key in pairs)]
    variants = [v for v in look.changed if any(key[1] == v for key in pairs)]
    if not pairs:
        return blank(
            f"No persona fidelity: no variant but {look.baseline} was asked to play them.",
            look,
            personas,
            fidelity,
        )
    entries = [
        Entry("fidelity of each persona", _PERSONA, "point"),
        Entry("their median and quartiles", _MIDDLE, "line"),
        Entry("fidelity of the model with 95 % interval", _POOLED, "line"),
    ]
    note = look.worded(
        "Points: one persona on one domain, its mean rating less that of all personas, under "
        f"{look.baseline} (across) and the variant (up)."
    )
    few = len(pairs) <= 8
    names = {v: wrap(v, (_NAME if few else _SQUARE) - 0.13) for v in variants}
    above = _TICKS + max(extent(name)[1] for name in names.values())
    space = Space(
        left=0.26, gap=0.14, above=above, below=_TICKS + _STRIP + _TICKS + 0.04, foot=0.14,
        height=None, widest=1.75 if few else _SQUARE,
    )  # fmt: skip
    drawing = _Drawing(look, _limit(pairs), _lowest(pairs), _highest(pairs))
    notices = look.notices(personas, fidelity)
    sheet = Blocks(look, models, len(variants), space, entries, note, notices)
    pixels = sum(len(pair.points) for pair in pairs.values()) > _MANY
    for block in sheet.blocks:
        own = [n for n, variant in enumerate(variants) if (block.model.key, variant) in pairs]
        for place in own:
            variant = variants[place]
            left, top, *_ = block.frames[place]
            middle = top - _TICKS - extent(names[variant])[1] / 2
            sheet.sheet.named(left, middle, look.paint(variant), names[variant])
            axes = drawing.pair(
                sheet.sheet, block, place, variant, pairs[block.model.key, variant], pixels=pixels
            )
            axes.tick_params(labelleft=place == own[0])
    return titled(sheet.sheet.figure, _finding(pairs, look))


def _finding(pairs: dict[tuple[str, str], _Pair], look: Look) -> str:
    """Say where fidelity is lower under a target than under its control, or what it is."""
    rows = {pair: one.pooled for pair, one in pairs.items() if one.pooled}
    name, chosen = subjects(look, list(rows))
    if len(chosen) == 1:
        text = with_interval(rows[chosen[0]])
        return f"Under {name}, personas' fidelity to {look.baseline} is {text}."
    control = {pair: (pair[0], look.targets.get(pair[1]) or "") for pair in chosen}
    known = [pair for pair in chosen if control[pair] in rows]
    if not known:
        return ""
    lower = [above(rows[control[pair]], rows[pair]) for pair in known]
    less = f"personas' fidelity to {look.baseline} is lower than under the control"
    not_shown = less.replace("is lower", "is not shown lower")
    return sentence(f"under {name}, " + where(less, not_shown, lower, noun_of(known)))


def deviations(
    personas: pl.DataFrame, look: Look, model: str, variant: str
) -> list[tuple[float, float]]:
    """Return a point (baseline, variant) per persona x domain that both have.

    Each is the distance of the persona's mean rating from the mean over these personas. Domains
    differ in how much everybody agrees; that part says nothing of a persona.
    """
    chosen = personas.filter(pl.col("domain") != "overall", probe=look.roleplay, model=model)
    names = ["domain", "persona_id"]
    base, other = (
        chosen.filter(variant=name).select(*names, pl.col("mean").alias(axis))
        for name, axis in ((look.baseline, "x"), (variant, "y"))
    )
    both = base.join(other, on=names, maintain_order="left").drop_nulls()
    own = pl.col("x", "y") - pl.col("x", "y").mean().over("domain")
    return [(row[0], row[1]) for row in both.select(own).iter_rows()]


def _limit(pairs: dict[tuple[str, str], _Pair]) -> float:
    """Return where the common axes of the scatters end."""
    ends = [abs(end) for pair in pairs.values() for point in pair.points for end in point]
    return 1.06 * max(ends) or 1.0


def _lowest(pairs: dict[tuple[str, str], _Pair]) -> float:
    found = [f for pair in pairs.values() for f in pair.fidelities]
    found += [p.pooled["lo"] for p in pairs.values() if p.pooled and finite(p.pooled["lo"])]
    return math.floor(min([0.0, *found]) * 2) / 2


def _highest(pairs: dict[tuple[str, str], _Pair]) -> float:
    """Return the end of the strips: an adjusted correlation can pass 1 by sampling error."""
    found = [p.pooled["hi"] for p in pairs.values() if p.pooled]
    return max([1.0, *(float(end) for end in found if finite(end))])


@dataclass(frozen=True)
class _Drawing:
    """What all panels share: the look, the end of the scatters' axes and both ends of strips."""

    look: Look
    limit: float
    low: float
    high: float

    def pair(
        self, sheet: Sheet, block: Block, place: int, variant: str, pair: _Pair, *, pixels: bool
    ) -> Axes:
        """Draw a scatter into the block's frame number ``place``, and its strip below."""
        left, top, width, height = block.frames[place]
        name = f"{block.model.key} {variant}"
        text = with_interval(pair.pooled)
        named = f"fidelity {text}"
        sheet.text(left, top - 0.1, named if widest([named]) <= width else text)
        axes = sheet.axes(left, top, width, height, f"{name} scatter")
        self._scatter(axes, name, variant, pair, pixels=pixels)
        strip = sheet.axes(left, top + height + _TICKS, width, _STRIP, f"{name} strip")
        self._strip(strip, name, pair)
        if block.frames[place] in block.lowest:
            strip.set_xlabel("fidelity")
        return axes

    def _scatter(self, axes: Axes, name: str, variant: str, pair: _Pair, *, pixels: bool) -> None:
        paint, end = self.look.paint(variant), self.limit
        axes.set(xlim=(-end, end), ylim=(-end, end))
        ticks(axes.xaxis, 2)
        ticks(axes.yaxis, 2)
        axes.grid(visible=True)
        axes.plot([-end, end], [-end, end], color=FAINT, linewidth=0.6, zorder=1.5)
        x, y = zip(*pair.points, strict=True)
        axes.plot(
            x, y, linestyle="none", marker=paint.marker, markersize=2.2, color=paint.colour,
            alpha=0.45, markeredgewidth=0, rasterized=pixels, zorder=2, label=name,
        )  # fmt: skip

    def _strip(self, axes: Axes, name: str, pair: _Pair) -> None:
        axes.set(xlim=(self.low - 0.04, self.high + 0.04), ylim=(0, 1))
        axes.set_xticks([t for t in (-1, 0, 0.5, 1) if self.low <= t])
        bare(axes)
        axes.xaxis.grid(visible=True)
        if pair.fidelities:
            self._spread(axes, name, pair.fidelities)
        row = pair.pooled
        if row is not None and finite(row["value"]):
            axes.errorbar(
                row["value"], 0.14, xerr=whiskers(row), color=INK, marker="D", markersize=2.6,
                elinewidth=0.9, capsize=2.2, linestyle="none", label=f"{name} fidelity",
            )  # fmt: skip

    def _spread(self, axes: Axes, name: str, fidelities: list[float]) -> None:
        low, middle, high = np.quantile(fidelities, (0.25, 0.5, 0.75)).tolist()
        axes.plot(
            fidelities, [0.8] * len(fidelities), linestyle="none", marker="|", markersize=6,
            markeredgewidth=0.6, alpha=0.5, color=_PERSONA.colour, label=f"{name} personas",
        )  # fmt: skip
        axes.plot(
            [low, high], [0.46, 0.46], color=INK, linewidth=_MIDDLE.width, solid_capstyle="butt",
            label=f"{name} quartiles",
        )  # fmt: skip
        axes.plot(
            [middle], [0.46], marker="o", markersize=4, color=INK,
            label=f"{name} median",
        )  # fmt: skip
