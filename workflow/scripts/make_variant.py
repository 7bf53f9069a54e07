"""Fine-tune a variant: order the job once, follow it, write the model's id and its losses."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.finetuning.results import write_made
from persona_collapse.finetuning.runner import Runner


def make_variant(
    order: dict[str, Any], data: str, run_settings: dict[str, Any], made: str, losses: str
) -> None:
    """Write the model's id to ``made`` (JSON) and its loss curve to ``losses`` (Parquet)."""
    runner = Runner.of(order, Path(data), run_settings)
    write_made(runner.order, runner.make(), Path(made), Path(losses))


if __name__ == "__main__":
    run(make_variant, snakemake, run_settings=run_settings(snakemake, "model", "variant"))
