"""Place every variant against the band of earlier models."""

from pathlib import Path

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures import collapse
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.tables import write_table


def table_band(
    metrics: str,
    prior: str,
    inclusion: list[str] | None,
    mixed: list[str],
    band: str,
    values: str,
) -> None:
    """Write each variant's place, and the band itself; ``inclusion`` None takes the paper's 13."""
    earlier = pl.read_csv(prior)
    found = pl.read_csv(metrics, schema_overrides=collapse.SCHEMA)
    write_table(band_of(found, earlier, inclusion), Path(band), mixed)
    band_values(earlier, inclusion).write_csv(values)


if __name__ == "__main__":
    run(table_band, snakemake)
