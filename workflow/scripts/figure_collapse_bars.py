"""Draw S and R of every model and variant with the percent change against the baseline."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.bars import collapse_bars
from persona_collapse.figures.look import Look
from persona_collapse.figures.tables import read_table


def figure_collapse_bars(
    metrics: str,
    contrasts: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    look = Look.from_params(models, variants, analysis)
    collapse_bars(
        read_table(Path(metrics), "metrics"),
        read_table(Path(contrasts), "contrasts"),
        look,
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_collapse_bars(
            metrics=snakemake.input.metrics,
            contrasts=snakemake.input.contrasts,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
