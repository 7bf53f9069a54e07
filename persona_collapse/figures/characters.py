"""What S and R are, seen: characters and their runs in the plane of the baseline's components.

A large dot is a character (a persona's mean answers), a small dot one of its runs. S is how far
the characters lie apart, 1/R how far each one's runs scatter. All panels of a model have one scale.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from persona_collapse.common.notation import write_change
from persona_collapse.figures.findings import direction, noun_of, sentence, subjects, where
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.figures.marks import Row, blank, finite, interval, number, rows_by
from persona_collapse.figures.panels import Blocks, Frame, Space
from persona_collapse.figures.sheet import MARGIN, Sheet, extent, wrap
from persona_collapse.figures.style import FAINT, GRID, HEADING, INK, SMALL, titled

# Quantiles of the characters' distance from the centre, under the baseline: those that are marked.
MARKED = (0.1, 0.5, 0.9)
LETTERS = "ABC"
WIDTH = 5.0  # inches of the figure of one model on the page: it can be read on a phone, too
_ACROSS, _GAP, _BETWEEN = 3, 0.14, 0.08  # panels side by side; inches between, of one and of many
_FLAT, _TALL = 0.75, 1.0  # least and largest height of a panel over its width
_LOW, _MODELS = 0.62, 8  # inches that a panel is high where there are more than so many models
_RUNS = 4000  # dots that all runs of a figure may take: more characters show fewer runs each
_NONE = "No plane of characters: it needs the answers of three personas under a baseline."
_MEANING = "S: how far the characters lie apart. 1/R: how much each one blurs."
Points = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Style = dict[str, Any]


@dataclass(frozen=True)
class _Sizes:
    """Sizes of texts and marks in points, and the distance of lines in inches."""

    note: float
    text: float
    name: float
    head: float
    line: float
    large: float
    ring: float
    small: float = 1.4
    run: float = 1.9
    of: str = " of variance"


_PAGE = _Sizes(note=8.5, text=9.5, name=10.5, head=11.0, line=0.175, large=3.2, ring=5.2)
_PAPER = replace(_PAGE, note=SMALL, text=SMALL, name=HEADING, head=HEADING, line=0.14)
_MANY = replace(_PAPER, name=SMALL, line=0.125, large=2.2, ring=4.2, small=1.0, run=1.5, of="")


@dataclass(frozen=True)
class _Cloud:
    """One variant: places (n, 2) of characters by id, their SDs (n, 2), runs by id (m, 2)."""

    ids: list[int]
    places: Points
    spreads: Points
    runs: Mapping[int, Points]
    share: float | None

    def of(self, persona: int) -> tuple[Points, Points]:
        """Return the place and the SD of a character, (2,) each."""
        at = self.ids.index(persona)
        return self.places[at], self.spreads[at]


Clouds = Mapping[str, _Cloud]  # by variant


@dataclass(frozen=True)
class _Study:
    """The look, every model's clouds, and the tables of S and R and of their changes."""

    look: Look
    clouds: Mapping[ModelLook, Clouds]
    metrics: pl.DataFrame
    contrasts: pl.DataFrame


def _of_tables(
    draw: Callable[[_Study], Figure],
) -> Callable[[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame, Look], Figure]:
    """Let a drawing be called with ``persona_map``, ``persona_runs``, metrics and contrasts."""

    def drawing(
        persona_map: pl.DataFrame,
        persona_runs: pl.DataFrame,
        metrics: pl.DataFrame,
        contrasts: pl.DataFrame,
        look: Look,
    ) -> Figure:
        clouds = _clouds_of(persona_map, persona_runs, look)
        if not clouds:
            return blank(_NONE, look, metrics)
        return draw(_Study(look, clouds, metrics, contrasts))

    drawing.__doc__ = draw.__doc__
    return drawing


