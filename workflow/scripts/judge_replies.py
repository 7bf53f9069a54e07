"""Have one variant's replies judged and write the verdicts beside them as Parquet."""

from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.materials.questions import read_questions
from persona_collapse.misalignment.columns import write_rows


def judge_replies(
    replies: str, task: dict[str, Any], questions: str, run_settings: dict[str, Any], output: str
) -> None:
    """Write the replies with their verdicts; ``task`` is ``CheckLayout.judge_params``."""
    endpoint = import_module(f"persona_collapse.misalignment.{task['endpoint']}")
    given = pl.read_parquet(replies)
    write_rows(
        endpoint.judge(given, task, read_questions(Path(questions)), run_settings), Path(output)
    )


if __name__ == "__main__":
    run(judge_replies, snakemake, run_settings=run_settings(snakemake))
