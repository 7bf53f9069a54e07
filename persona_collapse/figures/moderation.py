"""Models' changes of S and R over the S and R of their baselines."""

import math
from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import (
    ABSENT,
    FINE,
    MINUS,
    Row,
    blank,
    finite,
    log_axis,
    point,
    round_values,
    rows_by,
    ticks,
    whiskers,
)
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, key_height
from persona_collapse.figures.style import FAINT, TEXT_WIDTH

_PLOT, _LEFT, _BELOW, _ABOVE = 1.75, 0.5, 0.4, 0.62
_PAIRS = (("R", "R"), ("S", "S"), ("R", "S"))


def moderation(
    moderation: pl.DataFrame, metrics: pl.DataFrame, contrasts: pl.DataFrame, look: Look
) -> Figure:
    """Return the figure: per pair of metrics a panel, the baseline across, the change upwards.

    A point is a model under a target, with 95 % intervals; the slope of ``moderation`` and its
    interval stand above the panel.
    """
    found = rows_by(moderation, "target", "baseline_metric", "change_metric")
    own = rows_by(metrics, "model", "variant", probe=look.roleplay, domain="overall")
    changes = rows_by(
        contrasts, "model", "contrast", "metric", probe=look.roleplay, domain="overall"
    )
    targets = [target for target in look.targets if any(key[0] == target for key in found)]
    if not targets:
        return blank("No change to explain: the study has no target.")
    entries = [Entry(target, look.paint(target), "point") for target in targets]
    inner = TEXT_WIDTH - 2 * MARGIN
    for_key = key_height(entries, inner)
    top = for_key + _ABOVE + 0.13 * (len(targets) - 1)
    sheet = Sheet(TEXT_WIDTH, top + _PLOT + _BELOW, look.notices(metrics))
    sheet.key(entries, MARGIN, 0.04, inner)
    step = inner / len(_PAIRS)
    for column, (first, second) in enumerate(_PAIRS):
        left = MARGIN + column * step
        sheet.heading(left, for_key + 0.14, f"Change of {second} over {first} of {look.baseline}")
        for line, target in enumerate(targets):
            words = _slope(found.get((target, first, second)))
            name = f"{target}: " if len(targets) > 1 else ""
            sheet.text(left, for_key + 0.32 + 0.13 * line, f"{name}{words}")
        axes = sheet.axes(left + _LEFT, top, step - _LEFT - 0.14, _PLOT, f"{first} {second}")
        points = [
            (model.key, target, base, change)
            for model in look.models
            for target in targets
            if (base := own.get((model.key, look.baseline))) is not None
            and (change := changes.get((model.key, f"{target}-{look.baseline}", second)))
            is not None
            and finite(base[first])
            and finite(change["percent"])
        ]
        axes.axhline(0, color=FAINT, linewidth=0.7, zorder=0.3)
        for key, target, base, change in points:
            point(
                axes, base[first], change["percent"], look.paint(target),
                f"{key} {target} {first} {second}", markersize=3.0,
                xerr=whiskers(base, first), yerr=whiskers(change, "percent"),
            )  # fmt: skip
        _across(axes, [base for _, _, base, _ in points], first)
        axes.set(xlabel=f"{first} of {look.baseline}", ylabel=f"change of {second}, %")
        ticks(axes.yaxis, 5)
    return sheet.figure


def _across(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    """Give R a log axis that has room for its intervals; S differs too little for one."""
    if metric != "R":
        ticks(axes.xaxis, 4, FINE)
        return
    found = [row[f"{metric}{end}"] for row in rows for end in ("", "_lo", "_hi")]
    values = [float(value) for value in found if finite(value) and value > 0]
    if values:
        pad = max((max(values) / min(values)) ** 0.06, 1.02)
        low, high = min(values) / pad, max(values) * pad
        log_axis(axes, "x", round_values(low, high, 4))
        axes.set_xlim(low, high)


def _slope(row: Row | None) -> str:
    """Say the slope of a panel with its interval, or that there is none."""
    if row is None or not finite(row["slope"]):
        return f"slope {ABSENT}"
    words = f"slope {row['slope']:.2f}"
    if row["slope_lo"] is not None and math.isfinite(row["slope_lo"]):
        words += f" [{row['slope_lo']:.2f}, {row['slope_hi']:.2f}]"
    return words.replace("-", MINUS)
