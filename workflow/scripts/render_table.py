"""Print a table as Markdown and as booktabs LaTeX."""

from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.figures.look import Look
from persona_collapse.report.latex import render_table


def print_table(
    csv: str,
    models: list[dict[str, str]],
    variants: list[str],
    analysis: dict[str, Any],
    markdown: str,
    latex: str,
) -> None:
    """Write ``csv`` as a paper prints it, in both forms."""
    render_table(csv, markdown, latex, Look.from_params(models, variants, analysis))


if __name__ == "__main__":
    run(print_table, snakemake)
