"""Compare unconditioned profiles with the baseline's, its toxic personas' and the ceiling."""

from pathlib import Path

import polars as pl

from persona_collapse.console import reported
from persona_collapse.instruments import read_instrument
from persona_collapse.measures.diagnostics import toxic_rows
from persona_collapse.tables import write_table


def table_toxic(
    moments: list[str],
    bases: list[str],
    toxics: list[str | None],
    instrument: str,
    seed: int,
    draws: int,
    mixed: list[str],
    output: str,
) -> None:
    """Write one row per variant and reference; the three lists go together.

    ``bases`` are the baseline's unconditioned moments, ``toxics`` those of the toxic personas that
    the baseline played, None where it was not asked.
    """
    questionnaire = read_instrument(Path(instrument))
    parts = [
        toxic_rows(
            pl.read_parquet(path),
            pl.read_parquet(base),
            pl.read_parquet(toxic) if toxic else None,
            questionnaire,
            seed,
            draws,
        )
        for path, base, toxic in zip(moments, bases, toxics, strict=True)
    ]
    write_table(pl.concat(parts), Path(output), mixed)


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        table_toxic(
            moments=list(snakemake.input.moments),
            bases=snakemake.params.bases,
            toxics=snakemake.params.toxics,
            instrument=snakemake.input.instrument,
            seed=snakemake.params.seed,
            draws=snakemake.params.draws,
            mixed=snakemake.params.mixed,
            output=snakemake.output[0],
        )
