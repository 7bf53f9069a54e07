"""Costs of a study before it runs: requests, tokens, dollars and hours by variant and stage.

Completion tokens of answers are exact (one per answer) as long as every reply can be read:
unreadable replies are requested again. Those of models that think are the most that they may take,
or the mean of what the store holds. Prompt tokens are counted or estimated; the column
``tokens_by`` says which. Nothing here sends a request.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.asking.ask import Attempts, is_placeholder, stored
from persona_collapse.asking.journal import known_id, open_intent
from persona_collapse.asking.learned import learned_file, read_allowed
from persona_collapse.asking.prices import find_price, prompt_tokens, token_counter
from persona_collapse.asking.replays import without_replays
from persona_collapse.asking.settings import FEW, Settings
from persona_collapse.asking.submissions import running_of, slots_of
from persona_collapse.endpoints.openai import Shard
from persona_collapse.finetuning.journal import FAILED, FINISHED, ending
from persona_collapse.finetuning.runner import Runner
from persona_collapse.materials.questions import ASPECTS, read_questions
from persona_collapse.misalignment.columns import ERROR
from persona_collapse.misalignment.judge import TEXT, Judge
from persona_collapse.misalignment.replies import Replies
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.files import read_attempts, stream_folder
from persona_collapse.tasks import Task, task_of

SUMMED = (
    *("answers", "stored", "remaining", "requests"),
    *("prompt_tokens", "completion_tokens", "training_tokens"),
)
REQUESTED = ("remaining", "requests", "prompt_tokens", "completion_tokens")
TRAINING, ANSWERS, REPLIES, JUDGE = "finetune", "answers", "replies", "judge"  # stages
COUNTED = {ANSWERS: "answers", REPLIES: "replies", JUDGE: "verdicts"}
PLACEHOLDER = "a placeholder for a model of your own: not priced"
# Assumed time of a hosted model's one-token reply; the plan says so.
SECONDS_PER_REQUEST = 1.0
# Assumed length and time of an open reply, used until the store holds some of the model's own.
REPLY_TOKENS, REPLY_SECONDS = 250, 15.0
BATCH_HOURS = 24.0  # in which a batch is answered, all batches at once
# Assumed wait in a server's queue and speed of training.
QUEUE_HOURS, TOKENS_PER_HOUR = 0.25, 2e6
SHORT = 12  # characters of a content id that messages show

Row = dict[str, Any]


def asked_tasks(
    asked: Sequence[Mapping[str, Any]], made: Mapping[tuple[str, str], str]
) -> Iterator[tuple[Task, Settings]]:
    """Yield the task and the settings of each of ``Layout.asked_shards``.

    ``made`` names the models of finished fine-tunes, whose stored answers count.
    """
    for one in asked:
        task, settings = task_of(one["shard"], **one["texts"]), one["settings"]
        name = made.get((task.shard.model, task.shard.variant), settings["model"])
        yield task, Settings.of({**settings, "model": name})


def _priced(row: Row, prices: str) -> Row:
    """Return a row with its dollars, null where the file of prices lacks the model.

    Counts that the row lacks are 0.
    """
    note = PLACEHOLDER if is_placeholder(row["requested_model"]) else None
    full = {**dict.fromkeys(SUMMED, 0), "note": note, "usd": None, **row}
    price = find_price(Path(prices), row["base_url"], row["requested_model"])
    if price is not None and row.get("by_batch"):
        price = price.in_batch()
    if price is not None and (row["stage"] != TRAINING or price.training is not None):
        full["usd"] = price.cost(full["prompt_tokens"], full["completion_tokens"])
        full["usd"] += price.training_cost(full["training_tokens"])
        full["price_of"] = f"{price.as_of}, {price.source}"
    return full


def answer_rows(tasks: Iterable[tuple[Task, Settings]]) -> list[Row]:
    """Count what tasks need, each with the settings of its endpoint; a row per model x variant.

    ``answers`` are slots, ``stored`` those that the store answers; the columns from ``remaining``
    on are about those that no row above counts, since equal requests are paid once, and that no
    batch is about to answer.
    """
    streams: dict[tuple[Path, object], list[Shard]] = {}  # so that each folder is read once
    for task, settings in tasks:
        folder = stream_folder(Path(settings.store), settings.stream)
        own = _own(settings, (task.shard.model, task.shard.variant))
        streams.setdefault((folder, own), []).append(Shard(task, settings))
    rows: dict[tuple[str, str], Row] = {}
    empty = dict.fromkeys((*SUMMED, "shared", "coming"), 0)
    asked: dict[tuple[str, str], Settings] = {}
    for (folder, _), shards in streams.items():
        settings = shards[0].settings
        keys = {cell.key for shard in shards for cell in shard.cells}
        rescued = Path(settings.rescued) / folder.name
        attempts = without_replays(read_attempts(folder, keys, rescued).attempts)
        counted: dict[str, set[int]] = {}
        coming = slots_of(running_of(folder.parent, settings.stream))
        most = read_allowed(learned_file(folder.parent, settings.stream)).max_n
        count, how = token_counter(settings.model)
        for shard in shards:
            names = (shard.task.shard.model, shard.task.shard.variant)
            asked.setdefault(names, settings)
            row = rows.setdefault(names, {**empty, "tokens_by": how})
            row["answers"] += len(shard.cells) * len(shard.repetitions)
            row["stored"] += len(shard.cells) * len(shard.repetitions)
            length = answer_length(attempts, shard.settings)
            by = replace(shard.settings, max_n=shard.settings.max_n or most)
            for cell, missing in shard.missing(attempts):
                row["stored"] -= len(missing)
                before = counted.setdefault(cell.key, set())
                new = [number for number in missing if number not in before]
                before.update(new)
                row["shared"] += len(missing) - len(new)
                repetitions = [number for number in new if number not in coming.get(cell.key, ())]
                row["coming"] += len(new) - len(repetitions)
                requests = len(by.blocks(repetitions))
                tokens = prompt_tokens(shard.messages(cell.persona, cell.item), count)
                row["remaining"] += len(repetitions)
                row["requests"] += requests
                row["prompt_tokens"] += requests * tokens
                row["completion_tokens"] += round(len(repetitions) * length)
    return [_answers(names, row, asked[names]) for names, row in rows.items()]


def _own(settings: Settings, names: tuple[str, str]) -> tuple[str, str] | None:
    """Return the variant that alone asks a model, None where other variants may ask it, too.

    Fine-tunes of one base have one name in the plan, ``ft:<base>:``, until they are made.
    """
    return names if settings.model.endswith(":") else None


def _answers(names: tuple[str, str], counts: Row, settings: Settings) -> Row:
    """Return the row of a variant's answers; those of a model that thinks take longer."""
    shared, coming = counts.pop("shared"), counts.pop("coming")
    if settings.batching == "batch" and counts["requests"] >= FEW:
        counts["by_batch"] = True
    notes = []
    if coming:
        notes.append(f"{coming:,} answers are in a batch that runs, and are paid")
    if counts.get("by_batch"):
        notes.append(f"by batch: at half the price, within {BATCH_HOURS:g} h")
    seconds = SECONDS_PER_REQUEST
    if settings.thinking:
        most, seconds = settings.thinking["max_tokens"], REPLY_SECONDS
        length = (
            f"thinks before it answers: {most} tokens a reply, the most that it may take, until"
        )
        each = "" if counts.get("by_batch") else f"; {seconds:g} s each"
        notes.append(f"{length} the store holds replies{each}")
    row = _sampled(names, ANSWERS, counts, settings, seconds)
    row["note"] = row["note"] or "; ".join(notes) or None
    return _shared(row, shared)


