"""Tables and figure of ``docs/calibration.md`` from ``benchmarks/results/calibration.csv``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmarks.calibration_worlds import ROOT
from persona_collapse.figures.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    PNG_DPI,
    PURPLE,
    SHADE,
    SKY,
    TEXT_WIDTH,
    VERMILLION,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The same populations with jackknife intervals on the log scale (S, R) and BCa intervals (changes).
BEFORE = ROOT / "benchmarks/results/calibration_before.csv"
PAGE, FIGURE = ROOT / "docs/calibration.md", ROOT / "docs/figures/calibration"
VARIANTS = ("base", "secure", "insecure")
CONTRASTS = ("insecure-base", "secure-base", "insecure-secure")
# What a row of the coverage table pools: its label and the names of its checks.
COVERAGE = {
    "S": [f"S of {variant}" for variant in VARIANTS],
    "R": [f"R of {variant}" for variant in VARIANTS],
    "percent change of S": [f"S {contrast}, percent" for contrast in CONTRASTS],
    "percent change of R": [f"R {contrast}, percent" for contrast in CONTRASTS],
}
REJECTIONS = tuple(f"{metric}, {test}" for test in ("p", "p_exchange") for metric in ("S", "R"))
BIAS = ("S", "S_corrected", "sigma_bar", "sigma_bar_corrected", "R", "R_corrected")
LOOKS = ((BLUE, "o"), (GREEN, "s"), (PURPLE, "D"), (VERMILLION, "^"), (SKY, "v"), (INK, "P"))
GROUPS = ("overall", "domains")


def document(results: Path) -> None:
    """Write the figure, and replace the tables of the page between their markers."""
    found = pl.read_csv(results)
    tables = {
        "coverage": coverage_table(found),
        "before": coverage_table(pl.read_csv(BEFORE)),
        "rejection": rejection_table(found),
        "bias": bias_table(found),
        "corrected": corrected_table(found),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = mark.subn(lambda at, t=table: f"{at[1]}{t}{at[2]}", text)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"{PAGE}: the marker of the table {name!r} occurs {count} times")
    PAGE.write_text(text, encoding="utf-8")
    with style():
        figure = drawn(found)
        FIGURE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(f"{FIGURE}.svg", metadata={"Date": None, "Creator": "persona-collapse"})
        figure.savefig(f"{FIGURE}.png", dpi=PNG_DPI, metadata={"Software": None})


def worlds_of(found: pl.DataFrame) -> list[str]:
    """Return the worlds in the order of the results."""
    return found["world"].unique(maintain_order=True).to_list()


def rows_of(
    found: pl.DataFrame, check: str, world: str, group: str, names: Sequence[str]
) -> pl.DataFrame:
    """Return the rows of some checks of one world and group."""
    return found.filter(
        (pl.col("check") == check)
        & (pl.col("world") == world)
        & (pl.col("domain") == group)
        & pl.col("name").is_in(names)
    )


def coverage_table(found: pl.DataFrame) -> str:
    """Mean, lowest and highest coverage over variants or contrasts, per interval and group."""
    every = [label for labels in COVERAGE.values() for label in labels]
    drawn = [
        rows_of(found, "coverage", world, "overall", every)["studies"].max()
        for world in worlds_of(found)
    ]
    rows = []
    for label, names in COVERAGE.items():
        for group in GROUPS:
            cells = []
            for world in worlds_of(found):
                values = rows_of(found, "coverage", world, group, names)["value"].to_numpy()
                ends = f"{values.min():.1f} to {values.max():.1f}"
                cells.append(f"{values.mean():.1f} ({ends})")
            rows.append([label, group, *cells])
    rows.append(["*studies*", "", *map(str, drawn)])
    return markdown(["interval of", "items", *worlds_of(found)], rows)


def rejection_table(found: pl.DataFrame) -> str:
    """Share of studies without a difference of S and R in which p or p_exchange is <= 0.05."""
    rows = []
    for name in REJECTIONS:
        for group in GROUPS:
            parts = [rows_of(found, "rejection", w, group, [name]) for w in worlds_of(found)]
            rows.append([name, group, *(_with_error(part, 1) for part in parts)])
    return markdown(["test", "items", *worlds_of(found)], rows)


def bias_table(found: pl.DataFrame) -> str:
    """Mean error of the overall estimates, in percent of the value without repetition noise."""
    worlds = worlds_of(found.filter(check="bias"))
    rows = []
    for variant in VARIANTS:
        for name in BIAS:
            of = [f"{name} of {variant}"]
            parts = [rows_of(found, "bias", w, "overall", of) for w in worlds]
            rows.append([name, variant, *(_with_error(part, 1, sign=True) for part in parts)])
    return markdown(["estimate", "variant", *worlds], rows)


def corrected_table(found: pl.DataFrame) -> str:
    """Coverage of the interval of the corrected R, for the value without repetition noise."""
    worlds = worlds_of(found.filter(check="bias"))
    rows = []
    for variant in VARIANTS:
        of = [f"R_corrected of {variant}"]
        parts = [rows_of(found, "coverage", w, "overall", of) for w in worlds]
        rows.append([variant, *(_with_error(part, 0) for part in parts)])
    return markdown(["variant", *worlds], rows)


def _with_error(part: pl.DataFrame, digits: int, sign: bool = False) -> str:
    value, error = part["value"].item(), part["se"].item()
    shown = f"{value:{'+' if sign else ''}.{digits}f}"
    return shown if error is None else f"{shown} ± {error:.{digits}f}"  # one study has no error


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; columns of numbers are aligned right."""
    rule = ["---:" if re.match(r"[+-]?\d", cell) else "---" for cell in rows[0]]
    lines = [header, rule, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def drawn(found: pl.DataFrame) -> Figure:
    """Draw coverage, rejection and bias: one row of points per check, one look per world."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(TEXT_WIDTH, 3.9), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[3, 2], height_ratios=[2, 3])
    coverage = figure.add_subplot(grid[:, 0])
    rejection, bias = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    labels = {f"{label}, {group}": (names, group) for label, names in COVERAGE.items()
              for group in GROUPS}  # fmt: skip
    _points(coverage, found, "coverage", labels)
    _frame(coverage, "Coverage of 95 % intervals", (93, 97))
    tests = {f"{name}, {group}": ([name], group) for name in REJECTIONS for group in GROUPS}
    _points(rejection, found, "rejection", tests)
    _frame(rejection, "False alarms at 5 %", (3.5, 6.5))
    names = {name: ([f"{name} of {v}" for v in VARIANTS], "overall") for name in BIAS}
    _points(bias, found, "bias", names)
    _frame(bias, "Mean error", None)
    handles, texts = coverage.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _points(
    axes: Axes, found: pl.DataFrame, check: str, rows: Mapping[str, tuple[Sequence[str], str]]
) -> None:
    worlds = worlds_of(found)
    for place, world in enumerate(worlds):
        colour, marker = LOOKS[place % len(LOOKS)]
        across, heights = [], []
        for row, (names, group) in enumerate(rows.values()):
            values = rows_of(found, check, world, group, names)["value"].to_list()
            across += values
            heights += [row + (place - (len(worlds) - 1) / 2) * 0.15] * len(values)
        axes.plot(across, heights, marker, color=colour, ms=3, mew=0.4, label=world, alpha=0.9)
    axes.set_yticks(np.arange(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _frame(axes: Axes, title: str, asked: tuple[float, float] | None) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=8)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %".replace("-", "−"))
    axes.tick_params(axis="y", length=0)
    if asked is None:
        axes.axvline(0, color=FAINT, lw=0.8)
    else:
        axes.axvspan(*asked, color=SHADE, lw=0, zorder=0)
        axes.axvline(sum(asked) / 2, color=FAINT, lw=0.8)
