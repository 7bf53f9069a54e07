"""Models' changes of S and R over the S and R of their baselines."""

import math
from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import sentence
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
from persona_collapse.figures.sheet import MARGIN, Sheet
from persona_collapse.figures.style import FAINT, titled

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
        return blank("No change to explain: the study has no target.", look, moderation)
    inner = look.width - 2 * MARGIN
    above = _ABOVE + 0.13 * (len(targets) - 1)
    columns = 1 if look.narrow else len(_PAIRS)
    block = above + _PLOT + _BELOW
    sheet = Sheet(look.width, block * len(_PAIRS) / columns, look.notices(metrics))
    step = inner / columns
    for n, (first, second) in enumerate(_PAIRS):
        left, down = MARGIN + n % columns * step, n // columns * block
        top = down + above
        sheet.heading(left, down + 0.14, f"Change of {second} over {first} of {look.baseline}")
        for line, target in enumerate(targets):
            words = f"{target}: {_slope(found.get((target, first, second)))}"
            sheet.named(left, down + 0.32 + 0.13 * line, look.paint(target), words)
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
    return titled(sheet.figure, _finding(found, targets, look))


def _finding(rows: Mapping[tuple[str, str, str], Row], targets: Sequence[str], look: Look) -> str:
    """Say whether the slopes of S and of R over their own baselines are shown to differ from 0."""
    if len(targets) != 1:
        return ""
    parts = []
    for metric in ("R", "S"):
        row = rows.get((targets[0], metric, metric))
        if row is None or not (finite(row["slope_lo"]) and finite(row["slope_hi"])):
            continue
        if row["slope_lo"] <= 0 <= row["slope_hi"]:
            parts.append(f"{metric} is not shown to change more or less with {look.baseline}'s")
        else:
            end = "lower" if row["slope_hi"] < 0 else "higher"
            parts.append(f"where {look.baseline} has a higher {metric}, it ends relatively {end}")
    return sentence(*parts)


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
