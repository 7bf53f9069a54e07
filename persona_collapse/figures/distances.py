"""How far unconditioned profiles lie from the baseline's, toxic personas' and the ceiling."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import (
    ABSENT,
    Row,
    blank,
    finite,
    point,
    rows_by,
    ticks,
    whiskers,
)
from persona_collapse.figures.panels import Block, Blocks, Space
from persona_collapse.figures.sheet import Entry, widest, wrap
from persona_collapse.figures.style import FAINT, GRID, PAPER, Paint

# What tables/toxic.csv calls them, whatever the baseline's name.
_BASE, _CEILING = "base", "ceiling"
_LABELS = 0.9  # inches that names of references may take before they break
_NEAREST = Paint(FAINT, "", "-", "o")
Rows = dict[tuple[str, str, str], Row]


def toxic_distances(toxic: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one panel per model, a row per reference, a point per variant.

    Whiskers are 95 % intervals. A filled point is the variant's nearest reference; where a variant
    has but one reference, nothing is nearest.
    """
    chosen = toxic.filter(pl.col("value").is_not_null())
    rows: Rows = rows_by(chosen, "model", "variant", "reference", domain="overall")
    models = [m for m in look.models if any(key[0] == m.key for key in rows)]
    variants = [v for v in look.variants if any(key[1] == v for key in rows)]
    if not rows:
        return blank("No distances: nothing was asked without a persona.")
    references = _references(rows)
    names = [wrap(look.baseline if r == _BASE else r, _LABELS) for r in references]
    pitch = max(0.155, 0.05 * len(variants))
    space = Space(
        left=widest(names) + 0.08, gap=0.0, above=0.02, below=0.24, foot=0.12,
        height=pitch * len(references) + 0.06, widest=2.8,
    )  # fmt: skip
    entries = [
        *(Entry(v, look.paint(v), "open") for v in variants),
        Entry("filled: the nearest", _NEAREST, "point"),
    ]
    note = "Distance of the unconditioned profile to each reference, with 95 % intervals."
    sheet = Blocks(models, 1, space, entries, note, look.notices(toxic))
    ends = [row[end] for row in rows.values() for end in ("value", "hi") if finite(row[end])]
    for block in sheet.blocks:
        axes = sheet.sheet.axes(*block.frames[0], block.model.key)
        axes.set(xlim=(0, 1.03 * max(ends) or 1.0), ylim=(len(references) - 0.5, -0.5))
        ticks(axes.xaxis, 5)
        axes.xaxis.grid(visible=True)
        axes.set_yticks(range(len(references)), names)
        axes.tick_params(axis="y", left=False)
        axes.spines["left"].set_color(FAINT)
        for edge in range(1, len(references)):
            axes.axhline(edge - 0.5, color=GRID, linewidth=0.4, zorder=0.2)
        _points(axes, block, rows, references, variants, look)
        for place, reference in enumerate(references):
            if not any((block.model.key, v, reference) in rows for v in variants):
                at = (0.02 * axes.get_xlim()[1], place)
                axes.text(*at, ABSENT, color=FAINT, va="center_baseline")
        if block.lowest:
            axes.set_xlabel("distance, scale points")
    return sheet.sheet.figure


def _references(rows: Rows) -> list[str]:
    """Return all references in the table's order: baseline first, ceiling last."""
    known = list(dict.fromkeys(reference for _, _, reference in rows))
    toxic = [name for name in known if name not in (_BASE, _CEILING)]
    return [
        *([_BASE] if _BASE in known else []),
        *toxic,
        *([_CEILING] if _CEILING in known else []),
    ]


def _points(
    axes: Axes, block: Block, rows: Rows, references: list[str], variants: list[str], look: Look
) -> None:
    step = 0.8 / len(variants)
    for place, variant in enumerate(variants):
        aside = (place - (len(variants) - 1) / 2) * step
        own = {r: rows[key] for r in references if (key := (block.model.key, variant, r)) in rows}
        paint = look.paint(variant)
        for reference, row in own.items():
            marked = bool(row["nearest"]) and len(own) > 1
            point(
                axes, row["value"], references.index(reference) + aside, paint,
                f"{block.model.key} {variant} {reference}", xerr=whiskers(row), markersize=3.4,
                markerfacecolor=paint.colour if marked else PAPER, markeredgewidth=0.8,
                elinewidth=0.8, clip_on=False,
            )  # fmt: skip
