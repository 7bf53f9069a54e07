"""Contrasts of variants: estimates, intervals and tests, per model and averaged over models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from persona_collapse.measures.cells import OVERALL, Array
from persona_collapse.measures.contrasts_pairs import METRICS, Contrast, Pair, Paired
from persona_collapse.measures.inference import (
    bca_interval,
    benjamini_hochberg,
    expanded_tail,
    holm,
    jackknife_se,
    percentile_interval,
)

MEAN = "mean"
INTERVALS = ("lo", "hi", "lo_percentile", "hi_percentile")

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),  # or ``mean``: the average over models
    "probe": pl.String(),
    "foundation": pl.String(),
    "metric": pl.String(),
    "contrast": pl.String(),
    "estimate": pl.Float64(),
    "percent": pl.Float64(),
    "percent_lo": pl.Float64(),
    "percent_hi": pl.Float64(),
    "p": pl.Float64(),
    "p_adjusted": pl.Float64(),
    "estimate_se": pl.Float64(),
    "estimate_lo": pl.Float64(),
    "estimate_hi": pl.Float64(),
    "estimate_lo_percentile": pl.Float64(),
    "estimate_hi_percentile": pl.Float64(),
    "percent_lo_percentile": pl.Float64(),
    "percent_hi_percentile": pl.Float64(),
    "log_ratio": pl.Float64(),
    "log_ratio_se": pl.Float64(),
    "p_bh": pl.Float64(),
    "n_models": pl.Int64(),
    "n_personas": pl.Int64(),
    "personas_excluded": pl.Int64(),
    "simulated": pl.Boolean(),
}


def contrasts_of(paired: Paired) -> pl.DataFrame:
    """Return the rows of ``tables/contrasts.csv``: models and mean x contrasts x groups x metrics.

    ``estimate`` is the difference, ``percent`` 100 (first - second) / second; a study's ``mean`` is
    the mean of the models' differences and of their percentages. ``_lo`` and ``_hi`` are 95 % BCa
    ends, ``_percentile`` their percentile counterparts, from draws of the same personas for both
    variants and all models (see ``intervals``); ``estimate_se`` adds the variance from redrawn
    repetitions, as the study defines standard errors. ``log_ratio`` is log(first / second) with its
    jackknife SE. ``p`` is the swap test, ``p_adjusted`` Holm's and ``p_bh`` Benjamini and
    Hochberg's: one family per contrast of models x (S, R) for ``overall``, one of models x
    foundations x (S, R) for the foundations, and the same for the means; sigma_bar shares R's test
    and values. ``n_personas`` are those that both variants kept (for the mean the smallest number),
    ``personas_excluded`` the others.
    """
    rows: list[dict[str, object]] = []
    for contrast in paired.contrasts:
        pairs = paired.of(contrast)
        for pair in pairs:
            rows += _rows(paired, contrast, pair.model, [pair], pair.p)
        rows += _rows(paired, contrast, MEAN, pairs, paired.mean_p[contrast])
    return _adjust(pl.DataFrame(rows, schema=SCHEMA, nan_to_null=False)).fill_nan(None)


def contrast_name(contrast: Contrast) -> str:
    """Return a contrast's name in the tables, ``insecure-base``."""
    return "-".join(contrast)


def differences(values: Array) -> Array:
    """Return first - second (..., 3, G) from values (..., 2, 3, G)."""
    with np.errstate(invalid="ignore"):
        return values[..., 0, :, :] - values[..., 1, :, :]


