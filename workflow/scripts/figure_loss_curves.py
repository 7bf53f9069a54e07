"""Draw the loss curves of the made variants."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.losses import loss_curves
from persona_collapse.figures.meaning import read_measured


def figure_loss_curves(
    table: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    loss_curves(read_measured(Path(table), "losses"), look, Path(output).with_suffix(""))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_loss_curves(
            table=snakemake.input.losses,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
