"""Say of every persona how well a variant keeps its profile, and how far it moved."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.diagnostics.fidelity import persona_fidelity
from persona_collapse.tables import write
from persona_collapse.tables.contracts.fidelity import TABLE


def table_fidelity(
    moments: list[str], bases: list[str], instruments: list[str], mixed: list[str], output: str
) -> None:
    """Write one row per persona; the lists go together, one entry per variant but the baseline."""
    parts = [pl.DataFrame(schema=TABLE.schema)]
    for path, base, instrument in zip(moments, bases, instruments, strict=True):
        questionnaire = read_instrument(Path(instrument))
        frames = [pl.read_parquet(file) for file in (base, path)]
        before, after = (cells_from_moments(frame, questionnaire) for frame in frames)
        names = [pl.lit(frames[1][name][0]).alias(name) for name in ("model", "variant", "probe")]
        simulated = any(frame["simulated"].any() for frame in frames)
        found = persona_fidelity(before, after)
        parts.append(found.select(*names, pl.all(), pl.lit(simulated).alias("simulated")))
    write(TABLE, pl.concat(parts), Path(output), mixed)


if __name__ == "__main__":
    run(table_fidelity, snakemake)
