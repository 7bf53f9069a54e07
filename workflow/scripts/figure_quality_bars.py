"""Draw the share of designed answers that are missing, by cause."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.quality import quality_bars
from persona_collapse.figures.tables import read_table


def figure_quality_bars(
    quality: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    quality_bars(
        read_table(Path(quality), "quality"),
        look,
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_quality_bars(
            quality=snakemake.input.quality,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
