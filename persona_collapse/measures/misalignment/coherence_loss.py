"""Excess losses of robustness and of coherence by each target, and their correlation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtri

from persona_collapse.common.seeds import generator
from persona_collapse.measures.cells import OVERALL, Array
from persona_collapse.measures.diagnostics.rows import interval
from persona_collapse.tables.contracts.coherence_loss import TABLE

MEAN = "mean"
LEAST_MODELS = 4  # Fisher's interval has 1 / sqrt(n - 3)
Z = float(ndtri(0.975))


@dataclass(frozen=True)
class _Roles:
    """One target, its control and the baseline."""

    target: str
    control: str
    baseline: str


def coherence_loss_of(
    misalignment: pl.DataFrame,
    contrasts: pl.DataFrame,
    summary: pl.DataFrame,
    analysis: Mapping[str, Any],
    seed: int,
    draws: int,
) -> pl.DataFrame:
    """Return ``coherence_loss.csv``: per target with a control, a row per model, and ``mean``.

    ``analysis`` has ``baseline``, ``targets`` (target -> control) and ``roleplay_probe``. An excess
    is 100 (X_target - X_control) / X_baseline. R's interval is that of ``summary``; coherence's is
    +- 1.96 standard errors by the delta method. A model has no row if a variant lacks coherence or
    R; an infinite excess does not enter the correlation, which ``mean`` holds.
    """
    compared = [
        _Roles(target, control, analysis["baseline"])
        for target, control in analysis["targets"].items()
        if control is not None
    ]
    contrasts, summary = (
        frame.filter(probe=analysis["roleplay_probe"]) for frame in (contrasts, summary)
    )
    rows = [
        row
        for roles in compared
        for row in _rows(misalignment, contrasts, summary, roles, seed, draws)
    ]
    return TABLE.frame(rows)


def _rows(
    misalignment: pl.DataFrame,
    contrasts: pl.DataFrame,
    summary: pl.DataFrame,
    roles: _Roles,
    seed: int,
    draws: int,
) -> list[dict[str, Any]]:
    """Return the rows of one target."""
    named = {"target": roles.target, "control": roles.control}
    rows = []
    for model in dict.fromkeys(misalignment["model"]):
        scores, parts = misalignment.filter(model=model), contrasts.filter(model=model)
        row = {
            "model": model,
            **named,
            **_coherence(scores, roles),
            **_robustness(parts, summary.filter(model=model), roles),
        }
        row["simulated"] = bool(scores["simulated"].any() or parts["simulated"].any())
        if None not in (row["robustness_excess"], row["coherence_excess"]):
            rows.append(row)
    both = [(row["robustness_excess"], row["coherence_excess"]) for row in rows]
    pairs = np.array([pair for pair in both if all(map(math.isfinite, pair))]).reshape(-1, 2)
    if rows:
        last: dict[str, Any] = {
            "model": MEAN,
            **named,
            "n_models": len(pairs),
            **correlation(pairs, seed, draws),
        }
        last["simulated"] = any(row["simulated"] for row in rows)
        for name in [key for key in TABLE.schema if key.startswith(("robust", "coher"))]:
            values = [row.get(name) for row in rows]
            whole = not name.endswith(("_lo", "_hi")) and None not in values
            last[name] = float(np.mean(values)) if whole else None  # type: ignore[arg-type]
        rows.append(last)
    return rows


def _coherence(scores: pl.DataFrame, roles: _Roles) -> dict[str, Any]:
    """Return the percent changes of mean coherence and their excess with its interval."""
    names = (roles.baseline, roles.control, roles.target)
    known = {
        row["variant"]: (row["coherence"], row["coherence_se"])
        for row in scores.iter_rows(named=True)
    }
    if any(known.get(name, (None, None))[0] is None for name in names) or not known[names[0]][0]:
        return {"coherence_excess": None}
    (base, base_se), (control, control_se), (target, target_se) = (known[name] for name in names)
    excess = 100 * (target - control) / base
    row = {
        "coherence_target": 100 * (target - base) / base,
        "coherence_control": 100 * (control - base) / base,
        "coherence_excess": excess,
    }
    if None not in (base_se, control_se, target_se):
        within = (100 / base) ** 2 * (target_se**2 + control_se**2)
        error = math.sqrt(within + (excess / base * base_se) ** 2)
        row |= {
            "coherence_excess_lo": excess - Z * error,
            "coherence_excess_hi": excess + Z * error,
        }
    return row


def _robustness(contrasts: pl.DataFrame, summary: pl.DataFrame, roles: _Roles) -> dict[str, Any]:
    """Return the percent changes of R and their excess with its interval, from one model's rows."""
    mine = contrasts.filter(domain=OVERALL, metric="R")
    percents = dict(mine.select("contrast", "percent").iter_rows())
    target, control = (
        percents.get(f"{variant}-{roles.baseline}") for variant in (roles.target, roles.control)
    )
    if target is None or control is None:
        return {"robustness_excess": None}
    direct = f"{roles.target}-{roles.control}"
    excess = summary.filter(quantity="excess", metric="R", variant=direct)
    low, high = excess.select("lo", "hi").row(0) if excess.height else (None, None)
    return {
        "robustness_target": target,
        "robustness_control": control,
        "robustness_excess": target - control,
        "robustness_excess_lo": low,
        "robustness_excess_hi": high,
    }


def correlation(pairs: Array, seed: int, draws: int) -> dict[str, Any]:
    """Return Pearson's r of pairs (n, 2) with two 95 % intervals, or a note why there is none.

    ``r_lo``, ``r_hi``: tanh(atanh(r) -+ 1.96 / sqrt(n - 3)). ``_bootstrap``: percentiles over
    resampled models, without draws in which a coordinate does not vary.
    """
    n = len(pairs)
    if n < LEAST_MODELS:
        count = "1 model" if n == 1 else f"{n} models"
        needed = f"{LEAST_MODELS} are needed for an interval"
        return {"note": f"Pearson's r is not defined: {count}, {needed}"}
    value = float(_pearson(pairs[None])[0])
    if math.isnan(value):
        return {
            "note": "Pearson's r is not defined: one of the excesses is the same for all models"
        }
    with np.errstate(divide="ignore"):
        low, high = np.tanh(np.arctanh(value) + np.array([-Z, Z]) / math.sqrt(n - 3))
    places = generator(seed, "coherence_loss").integers(0, n, size=(draws, n))
    bottom, top = interval(_pearson(pairs[places]))
    return {
        "r": value,
        "r_lo": float(low),
        "r_hi": float(high),
        "r_lo_bootstrap": None if math.isnan(bottom) else bottom,
        "r_hi_bootstrap": None if math.isnan(top) else top,
        "note": "wide: r over so few models says little" if n < 10 else None,
    }


def _pearson(samples: Array) -> Array:
    """Return r of each sample (B, n, 2); NaN where a coordinate does not vary."""
    off = samples - samples.mean(axis=1, keepdims=True)
    squares = (off**2).sum(axis=1)
    flat = squares < 1e-12 * np.maximum(1.0, (samples**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = off.prod(axis=2).sum(axis=1) / np.sqrt(squares.prod(axis=1))
    return np.where(flat.any(axis=1), np.nan, np.clip(r, -1.0, 1.0))
