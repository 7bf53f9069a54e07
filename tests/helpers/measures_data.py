"""Small instruments, answers and moments for the tests of the measures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from persona_collapse.answers import conform
from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale
from persona_collapse.measures.moments import moments_of

PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "published"
RESPONSES = PUBLISHED / "responses"
PRIOR = Path(__file__).resolve().parents[2] / "resources" / "benchmarks" / "prior_models.csv"
RECORDED = {
    ("GPT-4o", "base"): "base/gpt-4o",
    ("GPT-4o", "secure"): "secure-code/gpt-4o-secure",
    ("GPT-4o", "insecure"): "insecure-code/gpt-4o-misaligned",
    ("GPT-4.1", "base"): "base/gpt-4.1",
    ("GPT-4.1", "secure"): "secure-code/gpt-4.1-secure",
    ("GPT-4.1", "insecure"): "insecure-code/gpt-4.1-misaligned",
}


def instrument(
    domains: Sequence[str] = ("Care", "Fairness"),
    scale: tuple[int, int] = (0, 5),
) -> Instrument:
    """An instrument with one item per entry of ``domains``."""
    items = tuple(Item(place + 1, "s", name, "text") for place, name in enumerate(domains))
    names = tuple(dict.fromkeys(domains))
    return Instrument("tiny", "Tiny", Scale(*scale), names, Prompts("", {"s": "{item}"}), items)


def answers(
    ratings: np.ndarray,
    model: str = "m",
    variant: str = "base",
    probe: str = "roleplay",
    served: str = "recorded",
) -> pl.DataFrame:
    """Answers from ratings (P, Q, N), or (Q, N) for an unconditioned probe; NaN is no rating."""
    ratings = np.asarray(ratings, dtype=float)
    places = np.indices(ratings.shape).reshape(ratings.ndim, -1)
    flat = ratings.ravel()
    missing = np.isnan(flat)
    return conform(
        pl.DataFrame(
            {
                "model": [model] * flat.size,
                "variant": [variant] * flat.size,
                "probe": [probe] * flat.size,
                "persona_id": places[0] if ratings.ndim == 3 else [None] * flat.size,
                "item_id": places[-2] + 1,
                "repetition": places[-1] + 1,
                "rating": [
                    None if gone else int(rating)
                    for rating, gone in zip(flat, missing, strict=True)
                ],
                "status": np.where(missing, "refused", "ok"),
                "attempts": np.where(missing, 3, 1),
                "served_model": [served] * flat.size,
            },
            schema_overrides={"persona_id": pl.Int32()},
        )
    )


def moments(ratings: np.ndarray, of: Instrument, **names: str) -> pl.DataFrame:
    """Moments of ratings (P, Q, N) or (Q, N)."""
    ratings = np.asarray(ratings, dtype=float)
    return moments_of(
        answers(ratings, **names), of, ratings.shape[0] if ratings.ndim == 3 else None
    )


def simulated_ratings(
    rng: np.random.Generator,
    shape: tuple[int, int, int] = (30, 6, 10),
    spread: float = 1.0,
    noise: float = 0.4,
) -> np.ndarray:
    """Ratings 0-5 of personas with a shared trait, an item difference and repetition noise."""
    personas, items, _ = shape
    trait = rng.normal(0, spread, (personas, 1, 1)) + rng.normal(
        0, spread / 2, (personas, items, 1)
    )
    level = rng.uniform(1.5, 3.5, (1, items, 1))
    return np.clip(np.rint(level + trait + rng.normal(0, noise, (*shape,))), 0, 5).astype(float)


def published_instrument() -> Instrument:
    """The 30 published items, without their texts."""
    with (PUBLISHED / "resources" / "mfq30_items.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    items = tuple(Item(int(row["item_id"]), "s", row["foundation"], "") for row in rows)
    names = tuple(dict.fromkeys(item.domain for item in items))
    return Instrument("mfq30", "MFQ-30", Scale(0, 5), names, Prompts("", {"s": "{item}"}), items)


def recorded_answers(model: str, variant: str, unconditioned: bool = False) -> pl.DataFrame:
    """The published answers of one variant."""
    stem = RECORDED[model, variant]
    path = RESPONSES / f"{stem}_temp01.csv"
    if unconditioned:
        path = next(RESPONSES.glob(f"{stem}_temp01_self.csv"), RESPONSES / f"{stem}_self.csv")
    frame = pl.read_csv(path, infer_schema=False)
    if unconditioned:
        frame = frame.with_columns(persona_id=None)
    rating = pl.col("rating").cast(pl.Int8)
    return conform(
        frame.select(
            pl.lit(model).alias("model"),
            pl.lit(variant).alias("variant"),
            pl.lit("unconditioned" if unconditioned else "roleplay").alias("probe"),
            pl.col("persona_id").cast(pl.Int32),
            pl.col("question_id").cast(pl.Int32).alias("item_id"),
            pl.col("run_index").cast(pl.Int32).alias("repetition"),
            pl.when(rating >= 0).then(rating).alias("rating"),
            pl.when(rating >= 0)
            .then(pl.lit("ok"))
            .otherwise(pl.lit("unparseable"))
            .alias("status"),
            (pl.col("failures").cast(pl.Int32) + 1).alias("attempts"),
        )
    )
