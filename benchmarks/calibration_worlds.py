"""Populations of personas with known true S and R, for ``benchmarks.calibration``.

A world gives the answer probabilities of every variant for any number of newly drawn personas, and
the true values by quadrature over its population. Answers are then multinomial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from persona_collapse.endpoints.simulated import planted_values
from persona_collapse.endpoints.simulation.calibration import Plant, calibrate
from persona_collapse.endpoints.simulation.cell_law import rating_law
from persona_collapse.endpoints.simulation.respondents import item_places, locations, persona_traits
from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale, read_instrument

Array = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
REPETITIONS = 10
VARIANTS = ("base", "secure", "insecure", "twin")
# Share of trait variance that a simulated respondent has in common with the other variants.
FIDELITIES = dict(zip(VARIANTS, (0.9, 0.9, 0.5, 0.7), strict=True))
# Trait amplitude and median noise of smooth personas, in scale points.
SMOOTH = dict(zip(VARIANTS, ((0.8, 0.2), (0.7, 0.25), (1.2, 0.45), (0.8, 0.2)), strict=True))
CELLS_AT_ONCE = 2000  # enumerated at once: 50 MB

_NAMES = ("A", "B", "C", "D", "E")
_ITEMS = tuple(Item(place + 1, "s", _NAMES[place % 5], "") for place in range(30))
SMOOTH_INSTRUMENT = Instrument(
    "thirty", "Thirty items", Scale(0, 5), _NAMES, Prompts("", {"s": "{item}"}), _ITEMS
)
LEVELS = np.linspace(1.2, 3.8, 30)[np.arange(30) * 7 % 30]  # where an item lies on the scale


@dataclass(frozen=True)
class Truth:
    """Population values per item (Q,), in scale points, of one variant.

    ``S`` and ``sigma`` are the limits of the published estimators for many personas at this number
    of repetitions: the SD over personas of cell means with their repetition noise, and the expected
    sample SD. ``S_clean`` and ``sigma_clean`` are the limits for many repetitions.
    """

    S: Array
    sigma: Array
    S_clean: Array
    sigma_clean: Array


class World(Protocol):
    """A population of personas under four variants; ``twin`` has base's S and R."""

    @property
    def name(self) -> str:
        """Its name in the tables."""

    @property
    def instrument(self) -> Instrument:
        """The items that its personas answer."""

    @property
    def truths(self) -> Mapping[str, Truth]:
        """The true values of every variant."""

    def probabilities(self, study: int, personas: int) -> dict[str, Array]:
        """Return each variant's answer probabilities (P, Q, K) for a study's own personas."""


def truth_of(probabilities: Array, weights: Array, n: int) -> Truth:
    """Integrate over a population of ``weights`` (N,) with answer probabilities (N, Q, K)."""
    ratings = np.arange(probabilities.shape[2])
    mean = probabilities @ ratings
    variance = np.maximum(probabilities @ ratings**2 - mean**2, 0)
    across = weights @ (mean - weights @ mean) ** 2
    return Truth(
        S=np.sqrt(across + weights @ variance / n),
        sigma=weights @ expected_sample_sd(probabilities, n),
        S_clean=np.sqrt(across),
        sigma_clean=weights @ np.sqrt(variance),
    )


def expected_sample_sd(probabilities: Array, n: int) -> Array:
    """Return the exact expectation (...) of the sample SD of n answers, from (..., K).

    A sum over all ways to distribute n answers over K ratings.
    """
    ratings = probabilities.shape[-1]
    ways = np.array(compositions(n, ratings))
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(n + 1), 1)))
    log_ways = log_factorial[n] - log_factorial[ways].sum(axis=1)
    steps = np.arange(ratings)
    sd = np.sqrt((n * (ways @ steps**2) - (ways @ steps) ** 2) / (n * (n - 1)))
    # Finite instead of -inf: zero counts of an impossible rating have probability 1, not nan.
    log_p = np.log(np.maximum(probabilities, 1e-300)).reshape(-1, ratings)
    parts = [
        np.exp(log_p[start : start + CELLS_AT_ONCE] @ ways.T + log_ways) @ sd
        for start in range(0, len(log_p), CELLS_AT_ONCE)
    ]
    return np.concatenate(parts).reshape(probabilities.shape[:-1])


def compositions(n: int, parts: int) -> list[tuple[int, ...]]:
    """Return every way to write n as an ordered sum of so many numbers from 0."""
    if parts == 1:
        return [(n,)]
    return [(k, *rest) for k in range(n + 1) for rest in compositions(n - k, parts - 1)]


def normal_nodes(half: float, step: float) -> tuple[Array, Array]:
    """Return equidistant nodes and weights for a standard normal, cut at ``half``."""
    z = np.arange(-half, half + step / 2, step)
    weights = np.exp(-(z**2) / 2)
    return z, weights / weights.sum()


