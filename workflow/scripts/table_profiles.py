"""Write the mean rating per foundation: of every model x variant x probe, and of every persona."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.measures.profiles import persona_means_of, profiles_of
from persona_collapse.tables import write
from persona_collapse.tables.contracts.personas import TABLE as PERSONAS
from persona_collapse.tables.contracts.profiles import TABLE as PROFILES


def table_profiles(
    moments: list[str],
    instruments: list[str],
    persona_sets: list[str | None],
    mixed: list[str],
    profiles: str,
    personas: str,
) -> None:
    """Write both tables; the three lists go together, one entry per model x variant x probe."""
    rows, people = [], []
    for path, instrument, persona_set in zip(moments, instruments, persona_sets, strict=True):
        cells = pl.read_parquet(path)
        rows.append(profiles_of(cells, read_instrument(Path(instrument))))
        known = read_personas(Path(persona_set)).descriptions if persona_set else None
        people.append(persona_means_of(cells, known))
    write(PROFILES, pl.concat(rows), Path(profiles), mixed)
    write(PERSONAS, pl.concat(people), Path(personas), mixed)


if __name__ == "__main__":
    run(table_profiles, snakemake)
