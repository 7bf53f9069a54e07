"""Place every variant against the band of earlier models that were asked the same."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.tables import read, write
from persona_collapse.tables.contracts.band import TABLE as BAND
from persona_collapse.tables.contracts.band_models import TABLE as BAND_MODELS
from persona_collapse.tables.contracts.band_values import TABLE as BAND_VALUES
from persona_collapse.tables.contracts.metrics import TABLE as METRICS


def table_band(
    metrics: str,
    earlier: list[dict[str, Any]],
    probes: list[str],
    mixed: list[str],
    band: str,
    values: str,
    models: str,
) -> None:
    """Write the ``earlier`` models, their band, and the place of each variant under ``probes``."""
    known = BAND_MODELS.frame(earlier)
    own = read(METRICS, Path(metrics)).filter(pl.col("probe").is_in(probes))
    write(BAND, band_of(own, known), Path(band), mixed)
    write(BAND_VALUES, band_values(known), Path(values))
    write(BAND_MODELS, known, Path(models))


if __name__ == "__main__":
    run(table_band, snakemake)
