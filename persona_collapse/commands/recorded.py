"""What recorded files hold for a study: rows read, kept, filtered out and unmatched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from persona_collapse.commands import shown
from persona_collapse.commands.shown import Column
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.base import find
from persona_collapse.tasks import task_of

COLUMNS = (
    *(Column(name, folds=True) for name in ("model", "variant", "probe")),
    Column("files"),
    Column("read", "rows read"),
    Column("filtered", "filtered out"),
    Column("unmatched"),
    Column("repeated"),
    Column("answers", "answers kept"),
    Column("rated", "with a rating"),
)


def outcomes(recorded: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what became of the rows of every unit's files, one entry per unit.

    ``recorded`` are those of ``Layout.recorded``; a unit whose instrument or personas are not
    fetched yet is left out. Raises ``UserError`` for files that cannot be used, with the unit.
    """
    rows = []
    for unit in recorded:
        params, texts = unit["shard"], unit["texts"]
        if not all(Path(path).is_file() for path in texts.values()):
            continue
        task = task_of(params, **texts)
        settings = {**params.get("settings", {}), **unit["settings"], "inputs": unit["inputs"]}
        names = {name: params[name] for name in ("model", "variant", "probe")}
        try:
            outcome = find(params["endpoint"]).outcome(task, settings)
        except UserError as fault:
            place = f"models.{names['model']}.variants.{names['variant']}"
            raise UserError(f"{place}, probe {names['probe']}: {fault}") from None
        if outcome is not None:
            rows.append({**names, **outcome})
    return rows


def show_outcomes(screen: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show the outcomes as a table, with examples of what was left out below it."""
    screen.print("Recorded answers:")
    shown.show_table(screen, COLUMNS, rows)
    for row in rows:
        if row["unmatched"]:
            names = f"{row['model']} {row['variant']} {row['probe']}"
            shown.show_note(screen, f"Unmatched of {names} (rows): {row['examples']}.")
