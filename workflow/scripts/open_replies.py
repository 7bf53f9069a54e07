"""Ask one variant the open questions and write its replies as Parquet."""

from importlib import import_module
from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import reported
from persona_collapse.finetuning.made import made_model
from persona_collapse.materials.questions import read_questions
from persona_collapse.misalignment.columns import write_rows


def open_replies(
    task: dict[str, Any], questions: str, made: str | None, asked: dict[str, Any], output: str
) -> None:
    """Write the replies that ``task`` describes (``CheckLayout.reply_params``).

    ``made`` is the file of a fine-tuned model, whose id it holds; ``asked`` says how to ask.
    """
    settings = dict(asked)
    if made and "made" in task:
        settings["model"] = made_model(Path(made))
    # By name, so that the replies stand on the code of their own endpoint alone.
    endpoint = import_module(f"persona_collapse.misalignment.{task['endpoint']}")
    write_rows(endpoint.reply(task, read_questions(Path(questions)), settings), Path(output))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        open_replies(
            task=snakemake.params.task,
            questions=snakemake.input.questions,
            made=snakemake.input.get("made"),
            # Not through params: how a model is asked reruns nothing.
            asked=snakemake.config["asked_check"][" ".join(snakemake.wildcards[:2])],
            output=snakemake.output[0],
        )
