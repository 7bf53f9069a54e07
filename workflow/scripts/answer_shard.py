"""Answer one shard from its endpoint and write it as Parquet."""

from pathlib import Path
from typing import Any

from persona_collapse.answers import write_answers
from persona_collapse.common.jobs import run, run_settings
from persona_collapse.endpoints.base import find
from persona_collapse.finetuning.made import made_model
from persona_collapse.tasks import task_of


def answer_shard(
    task: dict[str, Any],
    instrument: str,
    run_settings: dict[str, Any],
    output: str,
    personas: str | None = None,
    files: str | list[str] | None = None,
    made: str | None = None,
) -> None:
    """Write the answers of the shard that ``task`` describes (``Layout.shard_params``).

    ``files`` are read by the endpoint, ``made`` names a fine-tuned model;
    ``run_settings`` changes no answer: the store, the budget, the requests in flight.
    """
    settings = {**task.get("settings", {}), **run_settings}
    if files:
        settings["inputs"] = [files] if isinstance(files, str) else files
    if made and "made" in task:
        settings["model"] = made_model(Path(made))
    # By name, so that a shard depends on the code of its own endpoint alone.
    endpoint = find(task["endpoint"])
    write_answers(endpoint.answer(task_of(task, instrument, personas), settings), Path(output))


if __name__ == "__main__":
    run(answer_shard, snakemake, run_settings=run_settings(snakemake, "model", "variant", "probe"))
