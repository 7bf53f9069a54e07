"""Loss curves of fine-tunes: how the training loss and the token accuracy went, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.figures.blocks import Block, Blocks, Space
from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import blank
from persona_collapse.figures.sheet import Entry, Sheet
from persona_collapse.figures.style import save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {"train_loss": "Loss", "train_accuracy": "Accuracy"}
WINDOW = 0.05  # of a curve's points: what a line is averaged over
NOTE = (
    "Training loss and share of tokens predicted. Pale: what the server told of; line: its mean "
    "over 5 % of the steps around."
)


def loss_curves(losses: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write the loss curves of ``tables/losses.csv``."""
    save(draw_loss_curves(losses, look), stem)


@styled
def draw_loss_curves(losses: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: training loss and, where it is known, token accuracy per model.

    A curve per made variant over the training step; all panels of a measure share their axis.
    """
    models = [model for model in look.models if model.key in losses["model"]]
    variants = [name for name in look.variants if name in losses["variant"]]
    measures = [name for name in MEASURES if losses[name].is_not_null().any()]
    if not models or not measures:
        return blank("No loss curves: no server told of a training step.")
    entries = [Entry(name, look.paint(name), "stroke") for name in variants]
    space = Space(left=0.34, gap=0.4, above=0.2, below=0.24, foot=0.14, height=1.15, widest=2.2)
    sheet = Blocks(models, len(measures), space, entries, NOTE, look.notices(losses))
    for block in sheet.blocks:
        rows = losses.filter(pl.col("model") == block.model.key)
        _block(sheet.sheet, block, rows, losses, measures, look)
    return sheet.sheet.figure


def _block(
    sheet: Sheet,
    block: Block,
    rows: pl.DataFrame,
    losses: pl.DataFrame,
    measures: Sequence[str],
    look: Look,
) -> None:
    from matplotlib.ticker import MaxNLocator

    for measure, frame in zip(measures, block.frames, strict=True):
        left, top, _, _ = frame
        sheet.text(left, top - 0.11, MEASURES[measure])
        axes = sheet.axes(*frame, f"{block.model.key} {measure}")
        last = float(rows["step"].max() or 1)  # type: ignore[arg-type]
        axes.set_xlim(0, last)
        axes.set_ylim(*_limits(losses, measure))
        axes.xaxis.set_major_locator(
            MaxNLocator(3, integer=True, steps=[1, 2, 5, 10], prune="upper")
        )
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.grid(visible=True)
        if block.lowest:
            axes.set_xlabel("training step")
        for variant in look.variants:
            curve = rows.filter((pl.col("variant") == variant) & pl.col(measure).is_not_null())
            if curve.height:
                name = f"{block.model.key} {variant} {measure}"
                _curve(axes, curve.sort("step"), measure, look, variant, name)


def _limits(losses: pl.DataFrame, measure: str) -> tuple[float, float]:
    """Return the ends of an axis that all models share; a loss starts at zero."""
    found = [float(value) for value in losses[measure].drop_nulls() if value == value]
    low, high = min(found, default=0.0), max(found, default=1.0)
    if measure == "train_loss":
        return 0.0, 1.05 * high or 1.0
    pad = 0.05 * (high - low) or 0.05
    return max(0.0, low - pad), min(1.0, high + pad)


def _curve(
    axes: Axes, curve: pl.DataFrame, measure: str, look: Look, variant: str, name: str
) -> None:
    paint, steps, values = look.paint(variant), curve["step"].to_list(), curve[measure]
    window = max(1, round(WINDOW * curve.height))
    mean = values.rolling_mean(window, min_samples=1, center=True)
    if window > 1:
        axes.plot(
            steps, values.to_list(), color=paint.colour, linewidth=0.5, alpha=0.35,
            label=f"{name} told",
        )  # fmt: skip
    axes.plot(
        steps, mean.to_list(), color=paint.colour, linestyle=paint.line, linewidth=paint.width,
        marker=paint.marker if curve.height == 1 else "", label=name,
    )  # fmt: skip
