"""Bars of models and variants: S and R, parts of the variance, answers without a rating."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from persona_collapse.figures.findings import moved, noun_of, sentence, share, subjects, where
from persona_collapse.figures.look import METRICS, Look, Notice
from persona_collapse.figures.marks import (
    ABSENT,
    Row,
    blank,
    change,
    finite,
    interval,
    measures,
    number,
    rows_by,
    ticks,
    whiskers,
    with_interval,
)
from persona_collapse.figures.panels import ROW, Frame, Line, Rows
from persona_collapse.figures.sheet import MARGIN, SWATCH, Entry, Sheet, bare, key_height, widest
from persona_collapse.figures.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PAPER,
    TEXT_WIDTH,
    VERMILLION,
    Paint,
    titled,
)
from persona_collapse.tables.contracts.influence import FEW, FEW_SIGN

COMPONENTS = {
    "persona": ("persona", Paint(BLUE, "/////", "-", "o")),
    "persona_item": ("persona × item", Paint(ORANGE, "\\\\\\\\\\", "-", "o")),
    "item": ("item", Paint(GREY, "", "-", "o")),
    "repetition": ("repetition", Paint(VERMILLION, "xxxxx", "-", "o")),
}
PARTS = {
    "kept": ("kept", Paint(BLUE, "/////", "-", "o")),
    "new": ("new", Paint(VERMILLION, "xxxxx", "-", "o")),
}
CAUSES = {
    "missing": Paint(GREY, "", "-", "o"),
    "unparseable": Paint(ORANGE, "\\\\\\\\\\", "-", "o"),
    "refused": Paint(VERMILLION, "xxxxx", "-", "o"),
    "filtered": Paint(BLUE, "/////", "-", "o"),
    "error": Paint(GREEN, "...", "-", "o"),
}
_LABELS = 1.2  # inches for models' labels beside S and R
_BAR = 0.115  # a bar's height in inches
_COLUMN_GAP, _BETWEEN = 0.1, 0.16  # inches between columns of numbers and between panels


def collapse_bars(
    metrics: pl.DataFrame, contrasts: pl.DataFrame, influence: pl.DataFrame, look: Look
) -> Figure:
    """Return the figure: one row per model and variant, S on the left and R on the right.

    Bars start at zero; whiskers are 95 % intervals, or one standard error where there is none. An
    infinite R is a bar without an end. Beside each bar are the value and the percent change
    against the baseline with its interval. A number that rests on few personas is marked.
    """
    marked = influence.filter(pl.col("effective_personas") < FEW, probe=look.roleplay)
    few = {
        (row["model"], row["variant"] if row["quantity"] == "S" else row["quantity"])
        for row in marked.iter_rows(named=True)
    }
    values = rows_by(metrics, "model", "variant", probe=look.roleplay, domain="overall")
    changes = rows_by(
        contrasts, "model", "contrast", "metric", probe=look.roleplay, domain="overall"
    )
    if not any(row["S"] is not None or row["R"] is not None for row in values.values()):
        return blank("No S and R: no persona has a valid rating of every item, or there is one.")
    layout = Rows(look, values, _LABELS - 0.12)
    tall = layout.tall
    averages = _averages(changes, look, tall + 0.3) if len(layout.groups) > 1 else []
    bottom = averages[-1].y + ROW if averages else tall + 0.3
    shown = [name for name in look.variants if any(name == variant for _, variant in values)]
    entries = [Entry(name, look.paint(name)) for name in shown]
    inner = TEXT_WIDTH - 2 * MARGIN
    top = key_height(entries, inner) + 0.5
    sheet = Sheet(TEXT_WIDTH, top + bottom, look.notices(metrics))
    sheet.key(entries, MARGIN, 0.04, inner)
    layout.label(sheet, top)
    if averages:
        sheet.text(MARGIN, top + averages[0].y, "Mean change")
    width = (inner - _LABELS - _BETWEEN) / 2
    for column, metric in enumerate(METRICS):
        left = MARGIN + _LABELS + column * (width + _BETWEEN)
        panel = _Metric(sheet, metric, values, changes, few if metric == "S" else set(), look)
        panel.draw(layout.lines, averages, (left, top, width, tall))
    return titled(sheet.figure, _collapse(values, changes, look))


def _collapse(
    values: Mapping[tuple[str, str], Row], changes: Mapping[tuple[str, str, str], Row], look: Look
) -> str:
    """Say in how many models S and R moved, by the intervals of their changes."""
    name, pairs = subjects(look, list(values))
    rows = {
        metric: [changes.get((model, f"{v}-{look.baseline}", metric)) for model, v in pairs]
        for metric in METRICS
    }
    if not pairs or not any(row for row in rows["S"]):
        return ""
    parts = [moved(metric, rows[metric], noun_of(pairs)) for metric in METRICS]
    return sentence(f"from {look.baseline} to {name}, {parts[0]}", parts[1])


def _averages(changes: dict[tuple[str, str, str], Row], look: Look, y: float) -> list[Line]:
    """Place the study's mean changes below the axis: there is no bar to an average of changes."""
    names = [v for v in look.changed if ("mean", f"{v}-{look.baseline}", "S") in changes]
    return [Line("mean", name, y + n * ROW) for n, name in enumerate(names)]


