"""Requests that stay without an answer: the job fails, unless the run accepts them.

A run that accepts leaves a note for each job. A later run that accepts nothing finds it while
planning, and the job asks again for what failed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from persona_collapse.asking.progress import Failures, note_failures
from persona_collapse.asking.response import said
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Job
from persona_collapse.common.errors import UserError
from persona_collapse.common.files import write_atomically
from persona_collapse.common.log import LOG
from persona_collapse.store.attempts import Attempt

MOST_CELLS, MOST_REASONS = 5, 3  # that a message names


@dataclass(frozen=True)
class Failed:
    """Replies to one cell that are missing; ``reason`` is the last failure's, None if unknown."""

    cell: str
    repetitions: tuple[int, ...]
    reason: str | None


def failed_of(jobs: Iterable[Job], names: Mapping[str, str]) -> list[Failed]:
    """Return what jobs still lack; ``names`` are those of cells, by key."""
    found = []
    for job in jobs:
        ask = job.ask()
        if ask is not None:
            repetitions = tuple(job.repetitions)
            name = names.get(job.cell, f"request {job.cell[:12]}")
            found.append(Failed(name, repetitions, _last_reason(job.attempts, ask.repetitions)))
    return found


def _last_reason(attempts: Iterable[Attempt], repetitions: Iterable[int]) -> str | None:
    wanted, reason = set(repetitions), None
    for attempt in attempts:
        if attempt.cause is not None and wanted & set(attempt.repetitions):
            reason = said(attempt)
    return reason


def refuse(label: str, asked: int, failed: list[Failed], settings: Settings) -> None:
    """Raise ``UserError`` for replies that are missing; where the run accepts them, log it.

    ``label`` names the job, ``asked`` is the number of replies that it asked for.
    """
    count = sum(len(one.repetitions) for one in failed)
    cells = list(dict.fromkeys(one.cell for one in failed))
    reasons = Counter[str]()
    for one in failed:
        unknown = f"no reply is in {settings.store}: was the store moved during the run?"
        reasons[one.reason or unknown] += len(one.repetitions)
    note_failures(settings.stops, Failures(label, asked, count, len(cells), dict(reasons)))
    where = _some(cells, MOST_CELLS, "cells")
    why = _some([f"{why} ({n})" for why, n in reasons.most_common()], MOST_REASONS, "reasons")
    text = f"{label}: {count} of {asked} slots have no answer, of {where}. {why}"
    if not settings.accept_errors:
        raise UserError(
            f"{text}. Every answer that arrived is in the store: mend the cause and run the same "
            "command again, which asks for these alone; or go on without them: --config "
            "accept_errors=true"
        )
    LOG.warning("%s. The run accepts that (accept_errors)", text)
    if settings.accepted:
        write_atomically(note_of(settings.accepted, label), f"{text}\n".encode())


def note_of(folder: str, label: str) -> Path:
    """Return the file that notes what a run accepted of a job."""
    return Path(folder) / f"{label}.txt"


def _some(texts: list[str], most: int, word: str) -> str:
    left = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {left} more {word}" if left > 0 else "")
