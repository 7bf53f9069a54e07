"""Draw how far unconditioned profiles lie from the baseline, toxic personas and the ceiling."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.distances import toxic_distances
from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import read_measured


def figure_toxic_distances(
    toxic: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    toxic_distances(
        read_measured(Path(toxic), "toxic"),
        Look.from_params(models, variants, analysis),
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_toxic_distances(
            toxic=snakemake.input.toxic,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
