"""What the misalignment check will ask and cost: replies and judge calls, before any is sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.asking.ask import is_placeholder
from persona_collapse.asking.prices import find_price, prompt_tokens, token_counter
from persona_collapse.asking.settings import Settings
from persona_collapse.commands.costs import PLACEHOLDER, SUMMED, per_hour
from persona_collapse.materials.questions import ASPECTS, read_questions
from persona_collapse.misalignment.columns import ERROR
from persona_collapse.misalignment.judge import TEXT, TEXT_TOKENS, Judge
from persona_collapse.misalignment.replies import Replies
from persona_collapse.store.attempts import Attempt

REPLIES, JUDGE = "replies", "judge"
# A guess at the length of an open reply, used until the store holds some of the model's own.
REPLY_TOKENS = 250
REPLY_SECONDS = 15.0
ESTIMATES = (
    f"replies of {REPLY_TOKENS} tokens and {REPLY_SECONDS:g} s each until the store knows better, "
    "two judge calls a reply"
)


def check_rows(
    check: Mapping[str, Any], made: Mapping[tuple[str, str], str]
) -> list[dict[str, Any]]:
    """Return the rows of the plan: replies and judge calls of every checked variant.

    ``check`` has ``questions`` (a path), ``replies`` (a mapping per asked variant: model, variant,
    samples, settings), ``judge`` (its settings, empty where it is simulated) and ``method``.
    ``made`` names the models of variants that are made already. Replies that are not there yet
    count with an estimated length, in the judge's prompts too. Nothing is sent.
    """
    questions = read_questions(Path(check["questions"]))
    rows = []
    for entry in check["replies"]:
        name = (entry["model"], entry["variant"])
        asked = entry["settings"]
        settings = Settings.of({**asked, "model": made.get(name, asked["model"])})
        wanted = Replies(name, questions, entry["samples"], settings)
        attempts = wanted.stored()
        found = [attempt for mine in attempts.values() for attempt in mine]
        length = reply_length(found, wanted.max_tokens)
        frame = wanted.frame(attempts).filter(pl.col("status") != ERROR)
        names = {"model": entry["model"], "variant": entry["variant"]}
        rows.append(names | _replies_row(wanted, wanted.jobs(attempts), frame.height, length))
        if not check["judge"]:
            continue
        judge = Judge(questions, Settings.of(check["judge"]), check["method"])
        total = len(questions.questions) * entry["samples"]
        rows.append(names | _judge_row(judge, frame, total, length, Settings.of(check["judge"])))
    return rows


def reply_length(attempts: list[Attempt], max_tokens: int) -> float:
    """Return the completion tokens of a reply: the mean of those in the store, else a guess."""
    told = [a for a in attempts if a.max_tokens == max_tokens and a.completion_tokens is not None]
    choices = sum(len(attempt.replies()) for attempt in told)
    if choices:
        return sum(attempt.completion_tokens or 0 for attempt in told) / choices
    return float(min(REPLY_TOKENS, max_tokens))


def _replies_row(wanted: Replies, jobs: list[Any], stored: int, length: float) -> dict[str, Any]:
    count, how = token_counter(wanted.settings.model)
    remaining = sum(len(job.repetitions) for job in jobs)
    row = {
        "stage": REPLIES,
        "answers": len(wanted.cells) * wanted.samples,
        "stored": stored,
        "remaining": remaining,
        "requests": len(jobs),
        "prompt_tokens": sum(prompt_tokens(job.messages, count) for job in jobs),
        "completion_tokens": round(remaining * length),
        "hours": len(jobs) / per_hour(wanted.settings, REPLY_SECONDS),
        "tokens_by": how,
    }
    return priced(row, wanted.settings)


def _judge_row(
    judge: Judge, frame: pl.DataFrame, total: int, length: float, settings: Settings
) -> dict[str, Any]:
    count, how = token_counter(settings.model)
    calls = judge.calls(frame)
    unpaid = judge.unpaid(calls)
    # Replies that are still to come: their prompts, at the estimated length.
    coming = total - frame.height
    blank = [
        prompt_tokens(judge.questions.judge_messages(aspect, question.text, ""), count) + length
        for question in judge.questions.questions
        for aspect in ASPECTS
    ]
    per_call = TEXT_TOKENS if judge.method == TEXT else 1
    prompts = sum(prompt_tokens(text, count) for text, _ in unpaid)
    row: dict[str, Any] = {
        "stage": JUDGE,
        "answers": len(calls) + len(ASPECTS) * coming,
        "stored": len(calls) - len(unpaid),
        "remaining": len(unpaid) + len(ASPECTS) * coming,
        "requests": len(unpaid) + len(ASPECTS) * coming,
        "prompt_tokens": prompts + round(len(ASPECTS) * coming * sum(blank) / len(blank)),
        "completion_tokens": sum(tokens for _, tokens in unpaid) + len(ASPECTS) * coming * per_call,
        "tokens_by": how,
    }
    row["hours"] = row["requests"] / per_hour(settings)
    return priced(row, settings)


def priced(row: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return a row with who is asked and what it costs; null where the model has no price."""
    price = find_price(Path(settings.prices), settings.base_url, settings.model)
    full: dict[str, Any] = {**dict.fromkeys(SUMMED, 0), **row}
    full |= {"base_url": settings.base_url, "requested_model": settings.model, "usd": None}
    full["note"] = PLACEHOLDER if is_placeholder(settings.model) else None
    if price is not None:
        full["usd"] = price.cost(full["prompt_tokens"], full["completion_tokens"])
        full["price_of"] = f"{price.as_of}, {price.source}"
    return full
