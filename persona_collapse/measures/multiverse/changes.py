"""Changes of S and R between variants of one model, under one specification of the analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells, cells_from_moments
from persona_collapse.measures.contrasts.pairs import Contrast
from persona_collapse.measures.influence import MOST
from persona_collapse.measures.multiverse.definitions import DEFINITIONS, Measured, Subsets
from persona_collapse.measures.statistics.bootstrap import spread_influences

FEWEST = 3  # personas behind a change


@dataclass(frozen=True)
class Change:
    """Log ratios of S and R and their standard errors, (2, G) each, over G subsets of items."""

    value: Array
    error: Array
    personas: int


@dataclass
class Variants:
    """The variants of one model.

    ``cells`` are by handling of failed answers, then by variant; ``failed`` are the personas, by
    variant, with a cell of fewer answers than were asked for. ``measured`` keeps what was computed.
    """

    cells: Mapping[str, Mapping[str, Cells]]
    failed: Mapping[str, NDArray[np.int64]]
    replicates: Mapping[str, Sequence[str]]
    subsets: Subsets
    measured: dict[tuple[object, ...], Measured] = field(default_factory=dict)

    def change(
        self, contrast: Contrast, definition: str, personas: str, failures: str
    ) -> Change | None:
        """Return the change from the second to the first variant; None with too few personas."""
        sides = [self._members(name) for name in contrast]
        if not all(sides):
            return None
        cells = {name: self.cells[failures][name] for side in sides for name in side}
        kept = reduce(np.intersect1d, [part.persona_ids for part in cells.values()])
        cells = {name: part.of(kept) for name, part in cells.items()}
        kept = self._chosen(kept, personas, sides, cells)
        if kept.size < FEWEST:
            return None
        empty = np.logical_or.reduce([np.isnan(part.mean) for part in cells.values()])
        if empty.any():
            cells = {name: _without(part, empty) for name, part in cells.items()}
        first, second = (
            self._side({n: cells[n] for n in side}, kept, definition, (failures, empty.tobytes()))
            for side in sides
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log(first[0] / second[0])
            influence = first[1] / first[0] - second[1] / second[0]
        error = np.sqrt((influence**2).sum(axis=0)) / kept.size
        return Change(value, error, kept.size)

    def _members(self, variant: str) -> list[str]:
        """Return the measured fine-tunes of a variant."""
        names = {variant, *self.replicates.get(variant, ())}
        return sorted(name for name in names if name in self.failed)

    def _chosen(
        self,
        kept: NDArray[np.int64],
        personas: str,
        sides: Sequence[Sequence[str]],
        cells: Mapping[str, Cells],
    ) -> NDArray[np.int64]:
        half = (kept.size + 1) // 2
        if personas == "first_half":
            return kept[:half]
        if personas == "second_half":
            return kept[half:]
        if personas == "without_failed":
            return np.setdiff1d(kept, np.concatenate([self.failed[name] for name in cells]))
        if personas == "without_influential" and kept.size > MOST + FEWEST:
            relative = []
            for side in sides:
                means = [cells[name].mean for name in side]
                S = np.mean([part.std(axis=0).mean() for part in means])
                relative.append(np.mean([spread_influences(part) for part in means], axis=0) / S)
            order = np.argsort(-((relative[0] - relative[1]) ** 2), kind="stable")
            return np.sort(np.delete(kept, order[:MOST]))
        return kept

    def _side(
        self,
        members: Mapping[str, Cells],
        kept: NDArray[np.int64],
        definition: str,
        handling: tuple[str, bytes],
    ) -> Measured:
        """Return the means over replicates of S and R, and of the influences."""
        found = []
        for name, cells in members.items():
            key = (name, kept.tobytes(), definition, handling)
            if key not in self.measured:
                self.measured[key] = DEFINITIONS[definition](cells.of(kept), self.subsets)
            found.append(self.measured[key])
        values, influences = zip(*found, strict=True)
        return np.mean(values, axis=0), np.mean(influences, axis=0)


def variants_of(
    units: Sequence[tuple[pl.DataFrame, int, pl.DataFrame | None]],
    instrument: Instrument,
    replicates: Mapping[str, Sequence[str]],
    subsets: Subsets,
) -> Variants:
    """Return the variants of one model: moments, answers asked for per cell, and moments without
    fallback or None, of each.
    """
    cells: dict[str, dict[str, Cells]] = {"dropped": {}, "missing": {}, "no_fallback": {}}
    failed = {}
    for moments, repetitions, without_fallback in units:
        variant = moments["variant"][0]
        whole = cells_from_moments(moments, instrument, incomplete=True)
        complete = np.flatnonzero((whole.n > 0).all(axis=1))
        cells["missing"][variant] = whole
        cells["dropped"][variant] = whole.personas(complete)
        cells["no_fallback"][variant] = (
            cells["dropped"][variant]
            if without_fallback is None
            else cells_from_moments(without_fallback, instrument)
        )
        asked = 1 if whole.exact else repetitions
        failed[variant] = whole.persona_ids[(whole.n < asked).any(axis=1)]
    return Variants(cells, failed, replicates, subsets)


def _without(cells: Cells, empty: NDArray[np.bool_]) -> Cells:
    """Return the cells with those in ``empty`` (P, Q) missing."""
    return replace(
        cells, mean=np.where(empty, np.nan, cells.mean), sd=np.where(empty, np.nan, cells.sd)
    )