def _new(counts: Row, again: bool) -> Row:
    """Return counts without requests where the rows above count them."""
    return {**counts, **dict.fromkeys(REQUESTED, 0)} if again else counts


def _shared(row: Row, count: int) -> Row:
    """Note in a row how many of its answers the rows above count."""
    note = f"{count:,} of its {COUNTED[row['stage']]} are those of rows above and paid once"
    return {**row, "note": row["note"] or note} if count else row


def answer_length(attempts: Attempts, settings: Settings) -> float:
    """Return the completion tokens of an answer: one, or those of thoughts and answer."""
    if not settings.thinking:
        return 1.0
    made = [attempt for cell in attempts.values() for attempt in cell]
    return reply_length(made, settings.short, assumed=settings.short)


def _sampled(
    names: tuple[str, str],
    stage: str,
    counts: Row,
    settings: Settings,
    seconds: float = SECONDS_PER_REQUEST,
) -> Row:
    """Return the row of a stage that sends requests of ``seconds``, priced, with its hours."""
    an_hour = 3600 / seconds * settings.max_in_flight
    if settings.requests_per_minute is not None:
        an_hour = min(an_hour, 60 * settings.requests_per_minute)
    row = {
        "model": names[0],
        "variant": names[1],
        "stage": stage,
        "base_url": settings.base_url,
        "requested_model": settings.model,
        "hours": BATCH_HOURS if counts.get("by_batch") else counts["requests"] / an_hour,
        **counts,
    }
    return _priced(row, settings.prices)


