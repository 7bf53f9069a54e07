"""Draw the figures of one family and save each as SVG, PDF and PNG."""

from importlib import import_module
from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.figures.look import Look
from persona_collapse.figures.style import save, style
from persona_collapse.tables import read_all


def figure(
    inputs: list[str],
    family: str,
    figures: dict[str, dict[str, Any]],
    look: dict[str, Any],
    output: list[str],
) -> None:
    """Draw every figure of a family and write it to its files in ``output``.

    ``figures`` holds, by name, the ``tables`` that the drawing function takes in order and the
    ``extra`` arguments that it takes by name; ``inputs`` are the CSV files of all these tables.
    """
    drawing = import_module(f"persona_collapse.figures.{family}")
    own = Look.from_params(**look)
    tables = read_all(inputs)
    stems = {Path(file).stem: Path(file).with_suffix("") for file in output}
    with style():
        for name, given in figures.items():
            draw = getattr(drawing, name)
            save(draw(*(tables[t] for t in given["tables"]), own, **given["extra"]), stems[name])


if __name__ == "__main__":
    run(figure, snakemake)
