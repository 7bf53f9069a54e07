"""Compute tables from one model x variant x probe at a time, by their contracts' functions."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.materials.instruments import read_instrument
from persona_collapse.materials.personas import read_personas
from persona_collapse.tables import contract, write


def unit_tables(
    functions: dict[str, list[str]],
    units: list[dict[str, str | int | None]],
    mixed: list[str],
    tables: list[str],
) -> None:
    """Write the rows that each table's function returns for every unit, in the units' order.

    ``functions`` holds, by table, its function ``<module>.<name>`` in ``measures/`` and what this
    takes (``tables.READS``), ``units`` the file or number of each of these.
    """
    for file in tables:
        table = contract(Path(file).stem)
        function, *reads = functions[table.name]
        module, _, name = function.rpartition(".")
        measure = getattr(import_module(f"persona_collapse.measures.{module}"), name)
        rows = [measure(*(READERS[kind](unit[kind]) for kind in reads)) for unit in units]
        write(table, pl.concat(rows, how="vertical_relaxed"), Path(file), mixed)


@cache
def _personas(path: str | None) -> Sequence[str] | None:
    return read_personas(Path(path)).descriptions if path else None


READERS: dict[str, Callable[[Any], Any]] = {
    "moments": pl.read_parquet,
    "instrument": cache(lambda path: read_instrument(Path(path))),
    "personas": _personas,
    "baseline": lambda path: pl.read_parquet(path) if path else None,
    "reference": lambda path: pl.read_parquet(path) if path else None,
    "answers": pl.read_parquet,
    "control": lambda path: pl.read_parquet(path) if path else None,
    "seed": int,
    "draws": int,
}


if __name__ == "__main__":
    run(unit_tables, snakemake)
