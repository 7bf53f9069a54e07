"""Ask whether the change of S and R depends on the baseline's S and R, over models."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.measures.moderation import moderation_of
from persona_collapse.tables import read, write
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.moderation import TABLE


def table_moderation(metrics: str, contrasts: str, analysis: dict[str, Any], output: str) -> None:
    """Write the table for every target of ``analysis``."""
    found = moderation_of(
        *(read(table, Path(path)) for table, path in ((METRICS, metrics), (CONTRASTS, contrasts))),
        analysis["roleplay_probe"],
        analysis["baseline"],
        list(analysis["targets"]),
    )
    write(TABLE, found, Path(output))


if __name__ == "__main__":
    run(table_moderation, snakemake)
