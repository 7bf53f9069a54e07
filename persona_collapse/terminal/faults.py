"""What failed in a run, in a user's words: of one job from its log, and of all at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_collapse.asking.breaker import REFUSED, TRIED
from persona_collapse.asking.progress import Failures, failures
from persona_collapse.common.log import ERROR, WARNING
from persona_collapse.terminal.tally import Tally
from persona_collapse.terminal.work import Job

MOST = 5  # units whose failures are named, and reasons of each
KILLED = {"137": "SIGKILL", "143": "SIGTERM", "130": "SIGINT"}


@dataclass(frozen=True)
class JobFault:
    """Why a job failed, and the log with more; ``reason`` is alike for like faults of jobs."""

    message: str
    reason: str
    log: str


def fault_of(job: Job, record: Mapping[str, Any], status: str, run_log: Path) -> JobFault:
    """Return the fault of a job from the record of its failure and from its log.

    ``status`` is how its process ended, as a number or the name of a signal, "" if unknown.
    """
    logs = [Path(path) for path in record.get("log") or ()]
    own = next(iter(logs), run_log)
    message = next(filter(None, map(_users, logs)), "")
    if not message:
        message, own = _unexpected(logs, record, status, own, run_log)
    reason = message.replace(REFUSED, "").replace(TRIED, "")
    for label in (label for group in job.labels for label in group):
        reason = reason.replace(label, "")
    return JobFault(message, reason.strip(": "), str(own))


def _users(log: Path) -> str:
    """Return the user's error at the end of a log, "" where there is none."""
    _, found, message = f"\n{_read(log)}".rpartition(f"\n{ERROR}")
    return message.strip() if found else ""


def _unexpected(
    logs: Iterable[Path], record: Mapping[str, Any], status: str, where: Path, run_log: Path
) -> tuple[str, Path]:
    for path in logs:
        text = _read(path)
        if "Traceback (most recent call last)" in text:
            last = text.rstrip().rsplit("\n", 1)[-1]
            return f"{last} (unexpected: its traceback is in the log)", path
    if record.get("rule_msg"):
        written = [path for path in logs if _read(path)]  # a cluster's own log is the last
        return str(record["rule_msg"]), next(reversed(written), where)
    killed = KILLED.get(status, status if status.startswith("SIG") else "")
    if killed:
        memory = ", perhaps since memory ran out" if killed == "SIGKILL" else ""
        return f"Its process was ended by {killed}{memory}.", run_log
    return "It ended without a message.", run_log


def warnings_of(logs: Iterable[str]) -> list[str]:
    """Return the warnings in the logs of a job."""
    lines = [line for log in logs for line in _read(Path(log)).splitlines()]
    return [line for line in lines if line.startswith(WARNING)]


def summary(tally: Tally, reasons: int, notes: Path | None) -> Iterator[str]:
    """Yield what failed in a run: jobs by stage, and answers by model, variant and probe.

    ``reasons`` is how many errors were shown, each of which may stand for several jobs.
    """
    failed = tally.failed_by_stage()
    of = {stage: sum(job.stage == stage for job in tally.needed) for stage in failed}
    if failed:
        parts = [
            f"{count} of {max(of[stage], count)} jobs of {stage}" for stage, count in failed.items()
        ]
        waiting = tally.never_ran()
        more = f"; {waiting} more did not run" if waiting else ""
        why = f"for {reasons} reason{'s' * (reasons > 1)}, above"
        yield f"Failed: {', '.join(parts)}, {why}{more}. All else is done and kept."
    yield from _by_unit(failures(notes) if notes is not None else [])


def _by_unit(found: Iterable[Failures]) -> Iterator[str]:
    units: dict[str, list[Failures]] = {}
    for one in found:
        units.setdefault(" ".join(one.label.split()[:3]), []).append(one)
    rows = [
        (sum(one.missing for one in mine), sum(one.cells for one in mine), unit, mine)
        for unit, mine in units.items()
    ]
    rows.sort(key=lambda row: -row[0])
    width = max((len(unit) for _, _, unit, _ in rows[:MOST]), default=0)
    for missing, cells, unit, mine in rows[:MOST]:
        reasons: dict[str, int] = {}
        for one in mine:
            for reason, count in one.reasons.items():
                reasons[reason] = reasons.get(reason, 0) + count
        why = max(reasons, key=lambda reason: reasons[reason], default="")
        more = f", and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
        yield f"  {unit:<{width}}   {missing:,} answers missing in {cells:,} cells: {why}{more}"
    if len(rows) > MOST:
        left = sum(row[0] for row in rows[MOST:])
        yield f"  {left:,} more answers missing in {len(rows) - MOST} other units"
    if rows:
        yield (
            "The same command asks for exactly these again; --config accept_errors=true goes on "
            "without them."
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
