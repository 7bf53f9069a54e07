"""Any OpenAI-compatible server: answers come from the store, and what it lacks is asked for."""

from __future__ import annotations

from typing import Any

import polars as pl

from persona_collapse.asking.sampling import answers
from persona_collapse.asking.settings import Settings
from persona_collapse.tasks import Task


def answer(task: Task, settings: dict[str, Any]) -> pl.DataFrame:
    """Return the answers of a shard; ``settings`` are those of ``asking.settings``.

    One row per repetition; with ``method: logprobs`` a repetition is one asking of a cell, with
    ``rating`` null and ``probabilities`` at T = 1. Raises ``UserError`` when a run had to stop
    before the shard was complete; what arrived is in the store and is not asked for again.
    """
    return answers(task, Settings.of(settings))
