"""Cancel the study's fine-tuning jobs that still run at their servers."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.common.log import show
from persona_collapse.finetuning.runner import Runner


def cancel_finetunes(finetunes: list[dict[str, Any]]) -> None:
    """Print the state of every fine-tuned variant's job after cancelling it; order nothing."""
    if not finetunes:
        show("This study fine-tunes no variant: there is nothing to cancel.")
    for entry in finetunes:
        if not Path(entry["data"]).is_file():  # never fetched, so never uploaded
            show(f"{entry['order']['model']} {entry['order']['variant']}: no job")
            continue
        show(Runner.of(entry["order"], Path(entry["data"]), entry["settings"]).cancel())


if __name__ == "__main__":
    run(cancel_finetunes, snakemake)
