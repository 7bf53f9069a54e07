"""Cancel the study's fine-tuning jobs that still run at their servers."""

from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run
from persona_collapse.finetuning.runner import Runner


def cancel_finetunes(making: list[dict[str, Any]]) -> None:
    """Print what became of the job of every made variant; nothing is ordered."""
    if not making:
        print("This study makes no variant: there is nothing to cancel.")
    for entry in making:
        if not Path(entry["data"]).is_file():  # data that were never fetched were never sent
            print(f"{entry['order']['model']} {entry['order']['variant']}: no job")
            continue
        print(Runner.of(entry["order"], Path(entry["data"]), entry["settings"]).cancel())


if __name__ == "__main__":
    run(cancel_finetunes, snakemake)
