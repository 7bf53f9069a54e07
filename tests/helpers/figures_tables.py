"""More tables of made-up studies for the tests of figures."""

from __future__ import annotations

import random

import polars as pl

from persona_collapse.figures.marks import Row
from persona_collapse.tables.contracts.losses import TABLE as LOSSES
from persona_collapse.tables.contracts.moderation import TABLE as MODERATION
from persona_collapse.tables.contracts.multiverse import TABLE as MULTIVERSE
from persona_collapse.tables.contracts.novelty import TABLE as NOVELTY
from persona_collapse.tables.contracts.persona_map import TABLE as PERSONA_MAP
from persona_collapse.tables.contracts.persona_runs import TABLE as PERSONA_RUNS
from tests.helpers.figures_data import DOMAINS, VARIANTS, metrics_of

SOURCES = ("persona", "item", "persona_item", "repetition")
GRID = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)


def _row(model: int, variant: str, measure: str, value: float | None, reach: float = 0.03) -> Row:
    return {
        **{"model": f"m{model}", "variant": variant, "probe": "roleplay", "domain": "overall"},
        **{"measure": measure, "value": value},
        "lo": None if value is None else max(value - reach, 0),
        "hi": None if value is None else min(value + 2 * reach, 1),
        "simulated": True,
    }


def _parts(draw: random.Random, count: int) -> list[float]:
    found = [draw.random() ** 3 for _ in range(count)]
    return [part / sum(found) for part in found]


def diagnostics_of(models: int, variants: int, scale: tuple[int, int] = (0, 5)) -> pl.DataFrame:
    """Scale use, variance components and fidelity under personas, and rows not asked for.

    Variant 1 of model 1 has no components: one persona was left, and nothing is defined.
    """
    draw = random.Random(3)
    rows = []
    for model in range(models):
        for place, variant in enumerate(VARIANTS[:variants]):
            ratings = range(scale[0], scale[1] + 1)
            use = _parts(draw, len(ratings))
            rows += [
                _row(model, variant, f"share_{k}", s) for k, s in zip(ratings, use, strict=True)
            ]
            rows.append(_row(model, variant, "endpoint_mass", use[0] + use[-1]))
            empty = (model, place) == (1, 1)
            for name, share in zip(SOURCES, _parts(draw, 4), strict=True):
                rows.append(_row(model, variant, f"share_{name}", None if empty else share))
            if place:
                rows.append(_row(model, variant, "fidelity", draw.random()))
    table = pl.DataFrame(rows, infer_schema_length=None)
    others = [pl.lit("unconditioned").alias("probe"), pl.lit(DOMAINS[0]).alias("domain")]
    return pl.concat([table, *(table.with_columns(other, value=0.5) for other in others)])


def personas_of(models: int, variants: int, domains: int = 5, people: int = 20) -> pl.DataFrame:
    """Means per persona and domain; the last persona is lost under variant 1 of model 0."""
    draw = random.Random(4)
    rows = []
    for model in range(models):
        for place, variant in enumerate(VARIANTS[:variants]):
            for persona in range(people):
                if (model, place, persona) == (0, 1, people - 1):
                    continue
                rows += [
                    {
                        **{"model": f"m{model}", "variant": variant, "probe": "roleplay"},
                        **{"persona_id": persona, "domain": domain},
                        **{"mean": 5 * draw.random(), "simulated": True},
                    }
                    for domain in DOMAINS[:domains]
                ]
    return pl.DataFrame(rows)


def persona_map_of(models: int, variants: int, people: int = 20) -> pl.DataFrame:
    """Places of personas in the plane; the last persona is lost under variant 1 of model 0."""
    draw = random.Random(8)
    rows = [
        {
            **{"model": f"m{model}", "variant": variant, "probe": "roleplay"},
            **{"persona_id": persona, "x": draw.gauss(0, 1 + place), "y": draw.gauss(0, 1)},
            **{"x_sd": 0.2 * (1 + place), "y_sd": 0.1, "x_share": 0.4, "y_share": 0.2},
            "simulated": True,
        }
        for model in range(models)
        for place, variant in enumerate(VARIANTS[:variants])
        for persona in range(people)
        if (model, place, persona) != (0, 1, people - 1)
    ]
    return pl.DataFrame(rows, schema=PERSONA_MAP.schema)


