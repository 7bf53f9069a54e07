"""Recompute the study's claims, each with an interval, and a verdict per model."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run
from persona_collapse.measures import collapse
from persona_collapse.measures import profiles as means
from persona_collapse.measures.contrasts import summary as summaries
from persona_collapse.measures.contrasts import table as comparisons
from persona_collapse.measures.verdict import band as bands
from persona_collapse.measures.verdict.headlines import Tables, headlines_of

SCHEMAS = {
    "metrics": collapse.SCHEMA,
    "contrasts": comparisons.SCHEMA,
    "summary": summaries.SUMMARY_SCHEMA,
    "leave_one_out": summaries.LEAVE_ONE_OUT_SCHEMA,
    "random_effects": summaries.RANDOM_EFFECTS_SCHEMA,
    "band": bands.SCHEMA,
    "band_values": bands.VALUES_SCHEMA,
    "profiles": means.SCHEMA,
}


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
    tables = {
        "metrics": metrics,
        "contrasts": contrasts,
        "summary": summary,
        "leave_one_out": leave_one_out,
        "random_effects": random_effects,
        "band": band,
        "band_values": band_values,
        "profiles": profiles,
    }
    frames = {
        name: pl.read_csv(tables[name], schema_overrides=schema) for name, schema in SCHEMAS.items()
    }
    spoken_of = {
        name: frame.filter(pl.col("probe") == probe)
        if "probe" in frame.columns and name != "profiles"
        else frame
        for name, frame in frames.items()
    }
    found = headlines_of(Tables(**spoken_of), analysis, labels, replicates)
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    Path(output).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(headlines, snakemake)
