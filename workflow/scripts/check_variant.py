"""Ask one variant the open questions, have its replies judged, and write both as Parquet."""

from importlib import import_module
from pathlib import Path
from typing import Any

from persona_collapse.common.jobs import run, run_settings
from persona_collapse.finetuning.made import made_model
from persona_collapse.materials.questions import read_questions
from persona_collapse.misalignment.columns import write_rows


def check_variant(
    task: dict[str, Any],
    modules: list[str],
    questions: str,
    run_settings: dict[str, Any],
    replies: str,
    judged: str,
    made: str | None = None,
) -> None:
    """Write the replies that ``task`` describes (``CheckLayout.task``), and their verdicts.

    ``modules`` give replies and verdicts; they are imported by name, so that the job depends on the
    code of its own endpoints alone. ``made`` is the file with a fine-tuned model's id. The
    ``run_settings`` change no reply and no verdict.
    """
    asking, judging = (import_module(module) for module in modules)
    settings = dict(run_settings["replies"])
    if made and "made" in task["replies"]:
        settings["model"] = made_model(Path(made))
    texts = read_questions(Path(questions))
    frame = asking.reply(task["replies"], texts, settings)
    write_rows(frame, Path(replies))
    verdicts = judging.judge(frame, task["judge"], texts, run_settings["judge"])
    write_rows(verdicts, Path(judged))


if __name__ == "__main__":
    run(check_variant, snakemake, run_settings=run_settings(snakemake, "model", "variant"))
