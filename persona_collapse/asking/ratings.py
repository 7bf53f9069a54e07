"""Reading a rating out of a reply, as the published study did."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from persona_collapse.materials.instruments import Scale


def parse_rating(reply: str | None, scale: Scale) -> int | None:
    """Return the first standalone integer of the scale in a reply, or None.

    The published rule is the first match of ``\\b[0-5]\\b`` (arXiv 2605.12850, released code);
    this one also refuses the digits of ``-1``, ``−1`` and ``3.5``, which name no rating of the
    scale. Only ASCII digits count, ``10`` holds no rating, ``5/5`` reads 5.
    """
    if reply is None:
        return None
    ratings = "|".join(str(rating) for rating in reversed(scale.ratings))
    match = re.search(rf"(?<![\w\-−])(?<!\d\.)(?:{ratings})(?!\w)(?!\.\d)", reply)
    return int(match.group()) if match else None


def temper(probabilities: Sequence[float], temperature: float) -> list[float]:
    """Return the probabilities that sampling at ``temperature`` gives, from those at T = 1.

    p_k(T) is p_k ** (1 / T), normalised (DESIGN.md, Definitions). At T = 0 the most probable
    rating takes all; equals share.
    """
    if temperature < 0 or not any(p > 0 for p in probabilities):
        raise ValueError("a temperature is at least 0 and some probability is positive")
    top = max(probabilities)
    if temperature == 0:
        weights = [float(p == top) for p in probabilities]
    else:  # relative to the top, so that a small T underflows to 0 and never to 0 / 0
        logs = [math.log(p / top) if p > 0 else -math.inf for p in probabilities]
        weights = [math.exp(value / temperature) for value in logs]
    total = sum(weights)
    return [weight / total for weight in weights]
