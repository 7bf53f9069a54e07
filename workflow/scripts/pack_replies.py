"""Pack the judged replies for the page's reply reader."""

from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.answers import SIMULATED
from persona_collapse.common.jobs import run
from persona_collapse.materials.questions import read_questions
from persona_collapse.misalignment.recorded import judged_of
from persona_collapse.report.packed import written
from persona_collapse.report.replies import packed_replies


def pack_replies(
    judged: list[str],
    pairs: list[tuple[str, str]],
    output: str,
    recorded: dict[str, Any] | None = None,
    questions: str | None = None,
) -> None:
    """Write the replies; ``questions`` is the file of their questions where the study names one.

    ``judged``, ``pairs`` and ``recorded`` are those of ``misalignment.recorded.judged_of``.
    """
    texts = read_questions(Path(questions)).texts if questions else {}
    replies = pl.concat(judged_of(judged, pairs, recorded))
    simulated = int((replies["served_model"] == SIMULATED).sum())
    written(output, packed_replies(replies, texts, simulated))


if __name__ == "__main__":
    run(pack_replies, snakemake)
