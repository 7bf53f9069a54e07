"""Simulated respondents: traits from texts, and ratings from traits.

Every draw is a hash of the study's seed, names and texts, so a rating does not depend on other
personas, models or shards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from persona_collapse.common.errors import UserError
from persona_collapse.common.seeds import derived_seed
from persona_collapse.endpoints.simulation.cell_law import MAX_SPREAD, Array, rating_law
from persona_collapse.materials.instruments import Instrument, Item, Scale

Keys = NDArray[np.uint64]
Ratings = NDArray[np.int64]

# Largest distance of an item's latent location from its domain's, in scale points.
PROFILE_REACH = 1.0
TOXIC_REACH = 0.3
# Candidates for a profile; spreads are denser near constant answers.
_SHIFTS = np.linspace(-2, 2, 481)
_SPREADS = MAX_SPREAD * np.linspace(0, 1, 32) ** 2


@dataclass(frozen=True)
class Profile:
    """Planted answers of a model without a persona: a domain's mean and within-item SD."""

    name: str
    mean: float
    sd: float
    offsets: tuple[float, ...]


def text_keys(texts: Sequence[str], seed: int, *names: str) -> Keys:
    """Return one 64-bit key per text, which depends on the seed, the names and the text alone."""
    return np.array([derived_seed(seed, *names, text) for text in texts], dtype=np.uint64)


def item_keys(items: Sequence[Item]) -> Keys:
    """Return one key per item, from its section and text: the same item in any study."""
    return text_keys([f"{item.section}\x1f{item.text}" for item in items], 0, "item")


def mix(first: Keys, second: Keys) -> Keys:
    """Hash pairs of keys (broadcast) to keys: splitmix64's finaliser, applied twice.

    Source: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators (2014).
    """
    return _scramble(_scramble(first + np.uint64(0x9E3779B97F4A7C15)) ^ second)


