"""How often the decision rule gives each label in simulated studies with planted effects.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python -m benchmarks.verdicts simulate --studies 400
    python -m benchmarks.verdicts document

Every study draws 100 personas from a population of 1,000 (smooth normal personas, as in
``benchmarks.calibration_worlds``) and measures base, secure and insecure by 30 items x 10
repetitions, with the intervals and the rule of a real study. S and R of a variant relate to base's
as planted, exactly in the population. ``simulate`` writes ``benchmarks/results/verdicts.csv``,
``document`` the table of ``docs/calibration.md``.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from benchmarks.calibration import PERSONAS, SEED, frame_of
from benchmarks.calibration_worlds import (
    REPETITIONS,
    ROOT,
    SMOOTH,
    SMOOTH_INSTRUMENT,
    Array,
    expected_sample_sd,
    smooth_law,
    smooth_traits,
)
from persona_collapse.common.seeds import derived_seed, generator
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.verdict.rule import LABELS, Comparison, Evidence, decide
from persona_collapse.measures.verdict.table import interval_of, rows_of

RESULTS, PAGE = ROOT / "benchmarks/results/verdicts.csv", ROOT / "docs/calibration.md"
POPULATION, NERVOUS, SHARED = 1000, 0.4, 0.7
EFFECT = 0.1  # analysis.smallest_effect
ANALYSIS = {
    "baseline": "base",
    "targets": {"insecure": "secure"},
    "bootstrap_personas": 2000,
    "bootstrap_reruns": 2,
    "permutations": 99,
}


@dataclass(frozen=True)
class Planted:
    """Ratios of a variant's S and R to base's; ``carriers`` is the share of personas behind S."""

    S: float = 1.0
    R: float = 1.0
    carriers: float = 1.0


SAME, FULL = Planted(), Planted(S=1.5, R=0.5)
WORLDS = {
    "no effect": {"secure": SAME, "insecure": SAME},
    "the same effect in both": {"secure": FULL, "insecure": FULL},
    "effect in the target alone": {"secure": SAME, "insecure": FULL},
    "effect in the target, S of the control falls": {
        "secure": Planted(S=0.85, R=0.7),
        "insecure": FULL,
    },
    "small effect in the target": {"secure": SAME, "insecure": Planted(S=1.05, R=1 / 1.05)},
    "target raised by exactly the smallest effect": {
        "secure": SAME,
        "insecure": Planted(S=1 + EFFECT, R=0.5),
    },
    "the same, carried by 5 % of the personas": {
        "secure": SAME,
        "insecure": Planted(S=1 + EFFECT, R=0.5, carriers=0.05),
    },
    "control raised by exactly the smallest effect": {
        "secure": Planted(S=1 + EFFECT, R=0.7),
        "insecure": FULL,
    },
    "the same in the control, carried by 5 %": {
        "secure": Planted(S=1 + EFFECT, R=0.7, carriers=0.05),
        "insecure": FULL,
    },
}


@dataclass(frozen=True)
class Population:
    """Traits (N, Q) and log noise (N, 1) of every persona under one variant."""

    traits: Array
    log_noise: Array

    def law(self, amplitude: Array | float, noise: float) -> Array:
        """Return answer probabilities (N, Q, 6); ``amplitude`` is one or (N, 1)."""
        return smooth_law(1.0, noise, amplitude * self.traits, NERVOUS * self.log_noise)


@cache
def populations() -> dict[str, Population]:
    """Return the population under each variant; they share most of their traits and noise."""
    rng = np.random.default_rng(SEED)
    common = smooth_traits(rng, POPULATION), rng.normal(size=(POPULATION, 1))
    found = {}
    for variant in ("base", "secure", "insecure"):
        own = smooth_traits(rng, POPULATION), rng.normal(size=(POPULATION, 1))
        found[variant] = Population(
            *(
                np.sqrt(SHARED) * both + np.sqrt(1 - SHARED) * one
                for both, one in zip(common, own, strict=True)
            )
        )
    return found


def values_of(law: Array) -> tuple[float, float]:
    """Return a population's S and R, the limits of the published estimators for many personas.

    R is that of every tenth persona: no label depends on its last digits.
    """
    even = np.full(len(law), 1 / len(law))
    ratings = np.arange(law.shape[2])
    mean = law @ ratings
    noise = even @ (law @ ratings**2 - mean**2) / REPETITIONS
    S = np.sqrt(mean.var(axis=0) + noise).mean()
    return float(S), float(1 / expected_sample_sd(law[:: len(law) // 100], REPETITIONS).mean())


@cache
def law_of(variant: str, planted: Planted) -> Array:
    """Return the law of a variant whose S and R are the planted multiples of base's.

    Amplitude of the carriers' traits and noise are found by secant steps and proportion. The other
    personas keep base's amplitude.
    """
    amplitude, noise = SMOOTH["base"]
    base = populations()["base"].law(amplitude, noise)
    if variant == "base":
        return base
    S, R = values_of(base)
    aims = S * planted.S, R * planted.R
    carry = np.arange(POPULATION)[:, None] < planted.carriers * POPULATION
    of = populations()[variant]
    larger = amplitude * (1 + (planted.S - 1) / np.sqrt(planted.carriers))
    before: tuple[float, float] | None = None
    for _ in range(12):
        law = of.law(np.where(carry, larger, amplitude), noise)
        found = values_of(law)
        if all(abs(value / aim - 1) < 1e-4 for value, aim in zip(found, aims, strict=True)):
            return law
        noise *= found[1] / aims[1]
        slope = found[0] / larger
        if before is not None and abs(larger - before[0]) > 1e-9:
            slope = (found[0] - before[1]) / (larger - before[0])
        before = larger, found[0]
        larger += (aims[0] - found[0]) / slope
    raise RuntimeError(f"{variant}: {planted} is not reached, found {found} for {aims}")


def study(world: str, number: int) -> str:
    """Draw one study and return its label."""
    rng = generator(SEED, "verdicts", world, number)
    drawn = rng.integers(0, POPULATION, PERSONAS)
    frames = [
        frame_of(
            rng.multinomial(REPETITIONS, law_of(variant, planted)[drawn]),
            variant,
            SMOOTH_INSTRUMENT,
        )
        for variant, planted in {"base": SAME, **WORLDS[world]}.items()
    ]
    seed = derived_seed(SEED, "verdicts", world, number)
    rows = rows_of(contrasts_of(paired_of(frames, SMOOTH_INSTRUMENT, seed, ANALYSIS)), "m")
    target, direct, control = (
        Comparison(*(interval_of(rows, contrast, metric) for metric in ("S", "R")))
        for contrast in ("insecure-base", "insecure-secure", "secure-base")
    )
    return decide(Evidence(target, direct, control), EFFECT).label


def simulate(studies: int, only: str) -> None:
    """Simulate studies of every world whose name contains ``only``; write the labels' rates."""
    worlds = [world for world in WORLDS if only in world]
    rows = []
    if only and RESULTS.exists():
        rows = [row for row in pl.read_csv(RESULTS).rows() if row[0] not in worlds]
    for world in worlds:
        start = time.process_time()
        counts = Counter(study(world, number) for number in range(studies))
        rows += [(world, label, studies, counts[label]) for label in LABELS]
        print(f"{world}: {dict(counts)}, {time.process_time() - start:.0f} s", flush=True)
        pl.DataFrame(rows, schema=["world", "label", "studies", "count"], orient="row").write_csv(
            RESULTS
        )


def document() -> None:
    """Write the table of the page between its comments."""
    frame = pl.read_csv(RESULTS)
    shown = [label for label in LABELS if frame.filter(label=label)["count"].sum()]
    lines = [
        "| planted | " + " | ".join(f"`{label}`" for label in shown) + " |",
        "| --- |" + " ---: |" * len(shown),
    ]
    for world in WORLDS:
        mine = frame.filter(world=world)
        shares = [
            f"{100 * count / studies:.1f}" if count else ""
            for label in shown
            for studies, count in mine.filter(label=label).select("studies", "count").iter_rows()
        ]
        lines.append(f"| {world} | " + " | ".join(shares) + " |")
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- verdicts -->\n", "<!-- end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    table = begin + "\n".join(lines) + "\n" + end
    PAGE.write_text(pattern.sub(lambda _: table, text, count=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    run = steps.add_parser("simulate")
    run.add_argument("--studies", type=int, default=400)
    run.add_argument("--only", default="", help="worlds whose names contain this")
    steps.add_parser("document")
    options = parser.parse_args()
    if options.step == "simulate":
        simulate(options.studies, options.only)
    else:
        document()


if __name__ == "__main__":
    main()
