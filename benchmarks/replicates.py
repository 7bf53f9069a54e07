"""Coverage of intervals of replicate fine-tunes for the mean effect over seeds.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python -m benchmarks.replicates simulate \\
        --studies 500 --processes 2
    python -m benchmarks.replicates document

Every fine-tune has its own true trait amplitude and noise, and so its own S and R, drawn around
those of its kind. Every study draws 100 personas anew (smooth normal personas, as in
``benchmarks.calibration_worlds``) and measures base and five insecure fine-tunes by 30 items x 10
repetitions, of which the first one, two, three and all five are analysed. ``simulate`` writes
``benchmarks/results/replicates.csv``, ``document`` the tables of ``docs/calibration.md``.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.calibration import PERSONAS, ROLES, SEED, frame_of
from benchmarks.calibration_worlds import (
    REPETITIONS,
    ROOT,
    SMOOTH,
    SMOOTH_INSTRUMENT,
    Array,
    normal_nodes,
    smooth_law,
    smooth_traits,
    truth_of,
)
from persona_collapse.common.seeds import derived_seed, generator
from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.contrasts.pairs import METRICS, paired_of
from persona_collapse.measures.contrasts.table import change_of, contrasts_of, percent_ends
from persona_collapse.measures.statistics.studentized import Studentized

RESULTS, PAGE = ROOT / "benchmarks/results/replicates.csv", ROOT / "docs/calibration.md"
COUNTS = (1, 2, 3, 5)
NAMES = ["insecure", *(f"insecure-r{place}" for place in range(2, COUNTS[-1] + 1))]
SPREADS = (0.0, 0.03, 0.1)  # SD over seeds of amplitude and noise, as shares of them
NERVOUS, SHARED = 0.4, 0.7
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(3)
ANALYSIS = {**ROLES, "bootstrap_personas": 1000, "bootstrap_reruns": 2, "permutations": 199}
Truth = dict[str, float]  # metric -> its overall value, or its mean over seeds
Found = tuple[str, str, int, float]  # check, name, replicates, value


@dataclass(frozen=True)
class Seeds:
    """A kind of fine-tune: its middle amplitude and noise, and the seeds' spread around them."""

    amplitude: float
    noise: float
    spread: float

    def truth(self) -> Truth:
        """Return the mean over seeds of S and R at this number of repetitions, by quadrature."""
        if self.spread == 0:
            return values_at(self.amplitude, self.noise)
        places = [(a, b) for a in range(NODES.size) for b in range(NODES.size)]
        weights = np.array([WEIGHTS[a] * WEIGHTS[b] for a, b in places])
        values = [
            values_at(
                self.amplitude * (1 + self.spread * NODES[a]),
                self.noise * (1 + self.spread * NODES[b]),
            )
            for a, b in places
        ]
        return {
            metric: float(np.average([value[metric] for value in values], weights=weights))
            for metric in ("S", "R")
        }

    def centred(self, on: Truth) -> Seeds:
        """Return the same spread, centred so that the mean S and R over seeds are these."""
        found = self
        for _ in range(3):
            now = found.truth()
            found = replace(
                found,
                amplitude=found.amplitude * on["S"] / now["S"],
                noise=found.noise * now["R"] / on["R"],
            )
        return found


def values_at(amplitude: float, noise: float) -> Truth:
    """Return the population's S and R for one amplitude and noise, over all items."""
    z, weights = normal_nodes(4.5, 0.25)
    w, w_weights = normal_nodes(4, 1)
    traits = np.repeat(np.repeat(z, w.size)[:, None], 30, axis=1)
    law = smooth_law(amplitude, noise, traits, NERVOUS * np.tile(w, z.size)[:, None])
    truth = truth_of(law, np.repeat(weights, w.size) * np.tile(w_weights, z.size), REPETITIONS)
    return {"S": float(truth.S.mean()), "R": float(1 / truth.sigma.mean())}


def laws_of(kind: Seeds, rng: np.random.Generator) -> dict[str, Array]:
    """Return the answer probabilities (P, Q, 6) of a study's base and of its five fine-tunes."""
    common = smooth_traits(rng, PERSONAS), rng.normal(size=(PERSONAS, 1))
    found = {}
    for name in ("base", *NAMES):
        own = smooth_traits(rng, PERSONAS), rng.normal(size=(PERSONAS, 1))
        traits, nervousness = (
            np.sqrt(SHARED) * both + np.sqrt(1 - SHARED) * one
            for both, one in zip(common, own, strict=True)
        )
        amplitude, noise = SMOOTH["base"]
        if name != "base":
            # Seed effects are cut at three SDs, so that the noise stays positive.
            moved = 1 + kind.spread * np.clip(rng.normal(size=2), -3, 3)
            amplitude, noise = kind.amplitude * moved[0], kind.noise * moved[1]
        found[name] = smooth_law(amplitude, noise, traits, NERVOUS * nervousness)
    return found


