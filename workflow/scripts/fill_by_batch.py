"""Fill the answer store for one variant by batches, and note what they answered."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from persona_collapse.common.files import write_atomically
from persona_collapse.common.jobs import run, run_settings
from persona_collapse.finetuning.made import made_model
from persona_collapse.tasks import task_of


def fill_by_batch(
    tasks: dict[str, Any], run_settings: dict[str, Any], output: str, made: str | None = None
) -> None:
    """Ask for what the shards of a variant lack (``Layout.batch_tasks``).

    ``made`` names a fine-tuned model.
    """
    settings = {name: dict(given) for name, given in run_settings["probes"].items()}
    if made:
        for given in settings.values():
            given["model"] = made_model(Path(made))
    shards = [task_of(shard, **tasks["files"][shard["probe"]]) for shard in tasks["shards"]]
    batches = import_module(tasks["module"]).fill(shards, settings)
    write_atomically(Path(output), (json.dumps(batches, indent=1) + "\n").encode())


if __name__ == "__main__":
    run(fill_by_batch, snakemake, run_settings=run_settings(snakemake, "model", "variant"))