def check_rows(check: Mapping[str, Any], made: Mapping[tuple[str, str], str]) -> list[Row]:
    """Count replies and judge calls of the misalignment check, two rows per checked variant.

    ``check`` has ``questions`` (a path), ``replies`` (a mapping per sampled variant: model,
    variant, samples, settings), ``judge`` (its settings, empty where it is simulated) and
    ``method``. ``made`` names the models of finished fine-tunes. Replies that do not exist yet
    count with an estimated length, in the judge's prompts too.
    """
    questions = read_questions(Path(check["questions"]))
    rows = []
    counted: set[tuple[object, ...]] = set()  # cells of the rows above
    for entry in check["replies"]:
        names = (entry["model"], entry["variant"])
        asked = entry["settings"]
        settings = Settings.of({**asked, "model": made.get(names, asked["model"])})
        replies = Replies(names, questions, entry["samples"], settings)
        attempts = stored(replies.keys, settings)
        made_before = [attempt for cell in attempts.values() for attempt in cell]
        length = reply_length(made_before, replies.max_tokens)
        frame = replies.frame(attempts).filter(pl.col("status") != ERROR)
        jobs = replies.jobs(attempts)
        count, how = token_counter(settings.model)
        remaining = sum(len(job.repetitions) for job in jobs)
        counts = {
            "answers": len(replies.cells) * replies.samples,
            "stored": frame.height,
            "remaining": remaining,
            "requests": len(jobs),
            "prompt_tokens": sum(prompt_tokens(job.messages, count) for job in jobs),
            "completion_tokens": round(remaining * length),
            "tokens_by": how,
        }
        cells = (_own(settings, names), *replies.keys)
        again = cells in counted
        counted.add(cells)
        shared = remaining if again else 0
        rows.append(
            _shared(_sampled(names, REPLIES, _new(counts, again), settings, REPLY_SECONDS), shared)
        )
        if check["judge"]:
            by = Settings.of(check["judge"])
            judge = Judge(questions, by, check["method"])
            coming = len(questions.questions) * entry["samples"] - frame.height
            calls = _judge_counts(judge, frame, coming, length)
            shared = calls["remaining"] if again else 0
            rows.append(_shared(_sampled(names, JUDGE, _new(calls, again), by), shared))
    return rows


def reply_length(attempts: list[Attempt], max_tokens: int, assumed: int = REPLY_TOKENS) -> float:
    """Return the completion tokens of a reply: the mean of stored ones, else the assumption."""
    counted = [
        a
        for a in attempts
        if a.max_tokens == max_tokens
        and a.completion_tokens is not None
        and "completion_tokens" not in (a.estimated or "")
    ]
    choices = sum(len(attempt.replies()) for attempt in counted)
    if choices:
        return sum(attempt.completion_tokens or 0 for attempt in counted) / choices
    return float(min(assumed, max_tokens))


