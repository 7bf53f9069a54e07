"""Models that are asked: replies and verdicts come from the store, what it lacks is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from persona_collapse.asking.settings import Settings
from persona_collapse.materials.questions import QuestionSet
from persona_collapse.misalignment.judge import judged
from persona_collapse.misalignment.replies import replies


def reply(
    task: Mapping[str, Any], questions: QuestionSet, asked: Mapping[str, Any]
) -> pl.DataFrame:
    """Return a variant's replies; ``task`` is ``CheckLayout.reply_params``, ``asked`` says how."""
    settings = Settings.of({**task["settings"], **asked})
    return replies((task["model"], task["variant"]), questions, task["samples"], settings)


def judge(
    replies: pl.DataFrame,
    task: Mapping[str, Any],
    questions: QuestionSet,
    asked: Mapping[str, Any],
) -> pl.DataFrame:
    """Return replies with a judge's verdicts; ``task`` is ``CheckLayout.judge_params``."""
    return judged(replies, questions, Settings.of({**task["settings"], **asked}), task["method"])
