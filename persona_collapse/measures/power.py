"""Power analysis: which differences in S and R a design can detect, and the cheapest design.

With P personas and n repetitions, the sampling variance of S and of log sigma_bar is
(persona part + repetition part / n) / P, for S plus a small term in 1 / n^2. The parts are
estimated from pilot moments, or assumed from S and R.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from persona_collapse.common.errors import UserError
from persona_collapse.measures.cells import Array, Cells, shared_personas
from persona_collapse.measures.diagnostics.noise import answer_variance
from persona_collapse.measures.statistics.bootstrap import spread_influences

DETECTED = ("S_detectable_percent", "R_detectable_percent")


@dataclass(frozen=True)
class Pilot:
    """Variance parts of one variant, from which a design's errors follow.

    ``S`` without repetition noise and ``sigma_bar``, in scale points. ``*_persona`` and
    ``*_repetition``: the two parts of the variance, of S in squared scale points, of sigma_bar
    relative to sigma_bar^2. ``S_second``: the part that falls with n^2; ``S_lift``: what repetition
    noise adds to S^2 at n = 1; these are 0 for log-probabilities. ``S_paired`` and
    ``sigma_paired``: correlations of the two compared variants over common personas, 0 for
    independent samples.
    """

    S: float
    sigma_bar: float
    S_persona: float
    S_repetition: float
    S_second: float
    S_lift: float
    sigma_persona: float
    sigma_repetition: float
    n_items: int
    S_paired: float = 0.0
    sigma_paired: float = 0.0


def pilot_of(cells: Cells, other: Cells | None = None) -> Pilot:
    """Return the variance parts of a pilot, with ``other`` also the correlations of the two.

    Raises ``UserError`` for fewer than three personas or two repetitions, or without any spread. A
    pilot of log-probabilities plans for log-probabilities, where repetitions add nothing.
    """
    _check(cells)
    personas, items = cells.mean.shape
    answers = np.zeros_like(cells.mean) if cells.exact else answer_variance(cells)
    noise, further = answers / cells.n, np.maximum(cells.n - 1, 1)
    centred = cells.mean - cells.mean.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0) / (personas - 1))
    safe = np.where(spread > 0, spread, np.inf)
    true_spread = np.sqrt(np.maximum(spread**2 - noise.mean(axis=0), 0)).mean()
    # Noise in S damps all parts (see ``designs``); this undoes the damping.
    undamped: float = float((spread.mean() / true_spread) ** 2) if true_spread > 0 else 0.0
    distance = centred**2 - noise  # squared, noise removed: unbiased
    # A persona's influence on S: by its distance, and (falling with n) by its noise.
    influence = np.stack([(x / (2 * safe)).mean(axis=1) for x in (distance, answers)])
    (persona, shared), (_, unsteady) = np.cov(influence) * undamped

    def part(variance: Array) -> float:
        mean = float((variance / safe**2).sum(axis=1).mean())
        return float(mean / items**2 * undamped)

    guessed = noise**2 / 2 / further  # from the sampling error of ``answers``, if normal
    noisy = part(distance * noise + noise**2 / 2 + guessed)
    shared += part(guessed * cells.n)
    unsteady -= part(guessed * cells.n**2)
    sigma_bar = float(cells.sd.mean())
    levels = cells.sd.mean(axis=1)
    relative = 1 / sigma_bar**2
    repetitions = float(1 / (1 / cells.n).mean())
    own = 0.0 if cells.exact else float(_sd_variance(cells).sum(axis=1).mean()) / items**2
    pilot = Pilot(
        S=float(true_spread),
        sigma_bar=sigma_bar,
        S_persona=max(float(persona) - noisy, 0.0),
        S_repetition=part(distance * answers) + 2 * float(shared),
        S_second=part(answers**2 / 2) + max(float(unsteady), 0.0),
        S_lift=float(answers.mean()),
        sigma_persona=max(float(levels.var(ddof=1)) - own, 0.0) * relative,
        sigma_repetition=own * repetitions * relative,
        n_items=items,
    )
    if other is None:
        return pilot
    _check(other)
    first, second = shared_personas(cells, other)
    return replace(
        pilot,
        S_paired=_pairing(spread_influences(first.mean), spread_influences(second.mean)),
        sigma_paired=_pairing(first.sd.mean(axis=1), second.sd.mean(axis=1)),
    )


def _check(cells: Cells) -> None:
    few = cells.persona_ids.size < 3 or (not cells.exact and cells.n.min() < 2)
    if few:
        raise UserError(
            f"a pilot needs three personas or more ({cells.persona_ids.size} found) and two answers"
            " or more in every cell; enlarge it, or plan from S and R alone"
        )
    if not cells.sd.any() or not np.ptp(cells.mean, axis=0).any():
        raise UserError(
            "the pilot shows no spread over personas or over repetitions, so nothing can be scaled"
            " from it; enlarge it, or plan from S and R alone"
        )


def _sd_variance(cells: Cells) -> Array:
    """Return the sampling variance of each cell's SD (P, Q): the jackknife over its answers."""
    steps = np.arange(cells.counts.shape[2])
    n = cells.n[:, :, None].astype(float)
    total = (cells.counts @ steps)[:, :, None] - steps
    squares = (cells.counts @ steps**2)[:, :, None] - steps**2
    left = n - 1
    variance = np.maximum(squares / left - (total / left) ** 2, 0) * left / np.maximum(left - 1, 1)
    sd = np.sqrt(np.where(left > 1, variance, 0))
    centre = (cells.counts * sd).sum(axis=2, keepdims=True) / n
    error: Array = (cells.counts * (sd - centre) ** 2).sum(axis=2) * (cells.n - 1) / cells.n
    return error


