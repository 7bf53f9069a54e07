"""The specification curve: changes of S and R, and the verdict, under every choice of analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from persona_collapse.figures.look import Look
from persona_collapse.figures.marks import MINUS, Row, blank, finite, round_ticks, short_names
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, bare, key_height, widest, wrap
from persona_collapse.figures.style import (
    FAINT,
    GRID,
    INK,
    PAPER,
    Paint,
    titled,
)

METRICS = {"S": "Change of S, %", "R": "Change of R, %"}
# Rows of the choices below a curve, by column; domains are added.
CHOICES = {
    "definition": {
        "published": "as published",
        "domain_means": "domain means first",
        "persona_means": "persona means",
        "root_mean_square": "root mean square",
        "mean_deviation": "mean deviation",
        "gini_difference": "Gini difference",
        "normal_scores": "normal scores",
        "ddof_0": "ddof = 0",
    },
    "items": {},
    "personas": {
        "without_influential": "without the top five",
        "without_failed": "without failed",
        "first_half": "first half",
        "second_half": "second half",
    },
    "failures": {"missing": "cells missing", "no_fallback": "no fallback"},
}
_LABELS = 1.2  # inches for names at the left
_BETWEEN = 0.14
_MOST_DETAILED = 2  # verdicts: more leave no room for the choices below their curves
_HEIGHTS = ((2, 1.2), (4, 1.0), (8, 0.8))  # up to so many verdicts: inches per curve
_LOWEST = 0.58
_CHOICE = 0.125  # inches per choice
_REPORTED = Paint(INK, "", (0, (3, 2)), "D", 0.7)


def specification_curve(multiverse: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and target, changes of S and R side by side.

    Specifications with numbers of their own are sorted by their value, with 95 % intervals, cut at
    the axis' ends. Of one or two verdicts the choices behind each are shown below.
    """
    rows = multiverse.filter("distinct")
    names = {model.key: model.label for model in look.models}
    verdicts = [
        _Verdict(names[model], target, look.paint(target), list(own.iter_rows(named=True)))
        for (model, target), own in rows.group_by("model", "target", maintain_order=True)
    ]
    if not verdicts:
        return blank(
            "No specification curve: no target to compare with the baseline.", look, multiverse
        )
    several = len({verdict.target for verdict in verdicts}) > 1
    detailed = len(verdicts) <= _MOST_DETAILED
    choices = _choices(rows.to_dicts()) if detailed else []
    curve = next((tall for most, tall in _HEIGHTS if len(verdicts) <= most), _LOWEST)
    tall = curve + _CHOICE * len(choices) + (0.1 if detailed else 0)
    inner = look.width - 2 * MARGIN
    targets = {verdict.target for verdict in verdicts}
    shape = look.paint(targets.pop()) if len(targets) == 1 else Paint(FAINT, "", "-", "o")
    entries = [
        Entry("the reported specification", _REPORTED, "line"),
        Entry("the same verdict", shape, "point"),
        Entry("another verdict", replace(shape, colour=FAINT), "open"),
    ]
    for_key = key_height(entries, inner)
    columns = [_Column(metric, verdicts, curve) for metric in METRICS]
    rooms = [widest([text for _, text in column.ticks]) + 0.12 for column in columns]
    beside = 1 if look.narrow else len(columns)
    block = 0.34 + len(verdicts) * (tall + 0.12)
    sheet = Sheet(look.width, for_key + block * len(columns) / beside, look.notices(multiverse))
    sheet.key(entries, MARGIN, 0.04, inner)
    width = (inner - _LABELS - sum(rooms[:beside])) / beside - _BETWEEN * (beside - 1) / beside
    left, top = MARGIN + _LABELS, for_key + 0.34
    for n, (column, room) in enumerate(zip(columns, rooms, strict=True)):
        if n % beside == 0:
            left, top = MARGIN + _LABELS, for_key + 0.34 + n // beside * block
            for place, verdict in enumerate(verdicts):
                y = top + place * (tall + 0.12)
                sheet.text(MARGIN, y + curve / 2, wrap(verdict.label(several), _LABELS - 0.05))
                for row, (_, _, text) in enumerate(choices):
                    sheet.text(MARGIN, y + curve + 0.04 + (row + 0.5) * _CHOICE, text)
                if place:
                    sheet.rule(MARGIN, look.width - MARGIN, y - 0.06, color=GRID)
        left += room
        sheet.heading(left, top - 0.13, METRICS[column.metric])
        for place, verdict in enumerate(verdicts):
            y = top + place * (tall + 0.12)
            name = f"{verdict.name} {verdict.target} {column.metric}"
            column.draw(sheet.axes(left, y, width, curve, name), verdict)
            if detailed:
                low = sheet.axes(
                    left, y + curve + 0.04, width, tall - curve - 0.1, f"{name} choices"
                )
                _draw_choices(low, verdict, column.metric, choices)
        left += width + _BETWEEN
    return titled(sheet.figure, _finding(verdicts))


def _finding(verdicts: Sequence["_Verdict"]) -> str:
    """Say in how many specifications verdicts stand."""
    counts = [(v.same, len(v.rows)) for v in verdicts]
    if len(counts) == 1:
        same, of = counts[0]
        verdict = str(verdicts[0].rows[0]["label"]).replace("_", " ")
        return f"The verdict, {verdict}, stands in {same} of {of} specifications of the analysis."
    low, high = (end(100 * same / of for same, of in counts) for end in (min, max))
    return (
        f"The {len(counts)} verdicts stand in {low:.0f} to {high:.0f} % of the specifications of "
        "the analysis."
    )


