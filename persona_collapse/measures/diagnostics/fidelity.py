"""Persona fidelity: how similar is a persona under a variant to itself under the baseline?

Cell means are first centred by item over personas, because items differ in overall agreement, which
makes raw profiles of any two personas correlate. ``fidelity`` pools the correlation over items of
all personas; one with a flat profile has little weight. The variance of repetition noise is removed
from both sides (Spearman 1904).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import (
    Array,
    Cells,
    cells_from_moments,
    labelled,
    shared_personas,
)
from persona_collapse.measures.diagnostics.noise import noise_variance
from persona_collapse.measures.diagnostics.rows import draws_of_personas, frame_of_draws, ratio


def fidelity(base: Cells, other: Cells, seed: int, probe: str, draws: int = 1000) -> pl.DataFrame:
    """Return the fidelity of ``other`` to ``base`` per domain, with persona bootstrap.

    ``fidelity``: correlation of profiles over items without personas' levels, adjusted for noise;
    ``fidelity_observed``: without the adjustment; ``fidelity_with_level``: with levels, so about
    all the spread in S; ``amplitude``: spread of ``other`` relative to base, with levels, without
    noise. Adjusted correlations can exceed 1 by sampling error. Null without spread beyond noise,
    and ``fidelity`` with one item.
    """
    base, other = shared_personas(base, other)
    weights = draws_of_personas(base, seed, probe, draws)
    found = {}
    for name, items in base.groups().items():
        x, y = base.mean[:, items], other.mean[:, items]
        noise_x, noise_y = noise_variance(base)[:, items], noise_variance(other)[:, items]
        if not x.size:
            break
        freedom = 1 - 1 / items.size  # the share of noise left after removing a level
        shape = products_of(_level(x), _level(y), weights)
        noise = [noise_of(v, weights) * freedom for v in (noise_x, noise_y)]
        whole = products_of(x, y, weights)
        whole_noise = [noise_of(v, weights) for v in (noise_x, noise_y)]
        variances = [np.maximum(whole[side] - whole_noise[side], 0) for side in (0, 1)]
        found[name] = {
            "fidelity": _correlation(shape, noise),
            "fidelity_observed": _correlation(shape, [0.0, 0.0]),
            "fidelity_with_level": _correlation(whole, whole_noise),
            "amplitude": np.sqrt(ratio(variances[1], variances[0])),
        }
    return frame_of_draws(found)


def _level(means: Array) -> Array:
    """Remove each persona's mean over items."""
    centred: Array = means - means.mean(axis=1, keepdims=True)
    return centred


def products_of(x: Array, y: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return the item-centred sums xx, yy and xy, (B,) each, of weighted personas."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)  # steadier; a draw is centred again below
    count = np.maximum(weights.sum(axis=1), 1)
    sums = weights @ np.stack([(x * x).sum(1), (y * y).sum(1), (x * y).sum(1)], axis=1)
    over_x, over_y = weights @ x, weights @ y
    pairs = ((over_x, over_x), (over_y, over_y), (over_x, over_y))
    means = [np.einsum("bq,bq->b", a, b) / count for a, b in pairs]
    return sums[:, 0] - means[0], sums[:, 1] - means[1], sums[:, 2] - means[2]


def noise_of(variance: Array, weights: Array) -> Array:
    """Return the expected contribution of repetition noise to an item-centred sum of squares.

    A persona drawn twice contributes the same noise twice: its share in the item mean is w / P.
    """
    count = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    expected: Array = (weights - weights**2 / count) @ variance.sum(axis=1)
    return expected


def _correlation(products: tuple[Array, Array, Array], noise: Sequence[Array | float]) -> Array:
    xx, yy, xy = products
    left, right = beyond_rounding(xx - noise[0], xx), beyond_rounding(yy - noise[1], yy)
    return ratio(xy, np.sqrt(left * right))


def beyond_rounding(variance: Array, scale: Array) -> Array:
    """Return the variance, 0 where it is negative or lies within rounding of ``scale``."""
    return np.where(variance > 1e-9 * np.maximum(scale, 1), variance, 0)


def fidelity_of(
    moments: pl.DataFrame, instrument: Instrument, baseline: pl.DataFrame | None
) -> pl.DataFrame:
    """Return the rows of ``fidelity.csv`` of one model x variant x probe.

    There are none for the baseline itself and for an unconditioned probe.
    """
    base = moments if baseline is None else baseline
    rows = persona_fidelity(*(cells_from_moments(part, instrument) for part in (base, moments)))
    rows = labelled(rows, moments, base)
    compared = baseline is not None and not moments["persona_id"].is_null().all()
    return rows if compared else rows.clear()


def persona_fidelity(base: Cells, other: Cells) -> pl.DataFrame:
    """Return fidelity and shift of each common persona of two variants.

    As ``fidelity`` but for single personas, with the adjusted correlation clipped to -1..1.
    """
    base, other = shared_personas(base, other)
    profiles, noise = [], []
    for cells in (base, other):
        profiles.append(
            _level(cells.mean - cells.mean.mean(axis=0)) if cells.mean.size else cells.mean
        )
        own, count = noise_variance(cells), max(cells.mean.shape[0], 1)
        # Centring a persona's noise: its own part shrinks, a little of everybody's comes in.
        centred = own * (1 - 2 / count) + own.sum(axis=0) / count**2
        noise.append(centred.sum(axis=1) * (1 - 1 / max(base.item_ids.size, 1)))
    x, y = profiles
    products = (x * x).sum(axis=1), (y * y).sum(axis=1), (x * y).sum(axis=1)
    change = other.mean - base.mean
    return pl.DataFrame(
        {
            "persona_id": base.persona_ids,
            "fidelity": np.clip(_correlation(products, noise), -1, 1),
            "fidelity_observed": _correlation(products, [0.0, 0.0]),
            "shift": np.sqrt((change**2).mean(axis=1)),
            "level_shift": change.mean(axis=1),
        }
    ).with_columns(pl.col("fidelity", "fidelity_observed").fill_nan(None))
