"""Join the loss curves of all fine-tuned variants."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.finetuning.results import losses_of
from persona_collapse.tables import write
from persona_collapse.tables.contracts.losses import TABLE


def table_losses(curves: list[list[str]], mixed: list[str], output: str) -> None:
    """Write the table; ``curves`` are model, variant and Parquet file of each fine-tune."""
    named = [(model, variant, Path(path)) for model, variant, path in curves]
    write(TABLE, losses_of(named), Path(output), mixed)


if __name__ == "__main__":
    run(table_losses, snakemake)
