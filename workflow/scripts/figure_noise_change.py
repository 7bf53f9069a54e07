"""Draw the percent change of 1/R, the mean within-cell SD."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.change import noise_change
from persona_collapse.figures.look import Look
from persona_collapse.figures.tables import read_table


def figure_noise_change(
    contrasts: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    noise_change(
        read_table(Path(contrasts), "contrasts"),
        look,
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_noise_change(
            contrasts=snakemake.input.contrasts,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
