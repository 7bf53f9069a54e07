"""The form of ``tables/diagnostics.csv``: which measures are printed together, and their names."""

from dataclasses import dataclass

import polars as pl

from persona_collapse.figures.look import Look
from persona_collapse.report.printed import (
    MODEL,
    OVERALL,
    VARIANT,
    Column,
    PrintedTable,
    probes_of,
    side_by_side,
)
from persona_collapse.tables import Table


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
        "Value [95 % interval].",
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
        "variance_components",
        "Variance components of all ratings",
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
        "Over all items. Value [95 % interval].",
        "quality",
        {"alpha": "Cronbach's α", "split_half": "Split half"},
    ),
    Group(
        "noise",
        "Repetition noise",
        "R corrected for the small-sample bias of the mean SD, and the share of cells whose "
        "answers are identical. Value [95 % interval].",
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
        "Value [95 % interval].",
        "scale",
        {
            "endpoint_mass": "On the endpoints",
            "top_share": "On the most frequent rating",
            "entropy_bits": "Entropy",
            "kl_to_base_bits": "KL to baseline",
            "reversal_cells": "Cells with reversals",
        },
    ),
    Group(
        "saturation",
        "Saturation of unconditioned profiles",
        "1 when every domain has the highest rating, 0 when all have the lowest. "
        "Value [95 % interval].",
        "saturation",
        {
            "saturation": "Saturation",
            "ceiling_gap": "Gap to the ceiling",
            "unevenness": "Unevenness",
        },
    ),
)


def diagnostics_form(table: Table, frame: pl.DataFrame, look: Look) -> list[PrintedTable]:
    """Return one printed table per group of measures and probe, over all items."""
    overall = frame.filter(domain=OVERALL)
    tables = []
    for probe, suffix in probes_of(overall, look):
        asked = overall.filter(probe=probe)
        for group in GROUPS:
            rows = asked.filter(pl.col("measure").is_in(list(group.measures)))
            columns = {
                name: [Column(heading, "value", "interval", digits=1)]
                for name, heading in group.measures.items()
                if name in rows["measure"]
            }
            layout = side_by_side(rows, look, (MODEL, VARIANT), "measure", columns)
            title = group.title + _asked(probe, group, look)
            key = f"diagnostics-{group.key}{suffix}"
            tables.append(PrintedTable(key, title, group.note, group.section, *layout))
    return tables


def _asked(probe: str, group: Group, look: Look) -> str:
    """Return how the title names the probe, unless the group's title already does."""
    if probe == look.roleplay or group.key == "saturation":
        return ""
    return ", without a persona" if probe == look.unconditioned else f", probe “{probe}”"
