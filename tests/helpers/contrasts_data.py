"""Small studies for the tests of contrasts, with and without replicate fine-tunes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tests.helpers.measures_data import instrument, moments, simulated_ratings

OF = instrument(["a", "a", "b", "b"])
ANALYSIS: dict[str, Any] = {
    "baseline": "base",
    "targets": {"insecure": "secure"},
    "bootstrap_personas": 200,
    "bootstrap_reruns": 40,
    "permutations": 499,
}
KINDS = {"base": (0.7, 0.3), "secure": (0.7, 0.5), "insecure": (1.3, 0.8)}


def study(models: Sequence[str] = ("one", "two"), personas: int = 25) -> list[pl.DataFrame]:
    """Moments of models x three variants; each has its own random numbers."""
    return [
        moments(
            simulated_ratings(
                np.random.default_rng([ord(letter) for letter in model + variant]),
                (personas, 4, 6),
                *KINDS[variant],
            ),
            OF,
            model=model,
            variant=variant,
        )
        for model in models
        for variant in KINDS
    ]


def row(frame: pl.DataFrame, **keys: str) -> dict[str, Any]:
    return frame.row(
        by_predicate=pl.all_horizontal(pl.col(name) == key for name, key in keys.items()),
        named=True,
    )


def overall(frame: pl.DataFrame, model: str, contrast: str, metric: str) -> dict[str, Any]:
    return row(frame, model=model, contrast=contrast, metric=metric, domain="overall")


INSECURE = ["insecure", "insecure-r2", "insecure-r3"]
SECURE = ["secure", "secure-r2"]
BOTH = {"insecure": INSECURE, "secure": SECURE}
LEVELS = {"insecure": 1.3, "insecure-r2": 1.6, "insecure-r3": 1.1, "secure": 0.7, "secure-r2": 0.8}


def replicated(model: str = "one", personas: int = 25) -> list[pl.DataFrame]:
    """Base, three insecure and two secure fine-tunes, each with its own spread and noise."""
    kinds = {"base": 0.7, **LEVELS}
    return [
        moments(
            simulated_ratings(
                np.random.default_rng([place, *model.encode()]),
                (personas, 4, 6),
                level,
                KINDS[variant.split("-")[0]][1] * (1 + place / 20),
            ),
            OF,
            model=model,
            variant=variant,
        )
        for place, (variant, level) in enumerate(kinds.items())
    ]
