"""Contrasts of variants: estimates, intervals and tests, per model and averaged over models."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from persona_collapse.measures.cells import OVERALL, Array
from persona_collapse.measures.contrasts.pairs import METRICS, Contrast, Pair, Paired
from persona_collapse.measures.contrasts.spread import Spread, mean_of, through
from persona_collapse.measures.statistics.intervals import benjamini_hochberg, holm, jackknife_se
from persona_collapse.measures.statistics.studentized import Studentized
from persona_collapse.tables.contracts.contrasts import TABLE

MEAN = "mean"


def contrasts_of(paired: Paired) -> pl.DataFrame:
    """Return ``contrasts.csv``: models and their mean x contrasts x groups of items x metrics.

    The table's contract describes the columns. ``log_ratio`` has a bootstrap-t interval
    (``statistics.studentized``); ``percent_lo`` and ``percent_hi`` are the same interval and ``p``
    inverts it, so the three never disagree. For the mean over models it is the log of the mean
    ratio. ``estimate`` has a standard error only: an interval of its own could disagree with p.
    Intervals, errors and p include the spread over replicates, with k - 1 degrees of freedom.

    Families of ``p_adjusted`` (Holm) and ``p_bh`` (Benjamini and Hochberg) hold all contrasts of
    one kind: targets against the baseline, controls against it, targets against their controls. A
    family has models x contrasts x (S, R) for ``overall``, that times domains for the domains, and
    the same for the means; sigma_bar shares R's test.
    """
    rows: list[dict[str, object]] = []
    for contrast in paired.contrasts:
        pairs = paired.of(contrast)
        for place, pair in enumerate(pairs):
            rows += _rows(paired, contrast, pair.model, [place], pair.p_exchange)
        every = range(len(pairs))
        rows += _rows(paired, contrast, MEAN, every, paired.mean_p_exchange[contrast])
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


def change_of(paired: Paired, contrast: Contrast, places: Sequence[int]) -> Studentized:
    """Return the log of the mean ratio (3, G) of the pairs at these places of a contrast."""
    pairs = [paired.of(contrast)[place] for place in places]
    spread = mean_of([through(percents, pair.spread) for pair in pairs])
    with np.errstate(invalid="ignore", divide="ignore"):
        log = through(lambda percent: np.log1p(percent / 100), spread)
        error = jackknife_se(log.left_out)
    return paired.log_ratios[contrast].mean(places, error, log.variance())


def percent_ends(change: Studentized) -> tuple[Array, Array]:
    """Return the interval of a log ratio in percent."""
    with np.errstate(over="ignore"):
        low, high = (100 * np.expm1(end) for end in change.interval())
    return low, high


def _rows(
    paired: Paired, contrast: Contrast, model: str, places: Sequence[int], p_exchange: Array
) -> list[dict[str, object]]:
    """Return the rows of one model, or of the mean over several."""
    pairs = [paired.of(contrast)[place] for place in places]
    estimate, percent = (
        mean_of([through(scale, pair.spread) for pair in pairs])
        for scale in (differences, percents)
    )
    change = change_of(paired, contrast, places)
    columns = {"estimate": estimate.value, "percent": percent.value, "p": change.p()}
    columns["p_exchange"] = p_exchange
    columns["log_ratio"], columns["log_ratio_se"] = change.value, change.error()
    columns["log_ratio_lo"], columns["log_ratio_hi"] = change.interval()
    columns["percent_lo"], columns["percent_hi"] = percent_ends(change)
    columns |= _errors(estimate, pairs)
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


def _errors(estimate: Spread, pairs: Sequence[Pair]) -> dict[str, Array]:
    """Return the standard errors of the difference."""
    with np.errstate(invalid="ignore"):
        rerun = np.sum([pair.rerun.sum(axis=0) for pair in pairs], axis=0) / len(pairs) ** 2
        squared = estimate.draws.var(axis=0) + rerun
    error = estimate.variance()
    if error is None:
        unknown = np.full(estimate.value.shape, np.nan)
        return {"estimate_se": np.sqrt(squared), "replicates_se": unknown}
    return {"estimate_se": np.sqrt(squared + error[0]), "replicates_se": np.sqrt(error[0])}


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
