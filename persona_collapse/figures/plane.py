"""Variants as points in a plane: markers by family, arrows from the baselines, models' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persona_collapse.figures.labels import Placer, Segment
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.sheet import SWATCH, Entry, wrap
from persona_collapse.figures.style import INK, SMALL, Paint
from persona_collapse.figures.tables import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 6  # more models than this are numbered, and the key tells the numbers


@dataclass(frozen=True)
class Spot:
    """One variant's place in the plane, with the row of the table that it stands for."""

    model: ModelLook
    variant: str
    row: Row
    x: float
    y: float


def family_entries(
    models: Sequence[ModelLook], look: Look, width: float, colour: str = INK
) -> list[Entry]:
    """Return the key's markers: one per family or, of many models, one per numbered model.

    ``width`` is what an entry may take, in inches.
    """
    marked = [(m.family, m.family) for m in models]
    if len(models) > NAMED:
        marked = [(f"{place + 1}\u2002{m.label}", m.family) for place, m in enumerate(models)]
    return [
        Entry(wrap(label, width - SWATCH), Paint(colour, "", "-", look.families[family]), "point")
        for label, family in dict.fromkeys(marked)
    ]


def names_of(models: Sequence[ModelLook]) -> dict[str, str]:
    """Return what is written beside each model's point: its label, or its number of many."""
    numbered = len(models) > NAMED
    return {m.key: str(n + 1) if numbered else wrap(m.label, 1.1) for n, m in enumerate(models)}


def arrows(axes: Axes, spots: Sequence[Spot], look: Look) -> list[Segment]:
    """Draw an arrow from each model's baseline to each of its variants; return where they run."""
    lines = []
    bases = {spot.model.key: spot for spot in spots if spot.variant == look.baseline}
    for spot in spots:
        base = bases.get(spot.model.key)
        if base is None or spot is base:
            continue
        paint = look.paint(spot.variant)
        axes.annotate(
            "", (spot.x, spot.y), xytext=(base.x, base.y), zorder=2,
            arrowprops={
                "arrowstyle": "-|>,head_width=0.14,head_length=0.3", "alpha": 0.7,
                "color": paint.colour, "linestyle": paint.line, "linewidth": 0.8,
                "shrinkA": 3, "shrinkB": 3.5,
            },
            label=f"{spot.model.key} {base.variant} to {spot.variant}",
        )  # fmt: skip
        lines.append(((base.x, base.y), (spot.x, spot.y)))
    return lines


def write_names(
    axes: Axes,
    spots: Sequence[Spot],
    lines: Sequence[Segment],
    names: Mapping[str, str],
    named: Mapping[str, Spot],
) -> None:
    """Write each model's name beside the spot of ``named``, clear of other spots and lines."""
    placer = Placer(axes, [(spot.x, spot.y) for spot in spots], lines)
    for key, spot in named.items():
        placer.place(names[key], (spot.x, spot.y), color=INK, fontsize=SMALL)
