"""Contrasts of variants: estimates, intervals and tests, per model and averaged over models."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from persona_collapse.measures.cells import OVERALL, Array
from persona_collapse.measures.contrasts.pairs import METRICS, Contrast, Pair, Paired
from persona_collapse.measures.contrasts.spread import (
    Spread,
    intervals,
    mean_of,
    percent_intervals,
    through,
)
from persona_collapse.measures.statistics.intervals import (
    benjamini_hochberg,
    holm,
    jackknife_se,
    joint_p,
)
from persona_collapse.tables.contracts.contrasts import TABLE

MEAN = "mean"
INTERVALS = ("lo", "hi", "lo_percentile", "hi_percentile")
ERRORS = ("estimate_se", "log_ratio_se", "replicates_se", "p_replicates")


def contrasts_of(paired: Paired) -> pl.DataFrame:
    """Return ``contrasts.csv``: models and their mean x contrasts x groups of items x metrics.

    The table's contract describes the columns. Families of ``p_adjusted`` (Holm) and ``p_bh``
    (Benjamini and Hochberg) hold all contrasts of one kind: targets against the baseline, controls
    against it, and targets against their controls. A family has models x contrasts x (S, R) for
    ``overall``, that times domains for the domains, and the same for the means; sigma_bar shares
    R's test. Intervals and
    errors include the spread over replicates, with k - 1 degrees of freedom (``contrasts.spread``).
    ``p_replicates`` is the level at which the 95 % interval of ``log_ratio``, widened for
    replicates, ends at 0; it is null unless each variant other than the baseline has two or more
    replicates, for ``mean`` in every model.
    """
    rows: list[dict[str, object]] = []
    for contrast in paired.contrasts:
        pairs = paired.of(contrast)
        for pair in pairs:
            rows += _rows(paired, contrast, pair.model, [pair], pair.p)
        rows += _rows(paired, contrast, MEAN, pairs, paired.mean_p[contrast])
    frame = pl.DataFrame(rows, schema=TABLE.schema, nan_to_null=False)
    kinds = {contrast_name(contrast): _kind(contrast, paired) for contrast in paired.contrasts}
    return _adjust(frame, kinds).fill_nan(None)


def _kind(contrast: Contrast, paired: Paired) -> str:
    """Return the kind of comparison, whose tests are adjusted together."""
    first, second = contrast
    if second != paired.roles.baseline:
        return "target-control"
    return "control-baseline" if first in paired.roles.controls else "target-baseline"


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
    estimate, percent, log_ratio = (
        mean_of([through(scale, pair.spread) for pair in pairs])
        for scale in (differences, percents, log_ratios)
    )
    for name, spread, ends_of in (
        ("estimate", estimate, intervals),
        ("percent", percent, percent_intervals),
    ):
        columns[name] = spread.value
        ends = ends_of(spread)
        columns |= {f"{name}_{end}": part for end, part in zip(INTERVALS, ends, strict=True)}
    columns["log_ratio"] = log_ratio.value
    columns |= _errors(estimate, log_ratio, pairs, paired.roles.baseline)
    return [
        {
            "model": model,
            "probe": paired.probe,
            "domain": group,
            "metric": metric,
            "contrast": contrast_name(contrast),
            **{name: float(values[row, column]) for name, values in columns.items()},
            "n_models": len(pairs),
            "n_personas": min(pair.n_personas for pair in pairs),
            "personas_excluded": max(pair.personas_excluded for pair in pairs),
            "simulated": any(pair.simulated for pair in pairs),
            "n_replicates": min(pair.n_replicates[0] for pair in pairs),
            "n_replicates_second": min(pair.n_replicates[1] for pair in pairs),
        }
        for column, group in enumerate(paired.groups)
        for row, metric in enumerate(METRICS)
    ]


def _errors(
    estimate: Spread, log_ratio: Spread, pairs: Sequence[Pair], baseline: str
) -> dict[str, Array]:
    """Return the standard errors, and p for replicates as a random sample."""
    unknown = np.full(estimate.value.shape, np.nan)
    with np.errstate(invalid="ignore"):
        rerun = np.sum([pair.rerun.sum(axis=0) for pair in pairs], axis=0) / len(pairs) ** 2
        squared = estimate.draws.var(axis=0) + rerun
        jackknife = jackknife_se(log_ratio.left_out)
    of_estimate, of_log = estimate.variance(), log_ratio.variance()
    if of_estimate is None or of_log is None:
        errors = (np.sqrt(squared), jackknife, unknown)
        return dict(zip(ERRORS, (*errors, unknown), strict=True))
    tested = unknown
    if all(_replicated(pair, baseline) for pair in pairs):
        freedom = np.full(unknown.shape, min(pair.n_personas for pair in pairs) - 1.0)
        tested = joint_p(log_ratio.value, (jackknife**2, freedom), of_log)
    errors = (
        np.sqrt(squared + of_estimate[0]),
        np.sqrt(jackknife**2 + of_log[0]),
        np.sqrt(of_estimate[0]),
    )
    return dict(zip(ERRORS, (*errors, tested), strict=True))


def _replicated(pair: Pair, baseline: str) -> bool:
    """Return whether both variants have replicates; a baseline needs none."""
    counted = zip(pair.contrast, pair.n_replicates, strict=True)
    return all(count > 1 for variant, count in counted if variant != baseline)


def _adjust(frame: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Fill in adjusted p-values; sigma_bar takes those of R."""
    keys = [
        pl.col("contrast").replace(kinds).alias("kind"),
        (pl.col("domain") == OVERALL).alias("overall"),
        (pl.col("model") == MEAN).alias("of_mean"),
    ]
    tested = frame.with_row_index("row").filter(pl.col("metric") != "sigma_bar")
    parts = [
        part.select(
            "model",
            "domain",
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
    shared = adjusted.filter(metric="R").with_columns(metric=pl.lit("sigma_bar"))
    joined = frame.drop("p_adjusted", "p_bh").join(
        pl.concat([adjusted, shared]),
        on=["model", "domain", "contrast", "metric"],
        how="left",
        maintain_order="left",
    )
    return joined.select(list(TABLE.schema))
