"""Bars of models and variants: S and R, parts of the variance, answers without a rating."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from persona_collapse.figures.findings import (
    moved,
    noun_of,
    sentence,
    share,
    subjects,
    versus_base,
    where,
)
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
from persona_collapse.figures.sheet import (
    MARGIN,
    SWATCH,
    Entry,
    Sheet,
    bare,
    extent,
    filled,
    hollow,
    key_height,
    widest,
    wrap,
)
from persona_collapse.figures.style import FAINT, INK, NEUTRALS, PAPER, titled
from persona_collapse.tables.contracts.influence import FEW, FEW_SIGN

SYMBOLS = {"sigma_bar": "1/R"}
COMPONENTS = dict(
    zip(
        ("persona", "persona_item", "item", "repetition"),
        zip(("persona", "persona \u00d7 item", "item", "repetition"), NEUTRALS, strict=False),
        strict=True,
    )
)
PARTS = ("kept", "new")
CAUSES = dict(
    zip(("missing", "unparseable", "refused", "filtered", "error"), NEUTRALS, strict=True)
)
_LABELS = 0.95  # inches for models' labels beside S and R
_LEAST = 0.62  # inches: panels whose bars would be shorter stand below each other
_BAR = 0.115  # a bar's height in inches
_COLUMN_GAP, _BETWEEN = 0.1, 0.16  # inches between columns of numbers and between panels
_HEAD, _FOOT = 0.4, 0.3  # inches above and below the rows of a panel


def collapse_bars(
    metrics: pl.DataFrame, contrasts: pl.DataFrame, influence: pl.DataFrame, look: Look
) -> Figure:
    """Return the figure: one row per model and variant, S on the left and R on the right.

    Where they have no room beside each other, R stands below S. Bars start at zero; whiskers are
    95 % intervals, or one standard error where there is none. An infinite R is a bar without an
    end. Beside each bar are the value and the percent change against the baseline with its
    interval, for R also that of 1/R where there is room. A number that rests on few personas is
    marked.
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
        return blank(
            "No S and R: no persona has a valid rating of every item, or there is one.",
            look,
            metrics,
        )
    layout = Rows(look, values, _LABELS - 0.08)
    averages = _averages(changes, look, layout.tall + _FOOT) if len(layout.groups) > 1 else []
    names = widest([line.variant for line in layout.lines]) + 0.08
    panels = [
        _Metric(metric, shown, layout.lines, averages, values, changes, few, look)
        for metric, shown in (("S", ("S",)), ("R", ("R", "sigma_bar")))
    ]
    inner = look.width - 2 * MARGIN
    alone = inner - _LABELS - names
    # All changes beside each other; else without those of 1/R; else S above R, if need be without.
    fewer = [replace(panel, shown=panel.shown[:1]) for panel in panels]
    arranged = [(panels, True), (fewer, True), (panels, False), (fewer, False)]
    panels, beside = next(
        (one for one in arranged if _bars_room(*one, alone) >= _LEAST), arranged[-1]
    )
    block = _HEAD + (averages[-1].y + ROW if averages else layout.tall + _FOOT)
    sheet = Sheet(look.width, block * (1 if beside else 2), look.notices(metrics))
    left = MARGIN + _LABELS + names
    for place, panel in enumerate(panels):
        top = _HEAD + (0 if beside else place * block)
        bars = _bars_room(panels if beside else [panel], beside, alone)
        if place == 0 or not beside:
            layout.label(sheet, top)
            for line in [*layout.lines, *averages]:
                sheet.text(MARGIN + _LABELS, top + line.y, line.variant)
            if averages:
                sheet.text(MARGIN, top + averages[0].y, "Mean change")
        panel.draw(sheet, (left, top, bars, layout.tall))
        left += bars + panel.numbers + _BETWEEN if beside else 0.0
    return titled(sheet.figure, _collapse(values, changes, look))


