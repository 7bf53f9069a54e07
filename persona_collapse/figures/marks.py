"""Marks that figures share: written numbers, points with whiskers, ticks and the empty figure."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from persona_collapse.figures.look import Look
from persona_collapse.figures.sheet import MARGIN, Sheet, extent, wrap
from persona_collapse.figures.style import FAINT, Paint

MINUS, DASH, INFINITY, ABSENT = "\u2212", "\u2013", "\u221e", "n/a"
NORMAL = 1.96  # standard errors on each side of a 95 % interval
Row = dict[str, Any]


def rows_by(table: pl.DataFrame, *keys: str, **fixed: str) -> dict[Any, Row]:
    """Return the rows where every column of ``fixed`` has its value, by one key or a tuple."""
    chosen = table.filter(*(pl.col(name) == value for name, value in fixed.items()))
    rows = chosen.iter_rows(named=True)
    if len(keys) == 1:
        return {row[keys[0]]: row for row in rows}
    return {tuple(row[key] for key in keys): row for row in rows}


def measures(diagnostics: pl.DataFrame, look: Look) -> dict[tuple[str, str, str], Row]:
    """Return the rows of the role-play probe over all items, by model, variant and measure."""
    return rows_by(
        diagnostics, "model", "variant", "measure", probe=look.roleplay, domain="overall"
    )


def short_names(names: Sequence[str]) -> list[str]:
    """Return the names up to a slash (Harm/Care: Harm), or whole where that confuses two."""
    short = [name.split("/")[0].strip() for name in names]
    return short if len(set(short)) == len(short) else list(names)


def finite(value: float | None) -> bool:
    """Return whether a value is known and finite."""
    return value is not None and math.isfinite(value)


def number(value: float | None) -> str:
    """Write a value with three digits: 0.82, 6.70, 14.5, 108; infinity and absence as signs."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return INFINITY if value > 0 else MINUS + INFINITY
    size = abs(value)
    if size >= 1e5:
        return f"{value:.1e}".replace("e+0", "e").replace("-", MINUS)
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """Write a change as a whole number with its sign: +24, −54, 0."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return f"{'+' if value > 0 else MINUS}{INFINITY}"
    text = f"{value:+.0f}"
    return "0" if text in ("+0", "-0") else text.replace("-", MINUS)


def change(row: Row | None) -> str:
    """Write a contrast's percent change and its interval: +24 [18, 30]."""
    if row is None or row["percent"] is None:
        return ABSENT
    text = signed(row["percent"])
    if not (finite(row["percent"]) and finite(row["percent_lo"]) and finite(row["percent_hi"])):
        return text
    return f"{text} [{_whole(row['percent_lo'])}, {_whole(row['percent_hi'])}]"


def with_interval(row: Row | None, *, percent: bool = False) -> str:
    """Write a value and its interval: 0.62 [0.57, 0.66]; as whole percents: 62 [57, 66]."""
    if row is None or not finite(row["value"]):
        return ABSENT
    parts = [row[name] for name in ("value", "lo", "hi")]
    texts = [_whole(100 * part) if percent else number(part) for part in parts if finite(part)]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]" if len(texts) == len(parts) else texts[0]


def _whole(value: float) -> str:
    return f"{round(value)}".replace("-", MINUS)  # round, unlike a format, knows no minus zero


def interval(row: Row, name: str = "value", errors: float = 1.0) -> tuple[float, float] | None:
    """Return the ends of a value's error bar: its interval, else its standard error each way.

    The interval of ``value`` is in the columns ``lo`` and ``hi``, that of any other column in
    ``<name>_lo`` and ``<name>_hi``; its upper end may be infinite. ``errors`` is the number of
    standard errors (``<name>_se``) each way. None when neither is known or the value is not finite.
    """
    value = row[name]
    if not finite(value):
        return None
    prefix = "" if name == "value" else f"{name}_"
    low, high, error = (row.get(f"{prefix}{end}") for end in ("lo", "hi", "se"))
    if low is not None and high is not None and math.isfinite(low):
        return low, high
    if error is not None and math.isfinite(error):
        return value - errors * error, value + errors * error
    return None