def persona_runs_of(models: int, variants: int, people: int = 20, runs: int = 4) -> pl.DataFrame:
    """Runs of the personas of ``persona_map_of``, around their places."""
    draw = random.Random(9)
    rows = [
        {
            **{name: row[name] for name in ("model", "variant", "probe", "persona_id")},
            "repetition": run,
            "x": draw.gauss(row["x"], row["x_sd"]),
            "y": draw.gauss(row["y"], row["y_sd"]),
            "simulated": True,
        }
        for row in persona_map_of(models, variants, people).iter_rows(named=True)
        for run in range(1, runs + 1)
    ]
    return pl.DataFrame(rows, schema=PERSONA_RUNS.schema)


def fidelity_of(models: int, variants: int, people: int = 20) -> pl.DataFrame:
    """Fidelity per persona and changed variant; undefined for persona 0."""
    draw = random.Random(6)
    names = VARIANTS[1:variants]
    rows = [
        {
            **{"model": f"m{model}", "variant": variant, "probe": "roleplay"},
            **{"persona_id": persona, "fidelity": draw.uniform(-0.4, 1) if persona else None},
            "simulated": True,
        }
        for model in range(models)
        for variant in names
        for persona in range(people)
    ]
    schema = pl.Schema(
        {
            **dict.fromkeys(("model", "variant", "probe"), pl.String()),
            **{"persona_id": pl.Int64(), "fidelity": pl.Float64(), "simulated": pl.Boolean()},
        }
    )
    return pl.DataFrame(rows, schema=schema)


def novelty_of(models: int, variants: int) -> pl.DataFrame:
    """Kept and new variance of changed variants; undefined for the second of model 1."""
    draw = random.Random(8)
    rows = []
    for model in range(models):
        for place, variant in enumerate(VARIANTS[1:variants]):
            kept, new = draw.uniform(0.2, 1.2), draw.uniform(-0.02, 4)
            row = {"slope": kept**0.5, "kept": kept, "new": new}
            ends = {f"{n}_{e}": v + s for n, v in row.items() for e, s in (("lo", -0.1), ("hi", 1))}
            known = (model, place) != (1, 1)
            names = {"model": f"m{model}", "variant": variant, "probe": "roleplay"}
            values = {k: v if known else None for k, v in {**row, **ends}.items()}
            rows.append({**names, "domain": "overall", **values, "n_personas": 20})
    return pl.DataFrame([{**row, "simulated": True} for row in rows], schema=NOVELTY.schema)


def toxic_of(models: int, variants: int, players: int = 8) -> pl.DataFrame:
    """Distances to base, toxic personas and the ceiling; model 1 played no toxic persona."""
    draw = random.Random(8)
    tables = []
    for model in range(models):
        names = [f"toxic {n}" for n in range(players if model != 1 else 0)]
        for variant in VARIANTS[:variants]:
            references = [*(["base"] if variant != "base" else []), *names, "ceiling"]
            values = [draw.uniform(0.5, 7) for _ in references]
            tables.append(
                pl.DataFrame(
                    {
                        **{"model": f"m{model}", "variant": variant, "probe": "unconditioned"},
                        **{"domain": "overall", "reference": references, "value": values},
                        "lo": [0.8 * value for value in values],
                        "hi": [1.1 * value for value in values],
                        "nearest": [value == min(values) for value in values],
                        "simulated": True,
                    }
                )
            )
    return pl.concat(tables)


