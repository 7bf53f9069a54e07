"""Draw S of every variant against the band of published models."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.band import prior_band
from persona_collapse.figures.look import Look
from persona_collapse.figures.tables import read_table


def figure_prior_band(
    metrics: str,
    prior: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    prior_band(
        read_table(Path(metrics), "metrics"),
        read_table(Path(prior), "prior_models"),
        look,
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_prior_band(
            metrics=snakemake.input.metrics,
            prior=snakemake.input.prior,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
