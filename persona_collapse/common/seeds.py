"""Seeds derived from the study seed and names, so that adding a model moves no other number."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def derived_seed(study_seed: int, *names: str | int) -> int:
    """Return a 64-bit seed that depends on the study seed and the names alone, in their order."""
    text = "\x1f".join(str(part) for part in (study_seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def generator(study_seed: int, *names: str | int) -> np.random.Generator:
    """Return a random generator of its own for the thing that the names name."""
    import numpy as np  # here: jobs that only ask need no more than the seeds of their requests

    return np.random.default_rng(derived_seed(study_seed, *names))
