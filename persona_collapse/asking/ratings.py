"""Read a rating, or the probabilities of the ratings, out of a reply."""

import math
import re

from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Alternatives

OUTSIDE_TOP = -9999.0  # what servers report for a token outside the top 20
LEADING_SPACE = " \u2581\u0120"  # a space as decoded, in SentencePiece and in byte-level BPE
ROUNDING = 1e-3  # a log-probability a little above 0 is a rounding error


def parse_rating(reply: str | None, scale: Scale) -> int | None:
    """Return the first standalone integer of the scale in a reply, or None.

    The published rule is the first match of ``\\b[0-5]\\b`` (arXiv 2605.12850, released code).
    This one also ignores the digits of ``-1``, ``−1`` and ``3.5``, which are no ratings of the
    scale. Only ASCII digits count; ``10`` has no rating, ``5/5`` is read as 5.
    """
    if reply is None:
        return None
    ratings = "|".join(str(rating) for rating in reversed(scale.ratings))
    match = re.search(rf"(?<![\w\-−])(?<!\d\.)(?:{ratings})(?!\w)(?!\.\d)", reply)
    return int(match.group()) if match else None


class UnusableError(Exception):
    """A reply whose log-probabilities cannot be used; the message says why."""


def rating_probabilities(alternatives: Alternatives | None, scale: Scale) -> list[float]:
    """Return p_k at T = 1 for the ratings of the scale, rising; they sum to 1.

    Softmax over the rating digits (docs/measures.md): a digit that is not among the alternatives
    gets the smallest log-probability returned; variants with a leading space are summed. Raises
    ``UnusableError`` when values are absent or impossible, or no alternative is a rating.
    """
    known = distinct_tokens(alternatives)
    found: dict[int, float] = {}
    digits = {str(rating): rating for rating in scale.ratings}
    for token, value in known.items():
        rating = digits.get(token.lstrip(LEADING_SPACE))
        if rating is not None:
            found[rating] = found.get(rating, 0.0) + math.exp(value)
    if not any(found.values()):
        raise UnusableError("no rating is among the most probable tokens")
    least = math.exp(min(known.values()))
    weights = [found.get(rating, least) for rating in scale.ratings]
    total = sum(weights)
    return [weight / total for weight in weights]


def distinct_tokens(alternatives: Alternatives | None) -> dict[str, float]:
    """Return the log-probability of each distinct first token.

    Raises ``UnusableError`` when values are absent or impossible.
    """
    if not alternatives:
        raise UnusableError("the reply has no log-probabilities")
    # The sampled token comes first and again among the alternatives: one entry per token.
    known: dict[str, float] = {}
    for token, value in alternatives:
        if value is None or math.isnan(value) or value > ROUNDING:
            raise UnusableError(f"the log-probability of {token!r} is {value}")
        if value > OUTSIDE_TOP:
            known[token] = value
        elif not known:
            raise UnusableError("the sampled token lies outside its own alternatives (-9999)")
    return known
