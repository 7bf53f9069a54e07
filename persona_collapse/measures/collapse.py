"""Moral susceptibility S and robustness R of one model x variant x probe (arXiv 2511.08565)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from persona_collapse.common.seeds import generator
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import Array, Cells, cells_from_moments, unit_of
from persona_collapse.measures.moments import moments_of_probabilities
from persona_collapse.measures.statistics.bootstrap import (
    Draws,
    averages,
    influences,
    jackknife,
    persona_weights,
    rerun_variances,
    sample_and_draws,
    steady_variance,
    weighted,
)
from persona_collapse.measures.statistics.intervals import jackknife_se
from persona_collapse.measures.statistics.linearized import (
    Linearized,
    logs_left_out,
    standard_errors,
)
from persona_collapse.measures.statistics.studentized import Studentized, studentized

ROUNDING = 1e-12  # relative: smaller differences of two variances are rounding errors


@dataclass(frozen=True)
class Collapse:
    """Point estimates per group of items, each (G,); NaN where a value is not defined."""

    S: Array
    sigma_bar: Array
    S_corrected: Array

    @property
    def R(self) -> Array:
        """1 / sigma_bar, infinite where no cell varies."""
        return reciprocal(self.sigma_bar)


def reciprocal(sigma_bar: Array) -> Array:
    """Return 1 / sigma_bar: infinite at 0, NaN at NaN."""
    with np.errstate(divide="ignore"):
        return 1 / sigma_bar


def collapse_of(cells: Cells, by_group: Array) -> Collapse:
    """Return S, sigma_bar and S_corrected per group of items.

    ``by_group`` (Q, G) averages items (``bootstrap.averages``). S is NaN with fewer than two
    personas, everything is NaN with none, sigma_bar and S_corrected where every cell has one
    answer. S_corrected subtracts repetition noise, the personas'
    mean of sd^2 / n, from each item's variance across personas (at least 0); moments from
    log-probabilities have none.
    """
    personas = cells.mean.shape[0]
    undefined = np.full(by_group.shape[1], np.nan)
    if personas == 0:
        return Collapse(undefined, undefined, undefined)
    sigma_bar = cells.sd.mean(axis=0) @ by_group
    if personas == 1:
        return Collapse(undefined, sigma_bar, undefined)
    variance = cells.mean.var(axis=0, ddof=1)
    noise = 0.0 if cells.exact else (cells.sd**2 / cells.n).mean(axis=0)
    # A difference within rounding is 0: its root would be a million times as large.
    rest = np.where(variance - noise <= ROUNDING * variance, 0, variance - noise)
    corrected = np.sqrt(rest)
    return Collapse(np.sqrt(variance) @ by_group, sigma_bar, corrected @ by_group)


def metrics_of(
    moments: pl.DataFrame, instrument: Instrument, seed: int, draws: Draws
) -> pl.DataFrame:
    """Return the rows of ``metrics.csv`` of one model x variant x probe.

    Standard errors are sqrt(SE_persona^2 + SE_rerun^2), from both bootstraps. 95 % intervals are
    bootstrap-t intervals of the logs over personas alone (``logs_of``): personas' means already
    contain repetition noise. With one persona S and intervals are null, and with two the interval
    of S; R and sigma_bar are where every cell has one answer; SE and interval of an infinite R are.
    """
    cells = cells_from_moments(moments, instrument)
    names = unit_of(moments)
    groups = cells.groups()
    by_group = averages(groups, cells.item_ids.size)
    values = collapse_of(cells, by_group)
    rng = generator(seed, "reruns", names["model"], names["variant"], names["probe"])
    rerun = rerun_variances(cells, by_group, rng, draws.reruns)
    undefined = np.full(len(groups), np.nan)
    S_persona, sigma_persona = undefined, np.zeros(len(groups))
    ends = np.full((2, 3, len(groups)), np.nan)
    personas = cells.mean.shape[0]
    if personas > 1:
        S_persona, sigma_persona = persona_variances(cells, by_group, seed, names["probe"], draws)
        ends = np.exp(logs_of(cells, by_group, seed, names["probe"], draws.personas).interval())
    sigma_se = np.sqrt(sigma_persona + rerun[1])
    varies = values.sigma_bar > 0
    R_se = np.divide(sigma_se, values.sigma_bar**2, out=undefined.copy(), where=varies)
    return pl.DataFrame(
        {
            **{name: [names[name]] * len(groups) for name in ("model", "variant", "probe")},
            "domain": list(groups),
            "S": values.S,
            "S_se": np.sqrt(S_persona + rerun[0]),
            "S_lo": ends[0, 0],
            "S_hi": ends[1, 0],
            "R": values.R,
            "R_se": R_se,
            "R_lo": ends[0, 1],
            "R_hi": ends[1, 1],
            "sigma_bar": values.sigma_bar,
            "sigma_bar_se": np.where(np.isnan(values.sigma_bar), np.nan, sigma_se),
            "S_corrected": values.S_corrected,
            "n_personas": [personas] * len(groups),
            "n_items": [items.size for items in groups.values()],
            "n_answers": [int(cells.n[:, items].sum()) for items in groups.values()],
            "simulated": [names["simulated"]] * len(groups),
        },
        nan_to_null=True,
    )


def logs_of(cells: Cells, by_group: Array, seed: int, probe: str, draws: int) -> Studentized:
    """Return log S, log R and log sigma_bar (3, G) of two personas or more, studentized."""
    personas = cells.mean.shape[0]
    variant = Linearized([cells], by_group)
    logs, errors = [], []
    for weights in sample_and_draws(seed, probe, personas, draws):
        log, terms = variant.of(weights)
        logs.append(log)
        errors.append(standard_errors(terms, weights))
    with np.errstate(invalid="ignore"):
        se = jackknife_se(logs_left_out(cells, by_group))
    return studentized(np.concatenate(logs), np.concatenate(errors)[1:], se, personas - 1)


def persona_variances(
    cells: Cells, by_group: Array, seed: int, probe: str, draws: Draws
) -> tuple[Array, Array]:
    """Return the bootstrap variances over personas of S and sigma_bar, (G,) each."""
    left_out = jackknife(cells, by_group)
    linear = np.hstack([influences(part) for part in left_out]) / cells.mean.shape[0]
    values, parts = [], []
    for weights in persona_weights(seed, probe, cells.mean.shape[0], draws.personas):
        values.append(np.hstack(weighted(cells, by_group, weights)))
        parts.append(weights @ linear)
    variance = steady_variance(np.vstack(values), np.vstack(parts), np.hstack(left_out))
    S_variance, sigma_variance = np.split(variance, 2)
    return S_variance, sigma_variance


def temperature_curves_of(
    answers: pl.DataFrame,
    instrument: Instrument,
    personas: int,
    grid: Sequence[float],
    seed: int,
    draws: Draws,
) -> pl.DataFrame:
    """Return the rows of ``temperature.csv`` of one model x variant x probe.

    ``answers`` holds probabilities at T = 1. Draws of personas are the same at every temperature.
    """
    curves = []
    for temperature in sorted(grid):
        cells = moments_of_probabilities(answers, instrument, personas, temperature)
        metrics = metrics_of(cells, instrument, seed, draws)
        curves.append(metrics.select(pl.lit(float(temperature)).alias("temperature"), pl.all()))
    names = ["model", "variant", "probe", "domain"]
    return pl.concat(curves).select(*names, "temperature", pl.exclude(*names, "temperature"))
