"""Say of every persona how well a variant keeps its profile, and how far it moved."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.diagnostics.fidelity import persona_fidelity
from persona_collapse.tables import write_table


def table_fidelity(
    moments: list[str],
    bases: list[str],
    instruments: list[str],
    mixed: list[str],
    output: str,
) -> None:
    """Write one row per persona; the lists go together, one entry per variant but the baseline."""
    parts = []
    for path, base, instrument in zip(moments, bases, instruments, strict=True):
        scale = read_instrument(Path(instrument)).scale
        frames = [pl.read_parquet(file) for file in (base, path)]
        before, after = (cells_from_moments(frame, scale.minimum) for frame in frames)
        names = [pl.lit(frames[1][name][0]).alias(name) for name in ("model", "variant", "probe")]
        simulated = any(frame["simulated"].any() for frame in frames)
        found = persona_fidelity(before, after)
        parts.append(found.select(*names, pl.all(), pl.lit(simulated).alias("simulated")))
    columns = (
        "model,variant,probe,persona_id,fidelity,fidelity_observed,shift,level_shift,simulated"
    )
    table = pl.concat(parts) if parts else pl.DataFrame(schema=columns.split(","))
    write_table(table, Path(output), mixed)


if __name__ == "__main__":
    run(table_fidelity, snakemake)
