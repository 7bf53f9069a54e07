"""S of every variant against the band of published models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.figures.look import Look
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, extent, key_height, widest, wrap
from persona_collapse.figures.style import (
    FAINT,
    GRID,
    HEADING,
    INK,
    ONE_COLUMN,
    PAPER,
    SHADE,
    Paint,
    save,
    styled,
)
from persona_collapse.figures.tables import DASH, Row, finite, interval, rows_by

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = 1.2
_ROW, _SPACE, _HEAD = 0.135, 0.1, 0.2
_PRIOR = Paint(INK, "", "-", "o")
_NORMAL = 1.96  # standard errors on each side of a 95 % interval


@dataclass(frozen=True)
class Band:
    """The range of S over the published models that count, ``low`` and ``high`` included."""

    low: float
    high: float
    members: tuple[str, ...]


def band_of(prior: pl.DataFrame, members: Sequence[str] = ()) -> Band:
    """Return the band of the listed models, or of those that ``in_band`` marks.

    Raises:
        UserError: a listed model is not in the table, or no model counts.
    """
    known = prior["model"].to_list()
    for name in members:
        if name not in known:
            raise UserError(
                f"analysis.band: {name!r} is no model of prior_models.csv{nearest(name, known)}"
            )
    chosen = prior.filter(pl.col("model").is_in(list(members)) if members else pl.col("in_band"))
    values = chosen["S"].to_list()
    if not values:
        raise UserError("prior_models.csv: no model has in_band true; mark those of the band")
    return Band(min(values), max(values), tuple(chosen["model"]))


def prior_band(metrics: pl.DataFrame, prior: pl.DataFrame, look: Look, stem: Path) -> None:
    """Write S of the study's variants against the published models ``prior``."""
    save(draw_prior_band(metrics, prior, look), stem)


@styled
def draw_prior_band(metrics: pl.DataFrame, prior: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: published models by family above, the study's models below.

    The band is shaded and its ends are printed. Whiskers are 95 % intervals: those of published
    models are 1.96 of their standard errors each way.
    """
    band = band_of(prior, look.band)
    values = rows_by(metrics, "model", "variant", probe=look.roleplay, foundation="overall")
    published = _published(prior)
    drawn = [variant for variant in look.variants if any(variant == v for _, v in values)]
    models = [m for m in look.models if any((m.key, v) in values for v in drawn)]
    labels = {m.key: wrap(m.label, _LABELS) for m in models}
    room = max(widest([row["model"] for row in published]), widest(list(labels.values()))) + 0.1
    step = 0.1 if len(drawn) <= 3 else 0.078
    heights = {m.key: max(len(drawn) * step, extent(labels[m.key])[1]) + _SPACE for m in models}
    counted = {row["model"] in band.members for row in published}
    entries = [
        *(Entry(name, look.paint(name), "point") for name in drawn),
        *([Entry("published, in the band", _PRIOR, "point")] if True in counted else []),
        *([Entry("published, not in it", _PRIOR, "open")] if False in counted else []),
    ]
    inner = ONE_COLUMN - 2 * MARGIN
    for_key = key_height(entries, inner)
    upper = len(published) * _ROW
    tall = upper + 2 * _HEAD + sum(heights.values())
    top = 0.26
    sheet = Sheet(ONE_COLUMN, top + tall + 0.36 + for_key, look.notices(metrics))
    axes = sheet.axes(MARGIN + room, top, inner - room - 0.1, tall, "S")
    axes.set_ylim(tall, 0)
    _limits(axes, published, list(values.values()), band)
    _shade(sheet, axes, band, (MARGIN + room, inner - room - 0.1))
    sheet.text(MARGIN, top + _HEAD / 2, "Published base models", weight="bold")
    for place, row in enumerate(published):
        y = _HEAD + (place + 0.5) * _ROW
        sheet.text(MARGIN + room - 0.08, top + y, row["model"], ha="right")
        _point(
            axes, row, y, _PRIOR, f"prior {row['model']}", hollow=row["model"] not in band.members
        )
    y = _HEAD + upper
    sheet.rule(MARGIN, ONE_COLUMN - MARGIN, top + y + 0.03, color=GRID)
    sheet.text(MARGIN, top + y + _HEAD / 2 + 0.04, "This study", weight="bold")
    y += _HEAD
    for model in models:
        middle = y + heights[model.key] / 2
        sheet.text(MARGIN + room - 0.08, top + middle, labels[model.key], ha="right")
        for place, variant in enumerate(drawn):
            found = values.get((model.key, variant))
            if found is not None and finite(found["S"]):
                at = middle + (place - (len(drawn) - 1) / 2) * step
                _point(axes, found, at, look.paint(variant), f"{model.key} {variant} S")
        y += heights[model.key]
    sheet.key(entries, MARGIN, top + tall + 0.36, inner)
    return sheet.figure


def _published(prior: pl.DataFrame) -> list[Row]:
    """Return the published models, families together, in each by rising S, with intervals."""
    reach = _NORMAL * pl.col("S_se")
    ends = prior.with_columns(S_lo=pl.col("S") - reach, S_hi=pl.col("S") + reach)
    return list(ends.sort("family", "S", "model").iter_rows(named=True))


def _limits(axes: Axes, published: list[Row], rows: list[Row], band: Band) -> None:
    """Leave room for every whisker and the band; S is a place here, not a length from zero."""
    from matplotlib.ticker import MaxNLocator

    found = [end for row in [*published, *rows] for end in interval(row, "S") or ()]
    found += [row["S"] for row in rows if finite(row["S"])]
    low, high = min([*found, band.low]), max([*found, band.high])
    pad = 0.04 * (high - low) or 0.1
    axes.set_xlim(low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.grid(visible=True)
    axes.set_xlabel("Moral susceptibility S")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", left=False, labelleft=False)


def _shade(sheet: Sheet, axes: Axes, band: Band, across: tuple[float, float]) -> None:
    """Shade the band and print its ends above it, kept inside the sheet."""
    axes.axvspan(band.low, band.high, color=SHADE, linewidth=0, zorder=0.1, label="band")
    for end in (band.low, band.high):
        axes.axvline(end, color=FAINT, linewidth=0.7, zorder=0.2)
    text = f"Band of {len(band.members)} models: {band.low:.3f}{DASH}{band.high:.3f}"
    low, high = axes.get_xlim()
    left, width = across
    middle = left + width * ((band.low + band.high) / 2 - low) / (high - low)
    half = extent(text, HEADING, bold=True)[0] / 2
    middle = min(max(middle, MARGIN + half), ONE_COLUMN - MARGIN - half)
    sheet.text(middle, 0.14, text, ha="center", fontsize=HEADING, weight="bold")


def _point(
    axes: Axes, row: Row, y: float, paint: Paint, label: str, *, hollow: bool = False
) -> None:
    ends = interval(row, "S")
    reach = None
    if ends:
        reach = [[max(row["S"] - ends[0], 0)], [max(ends[1] - row["S"], 0)]]
    axes.errorbar(
        row["S"], y, xerr=reach, color=paint.colour, marker=paint.marker, markersize=3.5,
        markerfacecolor=PAPER if hollow else paint.colour, markeredgewidth=0.8, elinewidth=0.9,
        linestyle="none", label=label,
    )  # fmt: skip
