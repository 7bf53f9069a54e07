"""Recompute the study's claims, each with an interval, and a verdict per model."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures.verdict.headlines import Tables, headlines_of
from persona_collapse.tables import read
from persona_collapse.tables.contracts.band import TABLE as BAND
from persona_collapse.tables.contracts.band_values import TABLE as BAND_VALUES
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.leave_one_out import TABLE as LEAVE_ONE_OUT
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.profiles import TABLE as PROFILES
from persona_collapse.tables.contracts.random_effects import TABLE as RANDOM_EFFECTS
from persona_collapse.tables.contracts.summary import TABLE as SUMMARY


def headlines(
    metrics: str,
    contrasts: str,
    summary: str,
    leave_one_out: str,
    random_effects: str,
    band: str,
    band_values: str,
    profiles: str,
    analysis: dict[str, Any],
    labels: dict[str, str],
    replicates: dict[str, dict[str, list[str]]],
    output: str,
) -> None:
    """Write ``headlines.json`` from the tables, of the role-play probe alone."""
    probe = analysis["roleplay_probe"]
    paths = {
        METRICS: metrics,
        CONTRASTS: contrasts,
        SUMMARY: summary,
        LEAVE_ONE_OUT: leave_one_out,
        RANDOM_EFFECTS: random_effects,
        BAND: band,
        BAND_VALUES: band_values,
        PROFILES: profiles,
    }
    frames = {table.name: read(table, Path(path)) for table, path in paths.items()}
    selected = {
        name: frame.filter(pl.col("probe") == probe)
        if "probe" in frame.columns and name != "profiles"
        else frame
        for name, frame in frames.items()
    }
    claims = headlines_of(Tables(**selected), analysis, labels, replicates)
    text = json.dumps(claims, indent=2, ensure_ascii=False, allow_nan=False)
    Path(output).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(headlines, snakemake)
