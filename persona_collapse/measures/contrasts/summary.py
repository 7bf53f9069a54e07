"""Summaries of contrasts: one model left out, random effects over models, spread over domains."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from persona_collapse.measures.cells import OVERALL, Array
from persona_collapse.measures.contrasts.pairs import METRICS, Pair, Paired
from persona_collapse.measures.contrasts.spread import Spread, intervals, mean_of, through
from persona_collapse.measures.contrasts.table import (
    MEAN,
    change_of,
    contrast_name,
    percent_ends,
    percents,
)
from persona_collapse.measures.statistics.random_effects import random_effects
from persona_collapse.tables.contracts.leave_one_out import TABLE as LEAVE_ONE_OUT
from persona_collapse.tables.contracts.random_effects import TABLE as RANDOM_EFFECTS
from persona_collapse.tables.contracts.summary import TABLE as SUMMARY


def leave_one_out_of(paired: Paired) -> pl.DataFrame:
    """Return mean percent changes with each model left out; no rows for a single model."""
    rows: list[dict[str, object]] = []
    for contrast in paired.contrasts:
        pairs = paired.of(contrast)
        moved = [through(percents, pair.spread) for pair in pairs]
        whole = mean_of(moved).value
        for place, pair in enumerate(pairs if len(pairs) > 1 else []):
            others = pairs[:place] + pairs[place + 1 :]
            value = mean_of(moved[:place] + moved[place + 1 :]).value
            kept = [other for other in range(len(pairs)) if other != place]
            low, high = percent_ends(change_of(paired, contrast, kept))
            rows += [
                {
                    "left_out": pair.model,
                    "probe": paired.probe,
                    "domain": group,
                    "metric": metric,
                    "contrast": contrast_name(contrast),
                    "percent": value[row, column],
                    "percent_lo": low[row, column],
                    "percent_hi": high[row, column],
                    "shift": value[row, column] - whole[row, column],
                    "n_models": len(others),
                    "simulated": any(other.simulated for other in others),
                }
                for column, group in enumerate(paired.groups)
                for row, metric in enumerate(METRICS)
            ]
    return LEAVE_ONE_OUT.frame(rows)


def random_effects_of(contrasts: pl.DataFrame) -> pl.DataFrame:
    """Return a random-effects summary of the log ratios of ``contrasts_of`` over models.

    ``mean`` in the contrasts describes these models; this describes a population of such models, so
    its intervals are wider. One row per contrast, group and metric for which two or more models
    have a log ratio and an error. Dependence between models through shared personas is ignored.
    """
    rows = []
    keys = ["probe", "domain", "metric", "contrast"]
    usable = pl.col("log_ratio").is_finite() & pl.col("log_ratio_se").is_finite()
    models = contrasts.filter((pl.col("model") != MEAN) & usable & (pl.col("log_ratio_se") > 0))
    for key, part in models.group_by(keys, maintain_order=True):
        if part.height < 2:
            continue
        effects = random_effects(part["log_ratio"].to_numpy(), part["log_ratio_se"].to_numpy())
        ends = np.array([[effects.mean, effects.mean], effects.interval(), effects.prediction()])
        percent = 100 * np.expm1(ends)
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "n_models": effects.count,
                "percent": percent[0, 0],
                "percent_lo": percent[1, 0],
                "percent_hi": percent[1, 1],
                "prediction_lo": percent[2, 0],
                "prediction_hi": percent[2, 1],
                "p": effects.p(),
                "log_ratio": effects.mean,
                "log_ratio_se": effects.se,
                "tau": effects.tau,
                "Q": effects.Q,
                "I2": effects.I2,
                "simulated": part["simulated"].any(),
            }
        )
    return RANDOM_EFFECTS.frame(rows)


def summary_of(paired: Paired) -> pl.DataFrame:
    """Return excess and unevenness per model and for their mean, with BCa intervals.

    ``excess``: percent change of a target minus that of its control, in points, overall.
    ``domain_cv``: SD over domains divided by their mean, per variant.
    ``domain_spread``: SD over domains of the percent change against the baseline, in points
    (arXiv 2605.12850).
    Both SDs have ddof = 0, because the instrument's domains are the whole population.
    """
    by_model: dict[str, list[Pair]] = {}
    for pair in paired.pairs:
        by_model.setdefault(pair.model, []).append(pair)
    quantities: dict[tuple[str, str], dict[str, tuple[Spread, bool]]] = {}
    for model, pairs in by_model.items():
        for name, spread in _quantities(paired, pairs).items():
            quantities.setdefault(name, {})[model] = spread, any(pair.simulated for pair in pairs)
    rows: list[dict[str, object]] = []
    for (quantity, variant), models in quantities.items():
        averaged = {model: [entry] for model, entry in models.items()}
        averaged[MEAN] = list(models.values())
        for model, entries in averaged.items():
            spread = mean_of([part for part, _ in entries])
            low, high = intervals(spread)
            if quantity != "excess":  # an SD is not negative, however few the replicates
                low = np.maximum(low, 0)
            rows += [
                {
                    "model": model,
                    "probe": paired.probe,
                    "quantity": quantity,
                    "metric": metric,
                    "variant": variant,
                    "value": spread.value[row],
                    "lo": low[row],
                    "hi": high[row],
                    "n_models": len(entries),
                    "simulated": any(marked for _, marked in entries),
                }
                for row, metric in enumerate(METRICS)
            ]
    return SUMMARY.frame(rows)


def _quantities(paired: Paired, pairs: Sequence[Pair]) -> dict[tuple[str, str], Spread]:
    """Return the values (3,) of one model by (quantity, variant or contrast)."""
    overall = paired.groups.index(OVERALL)
    places = [place for place in range(len(paired.groups)) if place != overall]
    quantities: dict[tuple[str, str], Spread] = {}
    changes: dict[str, Spread] = {}
    for pair in pairs:
        for side, variant in enumerate(pair.contrast):
            quantities.setdefault(
                ("domain_cv", variant),
                through(
                    lambda part, side=side: _cv(part[..., side, :, :][..., places]), pair.spread
                ),
            )
        if pair.contrast[1] == paired.roles.baseline:
            moved = through(percents, pair.spread)
            quantities["domain_spread", contrast_name(pair.contrast)] = through(
                lambda part: _sd(part[..., places]), moved
            )
            changes[pair.contrast[0]] = through(lambda part: part[..., overall], moved)
    for target, control in paired.roles.targets.items():
        if target in changes and control in changes:
            with np.errstate(invalid="ignore"):
                excess = through(np.subtract, changes[target], changes[control])
            quantities["excess", f"{target}-{control}"] = excess
    return quantities


def _sd(values: Array) -> Array:
    with np.errstate(invalid="ignore"):
        spread: Array = values.std(axis=-1)
    return spread


def _cv(values: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Array = _sd(values) / values.mean(axis=-1)
    return ratio
