"""Say what a study will make, ask and cost, before anything is spent."""

import json
from pathlib import Path
from typing import Any

from persona_collapse.commands.costs import answer_rows, plan_document, plan_frame, plan_table
from persona_collapse.common.jobs import reported
from persona_collapse.tasks import task_of


def plan_study(
    shards: list[dict[str, Any]],
    files: list[dict[str, str]],
    settings: list[dict[str, Any]],
    making: list[dict[str, Any]],
    budget: dict[str, Any],
    output: str,
    check: dict[str, Any] | None = None,
) -> None:
    """Print the plan and write it as JSON.

    The first three lists go together, one entry per shard; ``making`` has one per made variant.
    ``check`` describes the misalignment check; empty or None where none asks anything.
    """
    rows, models, hours = [], {}, ""
    if making:
        # Imported here: most studies make nothing.
        from persona_collapse.commands.finetuning_costs import (
            HOURS,
            checked,
            known_models,
            training_row,
        )
        from persona_collapse.finetuning.running import Running

        checked(making)
        runnings = [Running.of(m["order"], Path(m["data"]), m["settings"]) for m in making]
        rows = [
            training_row(running, Path(m["made"]))
            for running, m in zip(runnings, making, strict=True)
        ]
        models, hours = known_models(runnings), f"; {HOURS}"
    tasks = []
    for params, sources, asked in zip(shards, files, settings, strict=True):
        # A model that is made already has a name of its own: what the store holds of it counts.
        name = models.get((params["model"], params["variant"]), asked["model"])
        task = task_of(params, sources["instrument"], sources.get("personas"))
        tasks.append((task, {**asked, "model": name}))
    rows += answer_rows(tasks)
    if check:
        # Imported here: most plans have no such check.
        from persona_collapse.commands.misalignment_costs import ESTIMATES, check_rows

        rows += check_rows(check, models)
        hours += f"; {ESTIMATES}"
    if not rows:
        print("This study asks no model: its answers are recorded or simulated, and cost nothing.")
        return
    frame = plan_frame(rows)
    document = plan_document(frame, budget)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(plan_table(frame, hours))
    if budget:
        verdict = "does NOT suffice" if document["over_budget"] else "suffices"
        limits = ", ".join(f"{name} {limit}" for name, limit in budget.items())
        print(f"The budget ({limits}) {verdict}.")
    print(f"Written to {output}")


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        plan_study(
            shards=snakemake.params.shards,
            files=snakemake.params.files,
            settings=snakemake.params.settings,
            making=snakemake.params.making,
            budget=snakemake.params.budget,
            output=snakemake.params.output,
            check=snakemake.params.check,
        )
