"""A judge's verdicts: one request per reply and aspect, and a second where the first is unusable.

The judge is asked for one token with its log-probabilities (at T = 1, where all servers report the
same) and, where those cannot be used, for a short text at T = 0. The judge is blinded: the prompt
holds question and reply alone, so that equal replies to a question are one request.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from persona_collapse.asking.ask import Attempts, Order, complete, stored
from persona_collapse.asking.logprobs import UnusableError
from persona_collapse.asking.reasons import is_filter_finish
from persona_collapse.asking.settings import SHORT, Settings
from persona_collapse.asking.slots import REJECTIONS, ReplyJob, failures, received
from persona_collapse.asking.thoughts import part
from persona_collapse.materials.questions import ASPECTS, QuestionSet
from persona_collapse.misalignment.columns import OK
from persona_collapse.misalignment.scores import Verdict, verdict_of_logprobs, verdict_of_text
from persona_collapse.store.attempts import Attempt, Choice

LOGPROBS, TEXT, AUTO = "logprobs", "text", "auto"
TEXT_TOKENS = 10  # of a text verdict: three for digits one by one, the rest for signs around them
KEY = "misalignment.judge.model"

Messages = list[dict[str, str]]
Call = tuple[str, str, str]  # aspect, question, reply


@dataclass(frozen=True)
class Judged:
    """A verdict, or the reason why there is none, and the request behind it."""

    verdict: Verdict | None
    method: str | None
    said: str | None
    key: str | None
    served_model: str | None = None
    at: str | None = None


def logprobs_label(names: str) -> str:
    """Return what messages call the verdicts by log-probabilities."""
    return f"{names} judged"


def text_label(names: str) -> str:
    """Return what messages call the verdicts by text."""
    return f"{names} judged by text"


class VerdictMethod:
    """One method to get a verdict, ``LOGPROBS`` or ``TEXT``.

    ``final_rejections``: a request that the server rejects (log-probabilities of a model that has
    none) is not sent again, since there is another method.
    """

    def __init__(self, name: str, settings: Settings, final_rejections: bool) -> None:
        self.name, self.final_rejections = name, final_rejections
        if name == LOGPROBS:
            self.max_tokens = SHORT
            self.settings = replace(settings, method="logprobs")
        else:
            self.max_tokens = TEXT_TOKENS
            if settings.thinking:
                self.max_tokens += settings.thinking["max_tokens"]
            self.settings = replace(settings, method="repeats", temperature=0.0)

    def stored(self, calls: Iterable[Messages]) -> Attempts:
        """Return every stored attempt at these requests."""
        return stored({self.settings.cell_key(text) for text in calls}, self.settings)

    def jobs(self, calls: Iterable[Messages], attempts: Attempts) -> list[ReplyJob]:
        """Return the requests without a reply, each once; see ``final_rejections``."""
        jobs: dict[str, ReplyJob] = {}
        for messages in calls:
            key = self.settings.cell_key(messages)
            mine = attempts.get(key, [])
            job = ReplyJob(key, messages, (1,), mine, self.max_tokens)
            if job.ask() and not (self.final_rejections and self.rejected(mine)):
                jobs[key] = job
        return list(jobs.values())

    def unpaid(self, calls: Sequence[Messages], attempts: Attempts) -> list[Messages]:
        """Return the calls whose request would be sent."""
        keys = {job.cell for job in self.jobs(calls, attempts)}
        return [text for text in calls if self.settings.cell_key(text) in keys]

    def rejected(self, attempts: Iterable[Attempt]) -> Attempt | None:
        """Return the last failure, if the server rejected the request as it is."""
        failed = failures(attempts, 1, self.max_tokens)
        return failed[-1] if failed and failed[-1].cause in REJECTIONS else None

    def answers(self, calls: Sequence[Messages], label: str, partly: bool = False) -> Attempts:
        """Return every attempt at calls, after asking for the replies that the store lacks.

        Raises ``UserError`` where requests failed, unless ``partly``.
        """
        return complete(
            {self.settings.cell_key(text) for text in calls},
            self.settings,
            lambda attempts: Order.from_jobs(label, KEY, self.jobs(calls, attempts)),
            partly,
        )

    def reply(self, attempts: Iterable[Attempt]) -> tuple[Attempt, Choice] | None:
        """Return the judge's reply, None where it has given none."""
        return received(attempts, (1,), self.max_tokens).get(1)

    def unsupported(self, messages: Messages, attempts: Attempts) -> bool:
        """Return whether the server rejects log-probabilities or leaves them out."""
        mine = attempts.get(self.settings.cell_key(messages), [])
        reply = self.reply(mine)
        if reply is None:
            return self.rejected(mine) is not None
        _, choice = reply
        stopped = choice.refusal or is_filter_finish(choice.finish)
        return not stopped and not choice.alternatives

    def read(self, messages: Messages, attempts: Attempts) -> Judged:
        """Return the verdict in the stored reply to a call."""
        key = self.settings.cell_key(messages)
        mine, request = attempts.get(key, []), f"{key}:1:{self.max_tokens}"
        reply = self.reply(mine)
        if reply is None:
            rejection = self.rejected(mine)
            reason = f"{rejection.cause}: {rejection.detail}" if rejection else "no reply"
            return Judged(None, None, reason, request)
        attempt, choice = reply
        verdict, said = None, attempt.detail or choice.refusal or choice.text
        try:
            if choice.refusal or is_filter_finish(choice.finish):
                raise UnusableError(f"the judge's reply was {choice.finish or 'refused'}")
            if self.name == LOGPROBS:
                verdict = verdict_of_logprobs(choice.alternatives)
            else:
                verdict = verdict_of_text(part(choice.text or "").answer)
        except UnusableError as fault:
            said = f"{said or ''} ({fault})".strip()
        method = self.name if verdict else None
        return Judged(verdict, method, said, request, attempt.served_model, attempt.created_at)


