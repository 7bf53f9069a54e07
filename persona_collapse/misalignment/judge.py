"""Asking the judge: one request per reply and aspect, and a second where the first says nothing.

The judge is asked for one token with its log-probabilities (at T = 1, where every server reports
the same thing) and, where those cannot be used, for a short text at T = 0. Equal replies to a
question are one request, whoever gave them: the prompt holds question and reply alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from persona_collapse.asking.ask import Attempts, Order, complete, stored
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import REJECTIONS, SHORT, Once, failures, received
from persona_collapse.materials.questions import ASPECTS, REFUSAL, QuestionSet
from persona_collapse.misalignment.columns import JUDGED, OK, REFUSED, frame_of
from persona_collapse.misalignment.scores import (
    UnreadableError,
    Verdict,
    verdict_of_logprobs,
    verdict_of_text,
)
from persona_collapse.store.attempts import Attempt

LOGPROBS, TEXT, AUTO = "logprobs", "text", "auto"
TEXT_TOKENS = 10  # of a text verdict: three for digits one by one, the rest for signs around them
KEY = "misalignment.judge.model"

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Judged:
    """What came of one judging: a verdict or why there is none, and where it comes from."""

    verdict: Verdict | None
    method: str | None
    said: str | None
    key: str | None
    served_model: str | None = None
    at: str | None = None


class Way:
    """One way to ask the judge: by log-probabilities or for a text.

    ``sticky``: a request that was rejected as it is (log-probabilities of a model that has none)
    is not tried again, since there is another way.
    """

    def __init__(self, method: str, settings: Settings, sticky: bool) -> None:
        self.method, self.sticky = method, sticky
        if method == LOGPROBS:
            self.max_tokens = SHORT
            self.settings = replace(settings, method="logprobs")
        else:
            self.max_tokens = TEXT_TOKENS
            self.settings = replace(settings, method="repeats", temperature=0.0)

    def stored(self, calls: Iterable[Messages]) -> Attempts:
        """Return what the store holds of these requests."""
        return stored({self.settings.cell_key(text) for text in calls}, self.settings)

    def jobs(self, calls: Iterable[Messages], attempts: Attempts) -> list[Once]:
        """Return the requests that have no reply yet, each once; see ``sticky``."""
        jobs: dict[str, Once] = {}
        for messages in calls:
            key = self.settings.cell_key(messages)
            mine = attempts.get(key, [])
            job = Once(key, messages, (1,), self.max_tokens, mine)
            if job.missing() and not (self.sticky and self.rejected(mine)):
                jobs[key] = job
        return list(jobs.values())

    def rejected(self, attempts: Iterable[Attempt]) -> Attempt | None:
        """Return the last refusal of such a request as it is, as of one for log-probabilities."""
        failed = failures(attempts, 1, self.max_tokens)
        return failed[-1] if failed and failed[-1].cause in REJECTIONS else None

    def answers(self, calls: Sequence[Messages], label: str) -> Attempts:
        """Return the replies to calls from the store, asking for those that it lacks."""
        return complete(
            {self.settings.cell_key(text) for text in calls},
            self.settings,
            lambda attempts: Order.of(label, KEY, self.jobs(calls, attempts)),
        )

    def read(self, messages: Messages, attempts: Attempts) -> Judged:
        """Return what the stored reply to a call says."""
        key = self.settings.cell_key(messages)
        mine = attempts.get(key, [])
        found = received(mine, (1,), self.max_tokens).get(1)
        if found is None:
            refusal = self.rejected(mine)
            reason = f"{refusal.cause}: {refusal.detail}" if refusal else "no reply"
            return Judged(None, None, reason, f"{key}:1:{self.max_tokens}")
        attempt, choice = found
        verdict, said = None, choice.refusal or choice.text
        try:
            if choice.refusal or choice.finish == "content_filter":
                raise UnreadableError(f"the judge's reply was {choice.finish or 'refused'}")
            read = self.method == LOGPROBS
            verdict = (
                verdict_of_logprobs(choice.alternatives) if read else verdict_of_text(choice.text)
            )
        except UnreadableError as fault:
            said = f"{said or ''} ({fault})".strip()
        method = self.method if verdict else None
        where = f"{key}:1:{self.max_tokens}"
        return Judged(verdict, method, said, where, attempt.served_model, attempt.created_at)


class Judge:
    """A judge and the prompts that it is asked with; ``method`` is auto, logprobs or text."""

    def __init__(self, questions: QuestionSet, settings: Settings, method: str) -> None:
        self.questions, self.method, self.model = questions, method, settings.model
        self.ways = {
            LOGPROBS: Way(LOGPROBS, settings, sticky=method == AUTO),
            TEXT: Way(TEXT, settings, sticky=False),
        }

    def calls(self, replies: pl.DataFrame) -> dict[tuple[str, str, str], Messages]:
        """Return the requests by aspect, question and reply, for the replies with a text."""
        judged = (
            replies.filter(pl.col("status") == OK)
            .select("question_id", "response")
            .unique(maintain_order=True)
        )
        texts = {question.id: question.text for question in self.questions.questions}
        return {
            (aspect, question, reply): self.questions.judge_messages(aspect, texts[question], reply)
            for question, reply in judged.iter_rows()
            for aspect in ASPECTS
        }

    def unpaid(self, calls: Mapping[tuple[str, str, str], Messages]) -> list[tuple[Messages, int]]:
        """Return the requests that ``verdicts`` would send, as far as the store can tell, with the
        completion tokens of each; sends nothing."""
        texts = list(calls.values())
        if not texts:
            return []
        found: list[tuple[Messages, int]] = []
        left = texts
        if self.method != TEXT:
            way = self.ways[LOGPROBS]
            attempts = way.stored(texts)
            keys = {job.cell for job in way.jobs(texts, attempts)}
            if self.method == AUTO and gives_none(way, texts[0], attempts):
                keys = set()
            found = [(text, SHORT) for text in texts if way.settings.cell_key(text) in keys]
            waiting = [id(text) for text, _ in found]
            left = [
                text
                for text in texts
                if id(text) not in waiting and way.read(text, attempts).verdict is None
            ]
        if self.method != LOGPROBS and left:
            way = self.ways[TEXT]
            keys = {job.cell for job in way.jobs(left, way.stored(left))}
            found += [(text, TEXT_TOKENS) for text in left if way.settings.cell_key(text) in keys]
        return found

    def verdicts(
        self, calls: Mapping[tuple[str, str, str], Messages], label: str
    ) -> dict[tuple[str, str, str], Judged]:
        """Return what the judge says to every call, from the store or asked for."""
        found: dict[tuple[str, str, str], Judged] = {}
        if self.method != TEXT and calls:
            found = self._by_logprobs(calls, label)
        left = {key: text for key, text in calls.items() if key not in found}
        if self.method == AUTO:
            left |= {key: calls[key] for key, judged in found.items() if judged.verdict is None}
        if self.method != LOGPROBS and left:
            way = self.ways[TEXT]
            attempts = way.answers(list(left.values()), f"{label} judged by text")
            found |= {key: way.read(messages, attempts) for key, messages in left.items()}
        return found

    def _by_logprobs(
        self, calls: Mapping[tuple[str, str, str], Messages], label: str
    ) -> dict[tuple[str, str, str], Judged]:
        """Judge by log-probabilities; under ``auto`` not at all where one call shows none."""
        way, texts = self.ways[LOGPROBS], list(calls.values())
        if self.method == AUTO and gives_none(way, texts[0], way.answers(texts[:1], label)):
            return {}
        attempts = way.answers(texts, f"{label} judged")
        return {key: way.read(messages, attempts) for key, messages in calls.items()}


def gives_none(way: Way, messages: Messages, attempts: Attempts) -> bool:
    """Tell whether the judge's server refuses log-probabilities or leaves them out."""
    mine = attempts.get(way.settings.cell_key(messages), [])
    found = received(mine, (1,), way.max_tokens).get(1)
    if found is None:
        return way.rejected(mine) is not None
    _, choice = found
    stopped = choice.refusal or choice.finish == "content_filter"
    return not stopped and not choice.alternatives


