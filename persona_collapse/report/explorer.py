"""Data of the page's persona explorer: each persona's profile, and those that moved most."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.figures.look import Look

MOVERS = 5
# SVG paths around the origin, about 10 px across.
PATHS = {
    "o": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "s": "M-4-4h8v8h-8z",
    "^": "M0-5L5.2 4H-5.2z",
    "v": "M0 5L5.2-4H-5.2z",
}
DIAMOND = "M0-5.5L5.5 0L0 5.5L-5.5 0z"

Profile = list[int | None]


def explorer_of(
    personas: pl.DataFrame, look: Look, scale: tuple[float, float]
) -> dict[str, Any] | None:
    """Return the explorer's data, or None where no model has personas.

    ``personas`` has the columns of ``tables/personas.csv``: model, variant, probe, persona_id,
    domain, mean (in points of the scale) and description. Ratings become integers of
    hundredths, one list per persona in the order of ``domains``, None where a persona was
    dropped. The shift of a persona is the root-mean-square change of its domains from the baseline
    to a target, to the one where it is largest; without targets, to any other variant.
    """
    played = personas.filter(pl.col("probe") == look.roleplay, pl.col("persona_id").is_not_null())
    if played.is_empty():
        return None
    alone = personas.filter(probe=look.unconditioned)
    domains = played["domain"].unique(maintain_order=True).to_list()
    people = _people(played)
    models = []
    compared = [v for v in look.targets or look.variants if v != look.baseline]
    for model in look.models:
        own = played.filter(model=model.key)
        if own.is_empty():
            continue
        profiles = {
            variant: _profiles(own.filter(variant=variant), list(people), domains)
            for variant in look.variants
        }
        calm = alone.filter(model=model.key)
        models.append(
            {
                "label": model.label,
                "personas": {name: own for name, own in profiles.items() if any(own)},
                "alone": {
                    variant: _profiles(calm.filter(variant=variant), [None], domains)[0]
                    for variant in look.variants
                },
                **_movers(profiles[look.baseline], [profiles[v] for v in compared]),
            }
        )
    return {
        "scale": list(scale),
        "domains": domains,
        "heading": look.worded("Domain"),
        "variants": [{"name": name, **mark} for name, mark in marks_of(look).items()],
        "personas": list(people.values()),
        "models": models,
    }


def _people(played: pl.DataFrame) -> dict[int, str]:
    """Return the description of each persona, in the order of their ids."""
    unique = played.select("persona_id", "description").unique("persona_id").sort("persona_id")
    return {int(number): text or f"Persona {int(number)}" for number, text in unique.iter_rows()}


def _profiles(
    rows: pl.DataFrame, ids: Sequence[int | None], domains: Sequence[str]
) -> list[Profile | None]:
    """Return each persona's profile, or None if a domain has no rating."""
    means = {
        (number, name): mean
        for number, name, mean in rows.select("persona_id", "domain", "mean").iter_rows()
    }
    lists = [[means.get((number, name)) for name in domains] for number in ids]
    return [
        None
        if any(mean is None for mean in profile)
        else [round(100 * mean) for mean in profile if mean is not None]
        for profile in lists
    ]


def _movers(
    before: Sequence[Profile | None], after: Sequence[Sequence[Profile | None]]
) -> dict[str, list[list[int]]]:
    """Return index and shift (in hundredths) of the personas that moved most and least.

    ``after`` holds the profiles of each variant that the baseline's are compared with.
    """
    shifts = []
    for place, (first, *others) in enumerate(zip(before, *after, strict=True)):
        moved = [_distance(first, other) for other in others if first and other]
        if moved:
            shifts.append([place, max(moved)])
    most = sorted(shifts, key=lambda pair: (-pair[1], pair[0]))
    least = sorted(shifts, key=lambda pair: (pair[1], pair[0]))
    return {"most": most[:MOVERS], "least": least[:MOVERS]}


def _distance(first: Profile, second: Profile) -> int:
    change = np.subtract(np.array(second, float), np.array(first, float))
    return round(float(np.sqrt((change**2).mean())))


def marks_of(look: Look) -> dict[str, dict[str, str]]:
    """Return colour and path of each variant, in the study's order."""
    paints = {variant: look.paint(variant) for variant in look.variants}
    return {
        variant: {"colour": paint.colour, "path": PATHS.get(paint.marker, DIAMOND)}
        for variant, paint in paints.items()
    }
