"""Draw percent changes of S and R per foundation with intervals."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.shifts import foundation_dots
from persona_collapse.figures.tables import read_table


def figure_foundation_dots(
    contrasts: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    foundation_dots(
        read_table(Path(contrasts), "contrasts"),
        look,
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_foundation_dots(
            contrasts=snakemake.input.contrasts,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
