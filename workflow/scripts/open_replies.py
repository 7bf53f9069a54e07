"""Ask one variant the open questions and write its replies as Parquet."""

from importlib import import_module
from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.finetuning.made import made_model
from persona_collapse.materials.questions import read_questions
from persona_collapse.misalignment.columns import write_rows


def open_replies(
    task: dict[str, Any],
    questions: str,
    run_settings: dict[str, Any],
    output: str,
    made: str | None = None,
) -> None:
    """Write the replies that ``task`` describes (``CheckLayout.reply_params``).

    ``made`` is the file of a fine-tuned model, whose id it holds; ``run_settings`` change no reply.
    """
    settings = dict(run_settings)
    if made and "made" in task:
        settings["model"] = made_model(Path(made))
    # By name, so that the replies stand on the code of their own endpoint alone.
    endpoint = import_module(f"persona_collapse.misalignment.{task['endpoint']}")
    write_rows(endpoint.reply(task, read_questions(Path(questions)), settings), Path(output))


if __name__ == "__main__":
    run(open_replies, snakemake, run_settings=run_settings(snakemake, "model", "variant"))
