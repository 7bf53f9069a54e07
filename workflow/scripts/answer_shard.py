"""Answer one shard from its endpoint and write it as Parquet."""

from importlib import import_module
from pathlib import Path
from typing import Any

from persona_collapse.answers import write_answers
from persona_collapse.console import reported
from persona_collapse.endpoints import Task
from persona_collapse.instruments import read_instrument
from persona_collapse.personas import read_personas
from persona_collapse.shards import Shard


def answer_shard(
    task: dict[str, Any],
    instrument: str,
    personas: str | None,
    recorded: str | None,
    output: str,
) -> None:
    """Write the answers of the shard that ``task`` describes (``Layout.shard_params``)."""
    shard = Shard(
        model=task["model"],
        variant=task["variant"],
        probe=task["probe"],
        personas=tuple(task["personas"]) if task["personas"] else None,
        items=tuple(task["items"]),
        repetitions=tuple(task["repetitions"]),
        last=task.get("last", False),
        name=Path(output).stem,
    )
    work = Task(
        shard=shard,
        instrument=read_instrument(Path(instrument)),
        personas=read_personas(Path(personas)) if personas else None,
        seed=task.get("seed", 0),
        sampling=task.get("settings", {}).get("sampling", {}),
    )
    settings = {**task.get("settings", {}), "file": recorded}
    # By name, so that a shard stands on the code of its own endpoint alone.
    endpoint = import_module(f"persona_collapse.endpoints.{task['endpoint']}")
    write_answers(endpoint.answer(work, settings), Path(output))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        answer_shard(
            task=snakemake.params.task,
            instrument=snakemake.input.instrument,
            personas=snakemake.input.get("personas"),
            recorded=snakemake.input.get("recorded"),
            output=snakemake.output[0],
        )
