"""Kept and new persona variance: which part of a variant's spread does the baseline already have?

Item-centred persona means of the variant are regressed on the baseline's. What the slope explains
is kept, amplified or shrunk; the rest is new.
"""

import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.diagnostics.fidelity import beyond_rounding, noise_of, products_of
from persona_collapse.measures.diagnostics.noise import noise_variance
from persona_collapse.measures.diagnostics.rows import ratio
from persona_collapse.measures.pairs import pair_of
from persona_collapse.tables.contracts.novelty import TABLE


def novelty_of(
    moments: pl.DataFrame,
    instrument: Instrument,
    baseline: pl.DataFrame | None,
    seed: int,
    draws: int,
) -> pl.DataFrame:
    """Return the rows of ``novelty.csv`` of one model x variant x probe.

    Repetition noise is removed from both variances without bias, so ``new`` can come out slightly
    below 0. Null where the baseline's personas do not differ beyond noise.
    """
    pair = pair_of(moments, baseline, instrument, seed, draws)
    if pair is None:
        return TABLE.frame()
    rows = []
    for name, items in pair.base.groups().items():
        sides = [(part.mean[:, items], noise_variance(part)) for part in (pair.base, pair.other)]
        x, y = (means for means, _ in sides)
        noise = [noise_of(variance[:, items], pair.weights) for _, variance in sides]
        xx, yy, xy = products_of(x, y, pair.weights)
        own = beyond_rounding(xx - noise[0], xx)
        slope = ratio(xy, own)
        values = {"slope": slope, "kept": slope**2, "new": ratio(yy - noise[1], own) - slope**2}
        row = {**pair.names, "domain": name, "n_personas": pair.personas}
        for key, value in values.items():
            row |= pair.columns(key, value)
        rows.append(row)
    return TABLE.frame(rows)
