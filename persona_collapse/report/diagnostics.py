"""The form of ``tables/diagnostics.csv``: which measures are printed together, and their names."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.printed import (
    MODEL,
    OVERALL,
    VARIANT,
    Cell,
    Column,
    PrintedTable,
    Row,
    model_label,
    probes_of,
    rows_by,
)


@dataclass(frozen=True)
class Group:
    """A printed table of some measures, named by their column headings."""

    key: str
    title: str
    note: str
    section: str
    measures: dict[str, str]


GROUPS = (
    Group(
        "fidelity",
        "Persona fidelity and differentiation",
        "Correlation of each persona's item profile with the same persona under the baseline, "
        "adjusted for repetition noise; amplitude is the spread of personas over the baseline's. "
        "Value [95% interval].",
        "meaning",
        {
            "fidelity": "Fidelity",
            "fidelity_with_level": "Fidelity, levels kept",
            "amplitude": "Amplitude",
            "identified": "Identified from a split half",
            "identified_in_base": "Identified in the baseline",
            "effective_dimension": "Effective dimension",
        },
    ),
    Group(
        "ledger",
        "Variance ledger of all ratings",
        "Shares of the variance of single ratings, and the generalisability of a persona's mean.",
        "meaning",
        {
            "share_persona": "Persona",
            "share_item": "Item",
            "share_persona_item": "Persona × item",
            "share_repetition": "Repetition",
            "generalisability": "Generalisability",
        },
    ),
    Group(
        "reliability",
        "Reliability of the instrument across personas",
        "Over all items. Value [95% interval].",
        "quality",
        {"alpha": "Cronbach's α", "split_half": "Split half"},
    ),
    Group(
        "noise",
        "Repetition noise",
        "R with the small-sample bias of the mean SD removed, and the share of cells whose "
        "answers are all the same. Value [95% interval].",
        "robustness",
        {
            "R_corrected": "R corrected",
            "sigma_bar_corrected": "σ̄ corrected",
            "sigma_recovered": "σ̄ recovered",
            "identical_cells": "Identical cells",
        },
    ),
    Group(
        "scale",
        "Use of the rating scale",
        "Shares of all answers; entropy in bits; KL divergence from the baseline in bits. "
        "Value [95% interval].",
        "scale",
        {
            "endpoint_mass": "On the endpoints",
            "top_share": "On the commonest rating",
            "entropy_bits": "Entropy",
            "kl_to_base_bits": "KL to baseline",
            "reversal_cells": "Cells with reversals",
            "S_share_of_max": "S as a share of its maximum",
        },
    ),
    Group(
        "saturation",
        "Saturation of unconditioned profiles",
        "1 when every foundation has the highest rating, 0 when all have the lowest. "
        "Value [95% interval].",
        "saturation",
        {
            "saturation": "Saturation",
            "ceiling_gap": "Gap to the ceiling",
            "unevenness": "Unevenness",
        },
    ),
)


def diagnostics_form(table: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return one printed table per group of measures and probe, over all items."""
    overall = table.filter(pl.col("foundation") == OVERALL)
    found = []
    for probe, suffix in probes_of(overall, look):
        rows = rows_by(overall.filter(pl.col("probe") == probe), "model", "variant", "measure")
        who = list(dict.fromkeys((model, variant) for model, variant, _ in rows))
        known = {measure for _, _, measure in rows}
        for group in GROUPS:
            measures = [name for name in group.measures if name in known]
            if not measures:
                continue
            cells = tuple(
                (
                    Cell(model_label(look, m)),
                    Cell(v),
                    *(_measured(rows.get((m, v, name))) for name in measures),
                )
                for m, v in who
                if any((m, v, name) in rows for name in measures)
            )
            heads = (Column(group.measures[name], "interval", digits=1) for name in measures)
            title = group.title + _asked(probe, group, look)
            key = f"diagnostics-{group.key}{suffix}"
            columns = (MODEL, VARIANT, *heads)
            found.append(PrintedTable(key, title, group.note, group.section, columns, cells))
    return found


def _measured(row: Row | None) -> Cell:
    return Cell() if row is None else Cell(value=row["value"], lo=row["lo"], hi=row["hi"])


def _asked(probe: str, group: Group, look: Look) -> str:
    """Return how a title tells the probe, where the group does not say it already."""
    if probe == look.roleplay or group.key == "saturation":
        return ""
    return ", without a persona" if probe == look.unconditioned else f", probe “{probe}”"
