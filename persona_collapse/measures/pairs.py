"""A variant and the baseline it is compared with, on their common personas."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells, cells_from_moments, shared_personas
from persona_collapse.measures.diagnostics.rows import with_ends
from persona_collapse.measures.statistics.bootstrap import persona_weights
from persona_collapse.measures.statistics.intervals import expanded_tail

FEWEST = 3  # common personas: two always lie opposite each other


@dataclass(frozen=True)
class Pair:
    """Cells of the baseline and of the variant, (P, Q) each, and draws of their personas.

    ``weights`` (1 + B, P) holds the sample itself and then the bootstrap draws: of all personas of
    the probe, so that every variant of every model sees the same draws. ``names`` are the values of
    model, variant, probe and ``simulated``.
    """

    names: dict[str, Any]
    base: Cells
    other: Cells
    weights: Array

    @property
    def personas(self) -> int:
        """The number P of common personas."""
        return self.base.persona_ids.size

    def columns(self, name: str, values: Array) -> dict[str, float]:
        """Return ``name``, ``name_lo`` and ``name_hi`` of a measure's values (1 + B,).

        The interval is the percentile one at 95 %, expanded for few personas.
        """
        return with_ends(name, values, 1 - 2 * expanded_tail(self.personas))


def pair_of(
    moments: pl.DataFrame,
    baseline: pl.DataFrame | None,
    instrument: Instrument,
    seed: int = 0,
    draws: int = 0,
) -> Pair | None:
    """Return a unit beside its baseline.

    None for the baseline itself, without personas, and with fewer than three in common.
    """
    if baseline is None or moments["persona_id"].is_null().any():
        return None
    frames = (baseline, moments)
    cells = [cells_from_moments(frame, instrument) for frame in frames]
    base, other = shared_personas(*cells)
    if base.persona_ids.size < FEWEST:
        return None
    names = moments.select("model", "variant", "probe").row(0, named=True)
    designed = np.unique([i for part in cells for i in (*part.persona_ids, *part.dropped)])
    places = np.searchsorted(designed, base.persona_ids)
    drawn = persona_weights(seed, names["probe"], designed.size, draws)
    weights = np.vstack([np.ones((1, places.size)), *(chunk[:, places] for chunk in drawn)])
    simulated = any(bool(frame["simulated"].any()) for frame in frames)
    return Pair({**names, "simulated": simulated}, base, other, weights)