@dataclass(frozen=True)
class _Verdict:
    """The specifications of one model and target, the reported one first."""

    name: str
    target: str
    paint: Paint
    rows: Sequence[Row]

    @property
    def same(self) -> int:
        """In how many specifications the verdict is the reported one."""
        return sum(bool(row["same_label"]) for row in self.rows)

    def sorted_by(self, metric: str) -> list[Row]:
        """Return the specifications with a known change, the smallest first."""
        column = f"{metric}_target"
        return sorted((row for row in self.rows if finite(row[column])), key=lambda r: r[column])

    def label(self, several: bool) -> str:
        """Return model, target where there are several, and how often the verdict stands."""
        name = f"{self.name} {self.target}" if several else self.name
        verdict = str(self.rows[0]["label"]).replace("_", " ")
        return f"{name}: {verdict} in {self.same} of {len(self.rows)}"


class _Column:
    """Changes of one metric on an axis that all verdicts share; ``tall`` inches high."""

    def __init__(self, metric: str, verdicts: Sequence[_Verdict], tall: float) -> None:
        self.metric, self.name = metric, f"{metric}_target"
        rows = [row for verdict in verdicts for row in verdict.rows]
        values = [row[self.name] for row in rows if finite(row[self.name])]
        reported = [verdict.rows[0] for verdict in verdicts]
        ends = [row[f"{self.name}_{end}"] for row in reported for end in ("lo", "hi")]
        known = [*values, *(end for end in ends if finite(end)), 0.0]
        pad = 0.08 * (max(known) - min(known)) or 1.0
        self.low, self.high = min(known) - pad, max(known) + pad
        ticks = round_ticks(self.low, self.high, max(2, int(tall / 0.28)))
        self.ticks = [(tick, f"{tick:g}".replace("-", MINUS)) for tick in ticks]

    def draw(self, axes: Axes, verdict: _Verdict) -> None:
        """Draw the sorted specifications of one verdict."""
        rows = verdict.sorted_by(self.metric)
        axes.set(xlim=(-1, max(len(rows), 1)), ylim=(self.low, self.high))
        axes.set_yticks([tick for tick, _ in self.ticks], [text for _, text in self.ticks])
        axes.xaxis.set_major_locator(NullLocator())
        axes.grid(visible=True, axis="y", color=GRID)
        axes.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
        paint = verdict.paint
        for same, colour in ((True, paint.colour), (False, FAINT)):
            drawn = [(x, row) for x, row in enumerate(rows) if row["same_label"] == same]
            known = [(x, row) for x, row in drawn if finite(row[f"{self.name}_hi"])]
            axes.vlines(
                [x for x, _ in known],
                [max(row[f"{self.name}_lo"], self.low) for _, row in known],
                [min(row[f"{self.name}_hi"], self.high) for _, row in known],
                color=colour, linewidth=0.7, alpha=0.5, label=f"intervals {same}",
            )  # fmt: skip
            axes.plot(
                [x for x, _ in drawn], [row[self.name] for _, row in drawn], linestyle="none",
                color=colour, marker=paint.marker, markersize=2.4, markeredgewidth=0.6,
                markerfacecolor=colour if same else PAPER, label=f"values {same}",
            )  # fmt: skip
        first = verdict.rows[0]
        if first in rows:
            y, line = first[self.name], _REPORTED
            axes.axhline(y, color=line.colour, linestyle=line.line, linewidth=line.width, zorder=1)
            axes.plot(
                rows.index(first), y, color=line.colour, marker=line.marker, markersize=3.6,
                zorder=4, label="reported",
            )  # fmt: skip


def _choices(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Return column, value and text of every choice that some specification makes."""
    domains = dict.fromkeys(row["items"] for row in rows if row["items"] != "all")
    short = short_names([name.removeprefix("without ") for name in domains])
    texts: Mapping[str, Mapping[str, str]] = {
        **CHOICES,
        "items": {d: f"without {name}" for d, name in zip(domains, short, strict=True)},
    }
    return [
        (column, value, wrap(text, _LABELS - 0.05).partition("\n")[0])
        for column, named in texts.items()
        for value, text in named.items()
        if any(row[column] == value for row in rows)
    ]


def _draw_choices(
    axes: Axes, verdict: _Verdict, metric: str, choices: Sequence[tuple[str, str, str]]
) -> None:
    """Mark the choices of every specification, in the order of the curve above."""
    rows = verdict.sorted_by(metric)
    axes.set(xlim=(-1, max(len(rows), 1)), ylim=(len(choices) - 0.5, -0.5))
    bare(axes)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_major_locator(NullLocator())
    previous = ""
    for place, (column, value, _) in enumerate(choices):
        if column != previous and previous:
            axes.axhline(place - 0.5, color=GRID, linewidth=0.5)
        previous = column
        made = [x for x, row in enumerate(rows) if row[column] == value]
        for same, colour in ((True, verdict.paint.colour), (False, FAINT)):
            drawn = [x for x in made if rows[x]["same_label"] == same]
            axes.plot(
                drawn, [place] * len(drawn), linestyle="none", marker="|", markersize=4,
                markeredgewidth=0.9, color=colour, label=f"{value} {same}",
            )  # fmt: skip