def identification_of(models: int, variants: int) -> pl.DataFrame:
    """Recognition from own and the baseline's profiles; variant 1 of model 1 has no own ones."""
    rows = []
    for model in range(models):
        for place, variant in enumerate(VARIANTS[:variants]):
            for profiles in ("own", "baseline")[: 1 + (place > 0)]:
                empty = (model, place, profiles) == (1, 1, "own")
                for answers, share in ((1, 0.05), (3, 0.2), (10, 0.7), (30, 0.99), (300, 0.5)):
                    value = None if empty else share / (1 + place + (profiles == "baseline"))
                    rows.append(
                        {
                            **{"model": f"m{model}", "variant": variant, "probe": "roleplay"},
                            **{"profiles": profiles, "answers": answers, "recognised": value},
                            "classifier": "correlation" if answers == 300 else "nearest_mean",
                            "recognised_lo": None if empty else 0.9 * value,
                            "recognised_hi": None if empty else 1.1 * value,
                            "chance": 0.01,
                            "simulated": True,
                        }
                    )
    return pl.DataFrame(rows, infer_schema_length=None)


def temperature_of(models: int, variants: int) -> pl.DataFrame:
    """Curves in which R falls with temperature and is infinite (m0 base) at the lowest."""
    curves = []
    for temperature in GRID:
        rise, fall = 0.8 + 0.1 * temperature, 1 / (0.2 + temperature)
        metrics = metrics_of(models, variants, 0)
        names = ("R", "R_lo", "R_hi")
        never = (pl.col("model") == "m0") & (pl.col("variant") == "base") & (temperature == GRID[0])
        curves.append(
            metrics.with_columns(
                pl.lit(temperature).alias("temperature"),
                pl.col("S", "S_lo", "S_hi") * rise,
                *(pl.col(name) * fall for name in names),
            ).with_columns(
                pl.when(never)
                .then(float("inf") if name == "R" else None)
                .otherwise(name)
                .alias(name)
                for name in names
            )
        )
    return pl.concat(curves)


