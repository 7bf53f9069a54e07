"""Planes of two measures: the R-S map, alignment against coherence, and excess changes of models.

In the first two a point is a variant, with an arrow from its model's baseline; in the last a point
is a model. Models are named beside their points.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from persona_collapse.figures.findings import direction, noun_of, sentence, subjects, where
from persona_collapse.figures.labels import Panel, Placer, Point, Segment, named_in_place
from persona_collapse.figures.look import METRICS, Look, ModelLook, Notice
from persona_collapse.figures.marks import (
    ABSENT,
    FINE,
    INFINITY,
    MINUS,
    NORMAL,
    Reach,
    Row,
    blank,
    finite,
    interval,
    log_axis,
    point,
    round_values,
    rows_by,
    signed,
    ticks,
    whiskers,
)
from persona_collapse.figures.panels import Frame
from persona_collapse.figures.sheet import (
    MARGIN,
    SWATCH,
    Entry,
    Sheet,
    extent,
    key_height,
    key_width,
    wrap,
)
from persona_collapse.figures.style import FAINT, GRID, INK, PAPER, SHADE, SMALL, Paint, titled
from persona_collapse.tables.contracts.misalignment import COHERENT_ABOVE, MISALIGNED_BELOW

NAMED = 6  # more models than this are numbered, and the key explains the numbers
ACROSS, UPWARDS = "coherence_excess", "robustness_excess"
_REGION = (75.0, 12.0)  # coherence and alignment at which the shaded region is named
_KEY = 1.75  # inches that the key may take at most
_WORDS, _PLOT = 2.0, 3.2  # inches: width of key and words, height of the plot of excess changes
_AXIS, _FOOT = 0.42, 0.42  # inches left of and below a plot: numbers and the label of its axis


@dataclass(frozen=True)
class Spot:
    """One point: its model and variant, the row of the table behind it, and its place."""

    model: ModelLook
    variant: str
    row: Row
    x: float
    y: float


def robustness_map(metrics: pl.DataFrame, contrasts: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: R on a log axis, S upwards, an arrow from each baseline.

    Whiskers are 95 % intervals, or one standard error where there is none. An infinite R is drawn
    at the right edge; a variant with an undefined S or R is named in the key instead.
    """
    values = rows_by(metrics, "model", "variant", probe=look.roleplay, domain="overall")
    known = {
        key: row
        for key, row in values.items()
        if finite(row["S"]) and row["R"] is not None and row["R"] > 0
    }
    if not known:
        return blank("No R-S map: no variant has both an S and an R.", look, metrics)

    def draw(axes: Axes) -> tuple[list[Spot], list[Segment]]:
        edge = _map_axes(axes, list(known.values()))
        axes.set(xlabel=f"{look.metric('R')} (log scale)", ylabel=look.metric("S"))
        spots = _spots(known, look, lambda row: (min(row["R"], edge), row["S"]))
        lines = []
        for spot in spots:
            across = whiskers(spot.row, "R", within=axes.get_xlim())
            lines += _point(axes, spot, look, across, whiskers(spot.row, "S"))
        return spots, lines

    missing = {key: f"S or R {ABSENT}" for key in values if key not in known}
    figure = _plane(metrics, values, look, draw, missing=missing, named=look.baseline, label="map")
    changes = rows_by(
        contrasts, "model", "contrast", "metric", probe=look.roleplay, domain="overall"
    )
    return titled(figure, _towards_collapse(list(known), changes, look))


def _towards_collapse(
    pairs: Sequence[tuple[str, str]], changes: Mapping[tuple[str, str, str], Row], look: Look
) -> str:
    """Say in how many models the targets are shown to lie at the upper left of the baseline."""
    name, pairs = subjects(look, pairs)
    contrasts = {pair: f"{pair[1]}-{look.baseline}" for pair in pairs}
    pairs = [pair for pair in pairs if (pair[0], contrasts[pair], "S") in changes]
    moves = [
        [direction(changes.get((model, contrasts[model, v], metric))) for metric in METRICS]
        for model, v in pairs
    ]
    if not moves:
        return ""
    flags = [move == [1, -1] for move in moves]
    shown = f"{name} lies to the upper left (higher S, lower R)"
    not_shown = f"{name} is not shown to lie to the upper left"
    return sentence(f"against {look.baseline}, " + where(shown, not_shown, flags, noun_of(pairs)))


