"""Moderation: does the change of S or R depend on the baseline's S or R, over models?

Change and baseline share the baseline's sampling error, so that the slope of one on the other is
biased towards -1 (regression to the mean). The errors are known: their mean variance and covariance
are taken out of the moments (Fuller 1987, Measurement Error Models, section 1.2).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from persona_collapse.measures.cells import OVERALL, Array
from persona_collapse.tables.contracts.moderation import TABLE

LEAST_MODELS = 5
LEAST_RELIABILITY = 0.1
PAIRS = (("R", "R"), ("S", "S"), ("R", "S"))  # of the baseline, of the change


def moderation_of(
    metrics: pl.DataFrame,
    contrasts: pl.DataFrame,
    probe: str,
    baseline: str,
    targets: Sequence[str],
) -> pl.DataFrame:
    """Return ``moderation.csv``: a row per target and pair of metrics.

    ``metrics`` and ``contrasts`` are the study's tables. With fewer than five models a row has no
    slope and says so.
    """
    simulated = bool(metrics["simulated"].any())
    rows = []
    for target in targets:
        for first, second in PAIRS:
            points = points_of(metrics, contrasts, probe, baseline, target, first, second)
            found = _row(points) if points.height >= LEAST_MODELS else {"note": _few(points.height)}
            names = {"target": target, "baseline_metric": first, "change_metric": second}
            rows.append({**names, "n_models": points.height, **found, "simulated": simulated})
    return TABLE.frame(rows)


def points_of(
    metrics: pl.DataFrame,
    contrasts: pl.DataFrame,
    probe: str,
    baseline: str,
    target: str,
    first: str,
    second: str,
) -> pl.DataFrame:
    """Return x, y, var_x and cov of each model.

    x is the log of the baseline's ``first``, y the log ratio of ``second``, target against
    baseline; var_x and cov are the error variance of x and the error covariance of x and y. Errors
    of S and R are taken as uncorrelated.
    """
    own = metrics.filter(
        pl.col(first).is_finite() & (pl.col(first) > 0), probe=probe, domain=OVERALL
    ).select(
        "model", "variant", x=pl.col(first).log(), v=(pl.col(f"{first}_se") / pl.col(first)) ** 2
    )
    change = contrasts.filter(
        pl.col("log_ratio").is_finite(),
        probe=probe,
        domain=OVERALL,
        metric=second,
        contrast=f"{target}-{baseline}",
    ).select("model", y="log_ratio", v_y=pl.col("log_ratio_se") ** 2)
    base, after = (own.filter(variant=name).drop("variant") for name in (baseline, target))
    joined = base.join(change, on="model").join(after.drop("x"), on="model", suffix="_after")
    # var(t - b) = var(t) + var(b) - 2 cov(t, b) gives the covariance of b and t - b.
    shared = (pl.col("v_after") - pl.col("v") - pl.col("v_y")) / 2
    return joined.select(
        "model", "x", "y", var_x="v", cov=shared if first == second else pl.lit(0.0)
    ).drop_nulls()


def _row(points: pl.DataFrame) -> dict[str, float | str | None]:
    from scipy.special import stdtrit

    columns = points.select("x", "y", "var_x", "cov").to_numpy()
    slope, observed, reliability = _slope(columns)
    found: dict[str, float | str | None] = {
        "slope_observed": observed,
        "reliability": reliability,
    }
    if reliability < LEAST_RELIABILITY:
        return {**found, "note": "the baselines differ by hardly more than their noise"}
    count = len(columns)
    without = np.array([_slope(np.delete(columns, place, axis=0)) for place in range(count)])
    found["slope"] = slope
    if (without[:, 2] >= LEAST_RELIABILITY).all():
        slopes = without[:, 0]
        se = np.sqrt((count - 1) / count * ((slopes - slopes.mean()) ** 2).sum())
        half = float(stdtrit(count - 2, 0.975) * se)
        found |= {"slope_lo": slope - half, "slope_hi": slope + half}
    return found


def _slope(columns: Array) -> tuple[float, float, float]:
    """Return the slope without noise, the observed slope, and the reliability of x."""
    x, y, var_x, cov = columns.T
    (xx, xy), _ = np.cov(x, y)
    if xx == 0:
        return 0.0, 0.0, 0.0
    clean = xx - var_x.mean()
    slope = (xy - cov.mean()) / clean if clean > 0 else 0.0
    return float(slope), float(xy / xx), float(max(clean / xx, 0.0))


def _few(count: int) -> str:
    return (
        f"whether the change depends on the baseline is not analysed with {count} "
        f"model{'' if count == 1 else 's'}: it takes {LEAST_MODELS} or more"
    )
