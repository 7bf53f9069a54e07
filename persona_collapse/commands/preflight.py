"""Try a study with a few requests before it is paid for, and report what makes numbers meaningless.

Every sampled variant gets a dozen one-token requests, under the probe ``preflight`` and anew every
time, and a batch of two where it is asked by batches; the judge scores two replies whose verdict is
beyond doubt. All of it goes to the answer store like everything that is paid. A server that is to
train is asked whether it would.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from persona_collapse.commands import shown
from persona_collapse.commands.batch_probe import try_batches
from persona_collapse.commands.costs import asked_tasks, known_models
from persona_collapse.commands.findings import (
    Finding,
    findings_of,
    mixed_backends,
    one_model_for_several,
)
from persona_collapse.commands.judging import try_judge
from persona_collapse.commands.marks import show_judge, show_variants
from persona_collapse.commands.permission import may_train
from persona_collapse.commands.probes import COLUMNS, Canary, Tried, try_variant
from persona_collapse.commands.spending import Spending
from persona_collapse.common.errors import UserError
from persona_collapse.common.log import LOG
from persona_collapse.finetuning.runner import Runner


def preflight_study(
    asked: list[dict[str, Any]],
    finetunes: list[dict[str, Any]],
    baseline: str,
    allow_mixed_backends: bool,
    output: str,
    check: dict[str, Any] | None = None,
) -> None:
    """Print and write the findings.

    ``asked`` has one shard per model x variant. A variant of ``finetunes`` that is not trained yet
    gets no requests, but its server is asked whether it may be trained. ``check`` describes the
    misalignment check, whose judge is tried too. Raises ``UserError`` on a fatal finding.
    """
    screen = shown.screen()
    tunes = [Runner.of(m["order"], Path(m["data"]), m["settings"]) for m in finetunes]
    trained = known_models(tunes)
    waiting = [tune for tune in tunes if (tune.order.model, tune.order.variant) not in trained]
    untrained = {(tune.order.model, tune.order.variant) for tune in waiting}
    findings = may_train(waiting)
    canaries = []
    for task, settings in asked_tasks(asked, trained):
        names = (task.shard.model, task.shard.variant)
        if names not in untrained:
            _, persona, item = next(task.cells())
            text = task.instrument.messages(item, persona)
            canaries.append(Canary(*names, settings, text, task.instrument.scale))
    if not canaries and not finetunes and not check:
        screen.print("This study asks no model: there is nothing to try.")
        return
    tried, found = preflight(canaries, baseline, allow_mixed_backends)
    findings += found
    spent = Spending()
    for one in tried:
        spent.add(one.sent, one.canary.settings)
        spent.add(one.batched, one.canary.settings, in_batch=True)
    rows = [one.row for one in tried]
    show_variants(screen, tried, findings, baseline)
    if check and check["judge"]:
        row, found = try_judge(check, spent)
        rows.append(row)
        findings += found
        show_judge(screen, row)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema=COLUMNS).write_csv(output)
    screen.print(f"Written to {output}", soft_wrap=True)
    findings.sort(key=lambda finding: not finding.fatal)
    screen.print()
    count = show_findings(screen, findings)
    if count:
        raise UserError(f"{count} {'thing' if count == 1 else 'things'} to fix. {spent}")
    screen.print(f"Nothing to fix. {spent}", style="bold", soft_wrap=True)


def show_findings(screen: Console, findings: Sequence[Finding]) -> int:
    """Show each finding once, with all variants it is about; return how many are fatal."""
    alike: dict[tuple[bool, str, str], list[str]] = {}
    for one in findings:
        about = alike.setdefault((one.fatal, one.model, one.text), [])
        about += [one.variant] if one.variant else []
    for (fatal, model, text), variants in alike.items():
        head, style = ("Fix", "bold red") if fatal else ("Note", "bold yellow")
        said = f"{model} {', '.join(variants)}".rstrip() + f": {text}"
        shown.show_note(screen, said, head, style)
        LOG.debug("%s: %s", head, said)
    return sum(fatal for fatal, _, _ in alike)


def preflight(
    canaries: Sequence[Canary], baseline: str, allow_mixed_backends: bool = False
) -> tuple[list[Tried], list[Finding]]:
    """Try every variant; return what was tried, and findings, fatal ones first.

    A contrast is confounded where another backend serves the ``baseline``, which is fatal unless
    ``allow_mixed_backends``.
    """

    async def all_of_them() -> list[Tried]:
        return list(await asyncio.gather(*(try_variant(canary) for canary in canaries)))

    tried = asyncio.run(all_of_them())
    findings = [finding for one in tried for finding in findings_of(one)]
    backends = {
        (row["model"], row["variant"]): row["base_url"]
        + (f" ({row['provider']})" if row["provider"] else "")
        for row in (one.row for one in tried)
    }
    findings += mixed_backends(backends, baseline, allow_mixed_backends)
    findings += one_model_for_several(tried)
    findings += try_batches(tried)
    return tried, sorted(findings, key=lambda finding: not finding.fatal)
