"""Small studies for the tests of headlines and verdicts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.contrasts.pairs import paired_of, roles_of
from persona_collapse.measures.contrasts.summary import (
    leave_one_out_of,
    random_effects_of,
    summary_of,
)
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.influence import influence_of
from persona_collapse.measures.profiles import profiles_of
from persona_collapse.measures.statistics.bootstrap import Draws
from persona_collapse.measures.verdict import table as verdict_table
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.measures.verdict.headlines import Tables, headlines_of
from persona_collapse.tables.contracts.identification import TABLE as IDENTIFICATION
from tests.helpers.measures_data import PRIOR, instrument, moments, simulated_ratings

ANALYSIS: dict[str, Any] = {
    "baseline": "plain",
    "targets": {"wild": "tame"},
    "bootstrap_personas": 400,
    "bootstrap_reruns": 40,
    "permutations": 199,
    "unconditioned_probe": "unconditioned",
    "smallest_effect": 0.1,
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
    identification: list[dict[str, Any]] | None = None,
    misalignment: pl.DataFrame | None = None,
    multiverse: pl.DataFrame | None = None,
    novelty: pl.DataFrame | None = None,
    **names: str,
) -> dict[str, Any]:
    """Headlines of models whose variants have a spread over personas and a noise each.

    Personas and noise are the same draws in all variants, scaled.
    """
    if frames is None:
        frames = [
            moments(
                simulated_ratings(np.random.default_rng(7), (60, 6, 8), *kind),
                of,
                model=model,
                variant=variant,
                **names,
            )
            for model, variants in kinds.items()
            for variant, kind in variants.items()
        ]
    paired = paired_of(frames, of, 1, analysis, replicates)
    contrasts = contrasts_of(paired)
    metrics = pl.concat(metrics_of(frame, of, 1, Draws(200, 40)) for frame in frames)
    prior = pl.read_csv(PRIOR)
    profiles = [profiles_of(frame, of) for frame in unconditioned or frames]
    verdict = verdict_table.verdicts_of(
        verdict_table.Tables(
            metrics,
            contrasts,
            pl.concat(influence_of(frame, of, None, None) for frame in frames),
            pl.DataFrame(identification or [], schema=IDENTIFICATION.schema),
            misalignment,
        ),
        roles_of(analysis),
        analysis["smallest_effect"],
        replicates or {},
    )
    tables = Tables(
        metrics,
        contrasts,
        summary_of(paired),
        leave_one_out_of(paired),
        random_effects_of(contrasts),
        pl.concat(profiles),
        verdict.with_columns(mixed_backends=False),
        band_of(metrics, prior),
        band_values(prior),
        multiverse,
        novelty,
    )
    found = headlines_of(tables, analysis, replicates)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found