def reach_across(row: Row, y: float, name: str = "value") -> list[tuple[float, float]]:
    """Return the places, at a height, of a value's lower end, of itself and of its upper end."""
    low, high = interval(row, name) or (row[name], row[name])
    return [(x, y) for x in (low, row[name], high) if finite(x)]


Reach = list[list[float]]


def whiskers(
    row: Row,
    name: str = "value",
    *,
    errors: float = 1.0,
    scale: float = 1.0,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Reach | None:
    """Return how far the error bar of ``interval`` reaches below and above a value.

    Args:
        row: A row of a table.
        name: The value's column.
        errors: Standard errors each way where the row has no interval.
        scale: What the drawn value is multiplied by: 100 for percent.
        within: Where the bar is cut, in the row's unit, such as the axis' ends.

    Returns:
        ``[[below], [above]]`` as matplotlib's ``xerr`` and ``yerr`` take it; None where there is no
        bar or an end is still infinite.
    """
    ends = interval(row, name, errors)
    if ends is None:
        return None
    value = row[name]
    low, high = max(ends[0], within[0]), min(ends[1], within[1])
    if not math.isfinite(high):
        return None
    return [[scale * max(value - low, 0.0)], [scale * max(high - value, 0.0)]]


def point(axes: Axes, x: float, y: float, paint: Paint, label: str, **style: Any) -> None:
    """Draw a point in a series' colour and marker; ``xerr`` and ``yerr`` are its whiskers."""
    style = {
        "color": paint.colour, "marker": paint.marker, "markersize": 3.5, "elinewidth": 0.9,
        "linestyle": "none", **style,
    }  # fmt: skip
    axes.errorbar(x, y, label=label, **style)


def blank(text: str, look: Look, *tables: pl.DataFrame) -> Figure:
    """Return a small sheet that says in a sentence why there is nothing to draw.

    It has no finding: the sentence would stand above and in the drawing. ``tables`` are those that
    the sentence rests on.
    """
    lines = wrap(text, look.column - 2 * MARGIN)
    sheet = Sheet(look.column, extent(lines)[1] + 0.2, look.notices(*tables))
    sheet.text(MARGIN, (sheet.height - sheet.top) / 2, lines, color=FAINT)
    return sheet.figure


def ticks(axis: Any, most: int, steps: Sequence[float] = (1, 2, 5, 10), **rules: Any) -> None:
    """Put at most ``most`` intervals of round numbers on an axis; ``rules`` are MaxNLocator's."""
    axis.set_major_locator(MaxNLocator(most, steps=steps, **rules))


FINE = (1, 2, 2.5, 5, 10)  # steps of ticks on axes wide enough for numbers like 0.25


def round_ticks(low: float, high: float, most: int, **rules: Any) -> list[float]:
    """Return the ticks that ``ticks`` would put between two values, with the steps ``FINE``."""
    found = MaxNLocator(most, steps=FINE, **rules).tick_values(low, high)
    return [float(tick) for tick in found if low <= tick <= high]


def round_values(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most`` round numbers of a log axis between two positive ones.

    Where no round number lies between them, their geometric mean to two digits.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for dense in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**decade for decade in decades for step in dense]
        values = [value for value in values if low <= value <= high]
        if len(values) <= most:
            break
    return values or [float(f"{(low * high) ** 0.5:.2g}")]


def log_axis(
    axes: Axes, which: str, values: Sequence[float], texts: Sequence[str] | None = None
) -> None:
    """Turn the axis ``which`` (x or y) logarithmic, with ticks at these values and no others."""
    axes.set(**{f"{which}scale": "log"})
    axis = getattr(axes, f"{which}axis")
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_ticks(values, texts or [f"{value:g}" for value in values])
