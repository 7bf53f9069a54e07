"""Time moments and metrics on one core; print a table.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python -m benchmarks.measuring [folder of answers]

The seconds are CPU time, summed over threads; the two variables keep the work on one core. With
the folder of the published answers (base/, secure-code/, insecure-code/), the cells are the
role-play files found there, repeated up to twelve; without it, simulated answers of the same size,
noisier than the published ones.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from persona_collapse.answers import conform
from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.statistics.bootstrap import Draws

CELLS, PERSONAS, ITEMS, REPETITIONS = 12, 100, 30, 10
DOMAINS = ("A", "B", "C", "D", "E")
INSTRUMENT = Instrument(
    "thirty",
    "Thirty items",
    Scale(0, 5),
    DOMAINS,
    Prompts("", {"s": "{item}"}),
    tuple(Item(place + 1, "s", DOMAINS[place % 5], "") for place in range(ITEMS)),
)
Result = TypeVar("Result")


def recorded(root: Path) -> list[pl.DataFrame]:
    files = sorted(root.glob("*/*_temp01.csv"))
    if not files:
        sys.exit(f"{root}: no */*_temp01.csv here")
    frames = []
    for path in files:
        frame = pl.read_csv(path, infer_schema=False).rename(
            {"question_id": "item_id", "run_index": "repetition"}
        )
        slots = frame.select(pl.col("persona_id", "item_id", "repetition").cast(pl.Int32))
        rating = frame["rating"].cast(pl.Int8)
        frames.append(slots.with_columns(rating=rating.set(rating < 0, None)))
    return frames


def simulated() -> list[pl.DataFrame]:
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(CELLS):
        trait = rng.normal(2.5, 1.0, (PERSONAS, ITEMS, 1))
        noise = rng.normal(0, 0.3, (PERSONAS, ITEMS, REPETITIONS))
        places = np.indices(noise.shape).reshape(3, -1)
        rating = np.clip(np.rint(trait + noise), 0, 5).astype(np.int8).ravel()
        columns = {"persona_id": places[0], "item_id": places[1] + 1}
        columns |= {"repetition": places[2] + 1, "rating": rating}
        frames.append(pl.DataFrame(columns))
    return frames


def named(frame: pl.DataFrame, place: int) -> pl.DataFrame:
    status = pl.when(pl.col("rating").is_null()).then(pl.lit("unparseable")).otherwise(pl.lit("ok"))
    names = {"model": pl.lit(f"m{place}"), "variant": pl.lit("v"), "probe": pl.lit("roleplay")}
    return conform(frame.with_columns(**names, status=status))


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def main() -> None:
    found = recorded(Path(sys.argv[1])) if len(sys.argv) > 1 else simulated()
    answers = [named(found[place % len(found)], place) for place in range(CELLS)]
    moments, first = timed(lambda: [moments_of(frame, INSTRUMENT, PERSONAS) for frame in answers])
    _, second = timed(lambda: [metrics_of(frame, INSTRUMENT, 1, Draws()) for frame in moments])
    total = sum(frame.height for frame in answers)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'step':<36}{'CPU seconds':>12}")
    print(f"{'moments':<36}{first:>12.2f}")
    print(f"{'metrics, 2,000 + 400 draws':<36}{second:>12.2f}")
    print(f"{'both':<36}{first + second:>12.2f}")
    print(f"{CELLS} cells, {total:,} answers; peak memory {memory:.0f} MB")


if __name__ == "__main__":
    main()
