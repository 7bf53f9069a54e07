"""Draw which changes of S and R designs can detect."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import read_measured
from persona_collapse.figures.power import power_curves


def figure_power_curves(
    power: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    wanted: list[float],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG.

    ``wanted`` are the rise of S and the fall of R, in percent, that the study aims at.
    """
    power_curves(
        read_measured(Path(power), "power"),
        (wanted[0], wanted[1]),
        Look.from_params(models, variants, analysis),
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_power_curves(
            power=snakemake.input.power,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            wanted=snakemake.params.wanted,
            output=snakemake.output.svg,
        )
