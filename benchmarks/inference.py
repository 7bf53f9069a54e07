"""CPU time and memory of all inference from a study of 12 x 30,000 answers.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python -m benchmarks.inference

The demo study's simulated respondents (4 models x 3 variants, 100 personas x 30 items x 10
repetitions, besides the unconditioned and the toxic probe) answer first, untimed. Each part then
runs as in its rule, with the default numbers of draws. The last column is the peak memory of the
process so far, including the answers. Writes ``benchmarks/results/inference.csv``.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import polars as pl

from benchmarks.measuring import timed
from persona_collapse.common.keys import plain
from persona_collapse.endpoints.simulated import Simulated, planted_values
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.contrasts.pairs import paired_of, roles_of
from persona_collapse.measures.contrasts.summary import (
    leave_one_out_of,
    random_effects_of,
    summary_of,
)
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.diagnostics.table import diagnostics_of, toxic_rows
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.multiverse.table import multiverse_of
from persona_collapse.measures.power import designs, pilot_of
from persona_collapse.measures.statistics.bootstrap import Draws
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.measures.verdict.headlines import Tables, headlines_of
from persona_collapse.measures.verdict.table import Tables as VerdictTables
from persona_collapse.measures.verdict.table import verdicts_of
from persona_collapse.plan.shards import cut
from persona_collapse.study.model import Analysis
from persona_collapse.tables import Table
from persona_collapse.tables.index import all_tables
from persona_collapse.tasks import Task

ROOT = Path(__file__).resolve().parents[1]
SEED, REPETITIONS, DRAWS = 20260512, 10, 1000  # DRAWS: of the diagnostics
GRID = ([25, 50, 100, 200, 400], [2, 3, 5, 10, 20])  # personas and repetitions to plan for
MODELS = ("DeepSeek-V3.1", "GPT-4.1", "GPT-4o", "Qwen3-235B")
FIDELITY = {"base": 1.0, "secure": 0.9, "insecure": 0.5}
PERSONAS = {"roleplay": "everyday100", "unconditioned": None, "toxic": "toxic8"}
ANALYSIS = {**plain(Analysis()), "baseline": "base", "targets": {"insecure": "secure"}}
Key = tuple[str, str, str]
Result = TypeVar("Result")


class Clock:
    """Times parts and keeps their rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def part(self, name: str, work: Callable[[], Result]) -> Result:
        """Run a part of the work and note its CPU seconds and the peak memory up to its end."""
        result, seconds = timed(work)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.rows.append({"part": name, "cpu_s": round(seconds, 2), "peak_mb": round(peak)})
        print(f"{name:<32}{seconds:>8.2f} s{peak:>8.0f} MB", flush=True)
        return result


INSTRUMENT = read_instrument(ROOT / "resources/instruments/moral30.yaml")


def asked() -> dict[Key, pl.DataFrame]:
    """Return the answers of every model x variant x probe."""
    printed = ROOT / "resources/benchmarks/paper_tables.csv"
    found = {}
    for model in MODELS:
        for variant, fidelity in FIDELITY.items():
            for probe, people in PERSONAS.items():
                if probe == "toxic" and variant != "base":
                    continue
                path = ROOT / f"resources/personas/{people}.yaml"
                personas = read_personas(path) if people else None
                count = len(personas.descriptions) if personas else None
                counts = (count, len(INSTRUMENT.items), REPETITIONS)
                sizes = (count or 1, *counts[1:])
                (shard,) = cut(model, variant, probe, counts, sizes)
                settings = {
                    "planted": planted_values(printed, model, variant),
                    "kind": probe,
                    "repetitions": REPETITIONS,
                    "fidelity": fidelity,
                }
                task = Task(shard, INSTRUMENT, personas, SEED)
                found[model, variant, probe] = Simulated().answer(task, settings)
    return found


def people(probe: str) -> Sequence[str] | None:
    """Return the personas of a probe."""
    name = PERSONAS[probe]
    return read_personas(ROOT / f"resources/personas/{name}.yaml").descriptions if name else None


