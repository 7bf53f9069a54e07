"""Answer one shard from its endpoint and write it as Parquet."""

from importlib import import_module
from pathlib import Path
from typing import Any

from persona_collapse.answers import write_answers
from persona_collapse.common.jobs import reported
from persona_collapse.finetuning.made import made_model
from persona_collapse.tasks import task_of


def answer_shard(
    task: dict[str, Any],
    instrument: str,
    personas: str | None,
    recorded: str | None,
    made: str | None,
    asked: dict[str, Any],
    output: str,
) -> None:
    """Write the answers of the shard that ``task`` describes (``Layout.shard_params``).

    ``recorded`` is a recorded endpoint's file, ``made`` says which model a variant was made into;
    ``asked`` says how a model is asked, such as the store, the budget and the requests in flight.
    """
    settings = {**task.get("settings", {}), **asked}
    if recorded:
        settings["file"] = recorded
    if made and "made" in task:
        settings["model"] = made_model(Path(made))
    # By name, so that a shard stands on the code of its own endpoint alone.
    endpoint = import_module(f"persona_collapse.endpoints.{task['endpoint']}")
    write_answers(endpoint.answer(task_of(task, instrument, personas), settings), Path(output))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        answer_shard(
            task=snakemake.params.task,
            instrument=snakemake.input.instrument,
            personas=snakemake.input.get("personas"),
            recorded=snakemake.input.get("recorded"),
            made=snakemake.input.get("made"),
            # Not through params: how a model is asked reruns nothing.
            asked=snakemake.config["asked"].get(" ".join(snakemake.wildcards[:3]), {}),
            output=snakemake.output[0],
        )
