"""Print a table as Markdown and as booktabs LaTeX."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.figures.look import Look
from persona_collapse.report.latex import render_table
from persona_collapse.tables import contract


def print_table(
    csv: str,
    models: list[dict[str, str]],
    variants: list[str],
    analysis: dict[str, Any],
    markdown: str,
    latex: str,
) -> None:
    """Write ``csv`` as a paper prints it, in both forms."""
    look = Look.from_params(models, variants, analysis)
    render_table(contract(Path(csv).stem), Path(csv), Path(markdown), Path(latex), look)


if __name__ == "__main__":
    run(print_table, snakemake)