@dataclass(frozen=True)
class _Metric:
    """One metric: bars on the left, columns of values and changes on the right."""

    sheet: Sheet
    metric: str
    values: dict[tuple[str, str], Row]
    changes: dict[tuple[str, str, str], Row]
    few: set[tuple[str, str]]  # model and variant, or model and contrast, of marked numbers
    look: Look

    def draw(self, lines: list[Line], averages: list[Line], box: Frame) -> None:
        """Draw into the box (left, top, width, height) in inches."""
        left, top, width, tall = box
        sheet, base = self.sheet, self.look.baseline
        numbers = {
            line: number(self._row(line)[self.metric]) + self._mark(line.model, line.variant)
            for line in lines
        }
        shifts = {
            line: change(self.changes.get((line.model, f"{line.variant}-{base}", self.metric)))
            + self._mark(line.model, f"{line.variant}-{base}")
            for line in [*lines, *averages]
            if line.variant != base
        }
        heading = f"% vs {base}" if len(base) <= 12 else "% change"
        for_shifts = widest([*shifts.values(), heading])
        for_numbers = widest([*numbers.values(), self.metric])
        bars = width - for_shifts - for_numbers - 2 * _COLUMN_GAP
        right = left + bars + _COLUMN_GAP + for_numbers
        sheet.heading(left, top - 0.28, self.look.metric(self.metric))
        sheet.text(right, top - 0.07, self.metric, ha="right", color=FAINT)
        sheet.text(left + width, top - 0.07, heading, ha="right", color=FAINT)
        for line, text in numbers.items():
            sheet.text(right, top + line.y, text, ha="right")
        for line, text in shifts.items():
            sheet.text(left + width, top + line.y, text, ha="right")
        for line in averages:
            sheet.text(left, top + line.y, line.variant)
        axes = sheet.axes(left, top, bars, tall, self.metric)
        self._bars(axes, lines)
        _bar_axes(axes, tall)

    def _mark(self, model: str, name: str) -> str:
        return FEW_SIGN if (model, name) in self.few else ""

    def _row(self, line: Line) -> Row:
        return self.values[line.model, line.variant]

    def _bars(self, axes: Axes, lines: list[Line]) -> None:
        """Draw the bars and whiskers; the axis ends just beyond the longest of them."""
        rows = [self._row(line) for line in lines]
        ends = [row[self.metric] for row in rows if finite(row[self.metric])]
        ends += [end[1] for row in rows if (end := interval(row, self.metric))]
        limit = 1.04 * max([end for end in ends if math.isfinite(end)], default=0.0) or 1.0
        axes.set_xlim(0, limit)
        ticks(axes.xaxis, 4)
        for line in lines:
            value = self._row(line)[self.metric]
            if value is not None and not math.isnan(value):
                self._bar(axes, line, value, limit)

    def _bar(self, axes: Axes, line: Line, value: float, limit: float) -> None:
        paint, infinite = self.look.paint(line.variant), math.isinf(value)
        name = f"{line.model} {line.variant} {self.metric}"
        _bar(axes, line, limit if infinite else value, paint, name)
        if infinite:
            # Two slanted cuts before the end: the bar does not stop here.
            for cut in (0.90, 0.94):
                x, y = (limit * cut, limit * (cut + 0.02)), (line.y + _BAR, line.y - _BAR)
                axes.plot(x, y, color=PAPER, linewidth=2.0, label=f"{name} cut")
        reach = whiskers(self._row(line), self.metric, within=(0.0, limit))
        if reach:
            axes.errorbar(
                value, line.y, xerr=reach, fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.6,
                capthick=0.8, label=f"{name} interval",
            )  # fmt: skip


