"""Draw the predicted distribution of base models with the study's variants against it."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.band_distribution import band_distribution
from persona_collapse.figures.look import Look
from persona_collapse.figures.prediction import read_band_table
from persona_collapse.figures.tables import read_table


def figure_band_distribution(
    metrics: str,
    band: str,
    values: str,
    prior: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    band_distribution(
        read_table(Path(metrics), "metrics"),
        read_band_table(Path(band), "band"),
        read_band_table(Path(values), "band_values"),
        read_table(Path(prior), "prior_models"),
        Look.from_params(models, variants, analysis),
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_band_distribution(
            metrics=snakemake.input.metrics,
            band=snakemake.input.band,
            values=snakemake.input.band_values,
            prior=snakemake.input.prior,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
