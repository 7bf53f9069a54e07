"""Draw every persona under each variant against itself under the baseline."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.fidelity import persona_fidelity
from persona_collapse.figures.look import Look
from persona_collapse.figures.meaning import read_measured


def figure_persona_fidelity(
    personas: str,
    fidelity: str,
    diagnostics: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    persona_fidelity(
        read_measured(Path(personas), "personas"),
        read_measured(Path(fidelity), "fidelity"),
        read_measured(Path(diagnostics), "diagnostics"),
        Look.from_params(models, variants, analysis),
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_persona_fidelity(
            personas=snakemake.input.personas,
            fidelity=snakemake.input.fidelity,
            diagnostics=snakemake.input.diagnostics,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
