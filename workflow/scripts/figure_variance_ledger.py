"""Draw what part of the variance of ratings belongs to personas, items and repetitions."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.ledger import variance_ledger
from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import read_measured


def figure_variance_ledger(
    diagnostics: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    variance_ledger(
        read_measured(Path(diagnostics), "diagnostics"),
        Look.from_params(models, variants, analysis),
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_variance_ledger(
            diagnostics=snakemake.input.diagnostics,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
