"""Draw alignment against coherence."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.alignment_coherence import alignment_coherence
from persona_collapse.figures.look import Look
from persona_collapse.figures.tables import read_table


def figure_alignment_coherence(
    table: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    alignment_coherence(read_table(Path(table), "misalignment"), look, Path(output).with_suffix(""))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_alignment_coherence(
            table=snakemake.input.misalignment,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