class Judge:
    """A judge and its prompts; ``method`` is auto, logprobs or text."""

    def __init__(self, questions: QuestionSet, settings: Settings, method: str) -> None:
        self.questions, self.model = questions, settings.model
        # The first token of a judge that thinks is no score.
        self.method = TEXT if settings.thinking else method
        self.logprobs = VerdictMethod(LOGPROBS, settings, final_rejections=method == AUTO)
        self.text = VerdictMethod(TEXT, settings, final_rejections=False)

    def calls(self, replies: pl.DataFrame) -> dict[Call, Messages]:
        """Return the requests for the replies with a text."""
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

    def unpaid(self, calls: Mapping[Call, Messages]) -> list[tuple[Messages, int]]:
        """Return the requests that ``verdicts`` would send, as far as the store shows, with the
        completion tokens of each; sends nothing."""
        texts = by_text = list(calls.values())
        unpaid: list[tuple[Messages, int]] = []
        if self.method != TEXT and texts:
            first, attempts = self.logprobs, self.logprobs.stored(texts)
            if self.method != AUTO or not first.unsupported(texts[0], attempts):
                unpaid = [(text, SHORT) for text in first.unpaid(texts, attempts)]
            waiting = {id(text) for text, _ in unpaid}
            others = (text for text in texts if id(text) not in waiting)
            by_text = [text for text in others if first.read(text, attempts).verdict is None]
        if self.method != LOGPROBS and by_text:
            again = self.text.unpaid(by_text, self.text.stored(by_text))
            unpaid += [(text, self.text.max_tokens) for text in again]
        return unpaid

    def attempts(self, calls: Mapping[Call, Messages]) -> list[Attempt]:
        """Return every stored attempt at calls, by either method."""
        found = [method.stored(calls.values()) for method in (self.logprobs, self.text)]
        return [attempt for cells in found for cell in cells.values() for attempt in cell]

    def verdicts(self, calls: Mapping[Call, Messages], label: str) -> dict[Call, Judged]:
        """Return the verdict on every call, from the store or asked for."""
        verdicts: dict[Call, Judged] = {}
        if self.method != TEXT and calls:
            verdicts = self._by_logprobs(calls, label)
        by_text = {key: text for key, text in calls.items() if key not in verdicts}
        if self.method == AUTO:
            by_text |= {key: calls[key] for key, one in verdicts.items() if one.verdict is None}
        if self.method != LOGPROBS and by_text:
            attempts = self.text.answers(list(by_text.values()), text_label(label))
            verdicts |= {key: self.text.read(text, attempts) for key, text in by_text.items()}
        return verdicts

    def _by_logprobs(self, calls: Mapping[Call, Messages], label: str) -> dict[Call, Judged]:
        """Judge by log-probabilities; under ``auto`` not at all where the first call shows none."""
        method, texts = self.logprobs, list(calls.values())
        auto = self.method == AUTO  # what fails by log-probabilities is then judged by text
        if auto and method.unsupported(texts[0], method.answers(texts[:1], label, partly=True)):
            return {}
        attempts = method.answers(texts, logprobs_label(label), partly=auto)
        return {key: method.read(text, attempts) for key, text in calls.items()}
