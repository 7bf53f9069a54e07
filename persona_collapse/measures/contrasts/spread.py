"""A quantity with all that its interval needs: draws, personas left out, replicates left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from persona_collapse.measures.cells import Array
from persona_collapse.measures.statistics.intervals import (
    bca_interval,
    expanded_tail,
    percentile_interval,
    replicate_variance,
    widened,
)

Ends = tuple[Array, Array, Array, Array]


@dataclass(frozen=True)
class Spread:
    """A quantity ``value`` (...) and the same from other samples.

    ``draws`` (B, ...) are its bootstrap values over personas, ``left_out`` (U, ...) leave out one
    persona each, ``deleted`` maps model and variant to values (k, ...) that leave out one of the
    variant's k replicate fine-tunes each; a variant trained once has no entry.
    """

    value: Array
    draws: Array
    left_out: Array
    deleted: Mapping[tuple[str, str], Array] = field(default_factory=dict)

    def variance(self) -> tuple[Array, Array] | None:
        """Return the variance (...) from the choice of replicates with its degrees of freedom.

        None where nothing has replicates.
        """
        return replicate_variance(list(self.deleted.values())) if self.deleted else None


def through(function: Callable[..., Array], *spreads: Spread) -> Spread:
    """Return a function of one or several quantities; it must not mix the first axis of draws."""
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
    """Return the mean over replicates, exactly the value itself where all have the same.

    Rounding would otherwise tell a draw of all personas from the sample, which BCa counts as a tie.
    """
    same = np.all([part == values[0] for part in values], axis=0)
    return np.where(same, values[0], np.mean(values, axis=0))


def mean_of(spreads: Sequence[Spread]) -> Spread:
    """Return the mean of the same quantity of several models."""
    return through(lambda *parts: np.mean(parts, axis=0), *spreads)


def intervals(spread: Spread) -> Ends:
    """Return BCa and percentile ends, each shaped as the value.

    Personas alone are drawn. Their moments hold their repetition noise, so redrawing repetitions on
    top would count it twice and lower every SD (Davison and Hinkley 1997, section 3.8). The ends
    are expanded for small samples; NaN where a value is undefined or infinite. Replicate fine-tunes
    move the ends outwards (``inference_replicates.widened``).
    """
    ends = _of_personas(spread)
    error = spread.variance()
    if error is None:
        return ends
    return _both(ends, lambda pair: widened(spread.value, pair, *error))


def percent_intervals(spread: Spread) -> Ends:
    """Return the ends of ``intervals`` for percent changes, widened on the scale of their logs.

    A ratio of positive numbers stays positive, however few the replicates.
    """
    ends = _of_personas(spread)
    if not spread.deleted:
        return ends

    def logs(percents: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            changed: Array = np.log1p(percents / 100)
        return changed

    scaled = through(logs, spread)
    variance, freedom = replicate_variance(list(scaled.deleted.values()))

    def wider(pair: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = widened(scaled.value, (logs(pair[0]), logs(pair[1])), variance, freedom)
        with np.errstate(over="ignore"):
            return 100 * np.expm1(low), 100 * np.expm1(high)

    return _both(ends, wider)


def _both(ends: Ends, change: Callable[[tuple[Array, Array]], tuple[Array, Array]]) -> Ends:
    return (*change((ends[0], ends[1])), *change((ends[2], ends[3])))


def _of_personas(spread: Spread) -> Ends:
    shape = spread.value.shape
    draws, left_out = (part.reshape(part.shape[0], -1) for part in (spread.draws, spread.left_out))
    value = spread.value.ravel()
    defined = np.isfinite(value) & ~np.isnan(draws).any(axis=0) & np.isfinite(left_out).all(axis=0)
    ends = np.full((4, value.size), np.nan)
    draws, left_out, value = draws[:, defined], left_out[:, defined], value[defined]
    tail = expanded_tail(left_out.shape[0])
    ends[:2, defined] = bca_interval(draws, value, left_out, tail)
    ends[2:, defined] = percentile_interval(draws, tail)
    low, high, low_percentile, high_percentile = ends.reshape(4, *shape)
    return low, high, low_percentile, high_percentile
