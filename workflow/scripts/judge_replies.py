"""Have one variant's replies judged and write the verdicts beside them as Parquet."""

from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import reported
from persona_collapse.materials.questions import read_questions
from persona_collapse.misalignment.columns import write_rows


def judge_replies(
    replies: str, task: dict[str, Any], questions: str, asked: dict[str, Any], output: str
) -> None:
    """Write the replies with their verdicts; ``task`` is ``CheckLayout.judge_params``."""
    endpoint = import_module(f"persona_collapse.misalignment.{task['endpoint']}")
    given = pl.read_parquet(replies)
    write_rows(endpoint.judge(given, task, read_questions(Path(questions)), asked), Path(output))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        judge_replies(
            replies=snakemake.input.replies,
            task=snakemake.params.task,
            questions=snakemake.input.questions,
            # Not through params: how a judge is asked reruns nothing.
            asked=snakemake.config["asked_check"]["judge"],
            output=snakemake.output[0],
        )
