"""The last lines of a run: the verdict on each model and target, or what was measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.sections import LABELS
from persona_collapse.tables import read_all

OVERALL = "overall"
SIMULATED = "Simulated respondents: these numbers say nothing about any model."

Row = dict[str, Any]


def verdict_lines(results: Path, look: Look) -> list[str]:
    """Return one line per model and target: its label, and the changes of S and R in percent.

    A study without a target has one line per model and variant, with S and R. The last line says
    that respondents were simulated, where some were.
    """
    verdict = results / "tables" / "verdict.csv"
    named = verdict if look.targets and verdict.is_file() else results / "tables" / "metrics.csv"
    rows = next(iter(read_all([str(named)]).values()))
    lines = list(_verdicts(rows, look) if named == verdict else _measured(rows, look))
    if rows["simulated"].any():
        lines.append(SIMULATED)
    return lines


def _verdicts(rows: pl.DataFrame, look: Look) -> Iterator[str]:
    labels = {model.key: model.label for model in look.models}
    table = [
        (
            labels.get(row["model"], row["model"])
            + (f", {row['target']}" if len(look.targets) > 1 else ""),
            LABELS.get(row["label"], row["label"]),
            f"S {_percent(row, 'S_target')}",
            f"R {_percent(row, 'R_target')}",
        )
        for row in _in_order(rows, look).iter_rows(named=True)
    ]
    yield from _aligned(table)


def _measured(rows: pl.DataFrame, look: Look) -> Iterator[str]:
    labels = {model.key: model.label for model in look.models}
    chosen = rows.filter(pl.col("probe") == look.roleplay, pl.col("domain") == OVERALL)
    table = [
        (
            labels.get(row["model"], row["model"]),
            row["variant"],
            f"S {_value(row, 'S')}",
            f"R {_value(row, 'R')}",
        )
        for row in _in_order(chosen, look).iter_rows(named=True)
    ]
    yield from _aligned(table)


def _in_order(rows: pl.DataFrame, look: Look) -> pl.DataFrame:
    """Return rows in the order of the study's models."""
    place = {model.key: at for at, model in enumerate(look.models)}
    order = pl.col("model").replace_strict(place, default=len(place), return_dtype=pl.Int64)
    return rows.sort(order, maintain_order=True)


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "   ".join(cells).rstrip()


def _percent(row: Row, name: str) -> str:
    value, lo, hi = (row[f"{name}{end}"] for end in ("", "_lo", "_hi"))
    if not _known(value):
        return "unknown"
    interval = f" [{lo:.0f}, {hi:.0f}]" if _known(lo) and _known(hi) else ""
    return f"{f'{value:+.0f}':>4} %{interval}"


def _value(row: Row, name: str) -> str:
    value, lo, hi = (row[f"{name}{end}"] for end in ("", "_lo", "_hi"))
    if not _known(value):
        return "unknown"
    interval = f" [{lo:.2f}, {hi:.2f}]" if _known(lo) and _known(hi) else ""
    return f"{value:.2f}{interval}"


def _known(value: float | None) -> bool:
    return value is not None and value == value
