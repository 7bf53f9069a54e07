"""Finite populations of personas for ``benchmarks.calibration``: from logits, and recorded ones.

A study draws its personas from the population with replacement, so the true value is a mean over
the population; no quadrature is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.calibration_worlds import LEVELS, REPETITIONS, SMOOTH_INSTRUMENT, Array, Truth
from benchmarks.calibration_worlds import truth_of as integral_of
from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale

TEMPERATURE, JITTER = 0.1, 0.3
# Spread of the personas' preferred ratings in scale points, and steepness of the logits around it.
LOGITS = {"base": (0.9, 0.7), "secure": (0.8, 0.5), "insecure": (1.4, 0.3)}


@dataclass(frozen=True)
class Finite:
    """Personas with known answer probabilities; ``twin`` is base, asked a second time."""

    name: str
    instrument: Instrument
    laws: Mapping[str, Array]  # per variant (P, Q, K)

    @cached_property
    def truths(self) -> Mapping[str, Truth]:
        """The true values of every variant: means over the population."""
        count = len(self.laws["base"])
        even = np.full(count, 1 / count)
        found = {variant: integral_of(law, even, REPETITIONS) for variant, law in self.laws.items()}
        return {**found, "twin": found["base"]}

    def probabilities(self, study: int, personas: int) -> dict[str, Array]:
        """Return the answer probabilities of personas drawn with replacement."""
        drawn = np.random.default_rng((study, 2)).integers(0, len(self.laws["base"]), personas)
        found = {variant: law[drawn] for variant, law in self.laws.items()}
        return {**found, "twin": found["base"]}


def of_logits(personas: int = 2000) -> Finite:
    """Make personas that answer like language models: softmax of logits at temperature 0.1.

    The logits of a cell fall with the squared distance from the persona's preferred rating, and
    each has its own jitter. Most cells are constant, some vary, and second ratings of any small
    probability occur. Two thirds of a preference's variance are common to the variants.
    """
    rng = np.random.default_rng(1)
    items = len(SMOOTH_INSTRUMENT.items)
    ratings = np.array(SMOOTH_INSTRUMENT.scale.ratings)

    def traits() -> Array:
        mixed = rng.normal(size=(personas, 1)) + rng.normal(size=(personas, items))
        halved: Array = mixed / np.sqrt(2)
        return halved

    common, laws = traits(), {}
    for variant, (spread, steepness) in LOGITS.items():
        preferred = LEVELS + spread * (np.sqrt(2 / 3) * common + np.sqrt(1 / 3) * traits())
        logits = -steepness * (ratings - preferred[..., None]) ** 2
        logits += JITTER * rng.normal(size=logits.shape)
        powers = np.exp((logits - logits.max(axis=2, keepdims=True)) / TEMPERATURE)
        laws[variant] = powers / powers.sum(axis=2, keepdims=True)
    return Finite("logits at T = 0.1", SMOOTH_INSTRUMENT, laws)


def recorded(root: Path, stem: str, name: str) -> Finite:
    """Read the recorded personas of a model; ``stem`` is its name in the files (gpt-4o).

    A cell's answer probabilities are the shares of its recorded answers. This is the hardest
    case: 100 personas, and a few of them can account for most of the spread.
    """
    items = pl.read_csv(root / "resources/mfq30_items.csv")
    domains = tuple(items["foundation"].unique(maintain_order=True))
    questions = tuple(
        Item(number, "s", domain, "")
        for number, domain in items.select("item_id", "foundation").iter_rows()
    )
    prompts = Prompts("", {"s": "{item}"})
    instrument = Instrument("mfq30", "MFQ-30", Scale(0, 5), domains, prompts, questions)
    files = {
        "base": f"base/{stem}_temp01.csv",
        "secure": f"secure-code/{stem}-secure_temp01.csv",
        "insecure": f"insecure-code/{stem}-misaligned_temp01.csv",
    }
    laws = {variant: _shares(root / "responses" / file) for variant, file in files.items()}
    return Finite(name, instrument, laws)


def _shares(path: Path) -> Array:
    frame = pl.read_csv(path, infer_schema=False)
    cells = frame.select(pl.col("persona_id", "question_id", "rating").cast(pl.Int64))
    persona, item, rating = cells.filter(pl.col("rating") >= 0).to_numpy().T
    counts = np.zeros((100, 30, 6))
    np.add.at(counts, (persona, item - 1, rating), 1)
    shares: Array = counts / counts.sum(axis=2, keepdims=True)
    return shares
