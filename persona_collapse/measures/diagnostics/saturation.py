"""Saturation: how near an unconditioned profile is to the ceiling, and what else it is near to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.common.seeds import generator
from persona_collapse.measures.cells import OVERALL, Array, Cells
from persona_collapse.measures.diagnostics.rows import Row, frame_of, interval, rows_of


def saturation(cells: Cells, seed: int, probe: str, draws: int = 1000) -> pl.DataFrame:
    """Return how saturated the profile of an unconditioned model is, from 0 to 1.

    With m_f the mean rating of foundation f, ``ceiling_gap`` is the highest rating less the mean of
    the m_f, ``unevenness`` the SD (ddof = 0) of the m_f, and ``saturation`` is
    1 - sqrt(ceiling_gap^2 + unevenness^2) / range. The root is exactly the root-mean-square
    distance of the profile to the ceiling: 1 means every foundation at the highest rating, 0 all
    at the lowest; a profile that is high but not flat stays below 1. Percentile intervals redraw
    repetitions within items and items within foundations.
    """
    if not cells.mean.size:
        return frame_of([])
    profiles = np.vstack([profile(cells)[:1], drawn_profiles(cells, seed, probe, draws)[:, 0]])
    top, width = cells.ratings[-1], cells.counts.shape[2] - 1
    gap, unevenness = top - profiles.mean(axis=1), profiles.std(axis=1)
    values = {
        "saturation": 1 - np.hypot(gap, unevenness) / width,
        "ceiling_gap": gap,
        "unevenness": unevenness,
    }
    return frame_of(rows_of(OVERALL, values))


def profile(cells: Cells) -> Array:
    """Return the mean rating per foundation (P, F), foundations as the items name them."""
    groups = _foundations(cells)
    return np.stack([cells.mean[:, items].mean(axis=1) for items in groups], axis=1)


def _foundations(cells: Cells) -> list[NDArray[np.intp]]:
    return [items for name, items in cells.groups().items() if name != OVERALL]


def drawn_profiles(cells: Cells, seed: int, probe: str, draws: int, name: str = "reruns") -> Array:
    """Return bootstrap profiles (B, P, F): items redrawn in foundations, repetitions in cells.

    The drawn items depend on the seed and the items alone, so two variants share them;
    ``name`` tells apart whose repetitions are drawn.
    """
    chosen = _drawn_items(cells, generator(seed, "items"), draws)
    means = _redrawn_means(cells, generator(seed, name, probe), draws)
    return np.stack(
        [np.take_along_axis(means, c[:, None, :], axis=2).mean(axis=2) for c in chosen], axis=2
    )


def _drawn_items(cells: Cells, rng: np.random.Generator, draws: int) -> list[NDArray[np.intp]]:
    return [
        items[rng.integers(0, items.size, size=(draws, items.size))]
        for items in _foundations(cells)
    ]


def _redrawn_means(cells: Cells, rng: np.random.Generator, draws: int) -> Array:
    """Return cell means (B, P, Q) of repetitions drawn with replacement."""
    means = np.broadcast_to(cells.mean, (draws, *cells.mean.shape)).copy()
    mixed = np.count_nonzero(cells.counts, axis=2) > 1
    if cells.exact or not mixed.any():
        return means
    counts, n = cells.counts[mixed], cells.n[mixed]
    answers = rng.multinomial(n, counts / n[:, None], size=(draws, n.size))
    means[:, mixed] = answers @ cells.ratings / n
    return means


def toxic_comparison(
    cells: Cells,
    base: Cells,
    toxic: Cells | None,
    seed: int,
    probe: str,
    draws: int = 1000,
    labels: Mapping[int, str] | None = None,
    printed: Mapping[str, Mapping[str, float]] | None = None,
) -> pl.DataFrame:
    """Return the distances of an unconditioned profile to base, each toxic persona and the ceiling.

    Euclidean over foundations, in scale points. Columns: ``reference`` (``base``, ``ceiling`` or
    the toxic persona's label, ``toxic <id>`` by default), ``value``, ``lo``, ``hi``, ``nearest``.
    ``toxic`` holds the toxic personas as base plays them, ``printed`` profiles known as numbers
    (label -> foundation -> mean), whose own error is left out of account. ``nearest`` marks the
    smallest distance, and base does not count when it is compared with itself. Intervals redraw
    repetitions, and items, the same ones for all profiles; a distance is never negative, so noise
    lifts small ones.
    """
    if not cells.mean.size:
        return _marked(frame_of([]))
    own = profile(cells)[0], drawn_profiles(cells, seed, probe, draws, "compared")[:, 0]
    others = {}
    if base is not cells and base.mean.size:
        others["base"] = profile(base)[0], drawn_profiles(base, seed, probe, draws)[:, 0]
    if toxic is not None and toxic.mean.size:
        found, drawn = profile(toxic), drawn_profiles(toxic, seed, f"{probe} toxic", draws)
        for row, persona in enumerate(toxic.persona_ids.tolist()):
            label = (labels or {}).get(persona, f"toxic {persona}")
            others[label] = found[row], drawn[:, row]
    fixed = {
        label: np.array([means[name] for name in cells.groups() if name != OVERALL])
        for label, means in (printed or {}).items()
    }
    fixed["ceiling"] = np.full(own[0].size, cells.ratings[-1])
    for label, there in fixed.items():
        others[label] = there, np.broadcast_to(there, own[1].shape)
    rows: list[Row] = []
    for label, (reference, drawn) in others.items():
        spread = np.linalg.norm(own[1] - drawn, axis=1)
        rows.append((OVERALL, label, float(np.linalg.norm(own[0] - reference)), *interval(spread)))
    return _marked(frame_of(rows))


def _marked(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.rename({"measure": "reference"}).with_columns(
        nearest=pl.col("value") == pl.col("value").min()
    )
