"""Saturation of unconditioned profiles, and their distances to other profiles."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.common.seeds import generator
from persona_collapse.measures.cells import OVERALL, Array, Cells
from persona_collapse.measures.diagnostics.rows import Row, frame_of, frame_of_draws, interval


def saturation(cells: Cells, seed: int, probe: str, draws: int = 1000) -> pl.DataFrame:
    """Return the saturation of an unconditioned profile, from 0 to 1, with percentile intervals.

    With m_f the mean rating of domain f: ``ceiling_gap`` is the highest rating minus the mean
    of the m_f, ``unevenness`` the SD (ddof = 0) of the m_f, and ``saturation`` is
    1 - sqrt(ceiling_gap^2 + unevenness^2) / range; the root is the root-mean-square distance to the
    ceiling. Intervals resample repetitions within items and items within domains.
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
    return frame_of_draws({OVERALL: values})


def profile(cells: Cells) -> Array:
    """Return the mean rating per domain (P, F), domains in the order of the items."""
    groups = _domains(cells)
    return np.stack([cells.mean[:, items].mean(axis=1) for items in groups], axis=1)


def _domains(cells: Cells) -> list[NDArray[np.intp]]:
    names = np.array(cells.domains)
    return [np.flatnonzero(names == name) for name in dict.fromkeys(cells.domains)]


def drawn_profiles(cells: Cells, seed: int, probe: str, draws: int, name: str = "reruns") -> Array:
    """Return bootstrap profiles (B, P, F): items resampled in domains, repetitions in cells.

    Drawn items depend only on the seed and the items, so variants share them; ``name`` is part of
    the seed of repetitions.
    """
    chosen = _drawn_items(cells, generator(seed, "items"), draws)
    means = _redrawn_means(cells, generator(seed, name, probe), draws)
    return np.stack(
        [np.take_along_axis(means, c[:, None, :], axis=2).mean(axis=2) for c in chosen], axis=2
    )


def _drawn_items(cells: Cells, rng: np.random.Generator, draws: int) -> list[NDArray[np.intp]]:
    return [
        items[rng.integers(0, items.size, size=(draws, items.size))] for items in _domains(cells)
    ]


def _redrawn_means(cells: Cells, rng: np.random.Generator, draws: int) -> Array:
    """Return cell means (B, P, Q) of resampled repetitions."""
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
    printed: Mapping[str, Mapping[str, float]] | None = None,
) -> pl.DataFrame:
    """Return the distances of an unconditioned profile to base, each toxic persona and the ceiling.

    Euclidean over domains, in scale points. ``toxic`` holds the toxic personas played by base,
    labelled ``toxic <id>``; ``printed`` are published profiles (label -> domain -> mean) without
    error. Base is not compared with itself. Intervals resample repetitions and items, the same
    items for all profiles; noise raises small distances.
    """
    if not cells.mean.size:
        return _marked(frame_of([]))
    own = profile(cells)[0], drawn_profiles(cells, seed, probe, draws, "compared")[:, 0]
    others = {}
    if base is not cells and base.mean.size:
        others["base"] = profile(base)[0], drawn_profiles(base, seed, probe, draws)[:, 0]
    if toxic is not None and toxic.mean.size:
        profiles, drawn = profile(toxic), drawn_profiles(toxic, seed, f"{probe} toxic", draws)
        for row, persona in enumerate(toxic.persona_ids.tolist()):
            others[f"toxic {persona}"] = profiles[row], drawn[:, row]
    fixed = {
        label: np.array([means[name] for name in dict.fromkeys(cells.domains)])
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
