"""Print a table as Markdown and as booktabs LaTeX."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.figures.look import Look
from persona_collapse.report.latex import render_table
from persona_collapse.tables import contract, read
from persona_collapse.tables.contracts.influence import TABLE as INFLUENCE


def print_table(csv: str, influence: str, look: dict[str, Any], markdown: str, latex: str) -> None:
    """Write ``csv`` as a paper prints it, in both forms."""
    table, own = contract(Path(csv).stem), Look.from_params(**look)
    few = read(INFLUENCE, Path(influence))
    render_table(table, Path(csv), Path(markdown), Path(latex), own, few)


if __name__ == "__main__":
    run(print_table, snakemake)