def quality_bars(quality: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and variant, one panel per probe.

    Bars are percent of the designed answers, stacked by cause; the number beside a bar counts them.
    """
    found = rows_by(quality, "model", "variant", "probe")
    if not found:
        return blank("No answers to count: the study asks for none.")
    probes = quality["probe"].unique(maintain_order=True).to_list()
    layout = Rows(look, {(model, variant) for model, variant, _ in found}, 0.95)
    lines, tall = layout.lines, layout.tall
    entries = [Entry(cause, paint) for cause, paint in CAUSES.items()]
    inner = TEXT_WIDTH - 2 * MARGIN
    top = key_height(entries, inner) + 0.3
    sheet = Sheet(TEXT_WIDTH, top + tall + 0.42, look.notices(quality))
    sheet.key(entries, MARGIN, 0.04, inner)
    layout.label(sheet, top)
    for line in lines:
        sheet.text(MARGIN + 1.05, top + line.y, line.variant)
    start = MARGIN + 1.05 + widest([line.variant for line in lines]) + 0.1
    width = (TEXT_WIDTH - MARGIN - start) / max(len(probes), 1)
    for n, probe in enumerate(probes):
        rows = {line: found.get((line.model, line.variant, probe)) for line in lines}
        _panel(sheet, probe, rows, (start + n * width, top, width, tall))
    return sheet.figure


def lost(row: Row) -> int:
    """Return how many designed answers have no rating."""
    return int(sum(row[cause] or 0 for cause in CAUSES))


def _panel(sheet: Sheet, probe: str, rows: dict[Line, Row | None], box: Frame) -> None:
    left, top, width, tall = box
    counts = {line: f"{lost(row):,}" if row else ABSENT for line, row in rows.items()}
    room = widest(list(counts.values())) + 0.06
    right = left + width - _BETWEEN / 2
    sheet.heading(left, top - 0.12, probe)
    for line, text in counts.items():
        colour = INK if rows[line] else FAINT
        sheet.text(right, top + line.y, text, ha="right", color=colour)
    axes = sheet.axes(left, top, right - room - left, tall, probe)
    _causes(axes, probe, rows)
    _bar_axes(axes, tall)
    axes.set_xlabel("% of designed")


def _causes(axes: Axes, probe: str, rows: dict[Line, Row | None]) -> None:
    shares: list[float] = [0.0]
    for line, row in rows.items():
        if not row or not row["expected"]:
            continue
        start = 0.0
        for cause, paint in CAUSES.items():
            share = 100 * (row[cause] or 0) / row["expected"]
            if share:
                name = f"{line.model} {line.variant} {probe} {cause}"
                _bar(axes, line, share, paint, name, start)
            start += share
        shares.append(start)
    # A study that lost next to nothing shall look so: the axis spans at least one percent.
    axes.set_xlim(0, max(1.04 * max(shares), 1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ticks(axes.xaxis, 2)


def variance_components(diagnostics: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and variant, its shares stacked to 100 %.

    Each share is printed beside the bar with its 95 % interval. The two parts that
    differ between personas come first, so that their sum can be read off the axis.
    """
    found = measures(diagnostics, look)
    asked = {(model, variant) for model, variant, name in found if name.startswith("share_persona")}
    layout = Rows(look, asked, 1.1)
    if not layout.lines:
        return blank("No variance components: nothing was asked under personas.")
    shares = {
        line: {name: found.get((line.model, line.variant, f"share_{name}")) for name in COMPONENTS}
        for line in layout.lines
    }
    figure, axes, _ = _stacks("components", layout, shares, COMPONENTS, look.notices(diagnostics))
    axes.set(xlim=(0, 100), xlabel="% of the variance of ratings")
    axes.set_xticks([0, 25, 50, 75, 100])
    return figure


def novelty_bars(novelty: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and changed variant, kept and new variance stacked.

    Both are relative to the baseline's variance, which a dashed line marks. Beside the bars stand
    the values with their 95 % intervals. A negative estimate of new variance has no bar.
    """
    found = rows_by(novelty, "model", "variant", probe=look.roleplay, domain="overall")
    changed = {key: row for key, row in found.items() if key[1] != look.baseline}
    layout = Rows(look, changed, 1.1)
    if not layout.lines:
        return blank(f"No kept and new variance: no variant is compared with {look.baseline}.")
    shares = {line: _parts(found[line.model, line.variant]) for line in layout.lines}
    figure, axes, end = _stacks("novelty", layout, shares, PARTS, look.notices(novelty))
    axes.axvline(100, color=INK, linewidth=0.7, linestyle="--", label="baseline")
    axes.set(
        xlim=(0, 1.04 * max(100, end)), xlabel=f"% of {look.baseline}'s variance between personas"
    )
    return titled(figure, _novelty(changed, look))


def _novelty(rows: Mapping[tuple[str, str], Row], look: Look) -> str:
    """Say how much of the variance between personas is kept and new, or where it is shown."""
    name, pairs = subjects(look, list(rows))
    if not pairs:
        return ""
    if len(pairs) == 1:
        kept, new = (share(rows[pairs[0]], part) for part in PARTS)
        of = f"{look.baseline}'s variance between personas"
        return f"Under {name}, {kept} of {of} is kept and {new} is new."
    noun = noun_of(pairs)
    added = [finite(rows[pair]["new_lo"]) and rows[pair]["new_lo"] > 0 for pair in pairs]
    lost = [finite(rows[pair]["kept_hi"]) and rows[pair]["kept_hi"] < 1 for pair in pairs]
    new = where("new variance between personas is shown", "no new variance is shown", added, noun)
    base = f"{look.baseline}'s"
    less = where(f"a loss of {base} is shown", f"no loss of {base} is shown", lost, noun)
    return sentence(f"under {name}, {new}", less)


def _parts(row: Row) -> dict[str, Row | None]:
    """Return kept and new of a row of ``novelty.csv``, as rows of value, lo and hi."""
    return {
        name: {"value": row[name], "lo": row[f"{name}_lo"], "hi": row[f"{name}_hi"]}
        for name in PARTS
    }


Parts = Mapping[str, tuple[str, Paint]]  # heading and paint by name


def _stacks(
    name: str,
    layout: Rows,
    shares: Mapping[Line, Mapping[str, Row | None]],
    parts: Parts,
    notices: list[Notice],
) -> tuple[Figure, Axes, float]:
    """Draw stacked bars of shares in percent, with a column of numbers for every part.

    Returns the figure, the bars' axes and where the longest bar ends.
    """
    start = MARGIN + widest([group.label for group in layout.groups]) + 0.14
    lines = list(shares)
    tall, top = layout.tall, 0.42
    sheet = Sheet(TEXT_WIDTH, top + tall + 0.42, notices)
    layout.label(sheet, top)
    for line in lines:
        sheet.text(start, top + line.y, line.variant)
    right = _columns(sheet, shares, parts, top)
    left = start + widest([line.variant for line in lines]) + 0.1
    axes = sheet.axes(left, top, right - left - 0.1, tall, name)
    ends = [_stack(axes, line, shares[line], parts) for line in lines]
    _bar_axes(axes, tall)
    return sheet.figure, axes, max(ends)


def _columns(
    sheet: Sheet, shares: Mapping[Line, Mapping[str, Row | None]], parts: Parts, top: float
) -> float:
    """Print the shares in a column per part, headed by its swatch; return where they start."""
    right = TEXT_WIDTH - MARGIN
    sheet.text(right, 0.1, "% [95 % interval]", ha="right", color=FAINT)
    for name, (heading, paint) in reversed([*parts.items()]):
        texts = {line: with_interval(own[name], percent=True) for line, own in shares.items()}
        wide = max(widest([*texts.values()]), SWATCH + widest([heading]))
        for line, text in texts.items():
            sheet.text(right, top + line.y, text, ha="right")
        sheet.key([Entry(heading, paint)], right - SWATCH - widest([heading]), top - 0.2, 0.0)
        right -= wide + 0.14
    return right


def _stack(axes: Axes, line: Line, shares: Mapping[str, Row | None], parts: Parts) -> float:
    """Draw one bar and return its end."""
    start = 0.0
    for name, (_, paint) in parts.items():
        row = shares[name]
        if row is None or not finite(row["value"]) or row["value"] < 0:
            continue
        share = 100 * row["value"]
        _bar(axes, line, share, paint, f"{line.model} {line.variant} {name}", start)
        start += share
    return start


def _bar(axes: Axes, line: Line, width: float, paint: Paint, name: str, start: float = 0.0) -> None:
    axes.barh(
        line.y, width, left=start, height=_BAR, color=paint.colour, hatch=paint.hatch,
        hatchcolor=PAPER, linewidth=0, label=name,
    )  # fmt: skip


def _bar_axes(axes: Axes, tall: float) -> None:
    """Let y count inches downwards over ``tall`` inches; draw grid and zero."""
    axes.set_ylim(tall, 0)
    axes.xaxis.grid(visible=True)
    bare(axes)
    axes.axvline(0, color=INK, linewidth=0.7)
