"""Curves per model: recognition over answers, S and R over temperature, power, training losses."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persona_collapse.figures.findings import above, noun_of, sentence, share, subjects, where
from persona_collapse.figures.labels import Panel, Point, label_ends, named_in_place
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.marks import (
    DASH,
    FINE,
    INFINITY,
    Row,
    blank,
    finite,
    log_axis,
    round_values,
    ticks,
)
from persona_collapse.figures.panels import Block, Blocks, Frame, Space
from persona_collapse.figures.sheet import Entry, Sheet
from persona_collapse.figures.style import (
    DARK,
    FAINT,
    INK,
    LIGHT,
    MIDDLE,
    PALE,
    PAPER,
    Paint,
    titled,
)

DETECTABLE = {"S": "rise of S, %", "R": "fall of R, %"}
LOSSES = {"train_loss": "Loss", "train_accuracy": "Accuracy"}
WINDOW = 0.05  # of a curve's points: what a line is averaged over
_SPACE = Space(left=0.3, gap=0.36, above=0.2, below=0.24, foot=0.14, height=1.15, widest=1.7)
# With room for labels at the ends of curves.
_LABELLED = replace(_SPACE, gap=0.62, height=1.3, least=1.2)
_PLANTED = ModelLook("planted", "Planned from S and R alone", "")
# From pale to dark with more repetitions (ordered, not categorical); markers differ too.
_SHADES = (PALE, LIGHT, MIDDLE, DARK, INK)
_MARKERS = ("v", "o", "s", "^", "D", "P", "X")
_AIM = Paint(FAINT, "", (0, (2, 2)), "", 0.8)
_STUDY = Paint(INK, "", "-", "*", 0.8)
# Of the axis: curves that are nowhere farther apart are drawn as one.
_ALIKE = 0.02
Curves = dict[tuple[str, str], list[Row]]


def identification_curves(identification: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: shares of recognised personas over the number of answers, per model.

    Left by profiles of the variant's own other answers, right by the baseline's; the baseline's own
    curve is in both. Bands are 95 % intervals, the dashed line is chance.
    """
    chosen = identification.filter(probe=look.roleplay, classifier="nearest_mean")
    rows = chosen.drop_nulls("recognised").sort("answers").to_dicts()
    models = [m for m in look.models if any(row["model"] == m.key for row in rows)]
    variants = [v for v in look.variants if any(row["variant"] == v for row in rows)]
    if not rows:
        return blank(
            "No recognition: no answers of several personas to choose from.", look, identification
        )
    note = "Personas recognised, %; bands are 95 % intervals, dashed lines are chance."
    counts = sorted({row["answers"] for row in rows})
    percent = [_in_percent(row) for row in rows]

    def draw(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        entries = _key(variants, look, "line", with_key)
        sheet = Blocks(look, models, 2, _SPACE, entries, note, look.notices(identification))
        panels = []
        for block in sheet.blocks:
            own = [row for row in percent if row["model"] == block.model.key]
            frames = zip(("own", "baseline"), block.frames, strict=True)
            panels.append([_recognition(sheet.sheet, block, own, *one, look) for one in frames])
        return sheet.sheet.figure, panels

    figure = named_in_place(draw, {v: look.paint(v) for v in variants})
    return titled(figure, _recognised(rows, counts[-1], look))


def _key(variants: Sequence[str], look: Look, kind: str, wanted: bool) -> list[Entry]:
    """Return the variants' entries of a key, where it is wanted."""
    return [Entry(v, look.paint(v), kind) for v in variants] if wanted else []


def _in_percent(row: Row) -> Row:
    shares = ("recognised", "recognised_lo", "recognised_hi", "chance")
    return row | {name: None if row[name] is None else 100 * row[name] for name in shares}


def _recognition(
    sheet: Sheet, block: Block, rows: Sequence[Row], profiles: str, frame: Frame, look: Look
) -> Panel:
    """Draw the curves of a model by its own or by the baseline's profiles, in percent."""
    axes = _panel(sheet, block, frame, profiles, f"{profiles} profiles", "answers")
    counts = sorted({row["answers"] for row in rows})
    log_axis(axes, "x", counts)
    axes.set(xlim=(counts[0] / 1.2, counts[-1] * 1.2), ylim=(0, 103))
    ticks(axes.yaxis, 4, FINE)
    chance, style = rows[0]["chance"], {"linestyle": _AIM.line, "linewidth": _AIM.width}
    axes.axhline(chance, color=_AIM.colour, label="chance", **style)
    curves = {}
    for variant in look.variants:
        by = "own" if variant == look.baseline else profiles
        curve = [r for r in rows if (r["variant"], r["profiles"]) == (variant, by)]
        name = f"{block.model.key} {variant} {profiles}"
        curves[variant] = _banded(axes, curve, "answers", "recognised", look.paint(variant), name)
    return Panel(axes, curves, strokes=[((counts[0], chance), (counts[-1], chance))])


def _recognised(rows: Sequence[Row], most: int, look: Look) -> str:
    """Say whether fewer personas are recognised than under the baseline, from most answers."""
    own, by_base = (
        {
            (row["model"], row["variant"]): row
            for row in rows
            if (row["answers"], row["profiles"]) == (most, profiles)
        }
        for profiles in ("own", "baseline")
    )
    name, pairs = subjects(look, [pair for pair in by_base if (pair[0], look.baseline) in own])
    if not pairs:
        return ""
    base = [own[model, look.baseline] for model, _ in pairs]
    fewer = [above(one, by_base[p], "recognised") for one, p in zip(base, pairs, strict=True)]
    if len(pairs) > 1:
        text = f"recognised under {name} than under {look.baseline}"
        return sentence(
            f"from {most} answers and {look.baseline}'s profiles, "
            + where(f"fewer personas are {text}", f"no fewer are shown to be {text}", fewer,
                    noun_of(pairs))
        )  # fmt: skip
    row = by_base[pairs[0]]
    return (
        f"From {most} answers, {share(base[0], 'recognised')} of the personas are recognised under "
        f"{look.baseline} and {share(row, 'recognised')} under {name} (guessing: "
        f"{100 * row['chance']:.2g} %)."
    )


def temperature_curves(temperature: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: S and R side by side per model, a curve per variant.

    Bands are 95 % intervals. An infinite R is an open point on the upper edge. Where the role-play
    probe was sampled by repeats, the first probe with log-probabilities is drawn.
    """
    probes = temperature["probe"].unique(maintain_order=True).to_list()
    probe = look.roleplay if look.roleplay in probes else next(iter(probes), look.roleplay)
    chosen = temperature.filter(probe=probe, domain="overall").sort("temperature")
    curves: Curves = {}
    for row in chosen.iter_rows(named=True):
        curves.setdefault((row["model"], row["variant"]), []).append(row)
    models = [m for m in look.models if any(key[0] == m.key for key in curves)]
    variants = [v for v in look.variants if any(key[1] == v for key in curves)]
    if not curves:
        return blank(
            "No temperature curves: no log-probabilities were asked for under personas.",
            look,
            temperature,
        )
    rows = chosen.to_dicts()
    note = "S (left) and R (right, log scale) over temperature; bands are 95 % intervals."
    if probe != look.roleplay:
        note += f" Probe: {probe}."
    if any(row["R"] is not None and math.isinf(row["R"]) for row in rows):
        note += f" An open point on the upper edge is R = {INFINITY}."
    grid = sorted({row["temperature"] for row in rows})
    middle = min(grid, key=lambda t: abs(math.log(t * t / (grid[0] * grid[-1]))))

    def draw(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        entries = _key(variants, look, "line", with_key)
        sheet = Blocks(look, models, 2, _SPACE, entries, note, look.notices(temperature))
        panels: list[list[Panel]] = []
        for block in sheet.blocks:
            panels.append([])
            for metric, frame in zip(("S", "R"), block.frames, strict=True):
                axes = _panel(sheet.sheet, block, frame, metric, metric, "temperature")
                log_axis(axes, "x", sorted({grid[0], middle, grid[-1]}))  # more would touch
                axes.set_xlim(grid[0] / 1.1, grid[-1] * 1.1)
                _upright(axes, rows, metric)
                own = {
                    variant: _temperature(
                        axes, curves.get((block.model.key, variant), []), metric,
                        look.paint(variant), f"{block.model.key} {variant} {metric}",
                    )
                    for variant in variants
                }  # fmt: skip
                panels[-1].append(Panel(axes, own))
        return sheet.sheet.figure, panels

    figure = named_in_place(draw, {v: look.paint(v) for v in variants})
    return titled(figure, _at_every_temperature(curves, look))


def _at_every_temperature(curves: Curves, look: Look) -> str:
    """Say where S lies above, and R below, the baseline's at every temperature."""
    name, pairs = subjects(look, [p for p in curves if (p[0], look.baseline) in curves])
    if not pairs:
        return ""
    parts = []
    for metric, side, sign in (("S", "above", 1), ("R", "below", -1)):
        flags = [
            all(
                (above(one, two, metric) if sign > 0 else above(two, one, metric))
                for one, two in zip(curves[p], curves[p[0], look.baseline], strict=False)
            )
            for p in pairs
        ]
        shown = f"{metric} lies {side} {look.baseline}'s at every temperature"
        not_shown = shown.replace("lies", "is not shown to lie")
        parts.append(where(shown, not_shown, flags, noun_of(pairs)))
    return sentence(f"under {name}, {parts[0]}", parts[1])


def _panel(
    sheet: Sheet,
    block: Block,
    frame: Frame,
    name: str,
    title: str,
    xlabel: str,
) -> Axes:
    """Return axes in a block's frame with a title above and, at the bottom, a label below."""
    left, top, _, _ = frame
    sheet.text(left, top - 0.11, title)
    axes = sheet.axes(*frame, f"{block.model.key} {name}")
    axes.grid(visible=True)
    if (left, top) in [lowest[:2] for lowest in block.lowest]:
        axes.set_xlabel(xlabel)
    return axes


def _upright(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    """Set the upright axis that all models share: S from zero, R on a log scale."""
    ends = [row[name] for row in rows for name in (metric, f"{metric}_lo", f"{metric}_hi")]
    known = [end for end in ends if finite(end) and (metric == "S" or end > 0)] or [1.0]
    if metric == "S":
        axes.set_ylim(0.0, 1.05 * max(known) or 1.0)
        ticks(axes.yaxis, 4)
        return
    low, high = min(known) / 1.15, max(known) * 1.3
    log_axis(axes, "y", round_values(low, high, 5))
    axes.set_ylim(low, high)


def _temperature(
    axes: Axes, rows: Sequence[Row], metric: str, paint: Paint, name: str
) -> list[Point]:
    places = _banded(axes, rows, "temperature", metric, paint, name)
    top = axes.get_ylim()[1]
    infinite = [row["temperature"] for row in rows if row[metric] == math.inf]
    if infinite:
        axes.plot(
            infinite, [top] * len(infinite), linestyle="none", marker=paint.marker, markersize=3.6,
            color=paint.colour, markerfacecolor=PAPER, clip_on=False, label=f"{name} infinite",
        )  # fmt: skip
    return places


def _banded(
    axes: Axes, rows: Sequence[Row], x: str, y: str, paint: Paint, name: str
) -> list[Point]:
    """Draw the finite values of column ``y`` over column ``x``, with their intervals as a band.

    Returns:
        Where the values are, in data units.
    """
    known = [row for row in rows if finite(row[y])]
    axes.plot(
        [row[x] for row in known], [row[y] for row in known],
        color=paint.colour, linestyle=paint.line, linewidth=paint.width, marker=paint.marker,
        markersize=2.6, label=name,
    )  # fmt: skip
    banded = [row for row in known if finite(row[f"{y}_lo"]) and row[f"{y}_hi"] is not None]
    top = axes.get_ylim()[1]
    axes.fill_between(
        [row[x] for row in banded], [row[f"{y}_lo"] for row in banded],
        [min(row[f"{y}_hi"], top) for row in banded], color=paint.colour, alpha=0.18,
        linewidth=0, label=f"{name} band",
    )  # fmt: skip
    return [(row[x], row[y]) for row in known]


def power_curves(
    power: pl.DataFrame, look: Look, *, aims: Sequence[float], design: Sequence[int]
) -> Figure:
    """Return the figure: S and R side by side per model, a curve per number of repetitions.

    The smallest percent change found with 80 % power, over the number of personas. Curves that
    coincide are one, labelled with all their numbers. These are planned values, so they have no
    intervals; a value that a design cannot have is left out. ``aims`` are the rise of S and the
    fall of R, in percent, that the study aims at; ``design`` its personas and repetitions.
    """
    models = [m for m in (*look.models, _PLANTED) if m.key in set(power["model"])]
    if not models:
        return blank(
            "No power curves: no baseline has the spread that a plan can start from.", look, power
        )
    rows = power.sort("repetitions", "personas").to_dicts()
    paints = _shades(sorted({row["repetitions"] for row in rows}))
    people, repetitions = design
    entries = [
        Entry("what the study aims at", _AIM, "stroke"),
        Entry(f"this study: {people} personas, {_times(repetitions)}", _STUDY, "line"),
    ]
    note = (
        "Smallest change against the baseline that a two-sided 5 % test finds with 80 % power; "
        "numbers at the curves: repetitions."
    )
    space = replace(_LABELLED, height=1.3 if len(models) <= 8 else 0.85)
    sheet = Blocks(look, models, len(DETECTABLE), space, entries, note, look.notices(power))
    grid = sorted({row["personas"] for row in rows})
    for block in sheet.blocks:
        own = [row for row in rows if row["model"] == block.model.key]
        panels = zip(DETECTABLE.items(), block.frames, aims, strict=True)
        for (metric, title), (left, top, width, height), aim in panels:
            frame = (left, top, width - 0.26, height)
            axes = _panel(sheet.sheet, block, frame, metric, title, "personas")
            log_axis(axes, "x", sorted({grid[0], grid[len(grid) // 2], grid[-1]}))
            low, high = min(grid[0], people) / 1.2, max(grid[-1], people) * 1.2
            axes.set_xlim(low, high)
            column = f"{metric}_detectable_percent"
            values = [row[column] for row in rows if finite(row[column])]
            axes.set_ylim(0, 1.05 * max([*values, aim]))
            ticks(axes.yaxis, 4)
            axes.axhline(
                aim, color=_AIM.colour, linestyle=_AIM.line, linewidth=_AIM.width, label="aim"
            )
            axes.axvline(people, color=_STUDY.colour, linewidth=_STUDY.width, label="study")
            _power(axes, f"{block.model.key} {metric}", own, column, paints)
            for row in own:
                if (row["personas"], row["repetitions"]) == (people, repetitions):
                    axes.plot(
                        people, row[column] if finite(row[column]) else math.nan, zorder=4,
                        color=_STUDY.colour, marker=_STUDY.marker, markersize=7, label="design",
                    )  # fmt: skip
    return titled(sheet.sheet.figure, _detectable(rows, people, repetitions))


def _times(repetitions: int) -> str:
    return f"{repetitions} repetition{'s' * (repetitions > 1)}"


def _detectable(rows: Sequence[Row], people: int, repetitions: int) -> str:
    """Say which changes the study's own design can show in every model."""
    own = [row for row in rows if (row["personas"], row["repetitions"]) == (people, repetitions)]
    parts = []
    for metric, change in (("S", "a rise of S"), ("R", "a fall of R")):
        values = [row[f"{metric}_detectable_percent"] for row in own]
        if values and all(finite(value) for value in values):
            parts.append(f"{change} of {max(values):.2g} %")
    if not parts:
        return ""
    every = " in every model" if len({row["model"] for row in own}) > 1 else ""
    return (
        f"{people} personas with {_times(repetitions)} can show {' and '.join(parts)}{every} with "
        "80 % power."
    )


def _shades(repetitions: Sequence[int]) -> dict[int, Paint]:
    last = max(len(repetitions) - 1, 1)
    shades = [_SHADES[round(n * (len(_SHADES) - 1) / last)] for n in range(len(repetitions))]
    markers = cycle(_MARKERS)
    return {
        n: Paint(shade, "", "-", marker, 1.0)
        for n, shade, marker in zip(repetitions, shades, markers, strict=False)
    }


def _power(
    axes: Axes, name: str, own: Sequence[Row], column: str, paints: dict[int, Paint]
) -> None:
    """Draw a curve for every number of repetitions, or for several whose curves coincide."""
    curves = {
        n: {r["personas"]: r[column] for r in own if r["repetitions"] == n and finite(r[column])}
        for n in paints
    }
    apart = _ALIKE * axes.get_ylim()[1]
    groups: list[list[int]] = []
    for n, curve in curves.items():
        first = curves[groups[-1][0]] if groups else {}
        alike = first.keys() == curve.keys() and all(
            abs(first[x] - y) <= apart for x, y in curve.items()
        )
        if curve and groups and alike:
            groups[-1].append(n)
        elif curve:
            groups.append([n])
    ends = []
    for group in groups:
        curve, paint = curves[group[-1]], paints[group[-1]]
        text = f"{group[0]}" if len(group) == 1 else f"{group[0]}{DASH}{group[-1]}"
        axes.plot(
            [*curve], [*curve.values()], color=paint.colour, linestyle=paint.line,
            linewidth=paint.width, marker=paint.marker, markersize=2.8, label=f"{name} {text}",
        )  # fmt: skip
        ends.append((text, list(curve.values())[-1]))
    label_ends(axes, ends)


def loss_curves(losses: pl.DataFrame, look: Look) -> Figure:
    """Return the figure: training loss and, where it is known, token accuracy per model.

    A curve per fine-tuned variant over the training step; all panels of a measure share their axis.
    """
    models = [model for model in look.models if model.key in losses["model"]]
    variants = [name for name in look.variants if name in losses["variant"]]
    measures = [name for name in LOSSES if losses[name].is_not_null().any()]
    if not models or not measures:
        return blank("No loss curves: no server reported a training step.", look, losses)
    note = (
        "Training loss and share of tokens predicted. Pale: as reported by the server; line: its "
        "mean over 5 % of the steps around."
    )
    space = Space(left=0.34, gap=0.4, above=0.2, below=0.24, foot=0.14, height=1.15, widest=2.2)

    def draw(with_key: bool) -> tuple[Figure, list[list[Panel]]]:
        entries = _key(variants, look, "stroke", with_key)
        sheet = Blocks(look, models, len(measures), space, entries, note, look.notices(losses))
        panels: list[list[Panel]] = []
        for block in sheet.blocks:
            rows = losses.filter(pl.col("model") == block.model.key).sort("step")
            panels.append([])
            for measure, frame in zip(measures, block.frames, strict=True):
                axes = _panel(sheet.sheet, block, frame, measure, LOSSES[measure], "training step")
                axes.set_xlim(0, 1.03 * float(rows["step"].max() or 1))  # type: ignore[arg-type]
                axes.set_ylim(*_loss_limits(losses, measure))
                ticks(axes.xaxis, 3, integer=True, prune="upper")
                ticks(axes.yaxis, 4, FINE)
                own = {}
                for variant in variants:
                    curve = rows.filter(variant=variant).drop_nulls(measure)
                    name = f"{block.model.key} {variant} {measure}"
                    own[variant] = _loss(axes, curve, measure, look.paint(variant), name)
                panels[-1].append(Panel(axes, own))
        return sheet.sheet.figure, panels

    figure = named_in_place(draw, {v: look.paint(v) for v in variants})
    return titled(figure, _fallen(losses))


def _fallen(losses: pl.DataFrame) -> str:
    """Say in how many fine-tunes the loss is lower at the end than at the beginning."""
    known = losses.drop_nulls("train_loss").sort("model", "variant", "step")
    fell = []
    for _, own in known.group_by("model", "variant", maintain_order=True):
        loss, window = own["train_loss"], max(1, round(WINDOW * own.height))
        fell.append(bool(loss.tail(window).sum() < loss.head(window).sum()))
    if not fell:
        return ""
    text = "The training loss is lower at the end than at the beginning"
    return sentence(where(text, text.replace("is lower", "is not lower"), fell, "fine-tunes"))


def _loss_limits(losses: pl.DataFrame, measure: str) -> tuple[float, float]:
    """Return the ends of an axis that all models share; a loss starts at zero."""
    found = [float(value) for value in losses[measure].drop_nulls() if value == value]
    low, high = min(found, default=0.0), max(found, default=1.0)
    if measure == "train_loss":
        return 0.0, 1.05 * high or 1.0
    pad = 0.05 * (high - low) or 0.05
    return max(0.0, low - pad), min(1.0, high + pad)


def _loss(axes: Axes, curve: pl.DataFrame, measure: str, paint: Paint, name: str) -> list[Point]:
    """Draw a measure over the steps and its mean over ``WINDOW``; return where the mean is."""
    if curve.is_empty():
        return []
    steps, values = curve["step"].to_list(), curve[measure]
    window = max(1, round(WINDOW * curve.height))
    mean = values.rolling_mean(window, min_samples=1, center=True)
    if window > 1:
        axes.plot(
            steps, values.to_list(), color=paint.colour, linewidth=0.5, alpha=0.35,
            label=f"{name} reported",
        )  # fmt: skip
    axes.plot(
        steps, mean.to_list(), color=paint.colour, linestyle=paint.line, linewidth=paint.width,
        marker=paint.marker if curve.height == 1 else "", label=name,
    )  # fmt: skip
    return list(zip(steps, mean, strict=True))
