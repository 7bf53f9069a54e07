"""How often each variant gives each rating."""

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import versus_base
from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import (
    ABSENT,
    FINE,
    Row,
    blank,
    finite,
    measures,
    ticks,
    whiskers,
    with_interval,
)
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, extent, widest, wrap
from persona_collapse.figures.style import FAINT, GRID, HEADING, INK, PAPER, Paint, titled

_LABELS, _NUMBERS, _GAP = 1.0, 0.36, 0.12
_TALLEST, _LEAST, _PAGE = 0.95, 0.52, 8.4  # a row's height at most and at least; all rows' aim
_FOOT = 0.34
_OUTLINE = Paint(INK, "", "-", "o", 0.8)
Shares = list[tuple[float, Row]]


def rating_distributions(diagnostics: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: a row per model, a column per variant, one axis for all.

    Bars are shares of all answers with 95 % intervals; an outline repeats the baseline's bars in
    the other variants' panels. The share on both ends of the scale is printed above each panel.
    """
    found = measures(diagnostics, look)
    shares = {key: _shares(found, *key) for key in {(key[0], key[1]) for key in found}}
    shares = {key: rows for key, rows in shares.items() if rows}
    models = [m for m in look.models if any(key[0] == m.key for key in shares)]
    variants = [v for v in look.variants if any(key[1] == v for key in shares)]
    if not shares:
        return blank(
            "No rating distributions: nothing was asked under personas.", look, diagnostics
        )
    labels = {m.key: wrap(m.label, _LABELS) for m in models}
    start = MARGIN + widest([*labels.values()]) + _NUMBERS
    across = (look.width - MARGIN - start + _GAP) / len(variants)
    texts = {key: _ends(found, *key, across - _GAP) for key in shares}
    above = max(extent(text)[1] for text in texts.values()) + 0.06
    needed = max(extent(text)[1] for text in labels.values()) + 0.06
    step = max(min(_TALLEST, _PAGE / len(models)), _LEAST + above - 0.12, needed)
    outlined = look.baseline in variants and len(variants) > 1
    entries = [Entry(f"outline: {look.baseline}", _OUTLINE, "stroke")] if outlined else []
    names = [wrap(name, across - _GAP, HEADING, bold=True) for name in variants]
    for_names = max(extent(name, HEADING, bold=True)[1] for name in names)
    note = "% of answers [95 % interval]; ends: the lowest and the highest rating"
    at = MARGIN if look.narrow else start
    note = wrap(note, look.width - MARGIN - at - (0.0 if look.narrow else 1.3))
    for_note = extent(note)[1] + (0.16 if look.narrow else 0.0)
    top = 0.14 + for_note + for_names
    sheet = Sheet(look.width, top + len(models) * step + _FOOT, look.notices(diagnostics))
    sheet.key(entries, look.width - MARGIN - 1.2, for_note - 0.1 if look.narrow else 0.04, 0.0)
    sheet.text(at, 0.05 + extent(note)[1] / 2, note, color=FAINT)
    for column, name in enumerate(names):
        middle = top - 0.06 - extent(name, HEADING, bold=True)[1] / 2
        sheet.heading(start + column * across, middle, name)
    highest = _highest(shares)
    for row, model in enumerate(models):
        y = top + row * step
        sheet.rule(MARGIN, look.width - MARGIN, y, color=GRID)
        sheet.text(MARGIN, y + step / 2, labels[model.key])
        for column, variant in enumerate(variants):
            left, key = start + column * across, (model.key, variant)
            middle = y + above / 2 + 0.01
            if key not in shares:
                sheet.text(left, middle, ABSENT, color=FAINT)
                continue
            sheet.text(left, middle, texts[key])
            frame = (left, y + above, across - _GAP, step - above - 0.09)
            axes = sheet.axes(*frame, f"{model.key} {variant}")
            _bars(axes, shares[key], look.paint(variant))
            if variant != look.baseline and (model.key, look.baseline) in shares:
                _outline(axes, shares[model.key, look.baseline])
            lowest = not any((m.key, variant) in shares for m in models[row + 1 :])
            _frame(axes, shares[key], highest, numbered=column == 0, lowest=lowest)
    rows = {
        (model, variant): row
        for (model, variant, name), row in found.items()
        if name == "endpoint_mass"
    }
    more = "answers are more often at the ends of the scale"
    not_shown = "answers are not shown to be more often at the ends of the scale"
    return titled(sheet.figure, versus_base(look, rows, more, not_shown))


def _shares(found: dict[tuple[str, str, str], Row], model: str, variant: str) -> Shares:
    """Return a variant's ratings, from the lowest, with the rows of their shares."""
    names = [name for m, v, name in found if (m, v) == (model, variant)]
    ratings = {
        float(name.removeprefix("share_")): found[model, variant, name]
        for name in names
        if name.removeprefix("share_").lstrip("-").isdigit()
    }
    return [(rating, ratings[rating]) for rating in sorted(ratings)]


def _ends(found: dict[tuple[str, str, str], Row], model: str, variant: str, width: float) -> str:
    text = with_interval(found.get((model, variant, "endpoint_mass")), percent=True)
    return wrap(f"ends {text}", width)


def _highest(shares: dict[tuple[str, str], Shares]) -> float:
    """Return where the common axis ends, in percent."""
    values = [row[end] for rows in shares.values() for _, row in rows for end in ("value", "hi")]
    return 104 * max((value for value in values if finite(value)), default=1.0)


def _bars(axes: Axes, shares: Shares, paint: Paint) -> None:
    for rating, row in shares:
        if not finite(row["value"]):
            continue
        name = f"{row['model']} {row['variant']} {rating:g}"
        axes.bar(
            rating, 100 * row["value"], width=0.8, color=paint.colour, hatch=paint.hatch,
            hatchcolor=PAPER, linewidth=0, label=name,
        )  # fmt: skip
        axes.errorbar(
            rating, 100 * row["value"], yerr=whiskers(row, scale=100), fmt="none", ecolor=INK,
            elinewidth=0.8, capsize=1.4, capthick=0.8, label=f"{name} interval",
        )  # fmt: skip


def _outline(axes: Axes, shares: Shares) -> None:
    """Draw the baseline's bars as a line around them."""
    known = [(rating, 100 * row["value"]) for rating, row in shares if finite(row["value"])]
    x = [end for rating, _ in known for end in (rating - 0.5, rating + 0.5)]
    y = [share for _, share in known for _ in range(2)]
    axes.plot(x, y, color=_OUTLINE.colour, linewidth=_OUTLINE.width, label="outline")


def _frame(axes: Axes, shares: Shares, highest: float, *, numbered: bool, lowest: bool) -> None:
    ratings = [rating for rating, _ in shares]
    axes.set(xlim=(ratings[0] - 0.6, ratings[-1] + 0.6), ylim=(0, highest))
    ticks(axes.yaxis, 3, FINE)
    axes.yaxis.grid(visible=True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", left=False, labelleft=numbered)
    axes.set_xticks(_shown(ratings, axes))
    axes.tick_params(axis="x", bottom=lowest, labelbottom=lowest)
    if lowest:
        axes.set_xlabel("rating")


def _shown(ratings: Sequence[float], axes: Axes) -> list[float]:
    """Return the ratings whose numbers have room below the axis, the lowest among them."""
    room = axes.bbox.width / axes.figure.dpi / len(ratings)
    every = 1
    while every * room < widest([f"{rating:g}" for rating in ratings]) + 0.05:
        every += 1
    return list(ratings[::every])
