"""Recompute the study's claims, each with an interval, and a verdict per model."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import reported
from persona_collapse.measures import collapse, profiles
from persona_collapse.measures.contrasts import summary as contrasts_summary
from persona_collapse.measures.contrasts import table as contrasts
from persona_collapse.measures.verdict import band
from persona_collapse.measures.verdict.headlines import Tables, headlines_of

SCHEMAS = {
    "metrics": collapse.SCHEMA,
    "contrasts": contrasts.SCHEMA,
    "summary": contrasts_summary.SUMMARY_SCHEMA,
    "leave_one_out": contrasts_summary.LEAVE_ONE_OUT_SCHEMA,
    "random_effects": contrasts_summary.RANDOM_EFFECTS_SCHEMA,
    "band": band.SCHEMA,
    "band_values": band.VALUES_SCHEMA,
    "profiles": profiles.SCHEMA,
}


def headlines(
    tables: dict[str, str],
    probe: str,
    analysis: dict[str, Any],
    labels: dict[str, str],
    replicates: dict[str, dict[str, list[str]]],
    output: str,
) -> None:
    """Write ``headlines.json`` from the tables (name -> path), of the role-play probe alone."""
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
    with reported(snakemake.log[0]):
        headlines(
            tables=dict(snakemake.input.items()),
            probe=snakemake.params.analysis["roleplay_probe"],
            analysis=snakemake.params.analysis,
            labels=snakemake.params.labels,
            replicates=snakemake.params.replicates,
            output=snakemake.output[0],
        )