def _bars_room(panels: Sequence["_Metric"], beside: bool, width: float) -> float:
    """Return how long bars can be, in inches, in the narrowest of these panels."""
    if beside:
        gaps = _BETWEEN * (len(panels) - 1)
        return (width - gaps - sum(panel.numbers for panel in panels)) / len(panels)
    return width - max(panel.numbers for panel in panels)


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
    """One metric: bars on the left, columns of values and changes on the right.

    ``shown`` are the metrics whose changes have a column, ``few`` the models with the variants, or
    contrasts, of marked numbers.
    """

    metric: str
    shown: tuple[str, ...]
    lines: Sequence[Line]
    averages: Sequence[Line]
    values: dict[tuple[str, str], Row]
    changes: dict[tuple[str, str, str], Row]
    few: set[tuple[str, str]]
    look: Look

    @property
    def columns(self) -> list[tuple[str, dict[Line, str]]]:
        """The columns of numbers: their headings and texts."""
        base = self.look.baseline
        texts = {
            line: number(self._row(line)[self.metric]) + self._mark(line.model, line.variant)
            for line in self.lines
        }
        found = [(self.metric, texts)]
        for metric in self.shown:
            changes = {
                line: change(self.changes.get((line.model, f"{line.variant}-{base}", metric)))
                + self._mark(line.model, f"{line.variant}-{base}")
                for line in [*self.lines, *self.averages]
                if line.variant != base
            }
            name = f"{SYMBOLS.get(metric, metric)}: % vs {base if len(base) <= 12 else 'baseline'}"
            found.append((name, changes))
        return found

    @property
    def numbers(self) -> float:
        """The width of the columns in inches, with a gap before each."""
        return sum(_COLUMN_GAP + widest([head, *t.values()]) for head, t in self.columns)

    def draw(self, sheet: Sheet, box: Frame) -> None:
        """Draw the bars into the box (left, top, width, height) in inches, numbers beside it."""
        left, top, bars, tall = box
        sheet.heading(left, top - 0.27, self.look.metric(self.metric))
        right = left + bars
        for head, texts in self.columns:
            right += _COLUMN_GAP + widest([head, *texts.values()])
            sheet.text(right, top - 0.07, head, ha="right", color=FAINT)
            for line, text in texts.items():
                sheet.text(right, top + line.y, text, ha="right")
        axes = sheet.axes(left, top, bars, tall, self.metric)
        self._bars(axes, self.lines)
        _bar_axes(axes, tall)

    def _mark(self, model: str, name: str) -> str:
        """Return the sign of few personas; they limit S alone."""
        return FEW_SIGN if self.metric == "S" and (model, name) in self.few else ""

    def _row(self, line: Line) -> Row:
        return self.values[line.model, line.variant]

    def _bars(self, axes: Axes, lines: Sequence[Line]) -> None:
        """Draw the bars and whiskers; the axis ends just beyond the longest of them."""
        rows = [self._row(line) for line in lines]
        ends = [row[self.metric] for row in rows if finite(row[self.metric])]
        ends += [end[1] for row in rows if (end := interval(row, self.metric))]
        limit = 1.04 * max([end for end in ends if math.isfinite(end)], default=0.0) or 1.0
        axes.set_xlim(0, limit)
        ticks(axes.xaxis, 3)
        for line in lines:
            value = self._row(line)[self.metric]
            if value is not None and not math.isnan(value):
                self._bar(axes, line, value, limit)

    def _bar(self, axes: Axes, line: Line, value: float, limit: float) -> None:
        paint, infinite = self.look.paint(line.variant), math.isinf(value)
        name = f"{line.model} {line.variant} {self.metric}"
        _bar(axes, line, limit if infinite else value, filled(paint), name)
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
    """Return the figure: one row per model and variant, one panel per probe, where answers fail.

    Bars are percent of the designed answers, stacked by cause; the number beside a bar counts
    them. Models, variants and probes whose answers all have a rating are left out.
    """
    found = rows_by(quality, "model", "variant", "probe")
    if not found:
        return blank("No answers to count: the study asks for none.", look, quality)
    failed = {key: row for key, row in found.items() if lost(row)}
    designed = int(sum(row["expected"] or 0 for row in found.values()))
    if not failed:
        return blank(
            f"No answer is without a rating: all {designed:,} designed answers have one.",
            look,
            quality,
        )
    probes = [
        p for p in quality["probe"].unique(maintain_order=True) if any(k[2] == p for k in failed)
    ]
    layout = Rows(look, {(model, variant) for model, variant, _ in failed}, 0.95)
    lines, tall = layout.lines, layout.tall
    causes = [cause for cause in CAUSES if any(row[cause] for row in failed.values())]
    entries = [Entry(cause, CAUSES[cause]) for cause in causes]
    inner = look.width - 2 * MARGIN
    top, columns = key_height(entries, inner) + 0.3, 1 if look.narrow else len(probes)
    block = tall + 0.6
    height = top + block * -(-len(probes) // columns) - 0.18
    sheet = Sheet(look.width, height, look.notices(quality))
    sheet.key(entries, MARGIN, 0.04, inner)
    start = MARGIN + 1.05 + widest([line.variant for line in lines]) + 0.1
    width = min((look.width - MARGIN - start) / columns, 2.6)
    for n, probe in enumerate(probes):
        below = top + n // columns * block
        if n % columns == 0:
            layout.label(sheet, below)
            for line in lines:
                sheet.text(MARGIN + 1.05, below + line.y, line.variant)
        rows = {line: found.get((line.model, line.variant, probe)) for line in lines}
        _panel(sheet, probe, rows, (start + n % columns * width, below, width, tall))
    share = 100 * sum(map(lost, failed.values())) / designed
    return titled(
        sheet.figure,
        f"{share:.2g} % of {designed:,} designed answers have no rating, in {len(failed)} of "
        f"{len(found)} units.",
    )


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
                _bar(axes, line, share, filled(paint), name, start)
            start += share
        shares.append(start)
    # A study that lost next to nothing shall look so: the axis spans at least one percent.
    axes.set_xlim(0, max(1.04 * max(shares), 1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ticks(axes.xaxis, 2)


def variance_components(diagnostics: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and variant, its shares stacked to 100 %.

    Each share is printed beside the bar, with its 95 % interval where there is room. The two parts
    that differ between personas come first, so that their sum can be read off the axis.
    """
    found = measures(diagnostics, look)
    asked = {(model, variant) for model, variant, name in found if name.startswith("share_persona")}
    layout = Rows(look, asked, 1.1)
    if not layout.lines:
        return blank("No variance components: nothing was asked under personas.", look, diagnostics)
    shares = {
        line: {name: found.get((line.model, line.variant, f"share_{name}")) for name in COMPONENTS}
        for line in layout.lines
    }
    stacks = _Stacks(layout, shares, {n: heading for n, (heading, _) in COMPONENTS.items()}, look)
    paints = {name: paint for name, (_, paint) in COMPONENTS.items()}
    swatches = {name: Entry("", paint) for name, paint in paints.items()}
    styles = {(line, name): filled(paint) for line in shares for name, paint in paints.items()}
    label = "% of the variance of ratings"
    figure, axes, _ = stacks.draw("components", label, swatches, styles, look.notices(diagnostics))
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 25, 50, 75, 100])
    rows = {
        (model, variant): row
        for (model, variant, name), row in found.items()
        if name == "share_repetition"
    }
    more = "repetition makes up more of the variance"
    not_shown = "repetition is not shown to make up more of the variance"
    return titled(figure, versus_base(look, rows, more, not_shown))


def novelty_bars(novelty: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: one row per model and changed variant, kept and new variance stacked.

    Both are relative to the baseline's variance, which a dashed line marks. Beside the bars stand
    the values with their 95 % intervals. A negative estimate of new variance has no bar.
    """
    found = rows_by(novelty, "model", "variant", probe=look.roleplay, domain="overall")
    changed = {key: row for key, row in found.items() if key[1] != look.baseline}
    layout = Rows(look, changed, 1.1)
    if not layout.lines:
        return blank(
            f"No kept and new variance: no variant is compared with {look.baseline}.", look, novelty
        )
    shares = {line: _parts(found[line.model, line.variant]) for line in layout.lines}
    stacks = _Stacks(layout, shares, {name: name for name in PARTS}, look)
    grey = NEUTRALS[1]
    swatches = {"kept": Entry("", grey, "block"), "new": Entry("", grey, "hollow")}
    styles = {
        (line, name): (filled(paint) | {"hatch": ""}) if name == "kept" else hollow(paint)
        for line in shares
        for name in PARTS
        for paint in [look.paint(line.variant)]
    }
    label = f"% of {look.baseline}'s variance between personas"
    figure, axes, end = stacks.draw("novelty", label, swatches, styles, look.notices(novelty))
    axes.axvline(100, color=INK, linewidth=0.7, linestyle="--", label="baseline")
    axes.set_xlim(0, 1.04 * max(100, end))
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
    base = f"{look.baseline}'s variance"
    less = where(f"a loss of {base} is shown", f"no loss of {base} is shown", lost, noun)
    return sentence(f"under {name}, {new}", less)


def _parts(row: Row) -> dict[str, Row | None]:
    """Return kept and new of a row of ``novelty.csv``, as rows of value, lo and hi."""
    return {
        name: {"value": row[name], "lo": row[f"{name}_lo"], "hi": row[f"{name}_hi"]}
        for name in PARTS
    }


@dataclass(frozen=True)
class _Stacks:
    """Stacked bars of shares in percent, with a column of numbers for every part.

    ``headings`` are the columns', by the parts' names.
    """

    layout: Rows
    shares: Mapping[Line, Mapping[str, Row | None]]
    headings: Mapping[str, str]
    look: Look

    def draw(
        self,
        name: str,
        label: str,
        swatches: Mapping[str, Entry],
        styles: Mapping[tuple[Line, str], dict[str, Any]],
        notices: list[Notice],
    ) -> tuple[Figure, Axes, float]:
        """Return the figure, the bars' axes and where the longest bar ends.

        ``label`` is the axis', ``swatches`` are those of the columns, ``styles`` how each part of
        each bar is drawn.
        """
        layout, width = self.layout, self.look.width
        start = MARGIN + widest([group.label for group in layout.groups]) + 0.14
        left = start + widest([line.variant for line in self.shares]) + 0.1
        room = width - MARGIN - left - _LEAST
        # Numbers with intervals, or alone, or none, whatever there is room for.
        unit = next((u for u in ("% [95 % interval]", "%") if self._numbers(u) <= room), "")
        key = [replace(swatches[part], label=text) for part, text in self.headings.items()]
        for_key = 0.0 if unit else key_height(key, width - 2 * MARGIN)
        tall, top = layout.tall, 0.42 if unit else for_key + 0.1
        label = wrap(label, max(room + _LEAST - self._numbers(unit), 1.0))
        sheet = Sheet(width, top + tall + 0.31 + extent(label)[1], notices)
        layout.label(sheet, top)
        for line in self.shares:
            sheet.text(start, top + line.y, line.variant)
        right = width - MARGIN - (0.0 if unit else 0.12)
        if unit:
            sheet.text(right, 0.1, unit, ha="right", color=FAINT)
        else:
            sheet.key(key, MARGIN, 0.04, width - 2 * MARGIN)
        for part, swatch in reversed([*zip(self.headings, key, strict=True)] if unit else []):
            for line, text in self._texts(part, unit).items():
                sheet.text(right, top + line.y, text, ha="right")
            sheet.key([swatch], right - SWATCH - widest([swatch.label]), top - 0.2, 0.0)
            right -= self._column(part, unit)
        axes = sheet.axes(left, top, right - left, tall, name)
        axes.set_xlabel(label)
        ends = [self._stack(axes, line, styles) for line in self.shares]
        _bar_axes(axes, tall)
        return sheet.figure, axes, max(ends)

    def _texts(self, part: str, unit: str) -> dict[Line, str]:
        whole = {line: with_interval(own[part], percent=True) for line, own in self.shares.items()}
        return {line: text if "[" in unit else text.split(" ")[0] for line, text in whole.items()}

    def _column(self, part: str, unit: str) -> float:
        """Return the width of a column of numbers in inches, with a gap before it."""
        texts = [*self._texts(part, unit).values()]
        return max(widest(texts), SWATCH + widest([self.headings[part]])) + 0.14

    def _numbers(self, unit: str) -> float:
        return sum(self._column(part, unit) for part in self.headings) if unit else 0.0

    def _stack(
        self, axes: Axes, line: Line, styles: Mapping[tuple[Line, str], dict[str, Any]]
    ) -> float:
        """Draw one bar and return its end."""
        start = 0.0
        for name in self.headings:
            row = self.shares[line][name]
            if row is None or not finite(row["value"]) or row["value"] < 0:
                continue
            share = 100 * row["value"]
            label = f"{line.model} {line.variant} {name}"
            _bar(axes, line, share, styles[line, name], label, start)
            start += share
        return start


def _bar(
    axes: Axes, line: Line, width: float, style: dict[str, Any], name: str, start: float = 0.0
) -> None:
    axes.barh(line.y, width, left=start, height=_BAR, label=name, **style)


def _bar_axes(axes: Axes, tall: float) -> None:
    """Let y count inches downwards over ``tall`` inches; draw grid and zero."""
    axes.set_ylim(tall, 0)
    axes.xaxis.grid(visible=True)
    bare(axes)
    axes.axvline(0, color=INK, linewidth=0.7)
