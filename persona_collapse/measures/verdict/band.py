"""The band of earlier models: their published range, and a prediction for a new base model.

S and R of earlier models come from arXiv 2511.08565 (``resources/benchmarks/prior_models.csv``). R
is analysed on the log scale, where its errors and its spread are even.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.statistics.random_effects import RandomEffects, random_effects
from persona_collapse.tables.contracts.band import TABLE as BAND
from persona_collapse.tables.contracts.band_values import TABLE as BAND_VALUES

METRICS = ("S", "R")


@dataclass(frozen=True)
class _Band:
    """The published range of one metric, and its distribution (of log R where ``log``)."""

    lo: float
    hi: float
    effects: RandomEffects
    log: bool

    def predicted(self) -> tuple[float, float]:
        low, high = self.effects.prediction()
        return (float(np.exp(low)), float(np.exp(high))) if self.log else (low, high)

    def beyond(self, value: float) -> float:
        """Return the distance above (positive) or below the range, 0 inside."""
        return min(value - self.lo, 0.0) + max(value - self.hi, 0.0)

    def beyond_percent(self, value: float) -> float:
        """Return the same distance in percent of the nearer end."""
        return 100 * self.beyond(value) / (self.lo if value < self.lo else self.hi)

    def centre(self) -> float:
        return float(np.exp(self.effects.mean)) if self.log else self.effects.mean


def band_values(prior: pl.DataFrame, inclusion: Sequence[str] | None = None) -> pl.DataFrame:
    """Return ``band_values.csv``: published range and prediction of S and R.

    ``prior`` is ``prior_models.csv``; ``inclusion`` names the models to include, by default those
    with ``in_band``. The prediction is for the true value of a new model of the same kind, without
    measurement error. Raises ``UserError`` for an unknown model.
    """
    rows = []
    for metric, band in _bands(prior, inclusion).items():
        effects, predicted = band.effects, band.predicted()
        rows.append(
            (metric, effects.count, band.lo, band.hi, band.centre(), *predicted, effects.tau)
        )
    return pl.DataFrame(rows, schema=BAND_VALUES.schema, orient="row")


def band_of(
    metrics: pl.DataFrame, prior: pl.DataFrame, inclusion: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return ``band.csv``: overall S and R of every variant against the band.

    The interval of ``beyond`` covers the distances of all values in the estimate's own interval.
    ``p_outside`` assumes a normal error (of log R for R). ``p_base`` is the two-sided tail of the
    predictive t distribution for a new base model measured with this variant's error. The study's
    own base models may be among the earlier ones.
    """
    bands = _bands(prior, inclusion)
    rows = [
        {**{name: row[name] for name in ("model", "variant", "probe", "simulated")}, **placed}
        for row in metrics.filter(domain=OVERALL).iter_rows(named=True)
        for metric, band in bands.items()
        if (placed := _placed(metric, row, band)) is not None
    ]
    return pl.DataFrame(rows, schema=BAND.schema)


def _placed(metric: str, row: Mapping[str, Any], band: _Band) -> dict[str, object] | None:
    value, se = row[metric], row[f"{metric}_se"]
    if value is None:
        return None
    low, high = band.predicted()
    placed: dict[str, object] = {
        "metric": metric,
        "value": value,
        "se": se,
        "band_lo": band.lo,
        "band_hi": band.hi,
        "position": "below" if value < band.lo else "above" if value > band.hi else "inside",
        "prediction_lo": low,
        "prediction_hi": high,
        "n_prior": band.effects.count,
    }
    ends = row[f"{metric}_lo"], row[f"{metric}_hi"]
    for name, distance in (("beyond", band.beyond), ("beyond_percent", band.beyond_percent)):
        placed[name] = abs(distance(value))
        if None not in ends:
            placed[f"{name}_lo"], placed[f"{name}_hi"] = _span([distance(end) for end in ends])
    if se is not None and np.isfinite(value) and value > 0:
        point, error = (float(np.log(value)), se / value) if band.log else (value, se)
        placed["p_outside"] = _outside(point, error, band)
        placed["p_base"] = band.effects.exceedance(point, error)
    return placed


def _span(ends: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and largest distance from 0 between two signed ones."""
    far = max(abs(end) for end in ends)
    return (0.0 if min(ends) <= 0 <= max(ends) else min(abs(end) for end in ends)), far


def _outside(point: float, error: float, band: _Band) -> float:
    from scipy.special import ndtr

    low, high = np.log([band.lo, band.hi]) if band.log else (band.lo, band.hi)
    if error == 0:
        return float(not low <= point <= high)
    return float(ndtr((low - point) / error) + ndtr((point - high) / error))


def _bands(prior: pl.DataFrame, inclusion: Sequence[str] | None) -> dict[str, _Band]:
    known = prior["model"].to_list()
    for name in inclusion or ():
        if name not in known:
            raise UserError(
                f"analysis.band: {name!r} is not among the earlier models{nearest(name, known)}; "
                f"they are: {', '.join(known)}"
            )
    chosen = pl.col("in_band") if inclusion is None else pl.col("model").is_in(list(inclusion))
    kept = prior.filter(chosen)
    if kept.height < 2:
        raise UserError("analysis.band: a band needs two or more earlier models")
    bands = {}
    for metric in METRICS:
        value, se = kept[metric].to_numpy(), kept[f"{metric}_se"].to_numpy()
        log = metric == "R"
        effects = random_effects(np.log(value), se / value) if log else random_effects(value, se)
        bands[metric] = _Band(float(value.min()), float(value.max()), effects, log)
    return bands
