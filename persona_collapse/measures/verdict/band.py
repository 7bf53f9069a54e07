"""The band of earlier models: their range of S and R, and a prediction for a new base model.

The models of a band were asked the same items as the same personas. R is analysed on the log scale,
where its errors and its spread are even. The range is that of estimates, so its ends have errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.common.notation import write_interval
from persona_collapse.measures.cells import OVERALL, Array
from persona_collapse.measures.statistics.random_effects import RandomEffects, random_effects
from persona_collapse.tables.contracts.band import TABLE as BAND
from persona_collapse.tables.contracts.band_values import TABLE as BAND_VALUES

METRICS = ("S", "R")
NODES = 400  # quantiles of an estimate, over which a probability is averaged
Ends = tuple[float, float]


@dataclass(frozen=True)
class _Band:
    """One metric of the counted models (of log R where ``log``), and of all models."""

    values: Array  # (models,)
    errors: Array  # (models,)
    lo: float  # the lowest and the highest value, as they are
    hi: float
    everyone: Ends  # those with the models that are not counted
    n_all: int
    log: bool

    @cached_property
    def effects(self) -> RandomEffects:
        """The distribution of the counted models."""
        return random_effects(self.values, self.errors)

    @cached_property
    def lo_interval(self) -> Ends:
        """The 95 % interval of the lowest value."""
        low, high = _highest(-self.values, self.errors)
        return self._raw(-high), self._raw(-low)

    @cached_property
    def hi_interval(self) -> Ends:
        """The 95 % interval of the highest value."""
        low, high = _highest(self.values, self.errors)
        return self._raw(low), self._raw(high)

    def predicted(self) -> Ends:
        """Return the 95 % prediction interval of a new base model."""
        low, high = self.effects.prediction()
        return self._raw(low), self._raw(high)

    def centre(self) -> float:
        """Return the mean of S, or the geometric mean of R."""
        return self._raw(self.effects.mean)

    def beyond(self, value: float, ends: Ends | None) -> tuple[float, Ends | None]:
        """Return the distance from the range, 0 inside, with its interval.

        ``ends`` is the value's own interval. The interval of a difference follows from those of
        its two parts (MOVER: Zou and Donner 2008).
        """
        sides = (value, self.hi, ends, self.hi_interval), (self.lo, value, self.lo_interval, ends)
        return _furthest([_difference(*side) for side in sides])

    def beyond_percent(self, value: float, ends: Ends | None) -> tuple[float, Ends | None]:
        """Return the same distance in percent of the nearer end, by the same method on logs."""
        own, low, high = (_log(pair) for pair in (ends, self.lo_interval, self.hi_interval))
        at, bottom, top = (
            float(np.log(x)) if x > 0 else -np.inf for x in (value, self.lo, self.hi)
        )
        above, above_ends = _difference(at, top, own, high)
        below, below_ends = _difference(at, bottom, own, low)
        return _furthest(
            [
                (100 * np.expm1(above), above_ends and _percent(above_ends, 1)),
                (-100 * np.expm1(below), below_ends and _percent(below_ends, -1)),
            ]
        )

    def p_outside(self, point: float, error: float) -> float:
        """Return the probability that a value lies below or above the values of all models.

        The value and the models are normal around their estimates (log R for R), independently.
        """
        from scipy.special import ndtr, ndtri

        values = point + error * ndtri((np.arange(NODES) + 0.5) / NODES)
        with np.errstate(divide="ignore", invalid="ignore"):
            distances = (values[:, None] - self.values) / self.errors
        above = ndtr(np.nan_to_num(distances, nan=0.0))
        return float((above.prod(axis=1) + (1 - above).prod(axis=1)).mean())

    def _raw(self, value: float) -> float:
        return float(np.exp(value)) if self.log else float(value)


def band_values(models: pl.DataFrame) -> pl.DataFrame:
    """Return ``band_values.csv``: the range of S and R, its uncertainty, and the prediction.

    ``models`` are the rows of ``band_models.csv``. The prediction is for the true value of a new
    model of the same kind, without measurement error. A metric that fewer than two counted models
    have with a standard error has no row.
    """
    rows = [
        {
            "metric": metric,
            "n_models": band.effects.count,
            "lo": band.lo,
            "hi": band.hi,
            "centre": band.centre(),
            **_ends("prediction", band.predicted()),
            "tau": band.effects.tau,
            **_ends("lo", band.lo_interval),
            **_ends("hi", band.hi_interval),
            "n_all": band.n_all,
            **_ends("all", band.everyone),
            "left_out": "; ".join(models.filter(~pl.col("in_band"))["model"]) or None,
        }
        for metric, band in _bands(models).items()
    ]
    return BAND_VALUES.frame(rows)


def band_of(metrics: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Return ``band.csv``: overall S and R of every variant against the band.

    ``metrics`` holds the probes that ask what the band's ``models`` were asked. ``p_outside``
    assumes normal errors (of log R for R). ``p_base`` is the two-sided tail of the predictive t
    distribution for a new base model measured with this variant's error. The study's own base
    models may be among the earlier ones.
    """
    bands = _bands(models)
    rows = [
        {**{name: row[name] for name in ("model", "variant", "probe", "simulated")}, **placed}
        for row in metrics.filter(domain=OVERALL).iter_rows(named=True)
        for metric, band in bands.items()
        if (placed := _placed(metric, row, band)) is not None
    ]
    return BAND.frame(rows)


