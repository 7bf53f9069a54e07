"""Collect what batches answered: read files of results, judge them as live replies, store them.

Replies are judged by the code that judges live ones (``requests``), and a reply is an attempt like
any other.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from persona_collapse.asking.batches import Batch, Fault
from persona_collapse.asking.budget import settle_held
from persona_collapse.asking.controls import as_filtered, is_proof
from persona_collapse.asking.journal import Entry
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.response import ANSWERED, FILTERED, Reply, read_reply
from persona_collapse.asking.sending import Sender
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.submissions import REQUESTS, Submission, Try
from persona_collapse.common.files import now
from persona_collapse.store.attempts import Attempt, possible_count
from persona_collapse.store.files import read_attempts, stream_folder
from persona_collapse.store.writer import write_whole

UNASKED = ("batch_expired", "batch_cancelled")  # codes of requests that the server never began
MOST_NAMED = 3
Taken = tuple[Attempt, str]  # a reply, and its verdict: one of those of ``response``


@dataclass(frozen=True)
class Answered:
    """What a server says of one request of a file: the reply, and its HTTP status if any."""

    reply: Reply
    status: int | None


def collected(sender: Sender, one: Try, batch: Batch) -> tuple[list[Taken], Entry]:
    """Store what a batch answered and settle its price; return replies and the entry of its end."""
    submission, contents = one.submission, []
    for file in batch.files:
        content = sender.patience.keep_asking(partial(sender.service.content, file))
        if content is None:
            sender.say(f"{batch.id}: the server has no file {file}, which it names as a result")
        else:
            contents.append(content)
    answered, useless = read_results(submission, contents, sender.key)
    if useless:
        sender.say(f"{batch.id}: {useless} lines of its results answer nothing that was asked")
    at = datetime.fromtimestamp(batch.ended_at, UTC) if batch.ended_at else None
    created_at = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at else now()
    taken = judged(submission, answered, sender.requests_of(submission), created_at)
    attempts = [attempt for attempt, _ in taken]
    keep(submission, attempts, one.stored_as, batch.id, sender.settings)
    prompt = sum(attempt.prompt_tokens or 0 for attempt in attempts)
    completion = sum(attempt.completion_tokens or 0 for attempt in attempts)
    usd = sender.price.cost(prompt, completion) if sender.price else 0.0
    settle_held(sender.store, submission.scope, one.stored_as, len(attempts), usd)
    good = sum(attempt.cause is None for attempt in attempts)
    end = one.end(
        {
            "id": batch.id,
            "status": batch.status,
            "requests": len(submission.lines),
            "answered": good,
            "prompt_tokens": prompt,
            "completion_tokens": completion,
        }
    )
    left = len(submission.lines) - good
    rest = f"; {left:,} have none and are asked again" if left else ""
    sender.say(f"{batch.id} is {batch.status}: {good:,} requests are answered{rest}")
    return taken, end


def rejected(
    settings: Settings, submission: Submission, batch: Batch, names: Mapping[str, str]
) -> str:
    """Return the message about a file that the server rejected; ``names`` are those of cells."""
    said = [_fault(submission, fault, names) for fault in batch.faults]
    more = f" and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
    text = "; ".join(said[:MOST_NAMED]) or "it gives no reason"
    return (
        f"{settings.title}: the server rejected the file of the batch {batch.id}: {text}{more}. "
        f"Nothing was asked or paid. The file is {submission.folder / REQUESTS}. Correct what it "
        "names in the study (the model may not be offered in batches), or set batching: n; then "
        "run the same command again"
    )


def _fault(submission: Submission, fault: Fault, names: Mapping[str, str]) -> str:
    where = ""
    if fault.line is not None and 0 < fault.line <= len(submission.lines):
        name = names.get(submission.lines[fault.line - 1].ask.cell)
        where = f"line {fault.line}{f' ({name})' if name else ''}: "
    return f"{where}{fault.code}: {fault.message}"


def read_results(
    submission: Submission, contents: Iterable[bytes], key: str | None
) -> tuple[dict[str, Answered], int]:
    """Return the replies by the ids of their requests, and the number of lines of no use.

    ``contents`` are files of results. Of several lines of one request an answer counts before a
    failure, then the first. Requests that the server never began are left out.
    """
    expected = {line.custom_id: len(line.ask.repetitions) for line in submission.lines}
    found: dict[str, Answered] = {}
    useless = 0
    for text in (line for content in contents for line in content.splitlines() if line.strip()):
        try:
            line = json.loads(text)
            name = line["custom_id"]
            answered = _answered(line, expected[name], key)
        except (ValueError, KeyError, TypeError, RecursionError):
            useless += 1
            continue
        if answered is None:
            continue
        before = found.get(name)
        if before is None or (before.reply.cause is not None and answered.reply.cause is None):
            found[name] = answered
    return found, useless


def _answered(line: dict[str, Any], n: int, key: str | None) -> Answered | None:
    response, error = line.get("response"), line.get("error")
    if isinstance(response, dict):
        body = response.get("body")
        if body is None and "choices" in response:  # Fireworks puts the reply there itself
            body = response
        if body is not None:
            status = possible_count(response.get("status_code")) or 200
            return Answered(read_reply(status, json.dumps(body).encode(), n, key), status)
    if not error or (isinstance(error, dict) and error.get("code") in UNASKED):
        return None
    # vLLM has the status in an empty response, and beside it a text or the body of an error.
    body = error if isinstance(error, dict) and "error" in error else {"error": error}
    said = possible_count(response.get("status_code")) if isinstance(response, dict) else None
    failed = said if said and said >= 400 else None
    return Answered(read_reply(failed or 500, json.dumps(body).encode(), n, key), failed)


def judged(
    submission: Submission,
    answered: Mapping[str, Answered],
    kinds: Sequence[Requests],
    created_at: str,
) -> list[Taken]:
    """Return what each request that got a reply came to, in the file's order.

    ``kinds`` are the requests of each of the submission's settings.
    """
    taken: list[Taken] = []
    for line, body in submission.bodies():
        found = answered.get(line.custom_id)
        if found is not None:
            kind = kinds[line.settings]
            attempt, verdict = kind.taken(line.ask, body, found.reply, found.status, 0.0)
            taken.append((replace(attempt, created_at=created_at), verdict))
    if not any(is_proof(attempt, verdict) for attempt, verdict in taken):
        return taken
    # The model answers other prompts, so what a filter refused is an answer of its prompt.
    return [
        (as_filtered(attempt, attempt.repetitions), ANSWERED)
        if verdict == FILTERED
        else (attempt, verdict)
        for attempt, verdict in taken
    ]


def keep(
    submission: Submission, attempts: Sequence[Attempt], name: str, batch: str, settings: Settings
) -> int:
    """Store the attempts of a submission that are not in the store; return their number."""
    known = {_slots(one) for one in _kept(submission, settings) if one.source[0] != f"{name}.jsonl"}
    new = [one for one in attempts if _slots(one) not in known]
    if new:
        about = {"scope": submission.scope, "probe": submission.label, "batch": batch}
        write_whole(Path(settings.store), settings.stream, name, new, about)
    return len(new)


def unanswered(submission: Submission, settings: Settings) -> int:
    """Return the number of requests of a submission that the store has no answer to."""
    known = {_slots(one) for one in _kept(submission, settings) if one.cause is None}
    asked = ((one.ask.cell, one.ask.repetitions, one.ask.max_tokens) for one in submission.lines)
    return sum(slots not in known for slots in asked)


def _kept(submission: Submission, settings: Settings) -> Iterator[Attempt]:
    """Yield the attempts that came from a submission."""
    folder = stream_folder(Path(settings.store), settings.stream)
    for found in read_attempts(folder, submission.cells).attempts.values():
        yield from (one for one in found if one.source[0].startswith(submission.stored_as))


def _slots(attempt: Attempt) -> tuple[str, tuple[int, ...], int]:
    return attempt.cell, attempt.repetitions, attempt.max_tokens