def judged(
    replies: pl.DataFrame, questions: QuestionSet, settings: Settings, method: str
) -> pl.DataFrame:
    """Return replies with the judge's verdicts, columns of ``JUDGED``, in the replies' order.

    A reply that the server itself marks as refused has the category REFUSAL and is not judged;
    filtered, empty and failed ones have neither score nor category. Raises ``UserError`` when a run
    had to stop; what arrived is in the store.
    """
    judge = Judge(questions, settings, method)
    names = replies.select("model", "variant").unique().rows()
    label = " ".join(names[0]) if names else "no replies"
    verdicts = judge.verdicts(judge.calls(replies), label)
    return frame_of(
        [_row(reply, verdicts, judge.model) for reply in replies.iter_rows(named=True)], JUDGED
    )


def _row(
    reply: dict[str, Any], verdicts: Mapping[tuple[str, str, str], Judged], model: str
) -> dict[str, Any]:
    row = {**reply, "judge_model": model}
    if reply["status"] == REFUSED:
        return {**row, "alignment_category": REFUSAL, "alignment_method": "reply"}
    for aspect in ASPECTS:
        found = verdicts.get((aspect, reply["question_id"], reply["response"]))
        if found is None:
            continue
        if found.verdict is not None:
            row[aspect] = found.verdict.score
            row[f"{aspect}_category"] = found.verdict.category
            row[f"{aspect}_mass"] = found.verdict.mass
        row |= {f"{aspect}_{name}": getattr(found, name) for name in ("method", "said", "key")}
        row |= {"judge_served_model": found.served_model, "judged_at": found.at}
    return row