def _placed(metric: str, row: Mapping[str, Any], band: _Band) -> dict[str, object] | None:
    value, se = row[metric], row[f"{metric}_se"]
    if value is None:
        return None
    lo, hi = row[f"{metric}_lo"], row[f"{metric}_hi"]
    own = None if lo is None or hi is None else (lo, hi)
    placed: dict[str, object] = {
        "metric": metric,
        "value": value,
        "se": se,
        "band_lo": band.lo,
        "band_hi": band.hi,
        "position": _position(value, (band.lo, band.hi)),
        **_ends("prediction", band.predicted()),
        "n_prior": band.effects.count,
        "position_all": _position(value, band.everyone)
        if band.n_all > band.effects.count
        else None,
    }
    for name, distance in (("beyond", band.beyond), ("beyond_percent", band.beyond_percent)):
        placed[name], interval = distance(value, own)
        if interval is not None:
            placed |= _ends(name, interval)
    if se is not None and np.isfinite(value) and value > 0:
        point, error = (float(np.log(value)), se / value) if band.log else (value, se)
        placed["p_outside"] = band.p_outside(point, error)
        placed["p_base"] = band.effects.exceedance(point, error)
    return placed


def _position(value: float, ends: Ends) -> str:
    return "below" if value < ends[0] else "above" if value > ends[1] else "inside"


def _ends(name: str, interval: Ends) -> dict[str, float]:
    return {f"{name}_lo": interval[0], f"{name}_hi": interval[1]}


def _difference(
    first: float, second: float, own: Ends | None, other: Ends | None
) -> tuple[float, Ends | None]:
    """Return first - second with its interval from theirs, None where one of them has none."""
    value = first - second
    if own is None or other is None or not np.isfinite(value):
        return value, None
    low = value - float(np.hypot(first - own[0], other[1] - second))
    high = value + float(np.hypot(own[1] - first, second - other[0]))
    return value, (low, high)


def _furthest(sides: Sequence[tuple[float, Ends | None]]) -> tuple[float, Ends | None]:
    """Return the larger of the distances above and below a range, at least 0, and its interval."""
    value = max(0.0, *(float(value) for value, _ in sides))
    if any(ends is None for _, ends in sides):
        return value, None
    low, high = zip(*(ends for _, ends in sides if ends), strict=True)
    return value, (max(0.0, *map(float, low)), max(0.0, *map(float, high)))


def _log(ends: Ends | None) -> Ends | None:
    if ends is None:
        return None
    low, high = (float(np.log(end)) if end > 0 else -np.inf for end in ends)
    return low, high


def _percent(ends: Ends, sign: int) -> Ends:
    low, high = sorted(sign * 100 * float(np.expm1(end)) for end in ends)
    return low, high


def _span(values: Array) -> Ends:
    return float(values.min()), float(values.max())


def _highest(values: Array, errors: Array) -> Ends:
    """Return the 2.5 and 97.5 % quantiles of the largest of independent normal values.

    The largest of many similar estimates is below most of what it stands for; the interval reaches
    down to it.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    if not errors.any():
        return float(values.max()), float(values.max())
    reach = 10 * float(errors.max())
    place = float(values.max()) - reach, float(values.max()) + reach
    spread = np.maximum(errors, 1e-12 * reach)

    def quantile(share: float) -> float:
        return float(brentq(lambda x: ndtr((x - values) / spread).prod() - share, *place))

    return min(quantile(0.025), float(values.max())), quantile(0.975)


def _bands(models: pl.DataFrame) -> dict[str, _Band]:
    """Return the band of each metric that two or more counted models have with an error."""
    bands = {}
    for metric in METRICS:
        value, se = pl.col(metric), pl.col(f"{metric}_se")
        known = models.filter(value.is_finite() & (value > 0) & se.is_finite())
        counted = known.filter("in_band")
        if counted.height < 2:
            continue
        log = metric == "R"
        values, errors = counted[metric].to_numpy(), counted[f"{metric}_se"].to_numpy()
        own, everyone = values, known[metric].to_numpy()
        if log:
            values, errors = np.log(values), errors / values
        bands[metric] = _Band(values, errors, *_span(own), _span(everyone), known.height, log)
    return bands


def band_sentences(rows: pl.DataFrame, variant: str) -> list[str]:
    """Return where S of a variant lies against the band; ``rows`` are those of its replicates.

    A distance comes with its interval, in which the uncertainty of the range counts, too; that of
    replicates spans all of theirs.
    """
    rows = rows.filter(metric="S")
    if rows.is_empty():
        return []
    first = rows.row(0, named=True)
    low, high = first["band_lo"], first["band_hi"]
    value = float(rows["value"].to_numpy().mean())
    several = f" on average over {rows.height} replicates" if rows.height > 1 else ""
    place = "is inside"
    if value < low or value > high:
        distance, side = (low - value, "below") if value < low else (value - high, "above")
        ends = [end for name in ("beyond_lo", "beyond_hi") for end in rows[name].drop_nulls()]
        shown = f" {write_interval(min(ends), max(ends), 2)}" if ends else ""
        place = f"is {distance:.2f}{shown} {side}"
    return [
        f"With S = {value:.2f}{several}, {variant} {place} the range {low:.2f} to {high:.2f} of "
        f"{first['n_prior']} earlier models; 95 % of new base models are predicted between "
        f"{first['prediction_lo']:.2f} and {first['prediction_hi']:.2f}."
    ]
