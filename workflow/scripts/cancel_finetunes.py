"""Cancel the study's fine-tuning jobs that still run at their servers."""

from persona_collapse.commands.cancel import cancel_finetunes
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(cancel_finetunes, snakemake)
