"""Labels and cells that all forms share, and the form of a table that has none of its own."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.printed import Cell, Column, PrintedTable

Row = dict[str, Any]
OVERALL, MEAN = "overall", "mean"
MODEL, VARIANT = Column("Model", "name"), Column("Variant", "name")
_MODELS = ("model", "left_out")  # columns that hold a model's key
_ANSWERS = {"true": "yes", "false": "no"}
_ALIKE = 100  # a column whose numbers differ more is written with three digits each
SHORT = 12  # rows; a longer table of this form is folded on the page
# Title, note and section of the page of tables that have no form of their own.
KNOWN = {
    "summary": (
        "Excess over the control, and evenness over the foundations",
        "Excess: the target's percent change minus the control's, in points. Foundation CV: SD "
        "over the foundations by their mean; spread: SD of their percent changes, in points.",
        "verdict",
    ),
    "leave_one_out": (
        "Mean percent change with one model left out",
        "Shift: how far the mean moves without that model.",
        "verdict",
    ),
    "random_effects": (
        "Percent change in models like these",
        "Random effects over the models; predicted: where a new model of the kind would lie.",
        "verdict",
    ),
    "replicates": (
        "Replicate fine-tunes",
        "Change: against the baseline; another: where the change of one more fine-tune would lie.",
        "verdict",
    ),
    "band_values": (
        "The band of earlier models",
        "Printed range, centre and prediction for a new base model; tau is the SD over models.",
        "susceptibility",
    ),
    "toxic": (
        "Distance of unconditioned profiles to other profiles",
        "Euclidean over the foundations, in points of the scale.",
        "saturation",
    ),
    "fidelity": (
        "Fidelity of each persona",
        "Correlation of its item profile with the baseline's, and how far its ratings moved.",
        "meaning",
    ),
    "temperature": ("S and R by temperature", "From log-probabilities.", "scale"),
    "power": (
        "Detectable differences by design",
        "Percent changes of S and R that a study of that many personas and repetitions shows.",
        "quality",
    ),
}


def model_label(look: Look, key: str) -> str:
    """Return what a model is called in print."""
    if key == MEAN:
        return "Mean of models"
    return next((model.label for model in look.models if model.key == key), key)


def contrast_label(look: Look, name: str) -> str:
    """Return a contrast in print: ``insecure − base`` for ``insecure-base``."""
    for first in look.variants:
        if name.startswith(f"{first}-") and name[len(first) + 1 :] in look.variants:
            return f"{first} − {name[len(first) + 1 :]}"
    return name


def value_of(row: Row | None, name: str) -> Cell:
    """Return a cell: a number with its standard error and interval, where the row has them."""
    if row is None:
        return Cell()
    error, lo, hi = (row.get(f"{name}_{end}") for end in ("se", "lo", "hi"))
    return Cell(value=row[name], error=error, lo=lo, hi=hi)


def rows_by(table: pl.DataFrame, *keys: str) -> dict[Any, Row]:
    """Return the rows by a tuple of keys."""
    return {tuple(row[key] for key in keys): row for row in table.iter_rows(named=True)}


def probes_of(table: pl.DataFrame, look: Look) -> list[tuple[str, str]]:
    """Return the probes of a table, the role-play first, and the key suffix of each."""
    names = sorted(
        table["probe"].unique(maintain_order=True), key=lambda name: name != look.roleplay
    )
    return [(name, "" if name == look.roleplay else f"-{name}") for name in names]


def plain_form(name: str, table: pl.DataFrame, look: Look) -> PrintedTable:
    """Return a table of any columns; X_se, X_lo and X_hi go beside X, lo and hi beside value.

    A probe or foundation that is the same in every row is left out.
    """
    table = table.drop("simulated", "mixed_stacks", strict=False)
    constant = [n for n in ("probe", "foundation") if n in table.columns and _same(table[n])]
    table = table.drop(constant)
    texts = [n for n in table.columns if table[n].dtype == pl.String]
    numbers = [n for n in table.columns if n not in texts]
    ends = {f"{n}_{end}" for n in numbers for end in ("se", "lo", "hi")}
    ends |= {"lo", "hi"} if "value" in numbers else set()
    mains = [n for n in numbers if n not in ends]
    columns = [Column(_words(n), "name") for n in texts]
    columns += [Column(_words(n), _kind(n, table)) for n in mains]
    rows = []
    for row in table.iter_rows(named=True):
        beside = {**row, "value_lo": row.get("lo"), "value_hi": row.get("hi")}
        names = (model_label(look, row[n]) if n in _MODELS else row[n] for n in texts)
        rows.append(
            (
                *(Cell(_ANSWERS.get(n, n or "")) for n in names),
                *(value_of(beside, n) for n in mains),
            )
        )
    title, note, section = KNOWN.get(name, (_words(name), "", "meaning"))
    folded = len(rows) > SHORT
    return PrintedTable(name, title, note, section, tuple(columns), tuple(rows), folded=folded)


def _same(values: pl.Series) -> bool:
    return len(values) > 1 and values.n_unique() == 1


def _kind(name: str, table: pl.DataFrame) -> str:
    if f"{name}_lo" in table.columns or (name == "value" and "lo" in table.columns):
        return "interval"
    if f"{name}_se" in table.columns:
        return "error"
    sizes = [abs(x) for x in table[name].to_list() if x is not None and math.isfinite(x) and x]
    whole = all(size == int(size) for size in sizes)
    return "own" if sizes and not whole and max(sizes) > _ALIKE * min(sizes) else "number"


def _words(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
