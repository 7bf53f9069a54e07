"""The distribution of a simulated cell's ratings and the exact expectation of their sample SD.

A cell has a latent location ``m`` and a spread ``s``. Its ratings are the nearest rating and its
two neighbours, with closed-form probabilities.
"""

from math import lgamma

import numpy as np
from numpy.typing import NDArray

from persona_collapse.materials.instruments import Scale

Array = NDArray[np.float64]

MAX_SPREAD = (
    2.0  # only the two neighbours occur; a wider distribution would need more than three ratings
)
MIN_SPREAD = 1e-6  # constant answers, without a division by zero
MAX_REPETITIONS = 200  # above it, enumerating outcomes takes seconds


def rating_law(m: Array, s: Array | float, scale: Scale) -> tuple[Array, Array, Array]:
    """Return the middle rating of a cell and the probabilities of the ratings below and above.

    ``m`` latent locations and ``s`` spreads (0 to 2) broadcast. Up to s = 1 the rating is ``m``
    plus uniform noise on (-s, s), rounded; from 1 to 2 the probability of the middle falls to 0.
    Ratings are clipped at the ends of the scale.
    """
    middle = np.floor(m + 0.5)
    x = m - middle
    safe = np.maximum(s, MIN_SPREAD)
    below = np.where(safe < 1, np.maximum(0, 0.5 - (x + 0.5) / (2 * safe)), (safe - 2 * x) / 4)
    above = np.where(safe < 1, np.maximum(0, 0.5 + (x - 0.5) / (2 * safe)), (safe + 2 * x) / 4)
    inside = (middle >= scale.minimum) & (middle <= scale.maximum)
    below = np.where(inside & (middle > scale.minimum), below, 0.0)
    above = np.where(inside & (middle < scale.maximum), above, 0.0)
    return np.clip(middle, scale.minimum, scale.maximum), below, above


def expected_sd(below: Array, above: Array, n: int) -> Array:
    """Return the exact expectation of the sample SD (ddof = 1) of ``n`` ratings of a cell.

    ``below`` and ``above`` (any shape) are the probabilities of the middle rating minus and plus
    one. Sums over all outcomes; one rating has SD 0.
    """
    if n == 1:
        return np.zeros_like(below)
    # With two ratings only, the outcomes are n + 1 instead of (n + 1)(n + 2) / 2.
    three = below * above > 0
    result = np.empty_like(below)
    pair = (below + above)[~three]
    result[~three] = _outcome_mean(np.zeros_like(pair), pair, n, np.zeros(1, dtype=np.int64))
    result[three] = _outcome_mean(below[three], above[three], n, np.arange(n + 1))
    return result


def _outcome_mean(below: Array, above: Array, n: int, lows: NDArray[np.int64]) -> Array:
    """Sum sample SD times multinomial probability over the counts of the outer two ratings."""
    low, high = (side.ravel() for side in np.meshgrid(lows, np.arange(n + 1), indexing="ij"))
    low, high = low[low + high <= n], high[low + high <= n]
    log_factorial = np.array([lgamma(k + 1) for k in range(n + 1)])
    log_ways = log_factorial[n] - log_factorial[low] - log_factorial[high]
    log_ways -= log_factorial[n - low - high]
    sd = np.sqrt((low + high - (high - low) ** 2 / n) / (n - 1))
    log_p = log_ways + np.outer(_log(below), low)
    log_p += np.outer(_log(above), high)
    log_p += np.outer(_log(1 - below - above), n - low - high)
    mean: Array = np.exp(log_p, out=log_p) @ sd
    return mean


def _log(p: Array) -> Array:
    # Finite instead of -inf, so that 0 counts of an impossible rating have probability 1, not nan.
    return np.log(p, out=np.full_like(p, -1e6), where=p > 0)
