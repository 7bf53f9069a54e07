"""S, R and saturation of checkpoints over the steps of their training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import direction, sentence, where
from persona_collapse.figures.look import METRICS, Look
from persona_collapse.figures.marks import (
    DASH,
    INFINITY,
    MINUS,
    Row,
    blank,
    finite,
    interval,
    point,
    round_ticks,
    whiskers,
)
from persona_collapse.figures.sheet import MARGIN, Entry, Sheet, key_height, widest, wrap
from persona_collapse.figures.style import GRID, PAINTS, titled

PANELS = {
    "S_percent": "Change of S, %",
    "R_percent": "Change of R, %",
    "saturation": "Saturation",
}
_LABELS = 0.95  # inches for the models' names
_BETWEEN = 0.14
_HEIGHTS = ((1, 1.7), (4, 1.15), (8, 0.85))  # up to so many models: inches per row
_LOWEST = 0.62
_CHECKPOINT = PAINTS["target"][0]


def trajectory(table: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: a row per model; changes of S and R, and saturation side by side.

    Points have 95 % intervals, those of a column share their axis; a grey line keeps the level of
    the baseline. An infinite change is drawn at the top edge; what was never measured has no panel.
    """
    overall = table.filter(pl.col("domain") == "overall")
    tracks = {
        model.key: list(overall.filter(pl.col("model") == model.key).iter_rows(named=True))
        for model in look.models
    }
    models = [model for model in look.models if tracks[model.key]]
    if not models:
        return blank("No trajectory: no checkpoint was measured.", look, table)
    panels = [name for name in PANELS if overall[name].is_not_null().any()] or list(PANELS)[:2]
    tall = next((height for most, height in _HEIGHTS if len(models) <= most), _LOWEST)
    entries = [Entry("checkpoint", _CHECKPOINT, "line")]
    if look.baseline in overall["variant"]:
        entries.append(Entry(look.baseline, look.paint(look.baseline), "line"))
    inner = look.width - 2 * MARGIN
    for_key = key_height(entries, inner)
    columns = [_Column(name, list(tracks.values()), tall) for name in panels]
    tick_rooms = [widest([text for _, text in column.ticks]) + 0.12 for column in columns]
    beside = 1 if look.narrow else len(columns)
    block = 0.32 + len(models) * tall + 0.28
    sheet = Sheet(look.width, for_key + block * len(columns) / beside, look.notices(table))
    sheet.key(entries, MARGIN, 0.04, inner)
    width = (inner - _LABELS - sum(tick_rooms[:beside])) / beside - _BETWEEN
    for n, (column, room) in enumerate(zip(columns, tick_rooms, strict=True)):
        if n % beside == 0:
            left, top = MARGIN + _LABELS, for_key + 0.32 + n // beside * block
            for place, model in enumerate(models):
                middle = top + place * tall + (tall - 0.12) / 2
                label = f"{model.label}{_counted(tracks[model.key])}"
                sheet.text(MARGIN, middle, wrap(label, _LABELS - 0.08))
        left += room
        sheet.heading(left, top - 0.13, PANELS[column.name])
        for place, model in enumerate(models):
            box = (left, top + place * tall, width, tall - 0.12)
            axes = sheet.axes(*box, f"{model.key} {column.name}")
            column.draw(axes, tracks[model.key], look, model.key)
            axes.tick_params(labelbottom=place == len(models) - 1)
        foot = top + len(models) * tall + 0.19
        sheet.text(left + width / 2, foot, "Training step", ha="center")
        left += width + _BETWEEN
    return titled(sheet.figure, _finding([track for track in tracks.values() if track], look))


def _finding(tracks: Sequence[Sequence[Row]], look: Look) -> str:
    """Say at which step S and R leave the baseline's level for good, by their intervals."""
    later = [[row for row in track if row["variant"] != look.baseline] for track in tracks]
    parts = []
    for metric in METRICS:
        steps = [_departure(track, f"{metric}_percent") for track in later]
        if len(steps) == 1:
            (step,) = steps
            parts.append(
                f"{metric} leaves {look.baseline}'s level at step {step:g}"
                if step is not None
                else f"{metric} is not shown to leave {look.baseline}'s level"
            )
        else:
            left = [step is not None for step in steps]
            text = f"{look.baseline}'s level by the last checkpoint"
            shown, none = f"{metric} has left {text}", f"{metric} is not shown to have left {text}"
            parts.append(where(shown, none, left, "models"))
    return sentence(*parts) if any(later) else ""


