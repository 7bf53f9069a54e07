"""The headlines of a study: the paper's claims recomputed for whatever models it has."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.pairs import Replicates, Roles, roles_of
from persona_collapse.measures.contrasts.table import MEAN
from persona_collapse.measures.verdict.band import band_sentences
from persona_collapse.measures.verdict.sentences import (
    drivers_of,
    replicate_facts,
    specification_facts,
    words_of,
)
from persona_collapse.measures.verdict.table import Row, rows_of

NAMES = {"S": "S", "R": "R", "sigma_bar": "1/R"}
NOTE = (
    "The mean fall of R and the mean rise of 1/R are averages of different quantities over models: "
    "neither follows from the other."
)
BEYOND = tuple(f"beyond{part}{end}" for part in ("", "_percent") for end in ("", "_lo", "_hi"))
Json = dict[str, Any]


@dataclass(frozen=True)
class Tables:
    """The tables that headlines are computed from."""

    metrics: pl.DataFrame
    contrasts: pl.DataFrame
    summary: pl.DataFrame
    leave_one_out: pl.DataFrame
    random_effects: pl.DataFrame
    profiles: pl.DataFrame
    verdict: pl.DataFrame
    band: pl.DataFrame | None = None
    band_values: pl.DataFrame | None = None
    multiverse: pl.DataFrame | None = None
    novelty: pl.DataFrame | None = None


def headlines_of(
    tables: Tables,
    analysis: Mapping[str, Any],
    replicates: Replicates | None = None,
) -> Json:
    """Return the content of ``headlines.json``: JSON types only, undefined numbers are None.

    ``analysis`` names the roles and ``unconditioned_probe``, ``replicates`` the replicate
    fine-tunes of each model by variant. ``lo`` to ``hi`` are 95 % intervals.
    """
    roles = roles_of(analysis)
    metrics = tables.metrics.filter(pl.col("probe").is_in(tables.contrasts["probe"].unique()))
    models = metrics["model"].unique(maintain_order=True).to_list()
    headlines: Json = _clean(
        {
            "simulated": bool(metrics["simulated"].any()),
            "models": models,
            "replicates": {model: dict(named) for model, named in (replicates or {}).items()},
            "roles": {"baseline": roles.baseline, "targets": dict(roles.targets)},
            "verdicts": [
                _verdict(row, tables, replicates or {})
                for row in tables.verdict.iter_rows(named=True)
            ],
            "mean_percent_change": _mean_changes(tables, roles),
            "excess_points": _excess(tables.summary, roles),
            "one_model_left_out": _left_out(tables.leave_one_out, roles),
            "models_like_these": _population(tables.random_effects, roles),
            "band": _band(tables),
            "domain_cv": _uneven(tables.summary, "domain_cv"),
            "domain_spread_points": _uneven(tables.summary, "domain_spread"),
            "unconditioned": _profiles(tables.profiles, analysis.get("unconditioned_probe")),
            "note": NOTE,
        }
    )
    return headlines


def _verdict(row: Row, tables: Tables, replicates: Replicates) -> Json:
    """Return a verdict with its words, the domains that carry the changes, and its replicates."""
    model, target, contrast = row["model"], row["target"], f"{row['target']}-{row['baseline']}"
    rows = rows_of(tables.contrasts, model)
    items = tables.metrics.filter(pl.col("domain") != OVERALL)
    n_items = dict(items.select("domain", "n_items").unique(maintain_order=True).iter_rows())
    drivers = {metric: drivers_of(rows, contrast, metric, n_items) for metric in ("S", "sigma_bar")}
    named = replicates.get(model, {})
    facts, said = replicate_facts(row, named, rows, tables.metrics.filter(model=model))
    band = []
    if tables.band is not None:
        members = pl.col("variant").is_in(list(named.get(target, [target])))
        band = band_sentences(tables.band.filter(members, model=model), target)
    # Without a control every specification is undetermined, which is no evidence.
    counted, stands = specification_facts(
        None if row["control"] is None else tables.multiverse, model, target
    )
    novelty = None
    if tables.novelty is not None and not named:
        novelty = tables.novelty.filter(model=model)
    words = words_of(row, rows, said, drivers, novelty, [*stands, *band])
    summary, details = list(words.summary), list(words.details)
    return {
        **{key: row[key] for key in ("model", "target", "control", "label", "reason")},
        "drivers": {NAMES[metric]: shares for metric, shares in drivers.items()},
        "replicates": facts,
        "specifications": counted,
        "simulated": row["simulated"],
        "summary": " ".join(summary),
        "limits": summary[1:],
        "details": details,
        "text": " ".join(summary + details),
    }


def _mean_changes(tables: Tables, roles: Roles) -> Json:
    """Return metric -> variant -> mean percent change over models."""
    keys = ("p", "p_adjusted", "n_models", "n_replicates")
    rows = tables.contrasts.filter(model=MEAN, domain=OVERALL)
    changes: Json = {name: {} for name in NAMES.values()}
    for variant in (*roles.targets, *roles.controls):
        for row in rows.filter(contrast=f"{variant}-{roles.baseline}").to_dicts():
            percent = {"percent": row["percent"], "lo": row["percent_lo"], "hi": row["percent_hi"]}
            changes[NAMES[row["metric"]]][variant] = percent | {key: row[key] for key in keys}
    return changes


def _excess(summary: pl.DataFrame, roles: Roles) -> Json:
    """Return metric -> target -> model or mean -> its percent change minus the control's."""
    excess: Json = {}
    for target, control in roles.targets.items():
        rows = summary.filter(quantity="excess", variant=f"{target}-{control}")
        for row in rows.to_dicts():
            numbers = {"points": row["value"], "lo": row["lo"], "hi": row["hi"]}
            models = excess.setdefault(NAMES[row["metric"]], {}).setdefault(target, {})
            models[row["model"]] = numbers
    return excess


