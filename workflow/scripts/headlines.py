"""Recompute the study's claims, each with an interval, and put the verdicts in words."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures.verdict.headlines import Tables, headlines_of
from persona_collapse.tables import read_all


def headlines(
    inputs: list[str],
    analysis: dict[str, Any],
    replicates: dict[str, dict[str, list[str]]],
    output: str,
) -> None:
    """Write ``headlines.json`` from the tables, of the role-play probe alone."""
    probe = analysis["roleplay_probe"]
    selected = {
        name: frame.filter(pl.col("probe") == probe)
        if "probe" in frame.columns and name != "profiles"
        else frame
        for name, frame in read_all(inputs).items()
    }
    claims = headlines_of(Tables(**selected), analysis, replicates)
    text = json.dumps(claims, indent=2, ensure_ascii=False, allow_nan=False)
    Path(output).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(headlines, snakemake)
