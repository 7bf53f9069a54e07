"""Coverage of the intervals, level of the tests and bias of the estimators.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python -m benchmarks.calibration simulate \\
        --studies 500 --published path/to/published --processes 2
    python -m benchmarks.calibration document

``simulate`` draws studies of 100 personas x 30 items x 10 repetitions from populations with known
true values (``benchmarks.calibration_worlds``), measures each like a real one, and writes
``benchmarks/results/calibration.csv``. Without ``--published`` the recorded personas are left out;
``--only recorded`` draws only populations whose name starts like this and keeps other rows.
``document`` writes the tables and the figure of ``docs/calibration.md`` from that file.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.calibration_populations import of_logits, recorded
from benchmarks.calibration_worlds import (
    REPETITIONS,
    ROOT,
    Array,
    Carried,
    Respondents,
    Smooth,
    Truth,
    World,
)
from persona_collapse.common.seeds import derived_seed, generator
from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import OVERALL, cells_from_moments
from persona_collapse.measures.collapse import metrics_of, reciprocal
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.diagnostics.noise import noise_measures
from persona_collapse.measures.moments import SCHEMA, moments_of_counts
from persona_collapse.measures.statistics.bootstrap import Draws, averages

SEED, PERSONAS, PERSONA_DRAWS, PERMUTATIONS = 20260512, 100, 1000, 999
RESULTS = ROOT / "benchmarks/results/calibration.csv"
ROLES = {"baseline": "base", "targets": {"insecure": "secure"}}
FEW = Draws(personas=PERSONA_DRAWS, reruns=2)  # reruns would change standard errors only
CORRECTED = 5  # the corrected R takes longest, so only every fifth study computes it
ANALYSIS = {
    "bootstrap_personas": PERSONA_DRAWS,
    "bootstrap_reruns": FEW.reruns,
    "permutations": PERMUTATIONS,
}
TESTS = ("p", "p_exchange")
Found = tuple[str, str, str, float]  # check, name, domain, value
COLUMNS = ("world", "check", "name", "domain", "studies", "value", "se", "low", "high")
ASKED = {"coverage": (93.0, 97.0), "rejection": (3.5, 6.5)}  # percent


def frame_of(counts: NDArray[np.int64], variant: str, instrument: Instrument) -> pl.DataFrame:
    """Return the moments of counts per rating (P, Q, K), in the form of ``moments_of``."""
    personas, items, ratings = counts.shape
    flat = counts.reshape(-1, ratings)
    n, mean, sd = moments_of_counts(flat, instrument.scale.minimum)
    named = {"model": "m", "variant": variant, "probe": "roleplay"}
    return pl.DataFrame(
        {
            **{name: [value] * n.size for name, value in named.items()},
            "persona_id": np.repeat(np.arange(personas), items),
            "item_id": np.tile([item.id for item in instrument.items], personas),
            "domain": [item.domain for item in instrument.items] * personas,
            "n": n,
            "exact": [False] * n.size,
            "mean": mean,
            "sd": sd,
            "counts": flat.astype(np.float64),
            "simulated": [True] * n.size,
            "rating_mass": [None] * n.size,
        }
    ).cast(dict(SCHEMA))  # type: ignore[arg-type]


def values_of(truth: Truth, by_group: Array, clean: bool) -> dict[str, Array]:
    """Return the true S, sigma_bar and R per group (G,), with or without repetition noise."""
    S, sigma = (truth.S_clean, truth.sigma_clean) if clean else (truth.S, truth.sigma)
    sigma_bar = sigma @ by_group
    return {"S": S @ by_group, "sigma_bar": sigma_bar, "R": reciprocal(sigma_bar)}


def study(world: World, number: int) -> list[Found]:
    """Draw one study, measure it and compare it with the true values.

    ``coverage`` and ``rejection`` are 1 or 0, ``bias`` is the error of an estimate in percent.
    """
    rng = generator(SEED, "answers", world.name, number)
    laws = world.probabilities(derived_seed(SEED, world.name, number), PERSONAS)
    frames = {
        variant: frame_of(rng.multinomial(REPETITIONS, law), variant, world.instrument)
        for variant, law in laws.items()
    }
    items = cells_from_moments(frames["base"], world.instrument)
    groups = items.groups()
    by_group = averages(groups, items.item_ids.size)
    places = {name: place for place, name in enumerate(groups)}
    seed = derived_seed(SEED, "measures", world.name, number)
    found: list[Found] = []
    corrected = number % CORRECTED == 0
    for variant in ("base", "secure", "insecure"):
        seen, clean = (values_of(world.truths[variant], by_group, only) for only in (False, True))
        found += _of_variant(
            frames[variant], world.instrument, seed, places, seen, clean, corrected
        )
    found += _of_contrasts(world, frames, seed, by_group, places)
    return found


def _of_variant(
    frame: pl.DataFrame,
    instrument: Instrument,
    seed: int,
    places: dict[str, int],
    seen: dict[str, Array],
    clean: dict[str, Array],
    corrected: bool,
) -> Iterator[Found]:
    variant = frame["variant"][0]
    for row in metrics_of(frame, instrument, seed, FEW).iter_rows(named=True):
        group = row["domain"]
        at = places[group]
        for name in ("S", "R"):
            holds = row[f"{name}_lo"] <= seen[name][at] <= row[f"{name}_hi"]
            yield "coverage", f"{name} of {variant}", group, float(holds)
        for name in ("S", "S_corrected", "sigma_bar", "R"):
            true = clean[name.removesuffix("_corrected")][at]
            yield "bias", f"{name} of {variant}", group, 100 * (row[name] / true - 1)
    if not corrected:
        return
    cells = cells_from_moments(frame, instrument)
    mended = noise_measures(cells, seed, "roleplay", PERSONA_DRAWS)
    for row in mended.iter_rows(named=True):
        name, group = row["measure"].removesuffix("_corrected"), row["domain"]
        if name in ("sigma_bar", "R"):
            true = clean[name][places[group]]
            yield "bias", f"{name}_corrected of {variant}", group, 100 * (row["value"] / true - 1)
            if name == "R":
                holds = row["lo"] is not None and row["lo"] <= true <= row["hi"]
                yield "coverage", f"R_corrected of {variant}", group, float(holds)


def _of_contrasts(
    world: World,
    frames: dict[str, pl.DataFrame],
    seed: int,
    by_group: Array,
    places: dict[str, int],
) -> Iterator[Found]:
    compared = [frames[variant] for variant in ("base", "secure", "insecure")]
    paired = paired_of(compared, world.instrument, seed, {**ROLES, **ANALYSIS})
    table = contrasts_of(paired).filter(pl.col("model") != "mean")
    for row in table.iter_rows(named=True):
        metric, group, at = row["metric"], row["domain"], places[row["domain"]]
        first, second = (
            values_of(world.truths[variant], by_group, False)[metric][at]
            for variant in row["contrast"].split("-")
        )
        if metric != "sigma_bar":
            holds = row["percent_lo"] <= 100 * (first / second - 1) <= row["percent_hi"]
            yield "coverage", f"{metric} {row['contrast']}, percent", group, float(holds)
    roles = {**ROLES, "targets": {"twin": None}}
    same = paired_of([frames["base"], frames["twin"]], world.instrument, seed, roles | ANALYSIS)
    rows = contrasts_of(same).filter(pl.col("model") != "mean", pl.col("metric") != "sigma_bar")
    for row in rows.iter_rows(named=True):
        for test in TESTS:
            rejects = float(row[test] <= 0.05)
            yield "rejection", f"{row['metric']}, {test}", row["domain"], rejects


def summary_of(world: str, studies: Sequence[list[Found]]) -> pl.DataFrame:
    """Average over studies; for the error, the domains of a study are one cluster."""
    keys = ["check", "name", "domain"]
    frame = pl.DataFrame(
        [(number, *found) for number, rows in enumerate(studies) for found in rows],
        schema=["study", *keys, "value"],
        orient="row",
    )
    pooled = pl.when(pl.col("domain") == OVERALL).then(pl.lit(OVERALL))
    means = frame.group_by(
        "study", "check", "name", pooled.otherwise(pl.lit("domains")).alias("domain")
    ).agg(pl.col("value").mean())
    value = pl.col("value")
    percent = pl.when(pl.col("check") == "bias").then(1.0).otherwise(100.0)
    means = means.with_columns(value * percent)
    bound = [
        pl.col("check").replace_strict({k: v[end] for k, v in ASKED.items()}, default=None)
        for end in (0, 1)
    ]
    return (
        means.group_by(keys)
        .agg(pl.len().alias("studies"), value.mean().alias("mean"), value.std().alias("sd"))
        .with_columns(
            pl.lit(world).alias("world"),
            pl.col("mean").round(3).alias("value"),
            (pl.col("sd") / pl.col("studies").sqrt()).round(3).alias("se"),
            bound[0].alias("low"),
            bound[1].alias("high"),
        )
        .select(COLUMNS)
        .sort("check", "domain", "name", descending=[False, True, False])
    )


def worlds_of(published: Path | None) -> list[World]:
    """Return the worlds to simulate; the recorded ones need the published answers."""
    worlds: list[World] = [Smooth(), Respondents(), of_logits(), Carried()]
    if published is not None:
        worlds += [
            recorded(published, stem, f"recorded {label}")
            for stem, label in (("gpt-4o", "GPT-4o"), ("gpt-4.1", "GPT-4.1"))
        ]
    return worlds


def simulate(studies: int, published: Path | None, processes: int, only: str) -> None:
    """Simulate studies of every world whose name starts with ``only``; write the results."""
    worlds = [world for world in worlds_of(published) if world.name.startswith(only)]
    tables = []
    if only:
        names = [world.name for world in worlds]
        tables.append(pl.read_csv(RESULTS).filter(~pl.col("world").is_in(names)))
    for world in worlds:
        start = time.perf_counter()
        world.truths  # noqa: B018  # computed once; the processes get copies
        with get_context("spawn").Pool(processes) as pool:
            found = pool.map(partial(study, world), range(studies), chunksize=20)
        tables.append(summary_of(world.name, found))
        print(f"{world.name}: {studies} studies, {time.perf_counter() - start:.0f} s", flush=True)
        pl.concat(tables, how="vertical_relaxed").write_csv(RESULTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    run = steps.add_parser("simulate")
    run.add_argument("--studies", type=int, default=500)
    run.add_argument("--published", type=Path)
    run.add_argument("--processes", type=int, default=2)
    run.add_argument("--only", default="", help="populations whose names begin like this")
    steps.add_parser("document")
    options = parser.parse_args()
    if options.step == "simulate":
        simulate(options.studies, options.published, options.processes, options.only)
    else:
        from benchmarks.calibration_page import document

        document(RESULTS)


if __name__ == "__main__":
    main()