def power_of(models: int, planted: bool = False) -> pl.DataFrame:
    """Designs of every model; one repetition shows no R."""
    names = [f"m{model}" for model in range(models)] + ["planted"] * planted
    rows = [
        {
            **{"model": name, "personas": personas, "repetitions": repetitions},
            "S_detectable_percent": 100 * (1 + place / 20) / personas**0.5,
            "R_detectable_percent": 150 * (1 + 1 / repetitions) / personas**0.5
            if repetitions > 1
            else None,
            "simulated": name != "planted",
        }
        for place, name in enumerate(names)
        for personas in (25, 50, 100, 200, 400)
        for repetitions in (1, 2, 3, 5, 10, 20)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def misalignment_of(models: int, variants: int, *, simulated: bool = True) -> pl.DataFrame:
    """A table of means: baselines lie close together, fine-tunes anywhere."""
    draw = random.Random(3)
    rows = []
    for model in range(models):
        for place, variant in enumerate(VARIANTS[:variants]):
            low = 90 if place == 0 else 5
            row = {"model": f"m{model}", "variant": variant, "simulated": simulated}
            for name in ("alignment", "coherence"):
                row |= {name: draw.uniform(low, 99), f"{name}_se": draw.uniform(0.2, 4)}
            rows.append(row)
    return pl.DataFrame(rows)


def loss_of(models: int, *, r: float | None = 0.61, note: str | None = None) -> pl.DataFrame:
    """A table of excess losses with its row of the mean."""
    draw = random.Random(4)
    rows = []
    for model in [*(f"m{n}" for n in range(models)), "mean"]:
        row: dict[str, object] = {"model": model, "target": "insecure", "control": "secure"}
        row |= {"simulated": True, "n_models": None, "note": None}
        for name in ("robustness_excess", "coherence_excess"):
            value = draw.uniform(-60, 15)
            row |= {name: value, f"{name}_lo": value - 7, f"{name}_hi": value + 5}
        row |= dict.fromkeys(("r", "r_lo", "r_hi", "r_lo_bootstrap", "r_hi_bootstrap"))
        rows.append(row)
    rows[-1] |= {"n_models": float(models), "note": note}
    if r is not None:
        rows[-1] |= {"r": r, "r_lo": r - 0.9, "r_hi": 0.95}
        rows[-1] |= {"r_lo_bootstrap": -0.7, "r_hi_bootstrap": 0.99}
    return pl.DataFrame(rows, infer_schema_length=None)


def losses_of(models: int, points: int, *, accuracy: bool = True) -> pl.DataFrame:
    """Training losses of two fine-tuned variants of every model."""
    rows = [
        {
            "model": f"m{model}",
            "variant": variant,
            "step": step,
            "train_loss": 1.5 / step + 0.1 * place,
            "train_accuracy": 0.5 + 0.4 * step / (points + 1) if accuracy else None,
            "simulated": True,
        }
        for model in range(models)
        for place, variant in enumerate(VARIANTS[1:3])
        for step in range(1, points + 1)
    ]
    return pl.DataFrame(rows, schema=LOSSES.schema)


def trajectory_table(models: int, unit: int = 1, saturated: bool = True) -> pl.DataFrame:
    """Checkpoints of every model at six steps, ``unit`` apart, in which S rises and R falls."""
    rows = []
    for model in range(models):
        for place, step in enumerate([0, 50, 100, 200, 400, 800]):
            S, R, near = 16.0 * place + 2 * model, -15.0 * place, 0.5 + 0.08 * place
            row = {
                **{"model": f"m{model}", "variant": f"step-{step}" if step else "base"},
                **{"step": float(step * unit), "domain": "overall", "simulated": True},
                **{"S_percent": S, "S_percent_lo": S - 5, "S_percent_hi": S + 6},
                **{"R_percent": R, "R_percent_lo": R - 3, "R_percent_hi": R + 5},
                **{"n_personas": 40 - place},
                **{"saturation": near, "saturation_lo": near - 0.05, "saturation_hi": near + 0.04},
            }
            if not saturated:
                row |= dict.fromkeys(("saturation", "saturation_lo", "saturation_hi"))
            rows += [row, {**row, "domain": "Harm/Care", "S_percent": 900.0}]
    return pl.DataFrame(rows, infer_schema_length=None)


def multiverse_table(models: int, domains: int = 5, targets: int = 1) -> pl.DataFrame:
    """Specifications of every model and target; R of the last model is undefined."""
    draw = random.Random(11)
    choices = [
        *(("published", "all", who, "dropped") for who in ("all", "first_half", "second_half")),
        *(("gini_difference", f"without {d}", "all", "dropped") for d in DOMAINS[:domains]),
        *(("published", "all", "all", how) for how in ("missing", "no_fallback")),
    ]
    rows = []
    for model in range(models):
        for target in VARIANTS[2 : 2 + targets]:
            for place, choice in enumerate(choices):
                S, R = 60 * draw.random() - 10, -60 * draw.random()
                row: Row = dict(
                    zip(("definition", "items", "personas", "failures"), choice, strict=True)
                )
                row |= {"model": f"m{model}", "target": target, "control": "secure"}
                row |= {"S_target": S, "S_target_lo": S - 15, "S_target_hi": S + 20}
                if model < models - 1 or models == 1:
                    row |= {"R_target": R, "R_target_lo": R - 5, "R_target_hi": R + 9}
                same = place == 0 or S > 10
                row |= {"label": "collapse" if same else "R_only", "same_label": same}
                rows.append({**row, "distinct": choice[3] != "missing", "simulated": True})
    return pl.DataFrame(rows, schema=MULTIVERSE.schema)


def moderation_of(variants: int) -> pl.DataFrame:
    """Slopes of the target's changes on the baselines, the last one undefined."""
    pairs = [("R", "R"), ("S", "S"), ("R", "S")]
    rows = [
        {
            **{"target": "insecure", "baseline_metric": first, "change_metric": second},
            **{"n_models": 5, "slope": -0.4, "slope_lo": -0.9, "slope_hi": 0.1},
            **{"slope_observed": -0.5, "reliability": 0.9, "note": None, "simulated": True},
        }
        for first, second in pairs
        if variants > 2
    ]
    if rows:
        rows[-1] |= {"slope": None, "slope_lo": None, "slope_hi": None, "note": "no slope"}
    return pl.DataFrame(rows, schema=MODERATION.schema)