def _left_out(table: pl.DataFrame, roles: Roles) -> Json:
    """Return metric -> target -> range of its mean change when any one model is left out."""
    ranges: Json = {}
    for metric, name in NAMES.items():
        for target in roles.targets:
            contrast = f"{target}-{roles.baseline}"
            rows = table.filter(domain=OVERALL, contrast=contrast, metric=metric)
            rows = rows.drop_nulls("percent").sort("percent")
            if rows.height:
                low, high = rows.row(0, named=True), rows.row(-1, named=True)
                ranges.setdefault(name, {})[target] = {
                    "lowest": low["percent"],
                    "without_for_lowest": low["left_out"],
                    "highest": high["percent"],
                    "without_for_highest": high["left_out"],
                }
    return ranges


def _population(table: pl.DataFrame, roles: Roles) -> Json:
    """Return metric -> target -> random-effects percent change against the baseline."""
    keys = ("percent", "percent_lo", "percent_hi", "prediction_lo", "prediction_hi", "n_models")
    found: Json = {}
    for target in roles.targets:
        rows = table.filter(domain=OVERALL, contrast=f"{target}-{roles.baseline}")
        for row in rows.to_dicts():
            change = {key: row[key] for key in keys}
            found.setdefault(NAMES[row["metric"]], {})[target] = change
    return found


def _band(tables: Tables) -> Json:
    """Return metric -> the band of earlier models, and where each variant lies."""
    bands: Json = {}
    if tables.band is None or tables.band_values is None:
        return bands
    keys = ("model", "variant", "value", "se", "position", *BEYOND, "p_outside", "p_base")
    for values in tables.band_values.to_dicts():
        metric = values.pop("metric")
        rows = tables.band.filter(metric=metric).to_dicts()
        outside = [row for row in rows if row["position"] != "inside"]
        bands[metric] = {
            **values,
            "variants": [{key: row[key] for key in keys} for row in rows],
            "outside": [[row["model"], row["variant"]] for row in outside],
        }
    return bands


def _uneven(summary: pl.DataFrame, quantity: str) -> Json:
    """Return metric -> variant or contrast -> model or mean -> the quantity."""
    uneven: Json = {}
    for row in summary.filter(quantity=quantity).to_dicts():
        models = uneven.setdefault(NAMES[row["metric"]], {}).setdefault(row["variant"], {})
        models[row["model"]] = {"value": row["value"], "lo": row["lo"], "hi": row["hi"]}
    return uneven


def _profiles(profiles: pl.DataFrame, probe: str | None) -> Json:
    """Return model -> variant -> mean unconditioned rating, lowest and highest domain."""
    means: Json = {}
    rows = profiles.filter(probe=probe) if probe else profiles.clear()
    for (model, variant), part in rows.group_by("model", "variant", maintain_order=True):
        overall = part.filter(domain=OVERALL)["mean"]
        parts = part.filter(pl.col("domain") != OVERALL)["mean"]
        means.setdefault(str(model), {})[str(variant)] = {
            "mean": overall.item(0) if overall.len() else None,
            "lowest_domain": parts.min(),
            "highest_domain": parts.max(),
        }
    return means


def _clean(value: Any) -> Any:
    """Replace infinite and undefined numbers by None: JSON has none."""
    if isinstance(value, dict):
        return {key: _clean(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_clean(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
