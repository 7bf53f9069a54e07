"""Data of the page's interactive parts about personas: explorer, map and game."""

from collections.abc import Mapping
from math import isinf
from typing import Any

import polars as pl

from persona_collapse.figures.look import Look

# SVG paths around the origin, about 10 px across.
PATHS = {
    "o": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "s": "M-4-4h8v8h-8z",
    "^": "M0-5L5.2 4H-5.2z",
    "v": "M0 5L5.2-4H-5.2z",
    "<": "M-5 0L4-5.2V5.2z",
    ">": "M5 0L-4-5.2V5.2z",
    "p": "M0-5L4.8-1.5L2.9 4H-2.9L-4.8-1.5z",
    "h": "M0-5L4.3-2.5V2.5L0 5L-4.3 2.5V-2.5z",
    "P": "M-1.6-5h3.2v3.4H5v3.2H1.6V5h-3.2V1.6H-5v-3.2h3.4z",
    "X": "M-2.7-5L0-2.3L2.7-5L5-2.7L2.3 0L5 2.7L2.7 5L0 2.3L-2.7 5L-5 2.7L-2.3 0L-5-2.7z",
}
DIAMOND = "M0-5.5L5.5 0L0 5.5L-5.5 0z"
CHOICES = 4  # personas to choose from in the game


def explorer_of(
    answers: Mapping[str, Any], look: Look, verdicts: pl.DataFrame | None = None
) -> dict[str, Any] | None:
    """Return the explorer's data, or None where nothing was answered.

    ``answers`` are those of ``answers.packed_answers``. ``home`` is the role-play probe, whose
    personas an address names by their number alone; ``compared`` are the variants whose change from
    the baseline counts, the targets or else all others; ``roles`` are always shown at first.
    ``model`` is the one that explorer, map and game begin with: whose S changed most, by
    ``verdicts``, the table ``verdict.csv``.
    """
    if not answers["units"]:
        return None
    kept = [len(probe["personas"]) for probe in answers["probes"] if probe["personas"]]
    designed = [probe["count"] for probe in answers["probes"] if probe["personas"]]
    return {
        **answers,
        "models": [{"key": model.key, "label": model.label} for model in look.models],
        "variants": [{"name": name, **mark} for name, mark in marks_of(look).items()],
        "model": _most_changed(verdicts, look),
        "baseline": look.baseline,
        "compared": list(look.targets) or look.changed,
        "roles": list(dict.fromkeys([look.baseline, *look.targets, *look.controls])),
        "home": look.roleplay,
        "left_out": (
            f"All answers would make this page too large: it holds those of personas 0 to "
            f"{max(kept) - 1}. Those of personas {max(kept)} to {max(designed) - 1} are in the "
            "folder answers/ of the results, one Parquet file per model, variant and probe."
            if kept != designed
            else ""
        ),
    }


def _most_changed(verdicts: pl.DataFrame | None, look: Look) -> str:
    """Return the model whose S changed most under a target, as in the first figure."""
    if verdicts is not None:
        known = verdicts.filter(pl.col("S_target").is_finite())
        if known.height:
            return str(known.sort(pl.col("S_target").abs(), descending=True)["model"][0])
    return look.models[0].key


def map_of(places: pl.DataFrame | None, metrics: pl.DataFrame, look: Look) -> dict[str, Any] | None:
    """Return the persona map's data, or None where no model has a plane.

    ``places`` are the rows of ``persona_map.csv``. Coordinates and SDs become integers of
    hundredths, one list [persona, x, y, x_sd, y_sd] per persona; shares are fractions. S and R are
    those of ``metrics.csv``.
    """
    if places is None:
        return None
    played = places.filter(probe=look.roleplay)
    models: dict[str, dict[str, Any]] = {}
    for model in look.models:
        for variant in look.variants:
            rows = played.filter(model=model.key, variant=variant)
            if rows.height:
                share = rows.select(pl.col("x_share") + pl.col("y_share")).item(0, 0)
                columns = rows.select(
                    "persona_id",
                    (pl.col("x", "y", "x_sd", "y_sd") * 100).round().cast(pl.Int64).fill_null(0),
                )
                models.setdefault(model.key, {})[variant] = {
                    "share": share,
                    "personas": [list(row) for row in columns.iter_rows()],
                    **_metrics_of(metrics, model.key, variant, look),
                }
    models = {key: entry for key, entry in models.items() if look.baseline in entry}
    if not models:
        return None
    return {
        "models": {model.key: model.label for model in look.models if model.key in models},
        "baseline": look.baseline,
        "first": next(iter([*look.targets, *look.changed]), look.baseline),
        "variants": [{"name": name, **mark} for name, mark in marks_of(look).items()],
        "planes": models,
    }


def _metrics_of(
    metrics: pl.DataFrame, model: str, variant: str, look: Look
) -> dict[str, float | str | None]:
    """Return S and R of all items; JSON has no infinite number."""
    rows = metrics.filter(model=model, variant=variant, probe=look.roleplay, domain="overall")
    values = rows.select("S", "R").row(0, named=True) if rows.height else {"S": None, "R": None}
    return {k: "inf" if v is not None and isinf(v) else v for k, v in values.items()}


def game_of(
    answers: Mapping[str, Any], recognition: pl.DataFrame | None, look: Look
) -> dict[str, Any] | None:
    """Return the data of the game "Who is this?", or None where it cannot be played.

    It needs four personas. ``recognition`` are the rows of ``identification.csv``. The rates of a
    variant compare with a visitor's: how often the baseline's profiles recognise a persona from all
    its answers, among four personas and among all. The baseline has the rate of its own profiles.
    """
    probes = {probe["name"]: probe for probe in answers["probes"]}
    personas = probes.get(look.roleplay, {}).get("personas") or ()
    if len(personas) < CHOICES or recognition is None:
        return None
    rates: dict[str, dict[str, Any]] = {}
    for row in recognition.filter(probe=look.roleplay).iter_rows(named=True):
        of_baseline = row["profiles"] == "baseline" and row["classifier"] == "correlation"
        own = row["profiles"] == "own" and row["variant"] == look.baseline
        if of_baseline or own:  # of the baseline, the last row is of the most answers
            shown = (
                *("recognised", "recognised_lo", "recognised_hi", "n_personas", "answers"),
                *("of_four", "of_four_lo", "of_four_hi"),
            )
            rates.setdefault(row["model"], {})[row["variant"]] = {k: row[k] for k in shown}
    return {
        "rates": rates,
        "first": next(iter([*look.targets, *look.changed]), look.baseline),
        "choices": CHOICES,
    }


def marks_of(look: Look) -> dict[str, dict[str, str]]:
    """Return colour and path of each variant, in the study's order."""
    paints = {variant: look.paint(variant) for variant in look.variants}
    return {
        variant: {"colour": paint.colour, "path": PATHS.get(paint.marker, DIAMOND)}
        for variant, paint in paints.items()
    }