def percents(values: Array) -> Array:
    """Return 100 (first - second) / second (..., 3, G) from values (..., 2, 3, G).

    NaN where the second is infinite, as nothing is a percentage of that.
    """
    second = values[..., 1, :, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        change = 100 * (values[..., 0, :, :] / second - 1)
    return np.where(np.isinf(second), np.nan, change)


def log_ratios(values: Array) -> Array:
    """Return log(first / second) (..., 3, G) from values (..., 2, 3, G)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(values[..., 0, :, :] / values[..., 1, :, :])


def _rows(
    paired: Paired, contrast: Contrast, model: str, pairs: Sequence[Pair], p: Array
) -> list[dict[str, object]]:
    """Return the rows of one model, or of the mean over several."""
    columns: dict[str, Array] = {"p": p}
    for name, scale in (("estimate", differences), ("percent", percents)):
        value = np.mean([scale(pair.values) for pair in pairs], axis=0)
        draws = np.mean([scale(pair.draws) for pair in pairs], axis=0)
        left_out = np.mean([scale(pair.left_out) for pair in pairs], axis=0)
        columns[name] = value
        ends = intervals(draws, value, left_out)
        columns |= {f"{name}_{end}": part for end, part in zip(INTERVALS, ends, strict=True)}
        if name == "estimate":
            rerun = np.sum([pair.rerun.sum(axis=0) for pair in pairs], axis=0) / len(pairs) ** 2
            with np.errstate(invalid="ignore"):
                columns["estimate_se"] = np.sqrt(draws.var(axis=0) + rerun)
    columns["log_ratio"] = np.mean([log_ratios(pair.values) for pair in pairs], axis=0)
    with np.errstate(invalid="ignore"):
        left_out = np.mean([log_ratios(pair.left_out) for pair in pairs], axis=0)
        columns["log_ratio_se"] = jackknife_se(left_out)
    return [
        {
            "model": model,
            "probe": paired.probe,
            "foundation": group,
            "metric": metric,
            "contrast": contrast_name(contrast),
            **{name: float(values[row, column]) for name, values in columns.items()},
            "n_models": len(pairs),
            "n_personas": min(pair.n_personas for pair in pairs),
            "personas_excluded": max(pair.personas_excluded for pair in pairs),
            "simulated": any(pair.simulated for pair in pairs),
        }
        for column, group in enumerate(paired.groups)
        for row, metric in enumerate(METRICS)
    ]


def intervals(draws: Array, value: Array, left_out: Array) -> tuple[Array, Array, Array, Array]:
    """Return BCa and percentile ends, each shaped as ``value``, from draws (B, ...).

    Personas alone are drawn. Their moments hold their repetition noise, so redrawing repetitions on
    top would count it twice and lower every SD (Davison and Hinkley 1997, section 3.8). The ends
    are expanded for small samples; NaN where a value is undefined or infinite.
    """
    shape = value.shape
    draws, left_out = (part.reshape(part.shape[0], -1) for part in (draws, left_out))
    value = value.ravel()
    defined = np.isfinite(value) & ~np.isnan(draws).any(axis=0) & np.isfinite(left_out).all(axis=0)
    ends = np.full((4, value.size), np.nan)
    draws, left_out, value = draws[:, defined], left_out[:, defined], value[defined]
    tail = expanded_tail(left_out.shape[0])
    ends[:2, defined] = bca_interval(draws, value, left_out, tail)
    ends[2:, defined] = percentile_interval(draws, tail)
    low, high, low_percentile, high_percentile = ends.reshape(4, *shape)
    return low, high, low_percentile, high_percentile


def _adjust(frame: pl.DataFrame) -> pl.DataFrame:
    """Fill the adjusted p-values; sigma_bar takes R's."""
    keys = [
        pl.col("contrast"),
        (pl.col("foundation") == OVERALL).alias("overall"),
        (pl.col("model") == MEAN).alias("of_mean"),
    ]
    tested = frame.with_row_index("row").filter(pl.col("metric") != "sigma_bar")
    parts = [
        part.select(
            "model",
            "foundation",
            "contrast",
            "metric",
            p_adjusted=pl.Series(holm(part["p"].to_numpy())),
            p_bh=pl.Series(benjamini_hochberg(part["p"].to_numpy())),
        )
        for _, part in tested.group_by(*keys, maintain_order=True)
    ]
    if not parts:
        return frame
    adjusted = pl.concat(parts)
    shared = adjusted.filter(pl.col("metric") == "R").with_columns(metric=pl.lit("sigma_bar"))
    joined = frame.drop("p_adjusted", "p_bh").join(
        pl.concat([adjusted, shared]),
        on=["model", "foundation", "contrast", "metric"],
        how="left",
        maintain_order="left",
    )
    return joined.select(list(SCHEMA))
