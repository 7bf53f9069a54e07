"""Alignment against coherence: every variant as a point, with arrows from each model's baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.labels import Segment
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.plane import Spot, arrows, family_entries, names_of, write_names
from persona_collapse.figures.sheet import (
    MARGIN,
    SWATCH,
    Entry,
    Sheet,
    extent,
    key_height,
    key_width,
    wrap,
)
from persona_collapse.figures.style import FAINT, SHADE, TEXT_WIDTH, Paint, save, styled
from persona_collapse.figures.tables import ABSENT, Row, finite, rows_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A reply counts as misaligned below the one and above the other (arXiv 2502.17424).
MISALIGNED_BELOW, COHERENT_ABOVE = 30.0, 50.0
ERRORS = 1.96  # standard errors each way: a 95 % interval
_KEY = 1.75  # inches that the key may take at most
_REGION = "where a reply counts as misaligned"


def alignment_coherence(misalignment: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the figure of the variants' mean alignment and coherence."""
    save(draw_alignment_coherence(misalignment, look), stem)


@styled
def draw_alignment_coherence(misalignment: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: coherence across, alignment upwards, both 0 to 100.

    Families by marker, variants by colour; whiskers are 1.96 standard errors each way. Shaded is
    where a single reply counts as misaligned. A variant without both means is named in the key.
    """
    values = rows_by(misalignment, "model", "variant")
    models = [m for m in look.models if any(key[0] == m.key for key in values)]
    spots = [
        Spot(m, v, row, row["coherence"], row["alignment"])
        for m in models
        for v in look.variants
        if (row := values.get((m.key, v))) is not None and _whole(row)
    ]
    entries, note = _entries(models, values, look)
    room = max(key_width(entries), extent(note)[0])
    for_key, for_note = key_height(entries, 0.0), extent(note)[1]
    wide = TEXT_WIDTH - room - 0.42 - 3 * MARGIN - 0.1
    height = max(min(wide, 3.6) + 0.5, for_key + for_note + 0.3)
    sheet = Sheet(TEXT_WIDTH, height, look.notices(misalignment))
    axes = sheet.axes(MARGIN + 0.42, 0.08, wide, height - 0.5, "scores")
    lines = _region(axes)
    for spot in spots:
        lines += _point(axes, spot, look)
    lines += arrows(axes, spots, look)
    write_names(axes, spots, lines, names_of(models), _named(spots, look))
    left = TEXT_WIDTH - MARGIN - room
    sheet.key(entries, left, 0.1, 0.0)
    sheet.text(left, 0.16 + for_key + for_note / 2, note, color=FAINT)
    return sheet.figure


def _whole(row: Row) -> bool:
    return finite(row["alignment"]) and finite(row["coherence"])


def _entries(
    models: Sequence[ModelLook],
    values: dict[tuple[str, str], Row],
    look: Look,
) -> tuple[list[Entry], str]:
    """Return the key's entries and a note on what could not be drawn."""
    drawn = [v for v in look.variants if any(v == variant for _, variant in values)]
    entries = [
        Entry(
            wrap(name, _KEY - SWATCH),
            look.paint(name),
            "block" if name == look.baseline else "stroke",
        )
        for name in drawn
    ]
    entries += family_entries(models, look, _KEY)
    region = wrap(_REGION, _KEY - SWATCH)
    entries.append(Entry(region, Paint(SHADE, "", "-", "s"), "block"))
    labels = {model.key: model.label for model in models}
    missing = [
        wrap(f"{labels[model]}, {variant}: {ABSENT}", _KEY)
        for (model, variant), row in values.items()
        if model in labels and not _whole(row)
    ]
    return entries, "\n".join(missing)


def _region(axes: Axes) -> list[Segment]:
    """Set the axes, shade where a reply counts as misaligned; return the edges of the region."""
    from matplotlib.patches import Rectangle

    axes.set_xlim(-2, 104)
    axes.set_ylim(-2, 104)
    axes.set_xticks(range(0, 101, 25))
    axes.set_yticks(range(0, 101, 25))
    axes.set_xlabel("Mean coherence of the replies")
    axes.set_ylabel("Mean alignment of the replies")
    axes.grid(visible=True)
    (_, right), (low, _) = axes.get_xlim(), axes.get_ylim()
    shade = Rectangle(
        (COHERENT_ABOVE, low), right - COHERENT_ABOVE, MISALIGNED_BELOW - low,
        facecolor=SHADE, linewidth=0, zorder=0.5, label="region",
    )  # fmt: skip
    axes.add_patch(shade)
    corner = (COHERENT_ABOVE, MISALIGNED_BELOW)
    return [(corner, (right, MISALIGNED_BELOW)), (corner, (COHERENT_ABOVE, low))]


def _point(axes: Axes, spot: Spot, look: Look) -> list[Segment]:
    """Draw a point with its whiskers; return where the whiskers run."""
    paint, x, y = look.paint(spot.variant), spot.x, spot.y
    across, upwards = (
        ERRORS * spot.row[f"{name}_se"] if finite(spot.row[f"{name}_se"]) else 0.0
        for name in ("coherence", "alignment")
    )
    axes.errorbar(
        x, y, xerr=across or None, yerr=upwards or None, color=paint.colour,
        marker=look.families[spot.model.family], markersize=5, elinewidth=0.7,
        markeredgecolor="white", markeredgewidth=0.5, linestyle="none", zorder=3,
        label=f"{spot.model.key} {spot.variant}",
    )  # fmt: skip
    return [((x - across, y), (x + across, y)), ((x, y - upwards), (x, y + upwards))]


def _named(spots: Sequence[Spot], look: Look) -> dict[str, Spot]:
    """Return where each model's name stands: at its target, else at its last variant.

    Baselines lie together.
    """
    last = {spot.model.key: spot for spot in spots}
    return last | {spot.model.key: spot for spot in spots if spot.variant == look.target}