def study(world: str, kind: Seeds, base: Truth, mean: Truth, number: int) -> list[Found]:
    """Draw one study and compare its intervals with the mean effect over seeds; 1 or 0 each."""
    rng = generator(SEED, "replicates", world, number)
    frames = [
        frame_of(rng.multinomial(REPETITIONS, law), variant, SMOOTH_INSTRUMENT)
        for variant, law in laws_of(kind, rng).items()
    ]
    seed = derived_seed(SEED, "replicates", world, number)
    found: list[Found] = []
    for count in COUNTS:
        replicates = {"m": {"insecure": NAMES[:count]}}
        compared = frames[: count + 1]
        paired = paired_of(compared, SMOOTH_INSTRUMENT, seed, ANALYSIS, replicates)
        (contrast,) = paired.contrasts
        whole = change_of(paired, contrast, [0])
        alone = replace(whole, replicates=None)  # as if these were all seeds
        at = paired.groups.index(OVERALL)
        found += _compared(whole, "personas and seeds", count, at, base, mean)
        found += _compared(alone, "personas alone", count, at, base, mean)
        rows = contrasts_of(paired).filter(model="m", domain=OVERALL)
        for row in rows.filter(pl.col("metric") != "sigma_bar").iter_rows(named=True):
            for test in ("p", "p_exchange"):
                found.append((f"{test} <= 0.05", row["metric"], count, float(row[test] <= 0.05)))
    return found


def _compared(
    change: Studentized, errors: str, count: int, at: int, base: Truth, mean: Truth
) -> Iterator[Found]:
    """Compare the interval of the percent change with the true change."""
    low, high = percent_ends(change)
    for row, metric in enumerate(METRICS[:2]):
        name = f"percent change of {metric}"
        holds = low[row, at] <= 100 * (mean[metric] / base[metric] - 1) <= high[row, at]
        yield f"coverage, {errors}", name, count, float(holds)
        yield f"width, {errors}", name, count, float((high - low)[row, at])


def simulate(studies: int, processes: int) -> None:
    """Simulate so many studies of every spread, with and without an effect."""
    base = values_at(*SMOOTH["base"])
    rows: list[tuple[object, ...]] = []
    for effect in ("none", "insecure"):
        for spread in SPREADS:
            start = time.perf_counter()
            kind = Seeds(*SMOOTH["base" if effect == "none" else effect], spread)
            if effect == "none":
                kind = kind.centred(base)
            mean, world = kind.truth(), f"{effect} {spread}"
            with get_context("spawn").Pool(processes) as pool:
                job = partial(study, world, kind, base, mean)
                drawn = pool.map(job, range(studies), chunksize=10)
            found = pl.DataFrame(
                [part for one in drawn for part in one],
                schema=["check", "name", "replicates", "value"],
                orient="row",
            )
            means = found.group_by("check", "name", "replicates", maintain_order=True).agg(
                pl.len().alias("studies"),
                pl.col("value").mean(),
                pl.col("value").median().alias("median"),
            )
            for row in means.iter_rows(named=True):
                middle = row["median"] if row["check"].startswith("width") else 100 * row["value"]
                keys = (row["check"], row["name"], row["replicates"], row["studies"])
                rows.append((effect, spread, *keys, round(middle, 3)))
            print(f"{world}: {studies} studies, {time.perf_counter() - start:.0f} s", flush=True)
    columns = ["effect", "spread", "check", "name", "replicates", "studies", "value"]
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(RESULTS)


def document(page: Path = PAGE) -> None:
    """Replace the tables of the page between their markers."""
    found = pl.read_csv(RESULTS)
    text = page.read_text(encoding="utf-8")
    for name, table in (("seeds", coverage_table(found)), ("seed tests", tests_table(found))):
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = mark.subn(lambda at, t=table: f"{at[1]}{t}{at[2]}", text)  # type: ignore[misc]
        if count != 1:
            raise SystemExit(f"{page}: the mark of the table {name!r} is there {count} times")
    page.write_text(text, encoding="utf-8")


def _value(found: pl.DataFrame, **keys: object) -> str:
    rows = found.filter(**keys)["value"]
    return f"{rows.item():.1f}" if rows.len() else ""


def coverage_table(found: pl.DataFrame) -> str:
    """Return coverage (and median width) of the percent changes, as Markdown."""
    lines = [
        "| metric | seed SD | replicates | personas alone | personas and seeds "
        "| width, alone | width, both |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for metric in ("S", "R"):
        for spread in SPREADS:
            for count in COUNTS:
                keys = {
                    "effect": "insecure",
                    "spread": spread,
                    "replicates": count,
                    "name": f"percent change of {metric}",
                }
                cells = [
                    _value(found, check=f"{check}, {errors}", **keys)
                    for check in ("coverage", "width")
                    for errors in ("personas alone", "personas and seeds")
                ]
                lines.append(f"| {metric} | {100 * spread:.0f} % | {count} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def tests_table(found: pl.DataFrame) -> str:
    """Return how often each test rejects when fine-tuning has no effect on average."""
    lines = [
        "| seed SD | replicates | S, p_exchange | S, p | R, p_exchange | R, p |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for spread in SPREADS:
        for count in COUNTS:
            keys = {"effect": "none", "spread": spread, "replicates": count}
            cells = [
                _value(found, check=f"{test} <= 0.05", name=metric, **keys)
                for metric in ("S", "R")
                for test in ("p_exchange", "p")
            ]
            lines.append(f"| {100 * spread:.0f} % | {count} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    run = steps.add_parser("simulate")
    run.add_argument("--studies", type=int, default=500)
    run.add_argument("--processes", type=int, default=2)
    steps.add_parser("document")
    options = parser.parse_args()
    if options.step == "simulate":
        simulate(options.studies, options.processes)
    else:
        document()


if __name__ == "__main__":
    main()