def _pairing(first: Array, second: Array) -> float:
    if first.size < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def planted(
    S: float,
    R: float,
    n_items: int = 30,
    items_shared: float = 0.35,
    sigma_varies: float = 0.42,
    cells_vary: float = 2.0,
    reruns_vary: float = 0.95,
) -> Pilot:
    """Return a pilot from S and R alone, for a study without data.

    Persona means are assumed to be normal. ``items_shared``: mean squared correlation of two items
    over personas (1 / n_items if independent); ``sigma_varies``: coefficient of variation of
    personas' mean sigma; ``cells_vary``: that of sigma over cells (large at low temperature);
    ``reruns_vary``: SD of a cell's sample SD over reruns at n = 10, relative to sigma_bar. The
    defaults are close to GPT-4o and GPT-4.1 at temperature 0.1.
    """
    if not (S > 0 and R > 0 and np.isfinite(S + R) and n_items > 0):
        raise UserError(f"S = {S} and R = {R}: a plan needs finite values above 0, and an item")
    sigma = 1 / R
    # Few noisy cells have most of the variance: the mean square exceeds the squared mean.
    variance = sigma**2 * (1 + cells_vary**2)
    return Pilot(
        S=S,
        sigma_bar=sigma,
        S_persona=S**2 / 2 * max(items_shared, 1 / n_items),
        S_repetition=variance / n_items,
        S_second=variance**2 / (2 * S**2 * n_items),
        S_lift=variance,
        sigma_persona=sigma_varies**2,
        sigma_repetition=10 * reruns_vary**2 / n_items,
        n_items=n_items,
    )


def designs(
    pilot: Pilot,
    personas: Sequence[int],
    repetitions: Sequence[int],
    *,
    variants: int = 2,
    one_request: bool = False,
    power: float = 0.8,
    level: float = 0.05,
) -> pl.DataFrame:
    """Return ``power.csv`` of one pilot: cost and smallest detectable difference per design.

    Differences are between two variants on the same personas, both as variable as the pilot, in a
    two-sided test on the log scale. ``one_request``: the repetitions of a cell come in one request.
    A fall of R is below 100 %; near 100 the design detects little. R is null for one repetition.
    """
    if not personas or not repetitions or min(personas) < 2 or min(repetitions) < 1:
        raise UserError("a plan needs two personas or more and one repetition or more")
    from scipy.special import ndtri

    P, n = (a.ravel() for a in np.meshgrid(personas, repetitions, indexing="ij"))
    reach = float(ndtri(power) + ndtri(1 - level / 2))
    seen = np.sqrt(pilot.S**2 + pilot.S_lift / n)  # few repetitions raise S itself
    # sqrt(a^2 + noise) changes less than a: every part shrinks by the squared slope.
    slope = pilot.S / seen
    parts = pilot.S_persona + pilot.S_repetition / n + pilot.S_second / n**2
    spread = slope**2 * np.maximum(parts, 0) / P
    noise = (pilot.sigma_persona + pilot.sigma_repetition / n) / P
    S_log = np.sqrt(2 * spread * (1 - pilot.S_paired)) / seen
    R_log = np.sqrt(2 * noise * (1 - pilot.sigma_paired))
    # One answer per cell has no sigma, unless it comes from log-probabilities.
    shown = (n > 1) | (pilot.S_lift == 0)
    R_log, R_se = (np.where(shown, x, np.nan) for x in (R_log, 100 * np.sqrt(noise)))
    cells = P * pilot.n_items * variants
    return pl.DataFrame(
        {
            "personas": P,
            "repetitions": n,
            "answers": cells * n,
            "requests": cells if one_request else cells * n,
            "S_se": np.sqrt(spread),
            "R_se_percent": R_se,
            "S_detectable_percent": 100 * np.expm1(reach * S_log),
            "R_detectable_percent": -100 * np.expm1(-reach * R_log),
        }
    ).with_columns(pl.col("R_se_percent", "R_detectable_percent").fill_nan(None))


def cheapest(table: pl.DataFrame, S_percent: float, R_percent: float) -> pl.DataFrame:
    """Return the designs of ``table`` that detect this rise of S and fall of R.

    Those with the fewest requests come first; ties go to more personas.
    """
    S_found, R_found = map(pl.col, DETECTED)
    table = table.filter(S_found <= S_percent, R_found <= R_percent)
    return table.sort("requests", "personas", descending=[False, True])
