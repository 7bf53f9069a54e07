"""Say what a study will ask and cost, before anything is spent."""

import json
from pathlib import Path
from typing import Any

from persona_collapse.console import reported
from persona_collapse.elicitation.plan import plan, plan_document, plan_table
from persona_collapse.endpoints import task_of


def plan_study(
    shards: list[dict[str, Any]],
    files: list[dict[str, str]],
    settings: list[dict[str, Any]],
    budget: dict[str, Any],
    output: str,
) -> None:
    """Print the plan and write it as JSON; the three lists go together, one entry per shard."""
    tasks = [
        (task_of(params, sources["instrument"], sources.get("personas")), asked)
        for params, sources, asked in zip(shards, files, settings, strict=True)
    ]
    if not tasks:
        print("This study asks no model: its answers are recorded or simulated, and cost nothing.")
        return
    frame = plan(tasks)
    document = plan_document(frame, budget)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(plan_table(frame))
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
            budget=snakemake.params.budget,
            output=snakemake.params.output,
        )
