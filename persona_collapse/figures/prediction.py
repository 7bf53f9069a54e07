"""The prediction for a new base model that ``tables/band_values.csv`` holds, and how it is written.

A t distribution: of S as it is, of R on the log scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from persona_collapse.common.errors import UserError
from persona_collapse.figures.tables import ABSENT, Row

# What the band's figure needs of each table; a table may have more.
COLUMNS = {
    "band": ("model", "variant", "probe", "metric", "p_outside", "p_base"),
    "band_values": ("metric", "n_models", "lo", "hi", "centre", "predicted_lo", "predicted_hi"),
}
_TEXTS = ("model", "variant", "probe", "metric")


def read_band_table(path: Path, kind: str) -> pl.DataFrame:
    """Read what ``COLUMNS`` lists of ``band`` or ``band_values``: texts, all else as Float64.

    Raises:
        UserError: the file is absent, or lacks a column that its kind needs.
    """
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (FileNotFoundError, pl.exceptions.NoDataError):
        raise UserError(f"{path}: no table to draw; make it with snakemake all_tables") from None
    missing = [name for name in COLUMNS[kind] if name not in table.columns]
    if missing:
        raise UserError(
            f"{path}: column {missing[0]!r} is missing; make the table again with this version"
        )
    return table.select(
        pl.col(name) if name in _TEXTS else pl.col(name).cast(pl.Float64) for name in COLUMNS[kind]
    )


@dataclass(frozen=True)
class Prediction:
    """Where a new base model lies: a t distribution of a metric, or of its log."""

    centre: float
    scale: float
    freedom: int
    log: bool

    @classmethod
    def of(cls, row: Row) -> Prediction:
        """Read it from a row of ``band_values.csv``, whose ends are those of the middle 95 %."""
        log = row["metric"] == "R"
        to = math.log if log else float
        freedom = int(row["n_models"]) - 1
        wide = to(row["predicted_hi"]) - to(row["predicted_lo"])
        return cls(to(row["centre"]), wide / 2 / _t(0.95, freedom), freedom, log)

    def middle(self, level: float) -> tuple[float, float]:
        """Return the ends of the middle part of the distribution that has this probability."""
        reach = _t(level, self.freedom) * self.scale
        low, high = self.centre - reach, self.centre + reach
        return (math.exp(low), math.exp(high)) if self.log else (low, high)

    def density(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the density (of log R for R) at these values, as a share of its peak."""
        places = (np.log(values) if self.log else values) - self.centre
        squares: NDArray[np.float64] = (places / self.scale) ** 2 / self.freedom
        return (1 + squares) ** (-(self.freedom + 1) / 2)


def _t(level: float, freedom: int) -> float:
    """Return how many scales the middle ``level`` of a t distribution reaches each way."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def evenly(low: float, high: float, log: bool) -> NDArray[np.float64]:
    """Return 200 values that stand evenly on the axis."""
    if log:
        return np.geomspace(low, high, 200, dtype=np.float64)
    return np.linspace(low, high, 200, dtype=np.float64)


def decades(low: float, high: float) -> list[float]:
    """Return round ticks of a log axis, five at most where an axis has five decades or fewer."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for dense in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in dense]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 5:
            break
    return ticks


def probability(value: float | None) -> str:
    """Write a probability: 0.29, 0.012, <0.001, >0.999."""
    if value is None or math.isnan(value):
        return ABSENT
    if value < 0.001:
        return "<0.001"
    if value > 0.999:
        return ">0.999"
    return f"{value:.3f}" if value < 0.0995 or value > 0.9905 else f"{value:.2f}"
