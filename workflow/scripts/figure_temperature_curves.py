"""Draw S and R over sampling temperature, from log-probabilities."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import read_measured
from persona_collapse.figures.temperature import temperature_curves


def figure_temperature_curves(
    temperature: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    temperature_curves(
        read_measured(Path(temperature), "temperature"),
        Look.from_params(models, variants, analysis),
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_temperature_curves(
            temperature=snakemake.input.temperature,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