@dataclass(frozen=True)
class Respondents:
    """The project's simulated respondents with the printed values of GPT-4o.

    ``twin`` has base's S and R in every domain, but its profile is mirrored, so its items are
    elsewhere on the scale: the tested values are equal, the distributions differ.
    """

    name: str = "simulated respondents"
    label: str = "GPT-4o"
    instrument: Instrument = field(
        default_factory=lambda: read_instrument(ROOT / "resources/instruments/moral30.yaml")
    )

    @cached_property
    def latent(self) -> dict[str, tuple[Array, Array, Array]]:
        """Each variant's item locations, trait amplitudes and spreads, (Q,) each."""
        return {
            variant: self._planted("base" if variant == "twin" else variant, variant == "twin")
            for variant in VARIANTS
        }

    def _planted(self, variant: str, mirrored: bool) -> tuple[Array, Array, Array]:
        table = ROOT / "resources/benchmarks/paper_tables.csv"
        scale = self.instrument.scale
        plants = []
        for entry in planted_values(table, self.label, variant):
            mean = entry["profile_mean"]
            mean = scale.minimum + scale.maximum - mean if mirrored else mean
            places = item_places(self.instrument, entry["domain"])
            at = locations(places, entry["S"], mean, scale)
            plants.append(Plant(entry["domain"], entry["S"], entry["R"], at))
        amplitudes, spreads = calibrate(tuple(plants), REPETITIONS, scale)
        found = np.empty((3, len(self.instrument.items)))
        for plant, amplitude, spread in zip(plants, amplitudes, spreads, strict=True):
            of = np.array([item.domain == plant.name for item in self.instrument.items])
            found[0, of], found[1, of], found[2, of] = plant.locations, amplitude, spread
        return found[0], found[1], found[2]

    def _law(self, variant: str, traits: Array) -> Array:
        location, amplitude, spread = self.latent[variant]
        scale = self.instrument.scale
        middle, below, above = rating_law(location + amplitude * traits, spread, scale)
        offset = np.array(scale.ratings) - middle[..., None]
        parts = zip((-1, 0, 1), (below, 1 - below - above, above), strict=True)
        law: Array = sum((offset == step) * part[..., None] for step, part in parts)
        return law

    @cached_property
    def truths(self) -> Mapping[str, Truth]:
        """The true values of every variant: each item's trait is standard normal."""
        z, weights = normal_nodes(5.5, 0.005)
        traits = np.repeat(z[:, None], len(self.instrument.items), axis=1)
        return {v: truth_of(self._law(v, traits), weights, REPETITIONS) for v in VARIANTS}

    def probabilities(self, study: int, personas: int) -> dict[str, Array]:
        """Return the answer probabilities of personas with new texts."""
        texts = [f"persona {place} of study {study}" for place in range(personas)]
        found = {}
        for variant in VARIANTS:
            names = (study, self.label, variant)
            traits = persona_traits(texts, self.instrument, names, FIDELITIES[variant], loaded=True)
            found[variant] = self._law(variant, traits)
        return found


def smooth_law(amplitude: float, noise: float, traits: Array, log_noise: Array) -> Array:
    """Return the probabilities (P, Q, 6) of normal answers, rounded, of traits (P, Q).

    ``log_noise`` (P, 1) is the log of a persona's noise relative to ``noise``.
    """
    from scipy.special import ndtr

    spread = noise * np.exp(log_noise)
    edges = np.arange(0.5, 5)
    z = (edges - (LEVELS + amplitude * traits)[..., None]) / spread[..., None]
    return np.diff(ndtr(z), axis=-1, prepend=0.0, append=1.0)


def smooth_traits(rng: np.random.Generator, personas: int) -> Array:
    """Draw traits (P, 30), half of whose variance a domain's items have in common."""
    of = np.arange(30) % 5
    domain, item = rng.normal(size=(personas, 5)), rng.normal(size=(personas, 30))
    mixed: Array = (domain[:, of] + item) / np.sqrt(2)
    return mixed


