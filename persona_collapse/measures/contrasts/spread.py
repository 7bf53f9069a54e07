"""A quantity with its bootstrap and jackknife values, and the intervals that follow from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from persona_collapse.measures.cells import Array
from persona_collapse.measures.statistics.intervals import (
    bca_interval,
    expanded_tail,
    replicate_variance,
    widened,
)


@dataclass(frozen=True)
class Spread:
    """A quantity ``value`` (...), and its values on resampled data.

    ``draws`` (B, ...) are bootstrap values over personas; ``left_out`` (U, ...) leave out one
    persona each; ``deleted`` maps (model, variant) to values (k, ...) that leave out one of k
    replicate fine-tunes each, without an entry for a variant that was trained once.
    """

    value: Array
    draws: Array
    left_out: Array
    deleted: Mapping[tuple[str, str], Array] = field(default_factory=dict)

    def variance(self) -> tuple[Array, Array] | None:
        """Return variance (...) and degrees of freedom from replicates; None without any."""
        return replicate_variance(list(self.deleted.values())) if self.deleted else None


def through(function: Callable[..., Array], *spreads: Spread) -> Spread:
    """Apply a function to quantities; it must treat entries of the first axis independently."""
    names = dict.fromkeys(name for spread in spreads for name in spread.deleted)
    deleted = {}
    for name in names:
        count = next(len(s.deleted[name]) for s in spreads if name in s.deleted)
        parts = [
            spread.deleted.get(name, np.broadcast_to(spread.value, (count, *spread.value.shape)))
            for spread in spreads
        ]
        deleted[name] = function(*parts)
    return Spread(
        function(*(spread.value for spread in spreads)),
        function(*(spread.draws for spread in spreads)),
        function(*(spread.left_out for spread in spreads)),
        deleted,
    )


def over_replicates(values: Sequence[Array]) -> Array:
    """Return the mean over replicates, exactly their value where all are equal.

    Otherwise rounding would distinguish a draw of all personas from the sample: a tie for BCa.
    """
    same = np.all([part == values[0] for part in values], axis=0)
    return np.where(same, values[0], np.mean(values, axis=0))


def mean_of(spreads: Sequence[Spread]) -> Spread:
    """Return the mean of the same quantity of several models."""
    with np.errstate(invalid="ignore"):  # infinite values of several models
        return through(lambda *parts: np.mean(parts, axis=0), *spreads)


def intervals(spread: Spread) -> tuple[Array, Array]:
    """Return the ends of the BCa interval, each shaped as the value.

    Only personas are resampled: their moments already contain repetition noise, so redrawing
    repetitions would count it twice and lower every SD (Davison and Hinkley 1997, section 3.8).
    Ends are expanded for small samples (``expanded_tail``) and for replicates (``widened``); NaN
    where a value is undefined or infinite.
    """
    ends = _of_personas(spread)
    error = spread.variance()
    return ends if error is None else widened(spread.value, ends, *error)


def _of_personas(spread: Spread) -> tuple[Array, Array]:
    shape = spread.value.shape
    draws, left_out = (part.reshape(part.shape[0], -1) for part in (spread.draws, spread.left_out))
    value = spread.value.ravel()
    defined = np.isfinite(value) & ~np.isnan(draws).any(axis=0) & np.isfinite(left_out).all(axis=0)
    ends = np.full((2, value.size), np.nan)
    draws, left_out, value = draws[:, defined], left_out[:, defined], value[defined]
    ends[:, defined] = bca_interval(draws, value, left_out, expanded_tail(left_out.shape[0]))
    low, high = ends.reshape(2, *shape)
    return low, high
