"""Draw the R-S map with an arrow from each baseline to each of its variants."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.map import robustness_map
from persona_collapse.figures.tables import read_table


def figure_robustness_map(
    metrics: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    robustness_map(
        read_table(Path(metrics), "metrics"),
        look,
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_robustness_map(
            metrics=snakemake.input.metrics,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
