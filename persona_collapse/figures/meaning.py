"""What the figures behind S and R share: how they read tables, write values and draw intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from persona_collapse.common.errors import UserError
from persona_collapse.figures.look import Look
from persona_collapse.figures.sheet import MARGIN, Sheet, extent, wrap
from persona_collapse.figures.style import FAINT, ONE_COLUMN
from persona_collapse.figures.tables import ABSENT, MINUS, Row, finite, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WHO = ("model", "variant", "probe", "foundation", "simulated")
_TEXTS = ("model", "variant", "probe", "foundation", "measure", "reference", "description")
_FLAGS = ("simulated", "mixed_stacks", "nearest")

# What these figures need of each table; a table may have more.
COLUMNS = {
    "diagnostics": (*_WHO, "measure", "value", "lo", "hi"),
    "personas": (*_WHO, "persona_id", "mean"),
    "fidelity": ("model", "variant", "probe", "simulated", "persona_id", "fidelity"),
    "toxic": (*_WHO, "reference", "value", "lo", "hi", "nearest"),
    "temperature": (*_WHO, "temperature", "S", "S_lo", "S_hi", "R", "R_lo", "R_hi"),
    "losses": ("model", "variant", "simulated", "step", "train_loss", "train_accuracy"),
    "power": (
        *("model", "simulated", "personas", "repetitions"),
        *("S_detectable_percent", "R_detectable_percent"),
    ),
}


def read_measured(path: Path, kind: str) -> pl.DataFrame:
    """Read a table of one of the kinds in ``COLUMNS``; an empty file is a table without rows.

    Names come as text, flags as Boolean, all else as Float64 (``inf`` included).

    Raises:
        UserError: the file is absent, or lacks a column that its kind needs.
    """
    needed = COLUMNS[kind]
    try:
        table = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no table to draw; make it with snakemake all_tables") from None
    except pl.exceptions.NoDataError:
        table = pl.DataFrame(schema=dict.fromkeys(needed, pl.String))
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise UserError(
            f"{path}: column {missing[0]!r} is missing; make the table again with this version"
        )
    return table.with_columns(
        pl.col(name) == "true" if name in _FLAGS else pl.col(name).cast(pl.Float64)
        for name in table.columns
        if name not in _TEXTS
    )


def measures(diagnostics: pl.DataFrame, look: Look) -> dict[tuple[str, str, str], Row]:
    """Return the rows of the role-play probe over all items, by model, variant and measure."""
    chosen = diagnostics.filter(probe=look.roleplay, foundation="overall")
    rows = chosen.iter_rows(named=True)
    return {(row["model"], row["variant"], row["measure"]): row for row in rows}


def with_interval(row: Row | None, *, percent: bool = False) -> str:
    """Write a value and its interval: 0.62 [0.57, 0.66]; as whole percents: 62 [57, 66]."""
    if row is None or not finite(row["value"]):
        return ABSENT
    parts = [row[name] for name in ("value", "lo", "hi")]
    texts = [_whole(100 * part) if percent else number(part) for part in parts if finite(part)]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]" if len(texts) == len(parts) else texts[0]


def _whole(value: float) -> str:
    return f"{round(value)}".replace("-", MINUS)  # round, unlike a format, knows no minus zero


def reach(row: Row, scale: float = 1.0) -> list[list[float]] | None:
    """Return how far a value's interval reaches below and above it, None where there is none."""
    value, low, high = (row[name] for name in ("value", "lo", "hi"))
    if not (finite(low) and finite(high)):
        return None
    return [[scale * max(value - low, 0.0)], [scale * max(high - value, 0.0)]]


def blank(text: str) -> Figure:
    """Return a small sheet that says why there is nothing to draw."""
    lines = wrap(text, ONE_COLUMN - 2 * MARGIN)
    sheet = Sheet(ONE_COLUMN, extent(lines)[1] + 0.2, [])
    sheet.text(MARGIN, sheet.height / 2, lines, color=FAINT)
    return sheet.figure


def ticks(axis: Any, most: int) -> None:
    """Put round ticks on an axis, few enough for a small panel."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))


def log_ticks(axes: Axes, places: list[float]) -> None:
    """Turn the x axis logarithmic, with ticks at these places and no others."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [f"{place:g}" for place in places])
