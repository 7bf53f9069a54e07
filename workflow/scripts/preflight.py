"""Try every model x variant with a few requests, and refuse what would make numbers meaningless."""

from pathlib import Path
from typing import Any

from persona_collapse.console import reported
from persona_collapse.elicitation.preflight import Canary, preflight
from persona_collapse.elicitation.settings import Settings
from persona_collapse.endpoints import task_of
from persona_collapse.errors import UserError
from persona_collapse.prompts import messages


def preflight_study(
    shards: list[dict[str, Any]],
    files: list[dict[str, str]],
    settings: list[dict[str, Any]],
    baseline: str,
    allow_mixed_stacks: bool,
    output: str,
) -> None:
    """Print and write what was found; the lists go together, one shard per model x variant.

    Raises ``UserError`` on a finding that must be mended before asking.
    """
    canaries = []
    for params, sources, asked in zip(shards, files, settings, strict=True):
        task = task_of(params, sources["instrument"], sources.get("personas"))
        _, persona, item = next(task.cells())
        canaries.append(
            Canary(
                task.shard.model,
                task.shard.variant,
                Settings.of(asked),
                messages(task.instrument, item, persona),
                task.instrument.scale,
            )
        )
    if not canaries:
        print("This study asks no model: there is nothing to try.")
        return
    frame, findings = preflight(canaries, baseline, allow_mixed_stacks)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(output)
    for row in frame.iter_rows(named=True):
        print("; ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items()))
    for finding in findings:
        kind = "MEND" if finding.fatal else "note"
        print(f"{kind}: {finding.model} {finding.variant or ''}: {finding.text}")
    print(f"Written to {output}")
    fatal = [f"{f.model} {f.variant or ''}: {f.text}" for f in findings if f.fatal]
    if fatal:
        raise UserError("preflight: " + "\n  ".join(fatal))


if __name__ == "__main__":
    with reported(snakemake.log[0]):
        preflight_study(
            shards=snakemake.params.shards,
            files=snakemake.params.files,
            settings=snakemake.params.settings,
            baseline=snakemake.params.baseline,
            allow_mixed_stacks=snakemake.params.allow_mixed_stacks,
            output=snakemake.params.output,
        )