def _departure(track: Sequence[Row], name: str) -> float | None:
    """Return the first step from which on every interval excludes zero on the same side."""
    signs = [direction(row, name) for row in track]
    steps = [
        row["step"]
        for place, row in enumerate(track)
        if signs[place] and len(set(signs[place:])) == 1
    ]
    return steps[0] if steps else None


def _counted(track: Sequence[Row]) -> str:
    """Return the numbers of personas that checkpoints share with the baseline: ", n = 38-40"."""
    counts = [row["n_personas"] for row in track if row["n_personas"] is not None]
    if not counts:
        return ""
    least, most = min(counts), max(counts)
    return f", n = {most}" if least == most else f", n = {least}{DASH}{most}"


@dataclass
class _Column:
    """One measure of all models on common axes; rows are ``tall`` inches high."""

    name: str
    tracks: Sequence[Sequence[Row]]
    tall: float

    def __post_init__(self) -> None:
        rows = [row for track in self.tracks for row in track]
        found = [row[self.name] for row in rows if row[self.name] is not None]
        ends = [value for value in found if math.isfinite(value)]
        ends += [end for row in rows for end in interval(row, self.name) or ()]
        ends = [end for end in ends if math.isfinite(end)] or [1]
        self.last = max((row["step"] for row in rows), default=0.0) or 1.0
        pad = 0.08 * (max(ends) - min(ends)) or 0.05
        self.low, self.high = min(ends) - pad, max(ends) + pad
        most = max(2, int(self.tall / 0.3))  # as many as the height has room for
        self.ticks = [
            (tick, f"{tick:g}".replace("-", MINUS))
            for tick in round_ticks(self.low, self.high, most)
        ]
        self.edge = math.inf
        if any(math.isinf(value) for value in found):
            self.edge = self.high
            room = 0.2 * (self.high - self.low)
            self.high = self.edge + room
            self.ticks = [tick for tick in self.ticks if tick[0] < self.edge - room]
            self.ticks.append((self.edge, INFINITY))

    def draw(self, axes: Axes, track: Sequence[Row], look: Look, key: str) -> None:
        """Draw one model: its checkpoints joined, and the level of its baseline."""
        axes.set_ylim(self.low, self.high)
        axes.set_yticks([tick for tick, _ in self.ticks], [text for _, text in self.ticks])
        axes.set_xlim(-0.04 * self.last, 1.04 * self.last)
        axes.set_xticks(*_steps(self.last, axes.bbox.width / axes.figure.dpi))
        axes.grid(visible=True, color=GRID)
        places = [self._place(row) for row in track]
        line = _CHECKPOINT
        axes.plot(
            [row["step"] for row in track], places, color=line.colour, linewidth=1.0,
            label=f"{key} {self.name}",
        )  # fmt: skip
        for row, y in zip(track, places, strict=True):
            if math.isnan(y):
                continue
            base = row["variant"] == look.baseline
            paint = look.paint(look.baseline) if base else _CHECKPOINT
            if base:
                axes.axhline(y, color=paint.colour, linewidth=0.9, zorder=1)
            reach = whiskers(row, self.name, within=(self.low, self.high))
            name = f"{key} {row['variant']} {self.name}"
            point(axes, row["step"], y, paint, name, yerr=reach, zorder=3)

    def _place(self, row: Row) -> float:
        """Return where a value is drawn: an infinite one at the edge, an unknown one at NaN."""
        value = row[self.name]
        if finite(value):
            return float(value)
        return self.edge if value is not None and math.isinf(value) else math.nan


def _steps(last: float, width: float) -> tuple[list[float], list[str]]:
    """Return round steps up to the last and their texts, as many as ``width`` inches can hold."""
    for most in (5, 4, 3, 2, 1):
        ticks = round_ticks(0, last, most, integer=True)
        labels = [f"{tick:.0f}" for tick in ticks]
        if len(ticks) * (widest(labels) + 0.08) <= width:
            break
    return ticks, labels
