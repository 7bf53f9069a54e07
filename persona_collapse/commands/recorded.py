"""What recorded files hold for a study: rows read, kept, filtered out and unmatched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.base import find
from persona_collapse.tasks import task_of

COUNTS = ("files", "read", "filtered", "unmatched", "repeated", "answers", "rated")
HEADS = {
    "read": "rows read",
    "filtered": "filtered out",
    "answers": "answers kept",
    "rated": "with a rating",
}


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
        task = task_of(params, texts["instrument"], texts.get("personas"))
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


def outcome_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the outcomes as a text table, with examples of what was left out below it."""
    names = ("model", "variant", "probe")
    lines = [[*names, *(HEADS.get(name, name) for name in COUNTS)]]
    lines += [[*(row[n] for n in names), *(f"{row[n]:,}" for n in COUNTS)] for row in rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    texts = [
        "  ".join(
            word.ljust(width) if place < len(names) else word.rjust(width)
            for place, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    notes = [
        f"Unmatched of {row['model']} {row['variant']} {row['probe']} (rows): {row['examples']}."
        for row in rows
        if row["unmatched"]
    ]
    return "\n".join(["Recorded answers:", *texts, *(["", *notes] if notes else [])]) + "\n"
