"""Profiles as small radars, one per model: saturation, and the toxic personas beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.grid import Grid
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.profile import Box, Scale, Series, dots, dots_height, radar
from persona_collapse.figures.sheet import Entry, extent, wrap
from persona_collapse.figures.style import (
    FAINT,
    HEADING,
    PAINTS,
    SMALL,
    Paint,
    save,
    styled,
)
from persona_collapse.figures.tables import MINUS, Row, finite, rows_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from persona_collapse.figures.sheet import Sheet

_FEWEST = 3  # foundations that span a polygon


def saturation_radars(profiles: pl.DataFrame, look: Look, scale: Scale, stem: Path) -> None:
    """Write every variant's unconditioned profile, per model, on the instrument's ``scale``."""
    save(draw_saturation_radars(profiles, look, scale), stem)


def toxic_radars(profiles: pl.DataFrame, look: Look, scale: Scale, stem: Path) -> None:
    """Write the profile of toxic personas beside the unconditioned ones, per model."""
    save(draw_toxic_radars(profiles, look, scale), stem)


@styled
def draw_saturation_radars(profiles: pl.DataFrame, look: Look, scale: Scale) -> Figure:
    """Return the figure: unconditioned profiles, bands of one mean within-item SD each way."""
    chosen = profiles.filter(pl.col("probe") == look.unconditioned)
    present = set(chosen["variant"])
    wanted = [
        (name, name, look.unconditioned, "sd_within", look.paint(name))
        for name in look.variants
        if name in present
    ]
    return _figure(chosen, look, scale, wanted, "mean ± SD of repeated answers.")


@styled
def draw_toxic_radars(profiles: pl.DataFrame, look: Look, scale: Scale) -> Figure:
    """Return the figure: baseline and target unconditioned, the baseline under toxic personas.

    The toxic band is one SD across personas each way, the others one mean within-item SD.
    """
    base, target = look.baseline, look.target
    wanted = [
        (base, base, look.unconditioned, "sd_within", look.paint(base)),
        (f"{base} as toxic personas", base, look.toxic, "sd_across_personas", PAINTS["toxic"]),
        (target, target, look.unconditioned, "sd_within", look.paint(target)),
    ]
    chosen = profiles.filter(pl.col("probe").is_in([look.unconditioned, look.toxic]))
    note = "mean ± SD, across personas for toxic, else of repeated answers."
    return _figure(chosen, look, scale, wanted, note)


def _figure(
    profiles: pl.DataFrame,
    look: Look,
    scale: Scale,
    wanted: Sequence[tuple[str, str, str, str, Paint]],
    note: str,
) -> Figure:
    """Draw one panel per model with the wanted series that it has."""
    found = rows_by(profiles, "model", "variant", "probe", "foundation")
    names = profiles["foundation"].unique(maintain_order=True)
    foundations = [name for name in names if name != "overall"]
    polygons = len(foundations) >= _FEWEST
    if polygons:
        low, high = (f"{end:g}".replace("-", MINUS) for end in scale)
        note = f"Bands: {note} The centre is {low}, the rim {high}; rings are one apart."
    else:
        note = f"Whiskers: {note}"
    models = [m for m in look.models if any(key[0] == m.key for key in found)]
    entries = [Entry(name, paint, "line") for name, _, _, _, paint in wanted]
    for_dots = 0.75 + dots_height(len(foundations), len(wanted))
    heights = (2.5, 2.15, 1.95) if polygons else (for_dots,) * 3
    grid = Grid(len(models), entries, note, heights, look.notices(profiles))
    draw = radar if polygons else dots
    panels = []
    for model, box in zip(models, grid.boxes, strict=True):
        series = [
            _series(found, model, variant, probe, spread, name, paint, foundations)
            for name, variant, probe, spread, paint in wanted
        ]
        present = [one for one in series if any(finite(mean) for mean in one.mean)]
        absent = [one.name for one in series if one not in present]
        panels.append((model, present, box, _heading(grid.sheet, model, absent, box)))
    used = max((head for *_, head in panels), default=0.0)  # one size for all: they compare
    for model, present, (left, top, width, height), _ in panels:
        below = (left, top + used, width, height - used)
        draw(grid.sheet, model.key, present, foundations, scale, below)
    return grid.sheet.figure


def _series(
    found: dict[tuple[str, str, str, str], Row],
    model: ModelLook,
    variant: str,
    probe: str,
    spread: str,
    name: str,
    paint: Paint,
    foundations: Sequence[str],
) -> Series:
    rows = [found.get((model.key, variant, probe, foundation)) for foundation in foundations]
    return Series(
        name,
        paint,
        tuple(row["mean"] if row else None for row in rows),
        tuple(row[spread] if row else None for row in rows),
    )


def _heading(sheet: Sheet, model: ModelLook, absent: Sequence[str], box: Box) -> float:
    """Write the model's label and what it lacks; return the height used, in inches."""
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
