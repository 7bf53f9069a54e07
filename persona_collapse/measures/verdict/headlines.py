"""The headlines of a study: the paper's claims recomputed for whatever models it has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.pairs import Replicates, Roles, roles_of
from persona_collapse.measures.contrasts.table import MEAN
from persona_collapse.measures.verdict.verdicts import verdict_of

NAMES = {"S": "S", "R": "R", "sigma_bar": "1/R"}
NOTE = (
    "The mean fall of R and the mean rise of 1/R are averages of different quantities over models: "
    "one is not the other turned round."
)
BEYOND = tuple(f"beyond{part}{end}" for part in ("", "_percent") for end in ("", "_lo", "_hi"))
Json = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """The tables that headlines are read from, as their functions return them."""

    metrics: pl.DataFrame
    contrasts: pl.DataFrame
    summary: pl.DataFrame
    leave_one_out: pl.DataFrame
    random_effects: pl.DataFrame
    band: pl.DataFrame
    band_values: pl.DataFrame
    profiles: pl.DataFrame


def headlines_of(
    tables: Tables,
    analysis: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    replicates: Replicates | None = None,
) -> Json:
    """Return what ``tables/headlines.json`` holds; only JSON types, undefined numbers are null.

    ``analysis`` names the roles and ``unconditioned_probe``; ``labels`` gives the models' printed
    names, ``replicates`` their replicate fine-tunes. Every percentage, excess and coefficient comes
    with a 95 % interval ``lo`` to ``hi``.
    """
    roles = roles_of(analysis)
    metrics = tables.metrics.filter(pl.col("probe").is_in(tables.contrasts["probe"].unique()))
    models = metrics["model"].unique(maintain_order=True).to_list()
    headlines: Json = _clean(
        {
            "simulated": bool(metrics["simulated"].any()),
            "models": models,
            "replicates": {model: dict(named) for model, named in (replicates or {}).items()},
            "roles": {"baseline": roles.baseline, "control": roles.control, "target": roles.target},
            "verdicts": [
                verdict_of(
                    model,
                    (labels or {}).get(model, model),
                    roles,
                    tables.contrasts,
                    tables.band,
                    metrics,
                    (replicates or {}).get(model, {}),
                )
                for model in models
            ],
            "mean_percent_change": _mean_changes(tables, roles),
            "excess_points": _excess(tables.summary),
            "one_model_left_out": _left_out(tables.leave_one_out, roles),
            "models_like_these": _population(tables.random_effects, roles),
            "band": _band(tables),
            "foundation_cv": _uneven(tables.summary, "foundation_cv"),
            "foundation_spread_points": _uneven(tables.summary, "foundation_spread"),
            "unconditioned": _profiles(tables.profiles, analysis.get("unconditioned_probe")),
            "note": NOTE,
        }
    )
    return headlines


def _mean_changes(tables: Tables, roles: Roles) -> Json:
    """Return the mean percent change per metric and variant, ``S`` -> ``insecure`` -> numbers."""
    rows = tables.contrasts.filter(
        (pl.col("model") == MEAN) & (pl.col("foundation") == OVERALL)
    ).to_dicts()
    found: Json = {name: {} for name in NAMES.values()}
    for variant in (roles.target, roles.control):
        for row in rows:
            if row["contrast"] == f"{variant}-{roles.baseline}":
                found[NAMES[row["metric"]]][variant] = {
                    "percent": row["percent"],
                    "lo": row["percent_lo"],
                    "hi": row["percent_hi"],
                    "p": row["p"],
                    "p_adjusted": row["p_adjusted"],
                    "n_models": row["n_models"],
                    "n_replicates": row["n_replicates"],
                    "p_replicates": row["p_replicates"],
                }
    return found


def _excess(summary: pl.DataFrame) -> Json:
    """Return the target's percent change minus the control's, per metric and model, and mean."""
    found: Json = {}
    for row in summary.filter(pl.col("quantity") == "excess").to_dicts():
        numbers = {"points": row["value"], "lo": row["lo"], "hi": row["hi"]}
        found.setdefault(NAMES[row["metric"]], {})[row["model"]] = numbers
    return found


def _left_out(table: pl.DataFrame, roles: Roles) -> Json:
    """Return the range of the target's mean change when any one model is left out."""
    rows = table.filter(
        (pl.col("foundation") == OVERALL)
        & (pl.col("contrast") == f"{roles.target}-{roles.baseline}")
    )
    found: Json = {}
    for metric, name in NAMES.items():
        part = rows.filter(pl.col("metric") == metric).drop_nulls("percent").sort("percent")
        if part.height:
            low, high = part.row(0, named=True), part.row(-1, named=True)
            found[name] = {
                "lowest": low["percent"],
                "without_for_lowest": low["left_out"],
                "highest": high["percent"],
                "without_for_highest": high["left_out"],
            }
    return found


def _population(table: pl.DataFrame, roles: Roles) -> Json:
    """Return the random-effects percentages of the target against the baseline."""
    rows = table.filter(
        (pl.col("foundation") == OVERALL)
        & (pl.col("contrast") == f"{roles.target}-{roles.baseline}")
    )
    keys = ("percent", "percent_lo", "percent_hi", "predicted_lo", "predicted_hi", "n_models")
    return {NAMES[row["metric"]]: {key: row[key] for key in keys} for row in rows.to_dicts()}


def _band(tables: Tables) -> Json:
    found: Json = {}
    for values in tables.band_values.to_dicts():
        metric = values["metric"]
        rows = tables.band.filter(pl.col("metric") == metric).to_dicts()
        keys = ("model", "variant", "value", "se", "position", *BEYOND)
        found[metric] = {
            **{key: value for key, value in values.items() if key != "metric"},
            "variants": [{key: row[key] for key in (*keys, "p_outside", "p_base")} for row in rows],
            "outside": [
                [row["model"], row["variant"]] for row in rows if row["position"] != "inside"
            ],
        }
    return found


def _uneven(summary: pl.DataFrame, quantity: str) -> Json:
    """Return metric -> variant or contrast -> the mean over models, with each model's value."""
    found: Json = {}
    for row in summary.filter(pl.col("quantity") == quantity).to_dicts():
        place = found.setdefault(NAMES[row["metric"]], {}).setdefault(row["variant"], {})
        place[row["model"]] = {"value": row["value"], "lo": row["lo"], "hi": row["hi"]}
    return found


def _profiles(profiles: pl.DataFrame, probe: str | None) -> Json:
    """Return model -> variant -> mean unconditioned rating, lowest and highest foundation."""
    found: Json = {}
    rows = profiles.filter(pl.col("probe") == probe) if probe else profiles.clear()
    for (model, variant), part in rows.group_by("model", "variant", maintain_order=True):
        parts = part.filter(pl.col("foundation") != OVERALL)["mean"]
        whole = part.filter(pl.col("foundation") == OVERALL)["mean"]
        found.setdefault(str(model), {})[str(variant)] = {
            "mean": whole.item(0) if whole.len() else None,
            "lowest_foundation": parts.min(),
            "highest_foundation": parts.max(),
        }
    return found


def _clean(value: Any) -> Any:
    """Turn infinite and undefined numbers into null, which JSON has."""
    if isinstance(value, dict):
        return {key: _clean(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_clean(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
