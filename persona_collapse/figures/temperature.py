"""S and R over sampling temperature, from log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.blocks import Block, Blocks, Space
from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import blank, log_ticks
from persona_collapse.figures.sheet import Entry, Sheet
from persona_collapse.figures.style import PAPER, Paint, save, styled
from persona_collapse.figures.tables import INFINITY, Row, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = ("S", "R")
Curves = dict[tuple[str, str], list[Row]]


def temperature_curves(temperature: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write S and R of every variant over temperature."""
    save(draw_temperature_curves(temperature, look), stem)


@styled
def draw_temperature_curves(temperature: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: S and R side by side per model, a curve per variant.

    Bands are 95 % intervals. An infinite R stands as an open point on the upper edge. Where the
    role-play probe was sampled by repeats, the first probe with log-probabilities is drawn.
    """
    probes = temperature["probe"].unique(maintain_order=True).to_list()
    probe = look.roleplay if look.roleplay in probes else next(iter(probes), look.roleplay)
    chosen = temperature.filter(probe=probe, foundation="overall").sort("temperature")
    curves: Curves = {}
    for row in chosen.iter_rows(named=True):
        curves.setdefault((row["model"], row["variant"]), []).append(row)
    models = [m for m in look.models if any(key[0] == m.key for key in curves)]
    variants = [v for v in look.variants if any(key[1] == v for key in curves)]
    if not curves:
        return blank("No temperature curves: no log-probabilities were asked for under personas.")
    entries = [Entry(v, look.paint(v), "line") for v in variants]
    endless = any(row["R"] is not None and math.isinf(row["R"]) for row in _all(curves))
    note = "S (left) and R (right, log scale) over temperature; bands are 95 % intervals."
    if probe != look.roleplay:
        note += f" Probe: {probe}."
    if endless:
        note += f" An open point on the upper edge is R = {INFINITY}."
    space = Space(left=0.3, gap=0.36, above=0.2, below=0.24, foot=0.14, height=1.15, widest=1.7)
    sheet = Blocks(models, len(METRICS), space, entries, note, look.notices(temperature))
    for block in sheet.blocks:
        _block(sheet.sheet, block, curves, variants, look)
    return sheet.sheet.figure


def _all(curves: Curves) -> list[Row]:
    return [row for rows in curves.values() for row in rows]


def _block(sheet: Sheet, block: Block, curves: Curves, variants: Sequence[str], look: Look) -> None:
    grid = sorted({row["temperature"] for row in _all(curves)})
    for metric, frame in zip(METRICS, block.frames, strict=True):
        left, top, _, _ = frame
        sheet.text(left, top - 0.11, metric)
        axes = sheet.axes(*frame, f"{block.model.key} {metric}")
        log_ticks(axes, _shown(grid))
        axes.set_xlim(grid[0] / 1.1, grid[-1] * 1.1)
        axes.set_ylim(*_limits(_all(curves), metric))
        _upright(axes, metric)
        axes.grid(visible=True)
        if block.lowest:
            axes.set_xlabel("temperature")
        for variant in variants:
            rows = curves.get((block.model.key, variant), [])
            name = f"{block.model.key} {variant} {metric}"
            _curve(axes, rows, metric, look.paint(variant), name)


def _shown(grid: Sequence[float]) -> list[float]:
    """Return the ends of the temperatures and one in their middle: more would touch."""
    middle = min(grid, key=lambda t: abs(math.log(t * t / (grid[0] * grid[-1]))))
    return sorted({grid[0], middle, grid[-1]})


def _limits(rows: Sequence[Row], metric: str) -> tuple[float, float]:
    """Return the ends of an axis that all models share: S from zero, R on a log scale."""
    ends = [row[name] for row in rows for name in (metric, f"{metric}_lo", f"{metric}_hi")]
    known = [end for end in ends if finite(end) and (metric == "S" or end > 0)] or [1.0]
    if metric == "S":
        return 0.0, 1.05 * max(known) or 1.0
    return min(known) / 1.15, max(known) * 1.3


def _upright(axes: Axes, metric: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axes.get_ylim()
    if metric == "S":
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        return
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1,) if high / low > 300 else (1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _curve(axes: Axes, rows: Sequence[Row], metric: str, paint: Paint, name: str) -> None:
    known = [row for row in rows if finite(row[metric])]
    axes.plot(
        [row["temperature"] for row in known], [row[metric] for row in known],
        color=paint.colour, linestyle=paint.line, linewidth=paint.width, marker=paint.marker,
        markersize=2.6, label=name,
    )  # fmt: skip
    banded = [r for r in known if finite(r[f"{metric}_lo"]) and r[f"{metric}_hi"] is not None]
    top = axes.get_ylim()[1]
    axes.fill_between(
        [row["temperature"] for row in banded], [row[f"{metric}_lo"] for row in banded],
        [min(row[f"{metric}_hi"], top) for row in banded], color=paint.colour, alpha=0.18,
        linewidth=0, label=f"{name} band",
    )  # fmt: skip
    endless = [row["temperature"] for row in rows if row[metric] == math.inf]
    if endless:
        axes.plot(
            endless, [top] * len(endless), linestyle="none", marker=paint.marker, markersize=3.6,
            color=paint.colour, markerfacecolor=PAPER, clip_on=False, label=f"{name} infinite",
        )  # fmt: skip