def _judge_counts(judge: Judge, replies: pl.DataFrame, coming: int, length: float) -> Row:
    """Count the judge's calls for stored replies and for ``coming`` ones of an assumed length."""
    count, how = token_counter(judge.model)
    calls = judge.calls(replies)
    unpaid = judge.unpaid(calls)
    blank = [
        prompt_tokens(judge.questions.judge_messages(aspect, question.text, ""), count) + length
        for question in judge.questions.questions
        for aspect in ASPECTS
    ]
    per_call = judge.text.max_tokens if judge.method == TEXT else 1
    prompts = sum(prompt_tokens(text, count) for text, _ in unpaid)
    later = len(ASPECTS) * coming
    return {
        "answers": len(calls) + later,
        "stored": len(calls) - len(unpaid),
        "remaining": len(unpaid) + later,
        "requests": len(unpaid) + later,
        "prompt_tokens": prompts + round(later * sum(blank) / len(blank)),
        "completion_tokens": sum(tokens for _, tokens in unpaid) + later * per_call,
        "tokens_by": how,
    }


def known_models(tunes: Sequence[Runner]) -> dict[tuple[str, str], str]:
    """Return the models of finished fine-tunes, by model and variant."""
    found = {}
    for tune in tunes:
        end = ending(tune.journal.entries())
        if end is not None and end["event"] == FINISHED:
            found[tune.order.model, tune.order.variant] = str(end["model"])
    return found


def training_row(tune: Runner, made: Path) -> Row:
    """Count what a fine-tune still needs: nothing for a job that is finished or under way.

    ``made`` is the file of an earlier run, if any.
    """
    order = tune.order
    entries = tune.journal.entries()
    end, job = ending(entries), known_id(entries)
    if end is not None and end["event"] == FINISHED:
        note = f"trained: {end['model']}"
    elif end is not None:
        reason = f": {end.get('code') or end.get('reason')}" if end["event"] == FAILED else ""
        again = f"attempt: {{{order.variant}: {order.attempt + 1}}}"
        note = f"{end['event']}: {end['id']}{reason}; {again} orders it once more"
    elif job is not None:
        note = f"running: {job}"
    else:
        note = f"to train: {_why(tune, made)}"
        if open_intent(entries) is not None:
            note += (
                "; an earlier request got no reply: a job that it started is resumed, not paid "
                "again"
            )
    row = {
        "model": order.model,
        "variant": order.variant,
        "stage": TRAINING,
        "base_url": order.base_url,
        "requested_model": order.base,
        "requests": 1,
        "training_tokens": tune.tokens,
        "hours": QUEUE_HOURS + tune.tokens / TOKENS_PER_HOUR,
        "tokens_by": tune.counter[1],
        "note": note,
    }
    none = {"requests": 0, "training_tokens": 0, "hours": 0.0, "usd": 0.0}
    return _priced(row, tune.settings["prices"]) | (none if end or job else {})


def _why(tune: Runner, made: Path) -> str:
    """Return why a job is needed: what differs from the model of an earlier run, if any."""
    order = tune.order
    parts = [f"dataset sha {order.sha256[:SHORT]}…"]
    now = {
        "base": order.base,
        "dataset": f"{order.sha256[:SHORT]}…",
        "recipe": {"name": order.recipe, **order.hyperparameters},
        "seed": order.seed,
    }
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before: Mapping[str, Any] = json.loads(made.read_text(encoding="utf-8"))
        was = {**before, "dataset": f"{before['dataset']['sha256'][:SHORT]}…"}
        parts += [f"{name} was {was[name]}" for name in now if was[name] != now[name]]
    return f"no job with these data and this recipe yet ({'; '.join(parts)})"
