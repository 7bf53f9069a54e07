"""Open-ended replies of one variant: pending requests, and stored replies as a table."""

from dataclasses import replace
from typing import Any

import polars as pl

from persona_collapse.asking.ask import Attempts, Order
from persona_collapse.asking.reasons import is_filter_finish
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import ReplyJob, failures, received
from persona_collapse.asking.thoughts import part
from persona_collapse.materials.questions import QuestionSet
from persona_collapse.misalignment.columns import (
    EMPTY,
    ERROR,
    FILTERED,
    OK,
    REFUSED,
    REPLIES,
    frame_of,
)
from persona_collapse.store.attempts import Attempt, Choice


def replies_label(model: str, variant: str) -> str:
    """Return what messages call the replies of a variant."""
    return f"{model} {variant} open questions"


class Replies:
    """One variant's replies to a set of questions; ``samples`` per question, numbered from 1."""

    def __init__(
        self, names: tuple[str, str], questions: QuestionSet, samples: int, settings: Settings
    ) -> None:
        self.model, self.variant = names
        self.questions, self.samples, self.settings = questions, samples, settings
        assert settings.max_tokens is not None
        thoughts: int = settings.thinking["max_tokens"] if settings.thinking else 0
        self.max_tokens: int = settings.max_tokens + thoughts
        self.cells = [(q, settings.cell_key(q.messages())) for q in questions.questions]

    @property
    def keys(self) -> list[str]:
        """The cell keys of the questions."""
        return [key for _, key in self.cells]

    def jobs(self, attempts: Attempts) -> list[ReplyJob]:
        """Return the requests for the missing samples of every question."""
        jobs = []
        for question, key in self.cells:
            samples, mine = range(1, self.samples + 1), attempts.get(key, [])
            job = ReplyJob(key, question.messages(), samples, mine, self.max_tokens)
            missing, _ = job.missing()
            jobs += [replace(job, repetitions=block) for block in self.settings.blocks(missing)]
        return jobs

    def order(self, attempts: Attempts) -> Order:
        """Return the missing replies as an order."""
        key = f"models.{self.model}.variants.{self.variant}.model"
        names = {key: f"question {question.id}" for question, key in self.cells}
        label = replies_label(self.model, self.variant)
        return Order.from_jobs(label, key, self.jobs(attempts), names)

    def frame(self, attempts: Attempts) -> pl.DataFrame:
        """Return the replies, columns of ``REPLIES``: one row per question and sample, in order."""
        rows = []
        for question, key in self.cells:
            mine = attempts.get(key, [])
            replies = received(mine, range(1, self.samples + 1), self.max_tokens)
            for sample in range(1, self.samples + 1):
                row: dict[str, Any] = {
                    "model": self.model,
                    "variant": self.variant,
                    "question_id": question.id,
                    "sample": sample,
                    "request_key": f"{key}:{sample}:{self.max_tokens}",
                }
                if sample in replies:
                    rows.append(row | _reply(*replies[sample]))
                    continue
                failed = failures(mine, sample, self.max_tokens)
                text = f"{failed[-1].cause}: {failed[-1].detail or ''}" if failed else None
                rows.append({**row, "status": ERROR, "response": text})
        return frame_of(rows, REPLIES)


def _reply(attempt: Attempt, choice: Choice) -> dict[str, Any]:
    text = part(choice.text or "").answer  # the judge scores no thoughts
    status = OK if text and text.strip() else EMPTY
    if choice.refusal:
        status = REFUSED
    elif is_filter_finish(choice.finish):
        status = FILTERED
    return {
        "status": status,
        "response": attempt.detail or choice.refusal or (text if status == OK else choice.text),
        "finish": choice.finish,
        "served_model": attempt.served_model,
        "system_fingerprint": attempt.system_fingerprint,
        "created_at": attempt.created_at,
    }
