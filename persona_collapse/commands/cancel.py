"""Cancel the fine-tuning jobs and the batches of a study that still run at their servers."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from persona_collapse.asking.batches import BatchService
from persona_collapse.asking.journal import RefusedError, UnansweredError
from persona_collapse.asking.keys import find_key
from persona_collapse.asking.submissions import Try, running_of
from persona_collapse.commands import shown
from persona_collapse.commands.costs import asked_tasks, known_models
from persona_collapse.commands.shown import Column
from persona_collapse.finetuning.runner import Runner

COLUMNS = [Column(name) for name in ("model", "variant", "job", "state")]
BATCHES = [Column(name) for name in ("model", "variant", "batch", "requests", "state")]


def cancel_finetunes(finetunes: list[dict[str, Any]]) -> None:
    """Print the state of every fine-tuned variant's job after cancelling it; order nothing."""
    screen = shown.screen()
    if not finetunes:
        screen.print("This study fine-tunes no variant: there is nothing to cancel.")
        return
    rows = []
    for entry in finetunes:
        job, state = None, "no job"
        if Path(entry["data"]).is_file():  # else never fetched, so never uploaded
            job, state = Runner.of(entry["order"], Path(entry["data"]), entry["settings"]).cancel()
        names = {name: entry["order"][name] for name in ("model", "variant")}
        rows.append({**names, "job": job, "state": state})
    shown.show_table(screen, COLUMNS, rows)


def cancel_batches(asked: list[dict[str, Any]], finetunes: list[dict[str, Any]]) -> None:
    """Print the state of every batch of the study after cancelling it; send none.

    ``asked`` has one shard per model x variant.
    """
    tunes = [Runner.of(m["order"], Path(m["data"]), m["settings"]) for m in finetunes]
    rows: dict[str, dict[str, Any]] = {}
    for task, given in asked_tasks(asked, known_models(tunes)):
        key = partial(find_key, given.api_key_env, given.base_url)
        service = BatchService(given.base_url, key, given.timeout_s)
        names = {"model": task.shard.model, "variant": task.shard.variant}
        for one in running_of(Path(given.store), given.stream):
            if one.submission.scope == given.scope and one.key not in rows:
                count = len(one.submission.lines)
                rows[one.key] = {**names, "requests": count, **_cancelled(one, service)}
        service.close()
    screen = shown.screen()
    if not rows:
        screen.print("No batch of this study runs: there is nothing to cancel.")
        return
    shown.show_table(screen, BATCHES, list(rows.values()))
    shown.show_note(
        screen,
        "The next run stores what they answered until then, and stops; the one after it asks for "
        "the rest.",
    )


def _cancelled(one: Try, service: BatchService) -> dict[str, str | None]:
    batch = one.batch
    try:
        if batch is None:
            since = datetime.fromisoformat(one.submission.at).timestamp()
            batch = service.find_batch(one.key, since)
        if batch is None:
            return {"batch": None, "state": "not known at the server"}
        service.cancel(batch)
        return {"batch": batch, "state": service.batch(batch).status}
    except (RefusedError, UnansweredError) as fault:
        return {"batch": batch, "state": f"could not be cancelled: {fault}"}