@_of_tables
def spread_and_blur(study: _Study) -> Figure:
    """Return the figure of the model whose S changed most under a target, or of the first.

    It has a panel per variant, S and R below.
    """
    look, clouds = study.look, study.clouds
    fixed = {"probe": look.roleplay, "domain": "overall", "metric": "S"}
    changes = rows_by(study.contrasts, "model", "contrast", **fixed)

    def change(model: ModelLook) -> float:
        names = [(model.key, f"{target}-{look.baseline}") for target in look.targets]
        found = [changes[name]["percent"] for name in names if name in changes]
        return max((abs(value) for value in found if finite(value)), default=0.0)

    model = max(clouds, key=change)
    own = clouds[model]
    fixed = {"probe": look.roleplay, "domain": "overall", "model": model.key}
    values = rows_by(study.metrics, "variant", **fixed)
    sizes, width = (_PAGE, WIDTH) if look.on_page else (_PAPER, look.width)
    sizes = replace(sizes, of="") if look.narrow else sizes
    inner = width - 2 * MARGIN
    wide = (inner - (_ACROSS - 1) * _GAP) / _ACROSS
    drawing = _Drawing(look, sizes, own, marked(own, look.baseline), _RUNS, _FLAT, _TALL)
    tall = wide * drawing.ratio
    numbers = {v: drawing.numbers(v, values.get(v), wide) for v in own}
    names = {v: wrap(v, wide - 0.2, sizes.name, bold=True) for v in own}
    title = wrap(model.label, inner, sizes.head, bold=True)
    meaning = wrap(_MEANING, inner, sizes.text)
    heights = [extent(meaning, sizes.text)[1], extent(title, sizes.head, bold=True)[1]]
    above = max(extent(n, sizes.name, bold=True)[1] for n in names.values()) + 0.04
    below = max(len(text.split("\n")) for text in numbers.values()) * sizes.line + 0.06
    top = 0.3 + heights[0] + 0.1 + heights[1] + 0.06
    rows = -(-len(own) // _ACROSS)
    sheet = Sheet(width, top + rows * (above + tall + below + 0.06), look.notices(study.metrics))
    _key(sheet, sizes, runs=any(c.runs for c in own.values()), marked=drawing.marked)
    sheet.text(MARGIN, 0.28 + heights[0] / 2, meaning, fontsize=sizes.text)
    middle = 0.38 + heights[0] + heights[1] / 2
    sheet.text(MARGIN, middle, title, fontsize=sizes.head, weight="bold")
    for place, variant in enumerate(own):
        row, column = divmod(place, _ACROSS)
        left = MARGIN + column * (wide + _GAP)
        y = top + row * (above + tall + below + 0.06)
        middle = y + (above - 0.04) / 2
        sheet.named(left, middle, look.paint(variant), names[variant], sizes.name)
        frame = (left, y + above, wide, tall)
        drawing.panel(sheet, frame, f"{model.key} {variant}", variant, numbers[variant])
    return titled(sheet.figure, _finding(study.contrasts, look, [model]))


@_of_tables
def spread_and_blur_models(study: _Study) -> Figure:
    """Return the figure of every model: a block per model, a panel per variant, S and R below."""
    look, clouds = study.look, study.clouds
    values = rows_by(study.metrics, "model", "variant", probe=look.roleplay, domain="overall")
    variants = [v for v in look.variants if any(v in own for own in clouds.values())]
    characters = sum(len(cloud.runs) for own in clouds.values() for cloud in own.values())
    few = len(clouds) <= _MODELS
    names = {v: wrap(v, 0.8) for v in variants}
    space = Space(
        left=0, gap=_BETWEEN, above=max(extent(name)[1] for name in names.values()) + 0.02,
        below=3 * _MANY.line + 0.08, foot=0.02, height=None if few else _LOW, widest=1.75,
    )  # fmt: skip
    small = "small ones single runs" if characters else "ellipses one SD of a run"
    note = (
        f"{_MEANING} Large dots are characters, {small}; A, B and C are the same in a model's "
        "panels. Plane: its share of the variance between characters."
    )
    notices = look.notices(study.metrics)
    sheet = Blocks(look, list(clouds), len(variants), space, [], note, notices)
    for block in sheet.blocks:
        own = clouds[block.model]
        wide, tall = block.frames[0][2:]
        letters, ratio = marked(own, look.baseline), tall / wide
        # Each character shows as many of its runs as all may.
        most = max(1, _RUNS // max(characters, 1)) * sum(len(cloud.runs) for cloud in own.values())
        drawing = _Drawing(look, _MANY, own, letters, most, ratio, ratio)
        for place, variant in enumerate(variants):
            if variant not in own:
                continue
            left, top, *_ = frame = block.frames[place]
            middle = top - 0.02 - extent(names[variant])[1] / 2
            sheet.sheet.named(left, middle, look.paint(variant), names[variant])
            key = (block.model.key, variant)
            text = drawing.numbers(variant, values.get(key), wide)
            drawing.panel(sheet.sheet, frame, " ".join(key), variant, text)
    return titled(sheet.sheet.figure, _finding(study.contrasts, look, list(clouds)))


def _key(sheet: Sheet, sizes: _Sizes, *, runs: bool, marked: Sequence[int]) -> None:
    """Draw what the marks of the figure of one model are, in one line."""
    x, y = MARGIN + 0.05, 0.13
    three = [(-0.03, 0.02), (0.02, 0.03), (0.01, -0.03)]
    small = (
        ("its runs", sizes.run, FAINT, three) if runs else ("one SD of a run", 9.0, GRID, [(0, 0)])
    )
    for text, size, colour, dots in (("character", sizes.large, FAINT, [(0, 0)]), small):
        for across, down in dots:
            place = [x + across], [sheet.top + y + down]
            sheet.paper.plot(*place, "o", markersize=size, color=colour, markeredgewidth=0)
        sheet.text(x + 0.1, y, text, fontsize=sizes.text)
        x += 0.1 + extent(text, sizes.text)[0] + 0.24
    if marked:
        style: Style = {"markersize": sizes.ring, "markerfacecolor": "none", "markeredgecolor": INK}
        sheet.paper.plot([x], [sheet.top + y], "o", markeredgewidth=0.9, **style)
        letters, ids = LETTERS[: len(marked)], ", ".join(map(str, marked))
        text = f"{', '.join(letters)}: persona{'s' if len(marked) > 1 else ''} {ids}"
        sheet.text(x + 0.1, y, text, fontsize=sizes.text)


def _clouds_of(
    persona_map: pl.DataFrame, persona_runs: pl.DataFrame, look: Look
) -> dict[ModelLook, Clouds]:
    """Return the variants in the plane of every model that has one, in the study's order."""
    return {
        model: found
        for model in look.models
        if (found := _clouds(persona_map, persona_runs, look, model))
    }


def _clouds(
    persona_map: pl.DataFrame, persona_runs: pl.DataFrame, look: Look, model: ModelLook
) -> Clouds:
    """Return the variants of a model that have characters in the plane, in the study's order."""
    own = {"model": model.key, "probe": look.roleplay}
    known = pl.col("x").is_finite() & pl.col("y").is_finite()
    places, runs = (table.filter(known, **own) for table in (persona_map, persona_runs))
    found = {}
    for variant in look.variants:
        rows = places.filter(variant=variant)
        if rows.is_empty():
            continue
        shares = rows.select("x_share", "y_share").row(0)
        found[variant] = _Cloud(
            rows["persona_id"].to_list(),
            rows.select("x", "y").to_numpy(),
            rows.select(pl.col("x_sd", "y_sd").fill_null(0.0)).to_numpy(),
            {
                int(persona): part.select("x", "y").to_numpy()
                for (persona,), part in runs.filter(variant=variant).group_by(
                    "persona_id", maintain_order=True
                )
            },
            sum(shares) if all(map(finite, shares)) else None,
        )
    return found


def marked(clouds: Clouds, baseline: str) -> list[int]:
    """Return three characters that every variant has, by the rule ``MARKED``; fewer of fewer.

    Distances are those under the baseline, or under the first variant where it has no plane.
    """
    first = clouds.get(baseline) or next(iter(clouds.values()))
    shared = [p for p in first.ids if all(p in cloud.ids for cloud in clouds.values())]
    ranked = sorted(shared, key=lambda p: (float(np.hypot(*first.of(p)[0])), p))
    places = [round(quantile * (len(ranked) - 1)) for quantile in MARKED]
    return [ranked[place] for place in dict.fromkeys(places)] if ranked else []


class _Drawing:
    """The panels of one model, on one scale.

    ``most`` runs are drawn in all, ``flat`` and ``tall`` are the least and the largest height of a
    panel over its width.
    """

    def __init__(
        self,
        look: Look,
        sizes: _Sizes,
        clouds: Clouds,
        letters: Sequence[int],
        most: int,
        flat: float,
        tall: float,
    ) -> None:
        self.look, self.sizes, self.clouds, self.marked = look, sizes, clouds, letters
        characters = sum(len(cloud.runs) for cloud in clouds.values())
        self.shown = max(1, most // characters) if characters else 0
        seen = [cloud.places for cloud in clouds.values()]
        seen += [c.runs[p] for c in clouds.values() for p in letters if p in c.runs]
        low, high = np.vstack(seen).min(axis=0), np.vstack(seen).max(axis=0)
        across, up = 1.08 * np.maximum(high - low, 1e-9)
        self.ratio = float(min(max(up / across, flat), tall))
        across = max(across, up / self.ratio)
        reach = np.array([across, across * self.ratio]) / 2
        self.low, self.high = (low + high) / 2 - reach, (low + high) / 2 + reach

    def numbers(self, variant: str, row: Row | None, wide: float) -> str:
        """Return S, R and the plane's share of the variance between characters, below a panel."""
        share = self.clouds[variant].share
        lines = [wrap(_value(row, name), wide, self.sizes.text) for name in "SR"]
        if share is not None:
            text = f"plane: {100 * share:.0f} %{self.sizes.of}"
            lines.append(wrap(text, wide, self.sizes.note))
        return "\n".join(lines)

    def panel(self, sheet: Sheet, frame: Frame, label: str, variant: str, numbers: str) -> None:
        """Draw a variant's characters in a frame, and its numbers below."""
        left, top, wide, tall = frame
        cloud, colour = self.clouds[variant], self.look.paint(variant).colour
        axes = sheet.axes(*frame, label)
        limits: Style = {"xlim": (self.low[0], self.high[0]), "ylim": (self.low[1], self.high[1])}
        axes.set(xticks=[], yticks=[], **limits)
        axes.spines[:].set(visible=True, color=GRID)
        if cloud.runs:
            runs = np.vstack([own[: self.shown] for own in cloud.runs.values()])
            _dots(axes, runs, colour, self.sizes.small, label="runs", alpha=0.4)
        else:
            _ellipses(axes, cloud.places, cloud.spreads, colour, 0.12)
        _dots(axes, cloud.places, colour, self.sizes.large, label="characters")
        scale = 72 * np.array([wide, tall]) / (self.high - self.low)
        for persona, letter in zip(self.marked, LETTERS, strict=False):
            self._mark(axes, cloud, persona, letter, scale)
        for line, text in enumerate(numbers.split("\n")):
            note: Style = {"color": FAINT, "fontsize": self.sizes.note}
            given: Style = note if text.startswith("plane") else {"fontsize": self.sizes.text}
            sheet.text(left, top + tall + 0.04 + (line + 0.5) * self.sizes.line, text, **given)

    def _mark(self, axes: Axes, cloud: _Cloud, persona: int, letter: str, scale: Points) -> None:
        """Draw a character with its runs in ink, ringed, its letter where there is most room."""
        place, spread = cloud.of(persona)
        if persona in cloud.runs:
            style: Style = {"markersize": self.sizes.run, "color": INK, "markeredgewidth": 0}
            axes.plot(*cloud.runs[persona].T, "o", label=f"runs {letter}", **style)
        else:
            _ellipses(axes, place[None], spread[None], INK, 0.35)
        ring: Style = {"markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 0.9}
        axes.plot(*place, "o", markersize=self.sizes.ring, label=letter, **ring)
        text: Style = {"fontsize": self.sizes.text, "weight": "bold", "color": INK}
        middle: Style = {"va": "center", "ha": "center", "textcoords": "offset points"}
        at, way = (place[0], place[1]), self._room(cloud, place, scale)
        axes.annotate(letter, at, way, **middle, **text)

    def _room(self, cloud: _Cloud, place: Points, scale: Points) -> tuple[float, float]:
        """Return the way from a character to its letter in points, away from other dots.

        ``scale`` is points of the page per unit of the plane.
        """
        # A letter must be nearest to its own character: the marked ones count more.
        letters = np.array([cloud.of(persona)[0] for persona in self.marked])
        others = np.vstack([cloud.places, *[letters] * 8])
        reach, edge = 0.95 * self.sizes.text + 1, 0.5 * self.sizes.text

        def crowd(way: tuple[float, float]) -> float:
            spot = place + np.array(way) / scale
            if np.any((spot - self.low) * scale < edge) or np.any(
                (self.high - spot) * scale < edge
            ):
                return np.inf
            far = np.hypot(*((others - spot) * scale).T)
            return float((1 / np.maximum(far, 2.0) ** 2).sum())

        angles = np.arange(16) * np.pi / 8
        ways = [(float(reach * np.cos(a)), float(reach * np.sin(a))) for a in angles]
        return min(ways, key=crowd)


def _dots(axes: Axes, points: Points, colour: str, size: float, **given: Any) -> None:
    """Draw dots as one path of very short lines with round ends: a small part of the file."""
    ends = np.repeat(points, 2, axis=0)
    ends[1::2, 0] += 1e-6 * np.ptp(axes.get_xlim())
    path = Path(ends, [Path.MOVETO, Path.LINETO] * len(points))
    path.should_simplify = False
    # Snapped to pixels, the lines would have no length and not be drawn.
    style: Style = {"capstyle": "round", "snap": False, "facecolor": "none", **given}
    axes.add_patch(PathPatch(path, edgecolor=colour, linewidth=size, **style))


def _ellipses(axes: Axes, places: Points, spreads: Points, colour: str, alpha: float) -> None:
    """Draw one SD around places, both (n, 2)."""
    style: Style = {"facecolor": colour, "alpha": alpha, "linewidth": 0, "label": "spreads"}
    axes.add_collection(
        EllipseCollection(
            2 * spreads[:, 0],
            2 * spreads[:, 1],
            np.zeros(len(places)),
            units="xy",
            offsets=places,
            offset_transform=axes.transData,
            **style,
        )
    )


def _value(row: Row | None, name: str) -> str:
    """Write S or R with its 95 % interval: S = 1.68 [1.62, 1.77]."""
    if row is None:
        return f"{name} = {number(None)}"
    ends = interval(row, name) if row[f"{name}_lo"] is not None else None
    text = f"{name} = {number(row[name])}"
    return f"{text} [{number(ends[0])}, {number(ends[1])}]" if ends else text


def _finding(contrasts: pl.DataFrame, look: Look, models: Sequence[ModelLook]) -> str:
    """Return what moved from the baseline to the targets: of one in numbers, of more the count."""
    rows = rows_by(contrasts, "model", "contrast", "metric", probe=look.roleplay, domain="overall")
    pairs = [
        (model.key, variant)
        for model in models
        for variant in look.changed
        if (model.key, f"{variant}-{look.baseline}", "S") in rows
    ]
    named, found = subjects(look, pairs)
    apart, blur = (
        [rows.get((model, f"{variant}-{look.baseline}", metric)) for model, variant in found]
        for metric in "SR"
    )
    if not found:
        return ""
    if len(found) == 1:
        (label,) = (model.label for model in models if model.key == found[0][0])
        first = _one(
            apart[0], "S", "characters lie further apart", "characters lie closer together"
        )
        second = _one(blur[0], "R", "each one blurs less", "each one blurs more")
        return f"{label}: after {named}, {first} and {second}."
    noun = noun_of(found)
    return sentence(
        where(
            f"after {named}, characters lie further apart",
            f"after {named}, characters are not shown to lie further apart",
            [direction(row) > 0 for row in apart],
            noun,
        ),
        where(
            "each one blurs more",
            "none is shown to blur more",
            [direction(row) < 0 for row in blur],
            noun,
        ),
    )


def _one(row: Row | None, name: str, rose: str, fell: str) -> str:
    """Say what the interval of one change shows, with the change in percent."""
    words = {1: rose, -1: fell, 0: f"no change of {name} is shown"}[direction(row)]
    if row is None or not finite(row["percent"]):
        return words
    change = write_change(*(row[f"percent{end}"] for end in ("", "_lo", "_hi")))
    return f"{words} ({name} {' '.join(filter(None, change))})"
