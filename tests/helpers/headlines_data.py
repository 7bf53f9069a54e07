"""Small studies for the tests of headlines and verdicts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.summary import (
    leave_one_out_of,
    random_effects_of,
    summary_of,
)
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.profiles import profiles_of
from persona_collapse.measures.statistics.bootstrap import Draws
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.measures.verdict.headlines import Tables, headlines_of
from tests.helpers.measures_data import PRIOR, instrument, moments, simulated_ratings

ANALYSIS: dict[str, Any] = {
    "baseline": "plain",
    "targets": {"wild": "tame"},
    "bootstrap_personas": 400,
    "bootstrap_reruns": 40,
    "permutations": 199,
    "unconditioned_probe": "unconditioned",
}
OF = instrument(["a", "a", "a", "b", "b", "b"])
Kinds = dict[str, tuple[float, float]]
COLLAPSE: Kinds = {"plain": (0.6, 0.25), "tame": (0.6, 0.4), "wild": (1.2, 0.8)}


def headlines(
    kinds: dict[str, Kinds],
    analysis: dict[str, Any] = ANALYSIS,
    of: Any = OF,
    frames: list[pl.DataFrame] | None = None,
    unconditioned: list[pl.DataFrame] | None = None,
    replicates: dict[str, dict[str, list[str]]] | None = None,
    **names: str,
) -> dict[str, Any]:
    """Headlines of models whose variants have a spread over personas and a noise each."""
    if frames is None:
        frames = [
            moments(
                simulated_ratings(np.random.default_rng(7 + place), (60, 6, 8), *kind),
                of,
                model=model,
                variant=variant,
                **names,
            )
            for model, variants in kinds.items()
            for place, (variant, kind) in enumerate(variants.items())
        ]
    paired = paired_of(frames, of, 1, analysis, replicates)
    contrasts = contrasts_of(paired)
    metrics = pl.concat(metrics_of(frame, of, 1, Draws(200, 40)) for frame in frames)
    prior = pl.read_csv(PRIOR)
    profiles = [profiles_of(frame, of) for frame in unconditioned or frames]
    tables = Tables(
        metrics,
        contrasts,
        summary_of(paired),
        leave_one_out_of(paired),
        random_effects_of(contrasts),
        pl.concat(profiles),
        band_of(metrics, prior),
        band_values(prior),
    )
    found = headlines_of(tables, analysis, {"m": "Model M"}, replicates)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found
