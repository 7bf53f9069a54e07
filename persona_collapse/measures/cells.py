"""Moments of one model x variant x probe as dense arrays, the input of every measure."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.common.errors import UserError
from persona_collapse.materials.instruments import Instrument

Array = NDArray[np.float64]
OVERALL = "overall"


@dataclass(frozen=True)
class Cells:
    """P personas x Q items, each cell with at least one valid rating.

    ``persona_ids`` (P,), ``item_ids`` (Q,), ``domains`` the Q items' domains, ``mean`` and
    ``sd`` (P, Q) in scale points, ``n`` (P, Q) valid repetitions, ``counts`` (P, Q, K) answers per
    rating from ``minimum`` up (probabilities if ``exact``). ``dropped`` lists the personas without
    a valid rating of some item; ``order`` lists the domains in the instrument's order, by default
    that of the items. An unconditioned probe has P = 1.
    """

    persona_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    domains: tuple[str, ...]
    mean: Array
    sd: Array
    n: NDArray[np.int64]
    counts: Array
    minimum: int
    exact: bool
    dropped: tuple[int, ...]
    order: tuple[str, ...] = ()

    @property
    def ratings(self) -> Array:
        """The K ratings of the scale, rising."""
        return self.minimum + np.arange(self.counts.shape[2], dtype=np.float64)

    def groups(self) -> dict[str, NDArray[np.intp]]:
        """Return item positions of ``overall`` and of each domain."""
        places = np.array(self.domains)
        groups = {OVERALL: np.arange(len(self.domains))}
        groups |= {name: np.flatnonzero(places == name) for name in self.order or self.domains}
        return {name: items for name, items in groups.items() if items.size}

    def personas(self, keep: NDArray[np.intp]) -> Self:
        """Return the cells of the personas at these positions, in this order."""
        kept = {name: getattr(self, name)[keep] for name in ("persona_ids", "mean", "sd", "n")}
        return replace(self, **kept, counts=self.counts[keep])

    def of(self, persona_ids: NDArray[np.int64]) -> Self:
        """Return the cells of these personas, which must be among them, in this order."""
        return self.personas(np.searchsorted(self.persona_ids, persona_ids))


def shared_personas(base: Cells, other: Cells) -> tuple[Cells, Cells]:
    """Return both variants with their common personas, in the same order."""
    if not np.array_equal(base.item_ids, other.item_ids):
        raise UserError(
            f"two variants of one probe answered different items ({base.item_ids.size} and "
            f"{other.item_ids.size}); compare variants on the same instrument"
        )
    _, first, second = np.intersect1d(base.persona_ids, other.persona_ids, return_indices=True)
    return base.personas(first), other.personas(second)


def unit_of(moments: pl.DataFrame) -> dict[str, Any]:
    """Return the model, variant and probe of moments, and whether they are ``simulated``."""
    return moments.select("model", "variant", "probe", "simulated").row(0, named=True)


def labelled(rows: pl.DataFrame, *moments: pl.DataFrame) -> pl.DataFrame:
    """Return rows after the model, variant and probe of the first moments, ``simulated`` behind.

    ``simulated``: whether any of the moments are.
    """
    names = [pl.lit(moments[0][name][0]).alias(name) for name in ("model", "variant", "probe")]
    simulated = any(bool(frame["simulated"].any()) for frame in moments)
    return rows.select(*names, pl.all(), simulated=pl.lit(simulated))


def filled(values: Array) -> Array:
    """Return values (P, Q) with the mean of the column, or of all, where one is NaN."""
    known = ~np.isnan(values)
    if known.all():
        return values
    overall = values[known].mean() if known.any() else np.nan
    counted = known.sum(axis=0)
    column = np.where(counted > 0, np.nansum(values, axis=0) / np.maximum(counted, 1), overall)
    return np.where(known, values, column)


def cells_from_moments(
    moments: pl.DataFrame, instrument: Instrument, *, incomplete: bool = False
) -> Cells:
    """Return the cells of ``moments``, whose rows may be in any order.

    A persona with an empty cell is dropped. With ``incomplete`` it is kept, and the cell's mean and
    SD are NaN. One answer shows no SD: such a cell takes the mean SD of its item's other cells, or
    of all others; NaN where no cell has two answers.
    """
    personas, items = (
        moments[name].fill_null(0).to_numpy().astype(np.int64) for name in ("persona_id", "item_id")
    )
    order = np.lexsort((items, personas))
    if (np.diff(order) < 0).any():
        moments = moments[order]
    persona_ids = np.unique(personas)
    item_ids, first = np.unique(items[order], return_index=True)
    shape = (persona_ids.size, item_ids.size)
    n = moments["n"].to_numpy().astype(np.int64).reshape(shape)
    complete = np.flatnonzero((n > 0).all(axis=1) | incomplete)
    sd = np.where(n > 0, filled(moments["sd"].to_numpy().reshape(shape)), np.nan)
    counts = moments["counts"].list.explode().to_numpy().reshape(*shape, -1)
    return Cells(
        persona_ids=persona_ids[complete],
        item_ids=item_ids,
        domains=tuple(moments["domain"].gather(first)),
        mean=moments["mean"].to_numpy().reshape(shape)[complete],
        sd=sd[complete],
        n=n[complete],
        counts=counts[complete],
        minimum=instrument.scale.minimum,
        exact=bool(moments["exact"].all()) and moments.height > 0,
        dropped=tuple(int(p) for p in np.delete(persona_ids, complete)),
        order=instrument.domains,
    )