@dataclass(frozen=True)
class Smooth:
    """Normal traits and log-normal noise per persona; a rating is a normal answer, rounded.

    ``SMOOTH`` gives each variant's trait amplitude and median noise. Half of a trait's variance
    is the persona's for the domain; 70 % of it, and of the log of a persona's noise, is
    common to the variants. ``twin`` has base's distribution with its own part drawn anew.
    """

    name: str = "smooth normal personas"
    nervous: float = 0.4  # SD over personas of the log of their noise
    shared: float = 0.7

    instrument: Instrument = SMOOTH_INSTRUMENT

    def _law(self, variant: str, traits: Array, nervousness: Array) -> Array:
        return smooth_law(*SMOOTH[variant], traits, self.nervous * nervousness)

    @cached_property
    def truths(self) -> Mapping[str, Truth]:
        """The true values of every variant, over traits and noise."""
        z, weights = normal_nodes(5.5, 0.1)
        w, w_weights = normal_nodes(4.5, 0.5)
        traits = np.repeat(np.repeat(z, w.size)[:, None], 30, axis=1)
        nervousness = np.tile(w, z.size)[:, None]
        joint = np.repeat(weights, w.size) * np.tile(w_weights, z.size)
        laws = {v: self._law(v, traits, nervousness) for v in ("base", "secure", "insecure")}
        found = {v: truth_of(law, joint, REPETITIONS) for v, law in laws.items()}
        return {**found, "twin": found["base"]}

    def probabilities(self, study: int, personas: int) -> dict[str, Array]:
        """Return the answer probabilities of freshly drawn personas."""
        rng = np.random.default_rng((study, 1))
        common = smooth_traits(rng, personas), rng.normal(size=(personas, 1))
        found = {}
        for variant in VARIANTS:
            own = smooth_traits(rng, personas), rng.normal(size=(personas, 1))
            traits, nervousness = (
                np.sqrt(self.shared) * both + np.sqrt(1 - self.shared) * one
                for both, one in zip(common, own, strict=True)
            )
            found[variant] = self._law(variant, traits, nervousness)
        return found


@dataclass(frozen=True)
class Carried:
    """Normal traits whose spread, in all variants but base, is carried by 5 % of the personas.

    All items lie at the middle of the scale and a persona moves all items of a domain together.
    ``secure`` and ``twin`` have base's S and R, ``insecure`` an S higher by 30 %. The carriers are
    the same personas in all variants.
    """

    name: str = "5 % carry the spread"
    share: float = 0.05
    amplitude: float = 0.35  # of base
    others: float = 0.15  # of the 95 % in the other variants
    noise: float = 0.3

    instrument: Instrument = SMOOTH_INSTRUMENT

    def _law(self, amplitude: Array, noise: float, traits: Array) -> Array:
        """Return the probabilities (P, Q, 6), ``amplitude`` (P, 1)."""
        from scipy.special import ndtr

        z = (np.arange(0.5, 5) - (2.5 + amplitude * traits)[..., None]) / noise
        return np.diff(ndtr(z), axis=-1, prepend=0.0, append=1.0)

    @cached_property
    def settings(self) -> dict[str, tuple[float, float]]:
        """Each variant's amplitude of the carriers, and noise, so that S and R are as planned."""
        from scipy.optimize import root

        base = self._truth(self.amplitude, self.noise, False)
        found = {}
        for variant, ratio in (("secure", 1.0), ("insecure", 1.3)):
            wanted = np.array([ratio * base.S[0], base.sigma[0]])

            def missed(at: Array, wanted: Array = wanted) -> Array:
                truth = self._truth(*np.exp(at), True)
                return np.log([truth.S[0], truth.sigma[0]] / wanted)

            solved = root(missed, np.log([self.amplitude / np.sqrt(self.share), self.noise]))
            if np.abs(missed(solved.x)).max() > 1e-6:
                raise SystemExit(f"{self.name}: no amplitude gives {variant} its S")
            found[variant] = tuple(np.exp(solved.x))
        return {"base": (self.amplitude, self.noise), **found, "twin": found["secure"]}

    def _truth(self, amplitude: float, noise: float, carried: bool) -> Truth:
        z, weights = normal_nodes(5, 0.1)
        traits = z[:, None]
        parts = [(1.0, amplitude)]
        if carried:
            parts = [(self.share, amplitude), (1 - self.share, self.others)]
        laws = [self._law(np.full(traits.shape, size), noise, traits) for _, size in parts]
        joint = np.concatenate([part * weights for part, _ in parts])
        return truth_of(np.concatenate(laws), joint, REPETITIONS)

    @cached_property
    def truths(self) -> Mapping[str, Truth]:
        """The true values of every variant; all items are alike."""
        items = len(self.instrument.items)
        return {
            variant: Truth(
                *(
                    np.repeat(part, items)
                    for part in vars(self._truth(*at, variant != "base")).values()
                )
            )
            for variant, at in self.settings.items()
        }

    def probabilities(self, study: int, personas: int) -> dict[str, Array]:
        """Return the answer probabilities of freshly drawn personas."""
        rng = np.random.default_rng((study, 3))
        carrier = rng.random((personas, 1)) < self.share
        found = {}
        for variant, (amplitude, noise) in self.settings.items():
            traits = rng.normal(size=(personas, 5))[:, np.arange(30) % 5]
            size = np.where(carrier | (variant == "base"), amplitude, self.others)
            found[variant] = self._law(size, noise, traits)
        return found
