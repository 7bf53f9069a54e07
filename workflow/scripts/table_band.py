"""Place every variant against the band of earlier models."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.tables import read, write
from persona_collapse.tables.contracts.band import TABLE as BAND
from persona_collapse.tables.contracts.band_values import TABLE as BAND_VALUES
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.prior_models import TABLE as PRIOR_MODELS


def table_band(
    metrics: str, prior: str, inclusion: list[str] | None, mixed: list[str], band: str, values: str
) -> None:
    """Write each variant's place, and the band itself; ``inclusion`` None takes the paper's 13."""
    earlier = read(PRIOR_MODELS, Path(prior))
    placed = band_of(read(METRICS, Path(metrics)), earlier, inclusion)
    write(BAND, placed, Path(band), mixed)
    write(BAND_VALUES, band_values(earlier, inclusion), Path(values))


if __name__ == "__main__":
    run(table_band, snakemake)
