"""Cancel the study's batches that still run at their servers."""

from persona_collapse.commands.cancel import cancel_batches
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(cancel_batches, snakemake)
