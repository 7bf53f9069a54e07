"""The form of ``tables/band.csv``: each variant against the range of earlier models."""

from __future__ import annotations

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.plain import MODEL, VARIANT, model_label, rows_by
from persona_collapse.report.printed import Cell, Column, PrintedTable


def band_form(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return one printed table with S and R side by side, under role-play."""
    table = table.filter(pl.col("probe") == look.roleplay)
    rows = rows_by(table, "model", "variant", "metric")
    who = list(dict.fromkeys((model, variant) for model, variant, _ in rows))
    metrics = [name for name in ("S", "R") if any(name == metric for _, _, metric in rows)]
    columns = [MODEL, VARIANT]
    for name in metrics:
        columns += [
            Column(name, "error", f"${name}$"),
            Column(f"Band of {name}", "range", decimals=2),
            Column(f"{name} lies", "name"),
            Column(f"Beyond, % ({name})", digits=1, decimals=0),
        ]
    cells = []
    for model, variant in who:
        row = [Cell(model_label(look, model)), Cell(variant)]
        for name in metrics:
            found = rows.get((model, variant, name), {})
            row += [
                Cell(value=found.get("value"), error=found.get("se")),
                Cell(lo=found.get("band_lo"), hi=found.get("band_hi")),
                Cell(found.get("position") or ""),
                Cell(value=found.get("beyond_percent")),
            ]
        cells.append(tuple(row))
    title = "Each variant against the band of earlier models"
    note = "The band is the range printed in arXiv 2511.08565; beyond it, as percent of its end."
    return [PrintedTable("band", title, note, "susceptibility", tuple(columns), tuple(cells))]
