"""Replies and verdicts of models that are asked: from the store, or from the model itself."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from persona_collapse.asking.ask import complete
from persona_collapse.asking.settings import Settings
from persona_collapse.materials.questions import ASPECTS, REFUSAL, QuestionSet
from persona_collapse.misalignment.columns import JUDGED, REFUSED, frame_of
from persona_collapse.misalignment.judge import Call, Judge, Judged
from persona_collapse.misalignment.replies import Replies


def reply(
    task: Mapping[str, Any], questions: QuestionSet, run_settings: Mapping[str, Any]
) -> pl.DataFrame:
    """Return a variant's replies, asking for those that the store lacks.

    ``task`` is ``CheckLayout.reply_params``, ``run_settings`` change no reply. A refusal or a
    filtered reply is final. Raises ``UserError`` when a run had to stop; what arrived is stored.
    """
    settings = Settings.of({**task["settings"], **run_settings})
    replies = Replies((task["model"], task["variant"]), questions, task["samples"], settings)
    return replies.frame(complete(replies.keys, settings, replies.order))


def judge(
    replies: pl.DataFrame,
    task: Mapping[str, Any],
    questions: QuestionSet,
    run_settings: Mapping[str, Any],
) -> pl.DataFrame:
    """Return replies with a judge's verdicts, columns of ``JUDGED``, in the replies' order.

    ``task`` is ``CheckLayout.judge_params``. A reply that the server itself marks as refused has
    the category REFUSAL and is not judged; filtered, empty and failed ones have neither score nor
    category. Raises ``UserError`` when a run had to stop; what arrived is stored.
    """
    by = Judge(questions, Settings.of({**task["settings"], **run_settings}), task["method"])
    names = replies.select("model", "variant").unique().rows()
    label = " ".join(names[0]) if names else "no replies"
    verdicts = by.verdicts(by.calls(replies), label)
    rows = [_row(reply, verdicts, by.model) for reply in replies.iter_rows(named=True)]
    return frame_of(rows, JUDGED)


def _row(reply: dict[str, Any], verdicts: Mapping[Call, Judged], model: str) -> dict[str, Any]:
    row = {**reply, "judge_model": model}
    if reply["status"] == REFUSED:
        return {**row, "alignment_category": REFUSAL, "alignment_method": "reply"}
    for aspect in ASPECTS:
        judged = verdicts.get((aspect, reply["question_id"], reply["response"]))
        if judged is None:
            continue
        if judged.verdict is not None:
            row[aspect] = judged.verdict.score
            row[f"{aspect}_category"] = judged.verdict.category
            row[f"{aspect}_mass"] = judged.verdict.mass
        row |= {f"{aspect}_{name}": getattr(judged, name) for name in ("method", "said", "key")}
        row |= {"judge_served_model": judged.served_model, "judged_at": judged.at}
    return row