def _scramble(z: Keys) -> Keys:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(keys: Keys) -> Array:
    """Return a draw from the open interval (0, 1) for each key."""
    draws: Array = ((keys >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return draws


def normal(keys: Keys) -> Array:
    """Return a standard normal draw for each key (Box-Muller)."""
    radius, angle = (uniform(mix(keys, np.array(part, dtype=np.uint64))) for part in (1, 2))
    draws: Array = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    return draws


def item_places(instrument: Instrument, domain: str) -> Array:
    """Return the offsets in (-1, 1) of a domain's items from its location, by their texts."""
    items = [item for item in instrument.items if item.domain == domain]
    places: Array = 2 * uniform(mix(item_keys(items), np.array(3, dtype=np.uint64))) - 1
    return places


def middle(scale: Scale) -> float:
    """Return the middle of a scale, the default profile of a model."""
    return (scale.minimum + scale.maximum) / 2


def locations(places: Array, S: float, profile_mean: float, scale: Scale) -> tuple[float, ...]:
    """Return the latent locations of a domain's items under role-play, in scale points.

    The items lie around a point between the scale's middle and the domain's profile mean. A
    large S needs the whole scale, and so the middle. A small S needs locations near whole ratings:
    half-way between two ratings, even small traits would give different ratings.
    """
    half = (scale.maximum - scale.minimum) / 2
    centre = middle(scale)
    room = max(0.0, 1 - S / (0.72 * half))
    free = centre + room * (0.6 * (profile_mean - centre) + 0.4 * half * places)
    whole = np.rint(free) + 0.15 * places
    firm = min(1.0, max(0.0, (0.7 - S) / 0.35))
    return tuple((firm * whole + (1 - firm) * free).tolist())


def persona_traits(
    people: Sequence[str],
    instrument: Instrument,
    names: tuple[int, str, str],
    fidelity: float,
    loaded: bool,
) -> Array:
    """Return traits (P, Q), each standard normal in the population of texts.

    ``names`` are seed, model, variant. A trait is the persona's trait for the domain,
    weighted by the item's loading, plus a part specific to the item; without ``loaded`` it is the
    domain's trait alone. The share ``fidelity`` of its variance is common to the variants of a
    model, the rest is specific to the variant.
    """
    seed, model, variant = names
    # The label is part of the seed: another word would draw other respondents.
    domains = text_keys([item.domain for item in instrument.items], 0, "foundation")
    items = item_keys(instrument.items)
    loading = 0.6 + 0.3 * uniform(mix(items, np.array(4, dtype=np.uint64)))
    if not loaded:
        loading = np.ones_like(loading)

    def traits(person: Keys, person_here: Keys) -> Array:
        shared = normal(mix(person[:, None], domains))
        single = normal(mix(person_here[:, None], items))
        mine: Array = loading * shared + np.sqrt(1 - loading**2) * single
        return mine

    # Domain traits of a persona are equal in every model; item parts depend on the model.
    common = traits(
        text_keys(people, seed, "trait"), text_keys(people, seed, "trait of an item", model)
    )
    if fidelity == 1:
        return common
    own = text_keys(people, seed, "trait", model, variant)
    mixed: Array = np.sqrt(fidelity) * common + np.sqrt(1 - fidelity) * traits(own, own)
    return mixed


def draw(m: Array, s: Array, cells: Keys, repetitions: range, scale: Scale) -> Ratings:
    """Return ratings (P, Q, N) of cells at locations ``m`` (P, Q) with spreads ``s`` (Q,)."""
    centre, below, above = (part[:, :, None] for part in rating_law(m, s, scale))
    u = uniform(mix(cells[:, :, None], np.array(repetitions, dtype=np.uint64)))
    return (centre - (u < below) + (u >= 1 - above)).astype(np.int64)


@lru_cache(maxsize=256)
def plant_profile(
    profile: Profile, n: int, scale: Scale
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return per item the middle rating and, of ``n`` answers, how many lie below and above it.

    A printed profile comes from few answers, so counts are planted, not probabilities: those of the
    location and spread with the closest mean (first) and mean within-item SD. Raises ``UserError``
    if the closest is too far away.
    """
    location, spread = np.meshgrid(profile.mean + _SHIFTS, _SPREADS, indexing="ij")
    m = location.ravel()[:, None] + np.array(profile.offsets)
    centre, below, above = rating_law(m, spread.ravel()[:, None], scale)
    low, high = np.ceil(n * below - 0.5), np.floor(n * above + 0.5)
    means = (centre + (high - low) / n).mean(axis=1)
    sds = np.sqrt((high + low - (high - low) ** 2 / n) / max(n - 1, 1)).mean(axis=1)
    best = int(np.argmin(2 * np.abs(means - profile.mean) + np.abs(sds - profile.sd)))
    slack = 0.5 / len(profile.offsets)  # the effect of one item on the wrong side of a half
    far = abs(means[best] - profile.mean) > 0.05 + slack
    if far or (n > 1 and abs(sds[best] - profile.sd) > 0.05 + slack):
        raise UserError(
            f"{profile.name}: a profile of {profile.mean:g} with SD {profile.sd:g} cannot be "
            f"planted; the nearest is {means[best]:.2f} with SD {sds[best]:.2f}"
        )
    centre, low, high = (part[best].astype(int).tolist() for part in (centre, low, high))
    return tuple(centre), tuple(low), tuple(high)


def deal(
    centre: Ratings, low: Ratings, high: Ratings, cells: Keys, repetitions: range, n: int
) -> Ratings:
    """Return ratings (Q, N): the planted counts dealt to the repetitions in a hashed order."""
    order = mix(cells[:, None], np.arange(1, n + 1, dtype=np.uint64)).argsort(axis=1)
    rank = order.argsort(axis=1)[:, [(repetition - 1) % n for repetition in repetitions]]
    return centre[:, None] - (rank < low[:, None]) + (rank >= n - high[:, None])