def alignment_coherence(misalignment: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: coherence across, alignment upwards, both 0 to 100.

    Whiskers are 1.96 standard errors each way. Shaded is where a single reply counts as misaligned.
    A variant without both means is named in the key.
    """
    values = rows_by(misalignment, "model", "variant")
    known = {
        key: row
        for key, row in values.items()
        if finite(row["alignment"]) and finite(row["coherence"])
    }
    if not known:
        return blank(
            "No alignment and coherence: no variant has judged replies.", look, misalignment
        )

    def draw(axes: Axes) -> tuple[list[Spot], list[Segment]]:
        lines = _region(axes)
        spots = _spots(known, look, lambda row: (row["coherence"], row["alignment"]))
        for spot in spots:
            reach = [whiskers(spot.row, n, errors=NORMAL) for n in ("coherence", "alignment")]
            lines += _point(axes, spot, look, *reach)
        return spots, lines

    figure = _plane(
        misalignment,
        values,
        look,
        draw,
        missing={key: ABSENT for key in values if key not in known},
        named=next(iter(look.targets), ""),
        label="scores",
        words=("a single reply here\ncounts as misaligned", _REGION),
        square=True,
    )
    return titled(figure, _less_aligned(known, look))


def _less_aligned(known: Mapping[tuple[str, str], Row], look: Look) -> str:
    """Say in how many models mean alignment and coherence are below the baseline's."""
    name, pairs = subjects(look, list(known))
    pairs = [pair for pair in pairs if (pair[0], look.baseline) in known]
    if not pairs:
        return ""
    parts = []
    for measure, than in (("alignment", f" than under {look.baseline}"), ("coherence", "")):
        flags = [_below(known[pair], known[pair[0], look.baseline], measure) for pair in pairs]
        lower, not_shown = f"{measure} is lower{than}", f"{measure} is not shown to be lower{than}"
        parts.append(where(lower, not_shown, flags, noun_of(pairs)))
    return sentence(f"under {name}, {parts[0]}", parts[1])


def _below(first: Row, second: Row, measure: str) -> bool:
    """Return whether the 95 % interval of the difference of two means lies below zero."""
    errors = [row[f"{measure}_se"] for row in (first, second)]
    if not all(finite(error) for error in errors):
        return False
    return bool(first[measure] - second[measure] < -NORMAL * math.hypot(*errors))


def _spots(
    rows: Mapping[tuple[str, str], Row], look: Look, place: Callable[[Row], tuple[float, float]]
) -> list[Spot]:
    """Return a spot per row, models and variants in the study's order."""
    return [
        Spot(model, variant, row, *place(row))
        for model in look.models
        for variant in look.variants
        if (row := rows.get((model.key, variant))) is not None
    ]


def _plane(
    table: pl.DataFrame,
    values: Mapping[tuple[str, str], Row],
    look: Look,
    draw: Callable[[Axes], tuple[list[Spot], list[Segment]]],
    *,
    missing: Mapping[tuple[str, str], str],
    named: str,
    label: str,
    words: tuple[str, Point] | None = None,
    square: bool = False,
) -> Figure:
    """Return a plane of variants with arrows and names; a key at its right where they lack room.

    Args:
        table: The table that the figure is drawn from.
        values: Its rows by model and variant.
        look: How models and variants look.
        draw: Sets up the axes and draws the points; returns them and the lines names must avoid.
        missing: What the key says of each model and variant that has no point.
        named: The variant beside whose point a model's name is written.
        label: The axes' label.
        words: A text in the plot and the place near which it stands.
        square: Whether the plot is as high as wide, up to 3.6 inches.
    """
    models = [m for m in look.models if any(key[0] == m.key for key in values)]
    drawn = [v for v in look.variants if any(v == variant for _, variant in values)]
    kinds = {name: "point" if name == look.baseline else "line" for name in drawn}
    key = [Entry(wrap(name, _KEY - SWATCH), look.paint(name), kinds[name]) for name in drawn]
    labels = {model.key: model.label for model in look.models}
    absent = [
        wrap(f"{labels[model]}, {variant}: {text}", _KEY)
        for (model, variant), text in missing.items()
        if model in labels
    ]
    note = "\n".join([*_numbered(models, _KEY), *absent])

    def plane(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        layout = _Layout(look, key if with_key else [], note, _KEY)
        height = max(min(layout.across, 3.6), 2.4) if square else 2.7
        sheet, frame = layout.sheet(height, look.notices(table))
        axes = sheet.axes(*frame, label)
        spots, lines = draw(axes)
        lines += _arrows(axes, spots, look)
        firsts = {spot.model.key: spot for spot in reversed(spots)}
        lasts = {spot.model.key: spot for spot in spots}
        chosen = {spot.model.key: spot for spot in spots if spot.variant == named}
        # Baselines lie close together: where names go to another variant, it is the last one drawn.
        places = (firsts if named == look.baseline else lasts) | chosen
        _names(axes, spots, lines, models, places, words)
        own = {name: [(s.x, s.y) for s in spots if s.variant == name] for name in drawn}
        return sheet.figure, [[Panel(axes, own, joined=False, strokes=lines)]]

    return named_in_place(plane, {name: look.paint(name) for name in drawn})


@dataclass(frozen=True)
class _Layout:
    """A plot with key and note at its right, or above it on a narrow page.

    ``room`` is what key and note may take beside the plot, in inches.
    """

    look: Look
    entries: Sequence[Entry]
    note: str
    room: float

    @property
    def beside(self) -> float:
        """What key and note take of the width, in inches."""
        if self.look.narrow:
            return 0.0
        return min(max(key_width(self.entries), extent(self.note)[0]), self.room) + MARGIN + 0.1

    @property
    def across(self) -> float:
        """The plot's width in inches."""
        return self.look.width - self.beside - _AXIS - 2 * MARGIN

    def sheet(
        self, height: float, notices: Sequence[Notice], more: float = 0.0
    ) -> tuple[Sheet, Frame]:
        """Return a sheet with key and note, and the frame of a plot of this height in inches.

        ``more`` is what the label below the plot takes beyond one line.
        """
        inner = self.look.width - 2 * MARGIN
        for_key = key_height(self.entries, inner if self.look.narrow else 0.0)
        for_note = extent(self.note)[1] + 0.06 if self.note else 0.0
        top = for_key + for_note + 0.1 if self.look.narrow else 0.08
        below = 0.0 if self.look.narrow else for_key + for_note + 0.2
        sheet = Sheet(self.look.width, max(top + height + _FOOT + more, below), notices)
        left = MARGIN if self.look.narrow else self.look.width - self.beside + 0.1
        at = 0.04 if self.look.narrow else 0.1
        sheet.key(self.entries, left, at, inner if self.look.narrow else 0.0)
        sheet.text(left, at + 0.03 + for_key + for_note / 2, self.note, color=FAINT)
        return sheet, (MARGIN + _AXIS, top, self.across, height)


def _numbered(models: Sequence[ModelLook], width: float) -> list[str]:
    """Return what the numbers of many models stand for, as lines of ``width`` inches."""
    if len(models) <= NAMED:
        return []
    return [wrap(f"{place + 1}\u2002{m.named}", width) for place, m in enumerate(models)]


def _names(
    axes: Axes,
    spots: Sequence[Spot],
    lines: Sequence[Segment],
    models: Sequence[ModelLook],
    places: Mapping[str, Spot],
    words: tuple[str, Point] | None = None,
) -> None:
    """Write each model's label, or its number of many, beside its spot, clear of all else.

    ``words`` are a further text and the place near which it stands.
    """
    numbered = len(models) > NAMED
    names = {m.key: str(n + 1) if numbered else wrap(m.named, 1.1) for n, m in enumerate(models)}
    placer = Placer(axes, [(spot.x, spot.y) for spot in spots], lines)
    if words:
        placer.place(*words, color=FAINT)
    for key in names:
        if key in places:
            spot = places[key]
            placer.place(names[key], (spot.x, spot.y), color=INK, fontsize=SMALL)


def _arrows(axes: Axes, spots: Sequence[Spot], look: Look) -> list[Segment]:
    """Draw an arrow from each model's baseline to each of its variants; return where they run."""
    lines = []
    bases = {spot.model.key: spot for spot in spots if spot.variant == look.baseline}
    for spot in spots:
        base = bases.get(spot.model.key)
        if base is None or spot is base:
            continue
        paint = look.paint(spot.variant)
        axes.annotate(
            "", (spot.x, spot.y), xytext=(base.x, base.y), zorder=2,
            arrowprops={
                "arrowstyle": "-|>,head_width=0.14,head_length=0.3", "alpha": 0.7,
                "color": paint.colour, "linestyle": paint.line, "linewidth": 0.8,
                "shrinkA": 3, "shrinkB": 3.5,
            },
            label=f"{spot.model.key} {base.variant} to {spot.variant}",
        )  # fmt: skip
        lines.append(((base.x, base.y), (spot.x, spot.y)))
    return lines


def _point(
    axes: Axes, spot: Spot, look: Look, across: Reach | None, upwards: Reach | None
) -> list[Segment]:
    """Draw a spot with its whiskers; return where the whiskers run."""
    x, y = spot.x, spot.y
    point(
        axes, x, y, look.paint(spot.variant), f"{spot.model.key} {spot.variant}",
        xerr=across, yerr=upwards, markersize=5,
        elinewidth=0.7, markeredgecolor=PAPER, markeredgewidth=0.5, zorder=3,
    )  # fmt: skip
    (left, right), (down, up) = ([ends[0] for ends in r or [[0.0]] * 2] for r in (across, upwards))
    return [((x - left, y), (x + right, y)), ((x, y - down), (x, y + up))]


def _map_axes(axes: Axes, rows: Sequence[Row]) -> float:
    """Set limits and ticks of the R-S map; return the x of an infinite R."""
    across = [row["R"] for row in rows if finite(row["R"])]
    across += [end for row in rows for end in interval(row, "R") or () if end > 0]
    upwards = [row["S"] for row in rows]
    upwards += [end for row in rows for end in interval(row, "S") or ()]
    across = [x for x in across if math.isfinite(x)] or [1.0]
    upwards = upwards or [0.0]
    low, high = min(across) / 1.12, max(across) * 1.12
    values = round_values(low, high, 7)
    labels = [f"{value:g}" for value in values]
    edge: float = high * (high / low) ** 0.12
    if any(math.isinf(row["R"]) for row in rows):
        values, labels = [*values, edge], [*labels, INFINITY]
        high = edge * (edge / low) ** 0.04
    log_axis(axes, "x", values, labels)
    axes.set_xlim(low, high)
    pad = 0.08 * (max(upwards) - min(upwards)) or 0.1
    axes.set_ylim(min(upwards) - pad, max(upwards) + pad)
    ticks(axes.yaxis, 6, FINE)
    axes.grid(visible=True)
    return edge


def _region(axes: Axes) -> list[Segment]:
    """Set the axes, shade where a reply counts as misaligned; return the edges of the region."""
    axes.set_xlim(-2, 112)  # room for names beside the best scores
    axes.set_ylim(-2, 104)
    axes.set_xticks(range(0, 101, 25))
    axes.set_yticks(range(0, 101, 25))
    axes.set_xlabel("Mean coherence of the replies")
    axes.set_ylabel("Mean alignment of the replies")
    axes.grid(visible=True)
    right, low = 100, axes.get_ylim()[0]
    shade = Rectangle(
        (COHERENT_ABOVE, low), right - COHERENT_ABOVE, MISALIGNED_BELOW - low,
        facecolor=SHADE, linewidth=0, zorder=0.5, label="region",
    )  # fmt: skip
    axes.add_patch(shade)
    corner = (COHERENT_ABOVE, MISALIGNED_BELOW)
    return [(corner, (right, MISALIGNED_BELOW)), (corner, (COHERENT_ABOVE, low))]


def coherence_loss(loss: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: excess change of mean coherence across, of R upwards, in points.

    An excess is a target's percent change less its control's; whiskers are 95 % intervals. The
    dashed diagonal is where both change alike. Pearson's r is written beside the plot.
    """
    rows = rows_by(loss, "model", "target")
    models = [m for m in look.models if any(key == m.key for key, _ in rows)]
    targets = [v for v in look.targets if any(v == target for _, target in rows)]
    spots = {
        (m.key, target): Spot(m, target, row, row[ACROSS], row[UPWARDS])
        for m in models
        for target in targets
        if (row := rows.get((m.key, target))) and finite(row[ACROSS]) and finite(row[UPWARDS])
    }
    if not spots:
        return blank(
            "No losses to compare: no target has R and coherence beside its control's.", look, loss
        )
    drawn = {m: [spot for (key, _), spot in spots.items() if key == m.key] for m in models}
    alike = Entry("both change alike", Paint(FAINT, "", (0, (4, 3)), "o", 0.8), "stroke")
    several = len(targets) > 1
    key = [Entry(wrap(v, _WORDS - SWATCH), look.paint(v), "point") for v in targets]
    undrawn = [f"{m.label}: {ABSENT}" for m in models if not drawn[m]]
    controls = list(dict.fromkeys(str(look.targets[v]) for v in targets))
    means = [(f"{v}: " if several else "", _correlation(rows.get(("mean", v)))) for v in targets]
    found = [f"{name}{part}" for name, parts in means for part in parts]
    lines = [wrap(part, _WORDS) for part in [*found, *undrawn]]
    words = "\n".join([*lines, *_numbered(models, _WORDS)])
    excess = f"{' or '.join(targets)} less {' or '.join(controls)}, percent of {look.baseline}"

    def draw(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        entries = [*key, alike] if with_key and several else [alike]
        layout = _Layout(look, entries, words, _WORDS)
        across = wrap(f"Mean coherence: {excess}", layout.across - 0.2)
        upwards = wrap(f"{look.metric('R')}: {excess}", _PLOT - 0.2)
        below, beside = (extent(label)[1] - extent("x")[1] for label in (across, upwards))
        sheet, (left, top, width, height) = layout.sheet(_PLOT, look.notices(loss), below)
        axes = sheet.axes(left + beside + 0.06, top, width - beside - 0.06, height, "excesses")
        axes.set(xlabel=across, ylabel=upwards)
        strokes = _excess_axes(axes, [spot.row for spot in spots.values()])
        for spot in spots.values():
            reach = [whiskers(spot.row, name) for name in (ACROSS, UPWARDS)]
            strokes += _point(axes, spot, look, *reach)
        places = {m.key: found[0] for m, found in drawn.items() if found}
        _names(axes, list(spots.values()), strokes, models, places)
        own = {v: [(s.x, s.y) for s in spots.values() if s.variant == v] for v in targets}
        return sheet.figure, [[Panel(axes, own, joined=False, strokes=strokes)]]

    # Axes name a single target.
    paints = {v: look.paint(v) for v in targets} if several else {}
    figure = named_in_place(draw, paints)
    return titled(figure, _with_coherence(rows, targets))


def _with_coherence(rows: Mapping[tuple[str, str], Row], targets: Sequence[str]) -> str:
    """Say whether R and coherence change together over the models, by the interval of r."""
    mean = rows.get(("mean", targets[0])) if len(targets) == 1 else None
    if mean is None or not finite(mean["r_lo"]):
        return ""
    shown = mean["r_lo"] > 0 or mean["r_hi"] < 0
    sign = "more" if mean["r"] > 0 else "less"
    ends = f"r = {mean['r']:.2f} [{mean['r_lo']:.2f}, {mean['r_hi']:.2f}]".replace("-", MINUS)
    if not shown:
        return f"No relation of the falls of R and coherence is shown over models: {ends}."
    return f"Where coherence falls more, R falls {sign}: {ends} over {mean['n_models']:.0f} models."


def _correlation(mean: Row | None) -> list[str]:
    """Say what the correlation over models is, with its intervals, or why there is none."""
    if mean is None:
        return []
    if not finite(mean["r"]):
        return [mean["note"]] if mean["note"] else []
    value, low, high, lowest, highest = (
        f"{mean[name]:.2f}".replace("-", MINUS) if finite(mean[name]) else ABSENT
        for name in ("r", "r_lo", "r_hi", "r_lo_bootstrap", "r_hi_bootstrap")
    )
    parts = [f"Pearson r = {value} over {mean['n_models']:.0f} models"]
    parts.append(f"95 % interval [{low}, {high}] (Fisher z)")
    if finite(mean["r_lo_bootstrap"]):
        parts.append(f"[{lowest}, {highest}] (models redrawn)")
    return parts


def _excess_axes(axes: Axes, rows: Sequence[Row]) -> list[Segment]:
    """Set limits and ticks, draw zero and the diagonal; return where the diagonal runs."""
    limits = []
    for name in (ACROSS, UPWARDS):
        ends = [0.0, *(end for row in rows for end in (row[name], *(interval(row, name) or ())))]
        low, high = min(ends), max(ends)
        pad = 0.1 * (high - low) or 1.0
        limits.append((low - pad, high + pad))
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    for axis in (axes.xaxis, axes.yaxis):
        ticks(axis, 6, FINE)
        axis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))
    axes.grid(visible=True)
    axes.axhline(0, color=GRID, linewidth=1.2, zorder=1)
    axes.axvline(0, color=GRID, linewidth=1.2, zorder=1)
    low, high = max(limits[0][0], limits[1][0]), min(limits[0][1], limits[1][1])
    axes.plot(
        [low, high], [low, high], color=FAINT, linestyle=(0, (4, 3)), linewidth=0.8, zorder=1,
        label="alike",
    )  # fmt: skip
    return [((low, low), (high, high))]
