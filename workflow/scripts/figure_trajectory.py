"""Draw S, R and saturation over training steps."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.tables import read_table
from persona_collapse.figures.trajectory import trajectory


def figure_trajectory(
    table: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    trajectory(read_table(Path(table), "trajectory"), look, Path(output).with_suffix(""))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_trajectory(
            table=snakemake.input.trajectory,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
