"""Cancel the fine-tuning jobs of a study that still run at their servers."""

from pathlib import Path
from typing import Any

from persona_collapse.commands import shown
from persona_collapse.commands.shown import Column
from persona_collapse.finetuning.runner import Runner

COLUMNS = [Column(name) for name in ("model", "variant", "job", "state")]


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
