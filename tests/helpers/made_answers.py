"""Made-up answers of a small study, as Parquet files, and packed for its page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.answers import conform, write_answers
from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale
from persona_collapse.measures.moments import moments_of, moments_of_probabilities
from persona_collapse.measures.plane import persona_map_of
from persona_collapse.report.answers import packed_answers, probe_of, unit_of
from persona_collapse.report.packed import written

REPETITIONS = 5
LOST = ("refused", "filtered", "unparseable", "error")  # how the first answers of persona 3 failed
SHIFTS = {"base": (0.3, 0.2), "secure": (0.3, 0.5), "insecure": (1.2, 1.0)}  # of personas; noise


def instrument(
    domains: Sequence[str], scale: tuple[int, int] = (0, 5), label: str = ""
) -> Instrument:
    """Return an instrument with two items per domain; its texts end in ``label``."""
    items = tuple(
        Item(2 * place + half + 1, "s", domain, f"Item {2 * place + half + 1} of {label}")
        for place, domain in enumerate(domains)
        for half in range(2)
    )
    prompts = Prompts("Be {persona}.\n\n{question}", {"s": "How far: {item}?"})
    return Instrument("made", "Made up", Scale(*scale), tuple(domains), prompts, items)


def answers_of(
    model: str,
    variant: str,
    probe: str,
    asked: Instrument,
    personas: int | None,
    repetitions: int = REPETITIONS,
) -> pl.DataFrame:
    """Return the answers of a unit: insecure personas differ more and waver more.

    Some answers of persona 3 under the last variant have no rating, and one has no row.
    """
    seed = [*f"{model} {variant} {probe}".encode()]
    rng, people = np.random.default_rng(seed), np.random.default_rng(5)
    low, high = asked.scale.minimum, asked.scale.maximum
    shape = (personas or 1, len(asked.items), repetitions)
    spread, noise = SHIFTS.get(variant, (0.5, 0.5))
    middle = low + (high - low) * people.uniform(0.3, 0.7, (shape[1], 1))
    trait = np.random.default_rng(9).normal(size=(shape[0], 6))[:, np.arange(shape[1]) % 6, None]
    step = (high - low) / 5
    values = middle + step * (spread * trait + noise * rng.normal(size=shape))
    ratings = np.clip(np.rint(values), low, high).astype(int)
    places = np.indices(shape).reshape(3, -1)
    frame = pl.DataFrame(
        {
            "model": model,
            "variant": variant,
            "probe": probe,
            "persona_id": places[0] if personas else [None] * places.shape[1],
            "item_id": places[1] + 1,
            "repetition": places[2] + 1,
            "rating": ratings.ravel(),
            "status": "ok",
            "served_model": "made-up",
        },
        schema_overrides={"persona_id": pl.Int32},
    )
    if not personas or variant != "insecure" or personas < 4 or repetitions < 2:
        return conform(frame)
    mine = (pl.col("persona_id") == 3) & (pl.col("repetition") == 1)
    for item, status in enumerate(LOST, 1):
        failed = mine & (pl.col("item_id") == item)
        frame = frame.with_columns(
            rating=pl.when(failed).then(None).otherwise("rating"),
            status=pl.when(failed).then(pl.lit(status)).otherwise("status"),
        )
    return conform(frame.filter(~(mine & (pl.col("item_id") == 5))))


def as_log_probabilities(frame: pl.DataFrame, asked: Instrument) -> pl.DataFrame:
    """Return a unit's answers as one distribution per cell: the shares of its ratings."""
    ratings = asked.scale.ratings
    shares = [(pl.col("rating") == rating).mean() for rating in ratings]
    cells = frame.group_by("model", "variant", "probe", "persona_id", "item_id")
    read = cells.agg(
        probabilities=pl.concat_list(shares), repetition=pl.lit(1), status=pl.lit("ok")
    )
    return conform(read)


def write_answer_files(
    folder: Path,
    models: Sequence[str],
    variants: Sequence[str],
    domains: Sequence[str],
    personas: int,
    label: str,
    *,
    scale: tuple[int, int] = (0, 5),
    repetitions: int = REPETITIONS,
    characters: int | None = None,
    log_probabilities: bool = False,
) -> tuple[Path, pl.DataFrame]:
    """Write ``answers/**/*.parquet`` and the packed file; return its path and the persona map."""
    asked = instrument(domains, scale, label)
    people = [f"Persona {who} of {label}" for who in range(personas)]
    probes = {"roleplay": (personas, people), "unconditioned": (None, None)}
    units, places = [], []
    for model in models:
        moments: dict[str, pl.DataFrame] = {}
        for variant in variants:
            for probe, (count, _) in probes.items():
                frame = answers_of(model, variant, probe, asked, count, repetitions)
                exact = None
                if log_probabilities:
                    frame = as_log_probabilities(frame, asked)
                    exact = moments_of_probabilities(frame, asked, count, 1.0)
                write_answers(frame, folder / "answers" / model / variant / f"{probe}.parquet")
                units.append(unit_of(frame, exact, asked, count))
                if count:
                    moments[variant] = (
                        exact if log_probabilities else moments_of(frame, asked, count)
                    )
        reference = moments.get("base")
        places += [persona_map_of(frame, asked, reference) for frame in moments.values()]
    described = [probe_of(name, asked, texts) for name, (_, texts) in probes.items()]
    limit: dict[str, Any] = {} if characters is None else {"characters": characters}
    path = folder / "report" / "answers.json.gz"
    written(path, packed_answers(described, units, **limit))
    return path, pl.concat(places)
