"""Compare the variants of each model, and on average over models, in pairs of the same personas."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.contrasts import summary as summaries
from persona_collapse.measures.contrasts import table as comparisons
from persona_collapse.measures.contrasts.pairs import paired_of
from persona_collapse.tables import write
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.leave_one_out import TABLE as LEAVE_ONE_OUT
from persona_collapse.tables.contracts.random_effects import TABLE as RANDOM_EFFECTS
from persona_collapse.tables.contracts.summary import TABLE as SUMMARY


def table_contrasts(
    moments: list[str],
    instruments: list[str],
    seed: int,
    analysis: dict[str, Any],
    replicates: dict[str, dict[str, list[str]]],
    mixed: list[str],
    contrasts: str,
    summary: str,
    leave_one_out: str,
    random_effects: str,
) -> None:
    """Write contrasts, summary, leave_one_out and random_effects, one draw of personas per probe.

    ``moments`` and ``instruments`` go together, one entry per model x variant x probe;
    ``replicates`` maps each model's variants to their replicates.
    """
    probes: dict[str, tuple[str, list[pl.DataFrame]]] = {}
    for path, instrument in zip(moments, instruments, strict=True):
        cells = pl.read_parquet(path)
        probes.setdefault(cells["probe"][0], (instrument, []))[1].append(cells)
    tables = (CONTRASTS, SUMMARY, LEAVE_ONE_OUT, RANDOM_EFFECTS)
    parts = {table.name: [pl.DataFrame(schema=table.schema)] for table in tables}
    for instrument, frames in probes.values():
        paired = paired_of(frames, read_instrument(Path(instrument)), seed, analysis, replicates)
        compared = comparisons.contrasts_of(paired)
        parts["contrasts"].append(compared)
        parts["summary"].append(summaries.summary_of(paired))
        parts["leave_one_out"].append(summaries.leave_one_out_of(paired))
        parts["random_effects"].append(summaries.random_effects_of(compared))
    paths = (contrasts, summary, leave_one_out, random_effects)
    for table, path in zip(tables, paths, strict=True):
        write(table, pl.concat(parts[table.name]), Path(path), mixed)


if __name__ == "__main__":
    run(table_contrasts, snakemake)
