"""A hundred models: moments, S and R of 300 variants with 1,000 personas x 30 items x 10 answers.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python -m benchmarks.hundred_models [variants]

The 300,000 answers of a variant are generated when they are needed, untimed. The script reports the
CPU time of ``moments_of`` and ``metrics_of`` with 2,000 persona and 400 rerun draws, and the peak
memory of the process. The answers are noisier than any published ones: 85 %
of the cells have more than one rating, which costs most. Three smaller sizes, measured first, show
that the cost is linear in the number of answers. Writes ``benchmarks/results/hundred_models.csv``.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measuring import INSTRUMENT, ITEMS, REPETITIONS, named, timed
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.statistics.bootstrap import Draws

VARIANTS, PERSONAS, SMALLER = 300, 1000, (250, 500, 1000, 2000)
RESULTS = Path(__file__).parent / "results/hundred_models.csv"


def answers(personas: int) -> Iterator[pl.DataFrame]:
    """Yield the answers of one variant after the other; only the ratings differ."""
    rng = np.random.default_rng(personas)
    places = np.indices((personas, ITEMS, REPETITIONS)).reshape(3, -1)
    columns = {"persona_id": places[0], "item_id": places[1] + 1, "repetition": places[2] + 1}
    frame = named(pl.DataFrame(columns).with_columns(rating=pl.lit(0)), 0)
    while True:
        trait = rng.normal(2.5, 1.0, (personas, ITEMS, 1))
        noise = rng.normal(0, 0.3, (personas, ITEMS, REPETITIONS))
        rating = np.clip(np.rint(trait + noise), 0, 5).astype(np.int8).ravel()
        yield frame.with_columns(rating=pl.Series(rating))


def measured(variants: int, personas: int) -> dict[str, float]:
    """Measure so many variants; return CPU seconds, answers and the process's peak memory."""
    moments_s = metrics_s = 0.0
    for frame in islice(answers(personas), variants):
        moments, seconds = timed(partial(moments_of, frame, INSTRUMENT, personas))
        moments_s += seconds
        found, seconds = timed(partial(metrics_of, moments, INSTRUMENT, 1, Draws()))
        metrics_s += seconds
        assert found["S_se"].is_not_null().all()
    total = variants * personas * ITEMS * REPETITIONS
    return {
        "variants": variants,
        "personas": personas,
        "answers": total,
        "moments_cpu_s": round(moments_s, 2),
        "metrics_cpu_s": round(metrics_s, 2),
        "cpu_s": round(moments_s + metrics_s, 2),
        "cpu_us_per_answer": round((moments_s + metrics_s) / total * 1e6, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    variants = int(sys.argv[1]) if len(sys.argv) > 1 else VARIANTS
    measured(1, 100)  # imports and first calls
    rows = []
    for count, personas in [*((10, size) for size in SMALLER), (variants, PERSONAS)]:
        rows.append(measured(count, personas))
        print(rows[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    pl.DataFrame(rows).write_csv(RESULTS)


if __name__ == "__main__":
    main()
