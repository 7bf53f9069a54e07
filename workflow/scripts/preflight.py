"""Try every model x variant with a few requests, and refuse what would make numbers meaningless."""

from pathlib import Path
from typing import Any

from persona_collapse.asking.settings import Settings
from persona_collapse.commands.preflight import Canary, Finding, preflight, preflight_text
from persona_collapse.common.errors import UserError
from persona_collapse.common.jobs import reported
from persona_collapse.materials.prompts import messages
from persona_collapse.tasks import task_of


def preflight_study(
    shards: list[dict[str, Any]],
    files: list[dict[str, str]],
    settings: list[dict[str, Any]],
    making: list[dict[str, Any]],
    baseline: str,
    allow_mixed_stacks: bool,
    output: str,
    check: dict[str, Any] | None = None,
) -> None:
    """Print and write what was found; the first lists go together, one shard per model x variant.

    A variant of ``making`` that is not made yet is asked nothing, but its server is, whether it
    may be made. ``check`` describes the misalignment check, whose judge is tried too. Raises
    ``UserError`` on a finding that must be mended before asking.
    """
    models: dict[tuple[str, str], str | None] = {}
    findings: list[Finding] = []
    if making:
        # Imported here: most studies make nothing.
        from persona_collapse.commands.finetuning_preflight import before_making

        models, findings = before_making(making)
    canaries = []
    for params, sources, asked in zip(shards, files, settings, strict=True):
        name = models.get((params["model"], params["variant"]), asked["model"])
        if name is None:
            continue
        task = task_of(params, sources["instrument"], sources.get("personas"))
        _, persona, item = next(task.cells())
        text = messages(task.instrument, item, persona)
        given = Settings.of({**asked, "model": name})
        names = (task.shard.model, task.shard.variant)
        canaries.append(Canary(*names, given, text, task.instrument.scale))
    if not canaries and not making and not check:
        print("This study asks no model: there is nothing to try.")
        return
    frame, found = preflight(canaries, baseline, allow_mixed_stacks)
    findings += found
    if check:
        # Imported here: most studies have no such check.
        from persona_collapse.commands.misalignment_preflight import try_judge

        frame, findings = try_judge(check, frame, findings)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(output)
    print(preflight_text(frame, findings))
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
            making=snakemake.params.making,
            baseline=snakemake.params.baseline,
            allow_mixed_stacks=snakemake.params.allow_mixed_stacks,
            output=snakemake.params.output,
            check=snakemake.params.check,
        )
