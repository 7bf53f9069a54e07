"""Make a variant: order its fine-tune once, follow the job, write the model's id and its losses."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.finetuning.running import Running
from persona_collapse.finetuning.writing import write_made


def make_variant(
    order: dict[str, Any], data: str, settings: dict[str, Any], made: str, losses: str
) -> None:
    """Write the made model to ``made`` (JSON) and its loss curve to ``losses`` (Parquet)."""
    running = Running.of(order, Path(data), settings)
    maker = running.maker()
    try:
        end = maker.make()
    finally:
        if maker.budget:
            maker.budget.close()
    write_made(running.order, end, order["git_blob"], running.simulated, Path(made), Path(losses))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        make_variant(
            order=snakemake.params.order,
            data=snakemake.input.data,
            # Not through params: how a job is watched reruns nothing.
            settings=snakemake.config["finetuning"]["settings"][snakemake.params.endpoint],
            made=snakemake.output.made,
            losses=snakemake.output.losses,
        )
