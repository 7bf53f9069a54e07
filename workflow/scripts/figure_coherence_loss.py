"""Draw the excess loss of robustness over that of coherence."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.coherence_loss import coherence_loss
from persona_collapse.figures.look import Look
from persona_collapse.figures.tables import read_table


def figure_coherence_loss(
    table: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    coherence_loss(read_table(Path(table), "coherence_loss"), look, Path(output).with_suffix(""))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_coherence_loss(
            table=snakemake.input.loss,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
