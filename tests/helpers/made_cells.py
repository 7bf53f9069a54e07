"""Cells for tests: from counts, from answer probabilities, from normal answers with known truth."""

from __future__ import annotations

import numpy as np
import polars as pl

from persona_collapse.measures.cells import Cells
from persona_collapse.measures.moments import moments_of_counts


def from_counts(counts, domains=None, ids=None, minimum=0):
    counts = np.asarray(counts, dtype=np.int64)
    personas, items, ratings = counts.shape
    n, mean, sd = moments_of_counts(counts.reshape(-1, ratings), minimum)
    return Cells(
        persona_ids=np.arange(personas) if ids is None else np.asarray(ids),
        item_ids=np.arange(1, items + 1),
        domains=tuple(domains or ["care"] * items),
        mean=mean.reshape(personas, items),
        sd=sd.reshape(personas, items),
        n=n.reshape(personas, items),
        counts=counts.astype(float),
        minimum=minimum,
        exact=False,
        dropped=(),
    )


def asked(probabilities, n, rng, **how):
    """Ask every cell n times; ``probabilities`` (P, Q, K) are of the ratings."""
    return from_counts(rng.multinomial(n, probabilities), **how)


def exact(probabilities):
    """Return the cells that log-probabilities would give."""
    probabilities = np.asarray(probabilities, dtype=float)
    personas, items, ratings = probabilities.shape
    steps = np.arange(ratings)
    mean = probabilities @ steps
    sd = np.sqrt(np.maximum(probabilities @ steps**2 - mean**2, 0))
    names = ("care",) * items
    n = np.ones((personas, items), dtype=np.int64)
    ids, item_ids = np.arange(personas), np.arange(1, items + 1)
    return Cells(ids, item_ids, names, mean, sd, n, probabilities, 0, True, ())


def normal(truth, sigma, n, rng, domains=None):
    """Answer n times with normal noise around ``truth`` (P, Q); the counts are left empty."""
    personas, items = truth.shape
    answers = truth[..., None] + sigma * rng.normal(size=(personas, items, n))
    return Cells(
        persona_ids=np.arange(personas),
        item_ids=np.arange(1, items + 1),
        domains=tuple(domains or ["care"] * items),
        mean=answers.mean(axis=2),
        sd=answers.std(axis=2, ddof=1) if n > 1 else np.zeros((personas, items)),
        n=np.full((personas, items), n),
        counts=np.zeros((personas, items, 6)),
        minimum=0,
        exact=False,
        dropped=(),
    )


def logit_cells(shape, rng, spread=1.0, jitter=0.3, temperature=0.1):
    """Answer probabilities (P, Q, 6) of ratings whose logits have a peak and some jitter."""
    ratings = np.arange(6)
    peak = rng.normal(3, spread, size=(*shape, 1))
    logits = -0.7 * (ratings - peak) ** 2 + rng.normal(0, jitter, size=(*shape, 6))
    powers = np.exp((logits - logits.max(axis=2, keepdims=True)) / temperature)
    return powers / powers.sum(axis=2, keepdims=True)


def true_sigma(probabilities):
    ratings = np.arange(probabilities.shape[2])
    mean = probabilities @ ratings
    return float(np.sqrt(np.maximum(probabilities @ ratings**2 - mean**2, 0)).mean())


def moments(cells, variant="base", probe="roleplay", model="a-model"):
    """Lay cells out as a frame of moments; an unconditioned probe has no persona ids."""
    personas, items = cells.mean.shape
    alone = probe == "unconditioned"
    return pl.DataFrame(
        {
            "model": model,
            "variant": variant,
            "probe": probe,
            "persona_id": [
                None if alone else int(p) for p in cells.persona_ids for _ in range(items)
            ],
            "item_id": np.tile(cells.item_ids, personas),
            "domain": list(cells.domains) * personas,
            "n": cells.n.ravel(),
            "exact": cells.exact,
            "mean": cells.mean.ravel(),
            "sd": cells.sd.ravel(),
            "counts": cells.counts.reshape(personas * items, -1).tolist(),
            "simulated": True,
        },
        schema_overrides={"persona_id": pl.Int32, "item_id": pl.Int32, "n": pl.Int32},
    )


def value(frame, measure, domain="overall", column="value"):
    """Return one number of a long table."""
    return frame.filter((pl.col("measure") == measure) & (pl.col("domain") == domain))[
        column
    ].item()
