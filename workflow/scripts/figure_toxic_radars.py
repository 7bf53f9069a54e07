"""Draw the profile of toxic personas beside the unconditioned ones, per model."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.figures.look import Look
from persona_collapse.figures.radars import toxic_radars
from persona_collapse.figures.tables import read_table
from persona_collapse.materials.instruments import read_instrument


def figure_toxic_radars(
    profiles: str,
    instrument: str,
    models: list[dict[str, Any]],
    variants: list[str],
    analysis: dict[str, Any],
    output: str,
) -> None:
    """Write the figure as ``output`` (SVG) and, beside it, as PDF and PNG."""
    scale = read_instrument(Path(instrument)).scale
    look = Look.from_params(models, variants, analysis)
    toxic_radars(
        read_table(Path(profiles), "profiles"),
        look,
        (scale.minimum, scale.maximum),
        Path(output).with_suffix(""),
    )


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        figure_toxic_radars(
            profiles=snakemake.input.profiles,
            instrument=snakemake.input.instrument,
            models=snakemake.params.models,
            variants=snakemake.params.variants,
            analysis=snakemake.params.analysis,
            output=snakemake.output.svg,
        )
