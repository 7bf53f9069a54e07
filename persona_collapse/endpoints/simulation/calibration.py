"""Calibration of simulated respondents: trait amplitudes and spreads that give chosen S and R.

The expectation of the published estimators is computed over the population of traits, not over the
personas of a study, so adding a persona changes no other answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import erf

import numpy as np

from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.simulation.cell_law import (
    MAX_SPREAD,
    MIN_SPREAD,
    Array,
    expected_sd,
    rating_law,
)
from persona_collapse.materials.instruments import Scale

_PIECES = 8  # cells per smooth piece of a unit of the scale
_NORMAL_AT = np.linspace(-8.5, 8.5, 8193)
_NORMAL = np.array([(1 + erf(z / 2**0.5)) / 2 for z in _NORMAL_AT])
_NODES = 400  # traits of equal probability, for the moments of a persona's own mean


@dataclass(frozen=True)
class Plant:
    """Planted values of one domain, and where its items are.

    ``S`` and ``R`` are defined in docs/architecture.md; ``locations`` are the items' latent
    locations in scale points at trait zero.
    """

    name: str
    S: float
    R: float
    locations: tuple[float, ...]


def normal_cdf(z: Array) -> Array:
    """Return the normal distribution function, to 2e-7 (numpy has no error function)."""
    p: Array = np.interp(z, _NORMAL_AT, _NORMAL)
    return p


def solve(f: Callable[[Array], Array], low: Array, high: Array, tolerance: float = 1e-6) -> Array:
    """Return the roots of an increasing vector function, all at once, by Chandrupatla's method.

    Each root is between its ``low`` and ``high``. Without a change of sign, the end that is closer
    to a root is returned, and the caller checks the value there. Source: T. R. Chandrupatla,
    Advances in Engineering Software 28 (1997) 145.
    """
    x1, x2, f1, f2 = low, high, f(low), f(high)
    outside = np.where(f1 >= 0, low, np.where(f2 <= 0, high, np.nan))
    t = np.full_like(low, 0.5)
    for _ in range(60):
        if np.all((np.abs(x2 - x1) < tolerance) | ~np.isnan(outside)):
            break
        x = x1 + t * (x2 - x1)
        fx = f(x)
        same = np.sign(fx) == np.sign(f1)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, fx
        with np.errstate(all="ignore"):
            xi, phi = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
            t = f1 / (f2 - f1) * f3 / (f2 - f3)
            t += (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
            sound = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(t)
            edge = np.minimum(0.5, 0.5 * tolerance / np.abs(x2 - x1))
        t = np.clip(np.where(sound, t, 0.5), edge, 1 - edge)
    best = np.where(np.abs(f1) < np.abs(f2), x1, x2)
    return np.where(np.isnan(outside), best, outside)


class _Population:
    """Expected S and sigma_bar of domains over traits ~ N(0, 1), by quadrature."""

    def __init__(self, plants: tuple[Plant, ...], n: int, scale: Scale) -> None:
        self.n, self.scale = n, scale
        self.of = np.repeat(np.arange(len(plants)), [len(plant.locations) for plant in plants])
        self.locations = np.concatenate([plant.locations for plant in plants])
        self.average = (self.of == np.arange(len(plants))[:, None]).astype(np.float64)
        self.average /= self.average.sum(axis=1, keepdims=True)

    def cut(self, s: Array) -> None:
        """Cut the latent line at these spreads (F,) and average the distribution within each piece.

        The distribution is smooth between the points where another rating becomes possible, so
        pieces end there. All units inside the scale are equal, so three units represent all.
        """
        kink = np.minimum(np.abs(0.5 - s), 0.5)[:, None]
        half = np.full_like(kink, 0.5)
        steps = np.linspace(0, 1, _PIECES, endpoint=False)
        pieces = [(-half, -kink), (-kink, kink), (kink, half)]
        starts = np.hstack([low + (high - low) * steps for low, high in pieces])
        widths = np.hstack([(high - low) / _PIECES + 0 * steps for low, high in pieces])
        gauss = 0.5 + np.array([-0.5, 0.5]) / 3**0.5
        x = starts[:, :, None] + widths[:, :, None] * gauss
        units = np.array([self.scale.minimum, self.scale.minimum + 1, self.scale.maximum])
        m = units[:, None, None] + x[:, None]
        _, below, above = rating_law(m, s[:, None, None, None], self.scale)
        offset = above - below
        tables = (offset, above + below - offset**2, expected_sd(below, above, max(self.n, 2)))
        kinds = np.array([0, *[1] * (len(self.scale.ratings) - 2), 2])
        offset, variance, sd = (table.mean(axis=-1)[:, kinds] for table in tables)
        ratings = np.array(self.scale.ratings, dtype=np.float64)
        rows = len(s)
        mean = (ratings[:, None] + offset).reshape(rows, -1)
        edges = (ratings[:, None] - 0.5 + (starts + 0.5)[:, None]).reshape(rows, -1)
        end = np.full((rows, 1), self.scale.maximum + 0.5)
        self.edges = np.hstack([edges, end])[self.of]
        pad = [(0, 0), (1, 1)]
        ends = [(0, 0), (self.scale.minimum, self.scale.maximum)]
        self.mean = np.pad(mean, pad, constant_values=ends)[self.of]
        self.variance = np.pad(variance.reshape(rows, -1), pad)[self.of]
        self.sd = np.pad(sd.reshape(rows, -1), pad)[self.of]

    def S(self, amplitude: Array) -> Array:
        """Return S (F,) at these amplitudes (F,), including the repetition noise of ``n``."""
        weights = self._weights(amplitude)
        centre = (weights * self.mean).sum(axis=1)
        across = (weights * (self.mean - centre[:, None]) ** 2).sum(axis=1)
        within = (weights * self.variance).sum(axis=1)
        S: Array = self.average @ np.sqrt(across + within / self.n)
        return S

    def sigma(self, amplitude: Array) -> Array:
        """Return sigma_bar (F,) at these amplitudes (F,)."""
        sigma: Array = self.average @ (self._weights(amplitude) * self.sd).sum(axis=1)
        return sigma

    def _weights(self, amplitude: Array) -> Array:
        z = (self.edges - self.locations[:, None]) / amplitude[self.of, None]
        return np.diff(normal_cdf(z), axis=1, prepend=0.0, append=1.0)


@lru_cache(maxsize=256)
def calibrate(
    plants: tuple[Plant, ...], n: int, scale: Scale
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the trait amplitude and the spread of each domain that give its S and R.

    S is the mean over items of sqrt(variance across personas of the cell mean + its repetition
    noise at ``n``), 1 / R the expectation of the sample SD of ``n`` repetitions. One repetition
    has no SD, so the spread is that for two repetitions, or the widest. Raises ``UserError`` with
    the reachable range.
    """
    population = _Population(plants, n, scale)
    S = np.array([plant.S for plant in plants])
    sigma = np.array([1 / plant.R for plant in plants])
    reach = scale.maximum - scale.minimum
    low, high = np.full_like(S, np.log(1e-3)), np.full_like(S, np.log(100.0 * reach))

    def amplitude(s: Array) -> Array:
        population.cut(s)
        return np.exp(solve(lambda a: population.S(np.exp(a)) - S, low, high))

    spread = solve(
        lambda s: population.sigma(amplitude(s)) - sigma,
        np.full_like(S, MIN_SPREAD),
        np.full_like(S, MAX_SPREAD),
    )
    amplitudes = amplitude(spread)
    reached = zip(population.S(amplitudes), population.sigma(amplitudes), strict=True)
    for plant, (S_found, sigma_found) in zip(plants, reached, strict=True):
        if abs(S_found - plant.S) > 1e-3 + 1e-3 * plant.S:
            bound = "most" if S_found < plant.S else "least"
            raise UserError(
                f"{plant.name}: S = {plant.S:g} with R = {plant.R:g} cannot be planted: with "
                f"{n} repetitions S is at {bound} {S_found:.2f} at this R"
            )
        if n > 1 and abs(sigma_found - 1 / plant.R) > 1e-3:
            raise UserError(
                f"{plant.name}: R = {plant.R:g} cannot be planted: with S = {plant.S:g} "
                f"and {n} repetitions R is at least {1 / sigma_found:.2f}; plant a higher R or "
                "another S"
            )
    return tuple(amplitudes.tolist()), tuple(spread.tolist())