def of_units(table: Table, units: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Compute a table from one unit at a time, as its rule does."""
    module, _, name = table.function.rpartition(".")
    function = getattr(import_module(f"persona_collapse.measures.{module}"), name)
    rows = [function(*(unit[kind] for kind in table.reads)) for unit in units]
    return pl.concat(rows, how="vertical_relaxed")


def infer(answers: dict[Key, pl.DataFrame], clock: Clock) -> dict[str, object]:
    """Run every part on the answers; return the headlines."""
    persons = {key: frame["persona_id"].n_unique() for key, frame in answers.items()}
    moments = clock.part(
        "moments",
        lambda: {
            key: moments_of(frame, INSTRUMENT, None if key[2] == "unconditioned" else persons[key])
            for key, frame in answers.items()
        },
    )
    roleplay = [frame for key, frame in moments.items() if key[2] == "roleplay"]
    bare = [frame for key, frame in moments.items() if key[2] == "unconditioned"]
    base_of = {key: moments[key[0], "base", key[2]] for key in moments}
    metrics = clock.part(
        "metrics",
        lambda: pl.concat(metrics_of(part, INSTRUMENT, SEED, Draws()) for part in roleplay),
    )
    paired = clock.part(
        "contrasts: draws and tests", lambda: paired_of(roleplay, INSTRUMENT, SEED, ANALYSIS)
    )
    contrasts, left_out, random_effects, summary = clock.part(
        "contrasts: tables",
        lambda: (
            table := contrasts_of(paired),
            leave_one_out_of(paired),
            random_effects_of(table),
            summary_of(paired),
        ),
    )
    prior = pl.read_csv(ROOT / "resources/benchmarks/prior_models.csv")
    band, values = clock.part("band", lambda: (band_of(metrics, prior), band_values(prior)))
    clock.part(
        "diagnostics",
        lambda: [
            diagnostics_of(
                frame,
                INSTRUMENT,
                SEED,
                DRAWS,
                None if key[1] == "base" else base_of[key],
            )
            for key, frame in moments.items()
        ],
    )
    units = [
        {
            "moments": frame,
            "instrument": INSTRUMENT,
            "personas": people(key[2]),
            "baseline": None if key[1] == "base" else base_of[key],
            "control": moments[key[0], "secure", key[2]] if key[1] == "insecure" else None,
            "seed": SEED,
            "draws": DRAWS,
        }
        for key, frame in moments.items()
    ]
    found = {
        table.name: clock.part(table.name, partial(of_units, table, units))
        for table in all_tables().values()
        if table.function
    }
    multiverse = clock.part(
        "multiverse",
        lambda: multiverse_of(
            roleplay,
            [REPETITIONS] * len(roleplay),
            [None] * len(roleplay),
            INSTRUMENT,
            contrasts,
            ANALYSIS,
        ),
    )
    behind = VerdictTables(
        metrics,
        contrasts,
        *(
            found[name].filter(pl.col("probe") == "roleplay")
            for name in ("influence", "identification")
        ),
    )
    verdict = clock.part(
        "verdict",
        lambda: verdicts_of(behind, roles_of(ANALYSIS), ANALYSIS["smallest_effect"], {}),
    )
    tables = Tables(
        metrics,
        contrasts,
        summary,
        left_out,
        random_effects,
        found["profiles"],
        verdict.with_columns(mixed_backends=pl.lit(value=False)),
        band.with_columns(mixed_backends=pl.lit(value=False)),
        values,
        multiverse,
    )
    headlines = clock.part("headlines", lambda: headlines_of(tables, ANALYSIS))
    cells = {
        key: cells_from_moments(frame, INSTRUMENT)
        for key, frame in moments.items()
        if key[2] == "roleplay"
    }
    clock.part(
        "toxic",
        lambda: [
            toxic_rows(
                frame,
                moments[frame["model"][0], "base", "unconditioned"],
                moments[frame["model"][0], "base", "toxic"],
                INSTRUMENT,
                SEED,
                DRAWS,
            )
            for frame in bare
        ],
    )
    clock.part(
        "power",
        lambda: [
            designs(
                pilot_of(cells[model, "base", "roleplay"], cells[model, "insecure", "roleplay"]),
                GRID[0],
                GRID[1],
            )
            for model in MODELS
        ],
    )
    return headlines


def main() -> None:
    answers, clock = asked(), Clock()
    assert sum(key[2] == "roleplay" for key in answers) == 12
    infer(answers, clock)
    total = sum(float(str(row["cpu_s"])) for row in clock.rows)
    peak = clock.rows[-1]["peak_mb"]
    clock.rows.append({"part": "everything", "cpu_s": round(total, 2), "peak_mb": peak})
    print(f"{'everything':<32}{total:>8.2f} s{peak:>8} MB")
    pl.DataFrame(clock.rows).write_csv(ROOT / "benchmarks/results/inference.csv")


if __name__ == "__main__":
    main()
