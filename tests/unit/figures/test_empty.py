"""No figure fails on tables that are empty, constant or undefined: it says why it is empty."""

from __future__ import annotations

import math
from importlib import import_module
from itertools import product
from typing import Any

import polars as pl
import pytest
from matplotlib.figure import Figure

from persona_collapse.figures.catalogue import FIGURES
from persona_collapse.figures.catalogue import Figure as Entry
from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.measures.verdict.band import band_values
from persona_collapse.tables import Table
from persona_collapse.tables.index import all_tables
from tests.helpers.figures_data import faults_of, words_of
from tests.helpers.measures_data import PRIOR

VARIANTS = ("base", "secure", "insecure")
ROLES: list[tuple[tuple[str, ...], dict[str, str | None]]] = [
    (VARIANTS, {"insecure": "secure"}),
    (("base",), {}),
]
INFINITE = ("R", "R_lo", "R_hi", "value", "estimate")  # what a constant variant has
EXTRAS: dict[str, Any] = {"scale": (0.0, 5.0), "aims": (20.0, 20.0), "design": (100, 10)}
WORDS: dict[str, list[Any]] = {
    "probe": ["roleplay", "unconditioned"],
    "domain": ["overall", "Care"],
    "metric": ["S", "R", "sigma_bar"],
    "quantity": ["S"],
    "position": ["inside"],
    "profiles": ["own", "baseline"],
    "measure": ["rating_share"],
    "temperature": [0.5, 1.0],
    "kind": ["repeats"],
}


BUNDLED = {"prior_models": pl.read_csv(PRIOR), "band_values": band_values(pl.read_csv(PRIOR))}


def rows_of(table: Table, variants: tuple[str, ...], number: float | None) -> pl.DataFrame:
    """A table of one model with every number the same."""
    if table.name in BUNDLED:
        return BUNDLED[table.name]
    words = {
        **WORDS,
        "model": ["m"],
        "variant": list(variants),
        "target": ["insecure"],
        "contrast": [f"{variant}-base" for variant in variants[1:]],
    }
    keys = [(name, words[name]) for name in table.keys if name in words]
    rows = []
    for values in product(*(known for _, known in keys)):
        row: dict[str, Any] = dict.fromkeys(table.schema)
        row |= {
            name: number
            for name, dtype in table.schema.items()
            if dtype == pl.Float64() and (number != math.inf or name in INFINITE)
        }
        row |= {name: 1 for name, dtype in table.schema.items() if dtype == pl.Int64()}
        row |= {name: False for name, dtype in table.schema.items() if dtype == pl.Boolean()}
        rows.append(row | dict(zip([name for name, _ in keys], values, strict=True)))
    return pl.DataFrame(rows, schema=table.schema)


def drawn(entry: Entry, frames: list[pl.DataFrame], look: Look) -> Figure:
    module = import_module(f"persona_collapse.figures.{entry.family}")
    extra = {name: EXTRAS[name] for name in entry.extra}
    figure: Figure = getattr(module, entry.name)(*frames, look, **extra)
    return figure


def look_of(variants: tuple[str, ...], targets: dict[str, str | None]) -> Look:
    return Look((ModelLook("m", "Model", "F"),), variants, "base", targets)


@pytest.mark.parametrize(("variants", "targets"), ROLES, ids=["three variants", "base alone"])
@pytest.mark.parametrize("name", FIGURES)
def test_figure_of_empty_tables_says_why_it_is_empty(
    name: str, variants: tuple[str, ...], targets: dict[str, str | None]
) -> None:
    entry = FIGURES[name]
    tables = [all_tables()[table] for table in entry.tables]
    frames = [BUNDLED.get(table.name, pl.DataFrame(schema=table.schema)) for table in tables]
    figure = drawn(entry, frames, look_of(variants, targets))
    figure.canvas.draw()
    (words,) = words_of(figure)
    assert words.startswith("No ")


@pytest.mark.parametrize("number", [None, 0.0, math.inf])
@pytest.mark.parametrize("name", FIGURES)
def test_figure_of_constant_or_undefined_numbers_is_drawn(name: str, number: float | None) -> None:
    entry, (variants, targets) = FIGURES[name], ROLES[0]
    frames = [rows_of(all_tables()[table], variants, number) for table in entry.tables]
    figure = drawn(entry, frames, look_of(variants, targets))
    figure.canvas.draw()
    assert 0.1 < figure.get_size_inches()[1] < 20
    assert faults_of(figure) == []
