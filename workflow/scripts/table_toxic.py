"""Compare unconditioned profiles with the baseline's, its toxic personas' and the ceiling."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.measures.diagnostics.table import printed_profiles, toxic_rows
from persona_collapse.tables import write
from persona_collapse.tables.contracts.toxic import TABLE


def table_toxic(
    moments: list[str],
    bases: list[str],
    toxics: list[str | None],
    labels: list[str | None],
    instrument: str,
    seed: int,
    draws: int,
    mixed: list[str],
    output: str,
    printed: str | None = None,
) -> None:
    """Write one row per variant and reference; the lists but ``mixed`` go together.

    ``bases`` are the baseline's unconditioned moments, ``toxics`` those of the toxic personas that
    the baseline played, None where it was not asked; then profiles come from the CSV ``printed``
    by the models' ``labels``, which are None where there is no such file.
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
            printed_profiles(Path(printed), label, questionnaire)
            if printed and label and not toxic
            else {},
        )
        for path, base, toxic, label in zip(moments, bases, toxics, labels, strict=True)
    ]
    write(TABLE, pl.concat(parts), Path(output), mixed)


if __name__ == "__main__":
    run(table_toxic, snakemake)