@dataclass(frozen=True)
class Band:
    """Planted mean of a domain over personas and SD across the personas' means.

    ``spread`` is the cells' spread, ``offsets`` the items' offsets from the location to be found.
    """

    name: str
    mean: float
    sd: float
    spread: float
    offsets: tuple[float, ...]


@lru_cache(maxsize=256)
def calibrate_bands(
    bands: tuple[Band, ...], n: int, scale: Scale
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the location and the trait amplitude of each domain that give its band.

    All items of a domain move with one trait. The SD across personas is that of the population
    and includes the repetition noise of ``n``. Raises ``UserError`` with the reachable range.
    """
    counts = np.array([len(band.offsets) for band in bands])
    of = np.repeat(np.arange(len(bands)), counts)
    offsets = np.concatenate([band.offsets for band in bands])[:, None]
    spreads = np.array([band.spread for band in bands])[of, None]
    average = (of == np.arange(len(bands))[:, None]) / counts[:, None]
    traits = np.interp((np.arange(_NODES) + 0.5) / _NODES, _NORMAL, _NORMAL_AT)
    mean, sd = np.array([band.mean for band in bands]), np.array([band.sd for band in bands])
    reach = scale.maximum - scale.minimum

    def moments(location: Array, amplitude: Array) -> tuple[Array, Array]:
        m = location[of, None] + offsets + amplitude[of, None] * traits
        middle, below, above = rating_law(m, spreads, scale)
        people = average @ (middle + above - below)
        noise = (average @ (above + below - (above - below) ** 2)).mean(axis=1) / (n * counts)
        return people.mean(axis=1), np.sqrt(people.var(axis=1) + noise)

    def location(amplitude: Array) -> Array:
        room = 2 + 5 * amplitude
        low, high = scale.minimum - room, scale.maximum + room
        return solve(lambda b: moments(b, amplitude)[0] - mean, low, high, 1e-4)

    amplitude = np.exp(
        solve(
            lambda a: moments(location(np.exp(a)), np.exp(a))[1] - sd,
            np.full_like(sd, np.log(1e-3)),
            np.full_like(sd, np.log(20.0 * reach)),
            1e-4,
        )
    )
    place = location(amplitude)
    found_mean, found_sd = moments(place, amplitude)
    for band, got_mean, got_sd in zip(bands, found_mean, found_sd, strict=True):
        if abs(got_mean - band.mean) > 0.02 or abs(got_sd - band.sd) > 0.02:
            raise UserError(
                f"{band.name}: a mean of {band.mean:g} with SD {band.sd:g} across personas cannot "
                f"be planted; the nearest is {got_mean:.2f} with SD {got_sd:.2f}"
            )
    return tuple(place.tolist()), tuple(amplitude.tolist())
