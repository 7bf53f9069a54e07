"""How far unconditioned profiles lie from the baseline's, toxic personas' and the ceiling."""

import re

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import above, noun_of, sentence, subjects, where
from persona_collapse.figures.labels import Panel, Point, Segment, named_in_place
from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import (
    ABSENT,
    Row,
    blank,
    finite,
    point,
    reach_across,
    rows_by,
    ticks,
    whiskers,
)
from persona_collapse.figures.panels import Block, Blocks, Space
from persona_collapse.figures.sheet import Entry, extent, widest, wrap
from persona_collapse.figures.style import FAINT, GRID, PAPER, Paint, titled

# What tables/toxic.csv calls them, whatever the baseline's name.
_BASE, _CEILING = "base", "ceiling"
_LABELS = 1.05  # inches that names of references may take before they break
_NEAREST = Paint(FAINT, "", "-", "o")
Rows = dict[tuple[str, str, str], Row]


def toxic_distances(toxic: pl.DataFrame, personas: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one panel per model, a row per reference, a point per variant.

    Toxic personas are called by the beginning of their description in ``personas``.
    Whiskers are 95 % intervals. A filled point is the variant's nearest reference; where a variant
    has but one reference, nothing is nearest.
    """
    chosen = toxic.filter(pl.col("value").is_not_null())
    rows: Rows = rows_by(chosen, "model", "variant", "reference", domain="overall")
    models = [m for m in look.models if any(key[0] == m.key for key in rows)]
    variants = [v for v in look.variants if any(key[1] == v for key in rows)]
    if not rows:
        return blank("No distances: nothing was asked without a persona.", look, toxic)
    references = _references(rows)
    characters = _characters(personas, look)
    names = [wrap(characters.get(r, r), _LABELS) for r in references]
    tallest = max(extent(name)[1] for name in names) + 0.04
    pitch = max(tallest, 0.05 * len(variants))
    space = Space(
        left=widest(names) + 0.08, gap=0.0, above=0.02, below=0.24, foot=0.12,
        height=pitch * len(references) + 0.06, widest=2.8,
    )  # fmt: skip
    nearest = Entry("filled: the nearest", _NEAREST, "point")
    note = "Distance of the unconditioned profile to each reference, with 95 % intervals."
    ends = [row[end] for row in rows.values() for end in ("value", "hi") if finite(row[end])]

    def draw(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        key = [Entry(v, look.paint(v), "open") for v in variants] if with_key else []
        sheet = Blocks(look, models, 1, space, [*key, nearest], note, look.notices(toxic))
        panels = []
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
            places = _points(axes, block, rows, references, variants, look)
            panels.append([Panel(axes, *places)])
            for place, reference in enumerate(references):
                if not any((block.model.key, v, reference) in rows for v in variants):
                    at = (0.02 * axes.get_xlim()[1], place)
                    axes.text(*at, ABSENT, color=FAINT, va="center_baseline")
            if block.lowest:
                axes.set_xlabel("distance, scale points")
        return sheet.sheet.figure, panels

    figure = named_in_place(draw, {v: look.paint(v) for v in variants})
    return titled(figure, _finding(rows, references, look))


def _finding(rows: Rows, references: list[str], look: Look) -> str:
    """Say in how many models the profile is closer to a toxic persona than to the baseline's."""
    pairs = list(dict.fromkeys((model, variant) for model, variant, _ in rows))
    toxic = [name for name in references if name not in (_BASE, _CEILING)]
    name, pairs = subjects(look, [pair for pair in pairs if (*pair, _BASE) in rows])
    if not pairs or not toxic:
        return ""
    closer = [
        any(above(rows[*pair, _BASE], rows.get((*pair, one))) for one in toxic) for pair in pairs
    ]
    profile, base = "the profile without a persona", f"than to {look.baseline}"
    return sentence(
        f"under {name}, "
        + where(
            f"{profile} is closer to a toxic persona {base}",
            f"{profile} is not shown closer to a toxic persona {base}",
            closer,
            noun_of(pairs),
        )
    )


def _characters(personas: pl.DataFrame, look: Look) -> dict[str, str]:
    """Return what the references of ``toxic.csv`` are called: the baseline and the personas."""
    chosen = personas.filter(probe=look.toxic).unique("persona_id", maintain_order=True)
    described = {
        f"toxic {row['persona_id']}": character(row["description"])
        for row in chosen.iter_rows(named=True)
    }
    return {_BASE: look.baseline, **described}


def character(description: str) -> str:
    """Return who a description speaks of: "A patient extortionist who ..." is one."""
    who = re.split(r",|;|:|\.|\s(?:who|that|which|with|from|whose|of|for)\s", description)[0]
    return re.sub(r"^(?:an?|the)\s+", "", who.strip(), flags=re.IGNORECASE) or description


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
) -> tuple[dict[str, list[Point]], bool, list[Segment]]:
    """Draw the points; return each variant's, that no line joins them, and their whiskers."""
    places: dict[str, list[Point]] = {variant: [] for variant in variants}
    lines: list[Segment] = []
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
            y = references.index(reference) + aside
            own_places = reach_across(row, y)
            places[variant] += own_places
            lines.append((own_places[0], own_places[-1]))
    return places, False, lines
