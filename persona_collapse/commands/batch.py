"""Batches without a service: files for ``vllm run-batch``, and the import of their results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from persona_collapse.asking.ask import is_placeholder, stored
from persona_collapse.asking.batching import Filling, Part
from persona_collapse.asking.collecting import judged, keep, read_results, unanswered
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.submissions import (
    FOLDER,
    SHORT_KEY,
    Submission,
    announce,
    read_submission,
    running_of,
    settings_of,
)
from persona_collapse.commands import shown
from persona_collapse.commands.costs import asked_tasks, known_models
from persona_collapse.commands.shown import Column
from persona_collapse.common.errors import UserError
from persona_collapse.common.files import now, write_atomically
from persona_collapse.common.hashing import sha256
from persona_collapse.endpoints.openai import Shard
from persona_collapse.finetuning.runner import Runner

WRITTEN = (
    *(Column(name, folds=True) for name in ("model", "variant")),
    Column("requests"),
    Column("answers"),
    Column("file"),
)
IMPORTED = (
    Column("asked", "asked for", folds=True),
    *(Column(name) for name in ("requests", "answered", "failed", "missing", "stored")),
)
NOTHING = "Nothing to write: the store holds all answers, or a batch that runs is about to."


def write_files(asked: list[dict[str, Any]], finetunes: list[dict[str, Any]], output: str) -> None:
    """Write what the store lacks of each model x variant into the folder ``output``; ask nothing.

    ``asked`` are all shards. What a line asks for is noted in the store. A variant of ``finetunes``
    that is not trained yet has no file, nor has a placeholder.
    """
    tunes = [Runner.of(m["order"], Path(m["data"]), m["settings"]) for m in finetunes]
    trained = known_models(tunes)
    untrained = {(tune.order.model, tune.order.variant) for tune in tunes} - trained.keys()
    parts: dict[tuple[str, str], list[Part]] = {}
    for task, given in asked_tasks(asked, trained):
        names = (task.shard.model, task.shard.variant)
        if names not in untrained and not is_placeholder(given.model):
            shard = Shard(task, given)
            part = Part(given, [cell.key for cell in shard.cells], shard.order)
            parts.setdefault(names, []).append(part)
    rows = [row for names, given in parts.items() for row in _written(names, given, Path(output))]
    screen = shown.screen()
    if not rows:
        shown.show_note(screen, NOTHING)
        return
    shown.show_table(screen, WRITTEN, rows)
    shown.show_note(
        screen,
        "Have a file answered by the same model, for example: vllm run-batch -i FILE -o RESULTS "
        "--model NAME. Then: snakemake import_batch --config batch_results=RESULTS",
    )


def _written(names: tuple[str, str], parts: Sequence[Part], folder: Path) -> list[dict[str, Any]]:
    filling = Filling(" ".join(names), parts)
    settings = filling.settings
    attempts = stored(filling.cells, settings)
    wanted = filling.wanted(attempts, running_of(Path(settings.store), settings.stream))
    rows = []
    for number, one in enumerate(announce(wanted, settings.scope, filling.label), start=1):
        path = folder / f"{'_'.join(names)}{'' if number == 1 else f'_{number}'}.jsonl"
        write_atomically(path, one.content())
        rows.append(
            {
                "model": names[0],
                "variant": names[1],
                "requests": len(one.lines),
                "answers": sum(len(line.ask.repetitions) for line in one.lines),
                "file": str(path),
            }
        )
    return rows


def import_results(store: str, results: Sequence[str]) -> None:
    """Store the answers in files of results, whose requests were written from this store.

    Raises ``UserError`` for a file that cannot be read, and where no line answers any request.
    """
    if not results:
        raise UserError(
            "import_batch: name the files of results: snakemake import_batch --config "
            "batch_results=PATH, several with commas"
        )
    contents = {path: _read(Path(path)) for path in results}
    folders = sorted((Path(store) / FOLDER).glob("*/*"))
    found = [one for folder in folders if (one := read_submission(folder)) is not None]
    rows, taken = [], set[str]()
    for one in sorted(found, key=lambda one: one.at, reverse=True):
        row = _imported(one, store, list(contents.values()), taken)
        if row:
            rows.append(row)
    if not rows:
        raise UserError(
            f"{', '.join(contents)}: no line answers a request that was written from the store "
            f"{store} and is still open. Are the answers there already? Else give the store that "
            "`snakemake batch_file` used (--config store=PATH), and results as vllm run-batch "
            "writes them, a line of JSON with custom_id and response"
        )
    shown.show_table(shown.screen(), IMPORTED, rows)


def _imported(
    one: Submission, store: str, contents: Sequence[bytes], taken: set[str]
) -> Mapping[str, Any] | None:
    """Store what answers a submission; ``taken`` are ids that another one has, and gains these."""
    found, _ = read_results(one, contents, None)
    answered = {name: reply for name, reply in found.items() if name not in taken}
    if not answered:
        return None
    taken |= answered.keys()
    given = one.settings[0]
    own = Settings(**{**given, "store": store})
    kinds = [Requests(by, None) for by in settings_of(one, own)]
    attempts = [attempt for attempt, _ in judged(one, answered, kinds, now())]
    name = f"{one.stored_as}{sha256(b''.join(contents))[:SHORT_KEY]}"
    kept = keep(one, attempts, name, "import", own)
    failed = sum(attempt.cause is not None for attempt in attempts)
    missing = unanswered(one, own)
    if not missing and not one.running():
        one.remove()
    return {
        "asked": one.label,
        "requests": len(one.lines),
        "answered": len(attempts) - failed,
        "failed": failed,
        "missing": missing,
        "stored": kept,
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise UserError(f"batch_results: {path}: {fault.strerror}") from None
