"""Read the probabilities of the ratings out of the log-probabilities of a first token."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from persona_collapse.answers import LEAST_MASS
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Alternatives

OUTSIDE_TOP = -9999.0  # what servers report for a token outside the top 20
LEADING_SPACE = " \u2581\u0120"  # a space as decoded, in SentencePiece and in byte-level BPE
ROUNDING = 1e-3  # a log-probability a little above 0 is a rounding error


class UnusableError(Exception):
    """A reply whose log-probabilities cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class RatingDistribution:
    """The distribution of the rating at T = 1.

    ``mass`` is the probability of all ratings together before they were scaled to 1.
    ``probabilities`` are those of the ratings of the scale, rising; None where ``mass`` is below
    ``LEAST_MASS``: the model would rather say something else.
    """

    probabilities: list[float] | None
    mass: float

    @property
    def reason(self) -> str | None:
        """Why there are no probabilities."""
        if self.probabilities is not None:
            return None
        return f"ratings hold {self.mass:.2f} of the first token's probability"


def rating_distribution(alternatives: Alternatives | None, scale: Scale) -> RatingDistribution:
    """Return the distribution of the rating from the alternatives of a first token.

    Variants of a rating with a leading space are summed. Raises ``UnusableError`` when values are
    absent or impossible.
    """
    known = distinct_tokens(alternatives)
    digits = {str(rating): rating for rating in scale.ratings}
    found: dict[int, float] = {}
    for token, value in known.items():
        rating = digits.get(token.lstrip(LEADING_SPACE))
        if rating is not None:
            found[rating] = found.get(rating, 0.0) + math.exp(value)
    return scaled(found, math.exp(min(filter(math.isfinite, known.values()))), scale)


def scaled(found: Mapping[int, float], least: float, scale: Scale) -> RatingDistribution:
    """Return the distribution from the known probabilities of ratings (docs/reading.md).

    A rating that is not among them gets ``least``, the smallest probability that the server
    returned.
    """
    mass = min(sum(found.values()), 1.0)
    if mass < LEAST_MASS:
        return RatingDistribution(None, mass)
    weights = [found.get(rating, least) for rating in scale.ratings]
    total = sum(weights)
    return RatingDistribution([weight / total for weight in weights], mass)


def distinct_tokens(alternatives: Alternatives | None) -> dict[str, float]:
    """Return the log-probability of each distinct first token; minus infinity is impossible.

    A token that cannot be drawn has null, since JSON has no infinity. Raises ``UnusableError``
    when there are no values, when one is impossible as a log-probability, and when the sampled
    token has none.
    """
    if not alternatives:
        raise UnusableError("the reply has no log-probabilities")
    # The sampled token comes first and again among the alternatives: one entry per token.
    known: dict[str, float] = {}
    for token, value in alternatives:
        if value is None:
            known.setdefault(token, -math.inf)
        elif math.isnan(value) or value > ROUNDING:
            raise UnusableError(f"the log-probability of {token!r} is {value}")
        elif value > OUTSIDE_TOP or value == -math.inf:
            known[token] = value
        elif not known:
            raise UnusableError("the sampled token lies outside its own alternatives (-9999)")
    sampled = alternatives[0][0]
    if known[sampled] == -math.inf:
        raise UnusableError(f"the log-probability of the sampled token {sampled!r} is null")
    return known
