"""The preflight as a table: a column per variant, a row per check, each with a mark and words."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from persona_collapse.asking.response import said
from persona_collapse.commands import shown
from persona_collapse.commands.batch_probe import RUNNING, SINGLE, USABLE
from persona_collapse.commands.findings import Finding, thinks
from persona_collapse.commands.probes import N, Tried
from persona_collapse.common.log import plain_text

GOOD, BAD, LOOK, NOT = "good", "bad", "look", "not"
STYLES = {GOOD: "green", BAD: "bold red", LOOK: "yellow", NOT: "dim"}
SIGNS = {GOOD: "✓", BAD: "✗", LOOK: "!", NOT: "-"}
PLAIN_SIGNS = {GOOD: "+", BAD: "x", LOOK: "!", NOT: "-"}  # where the terminal has no others
NARROWEST, LABEL = 22, 17  # columns of a variant and of the checks' names
LONGEST = 120

Check = tuple[str, str, str]  # its name, its mark, what it says


def show_variants(
    screen: Console, tried: Sequence[Tried], findings: Sequence[Finding], baseline: str
) -> None:
    """Show a table for each model, several where its variants do not fit side by side."""
    batched = any(one.canary.settings.batching == "batch" for one in tried)
    same = {(one.model, one.variant) for one in findings if one.same_model}
    for model, group in groupby(tried, key=lambda one: one.canary.model):
        variants = list(group)
        base = next((one for one in variants if one.canary.variant == baseline), None)
        beside = max(1, (screen.width - LABEL) // (NARROWEST + 2))
        for start in range(0, len(variants), beside):
            block = variants[start : start + beside]
            columns = [
                (
                    one.canary.variant,
                    [
                        *_checks(one, base, (model, one.canary.variant) in same),
                        *([_in_batch(one)] if batched else []),
                    ],
                )
                for one in block
            ]
            _show(screen, model, columns)


def show_judge(screen: Console, row: dict[str, Any]) -> None:
    """Show the judge's row of the preflight."""
    answers = (GOOD, "yes") if row["answers"] else (BAD, "no")
    able = {"usable": GOOD, "not requested": NOT, None: NOT}.get(row["logprobs"], LOOK)
    checks = [
        ("answers", *answers),
        ("log-probabilities", able, row["logprobs"] or "not tried"),
        ("answered by", GOOD if row["served_model"] else NOT, row["served_model"] or "not said"),
    ]
    _show(screen, "judge", [(row["requested_model"], checks)])


def _show(screen: Console, title: str, columns: Sequence[tuple[str, list[Check]]]) -> None:
    signs = SIGNS if "utf" in screen.encoding.lower() else PLAIN_SIGNS
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(plain_text(title), "bold"), width=LABEL, overflow="fold")
    for name, _ in columns:
        table.add_column(Text(plain_text(name), "bold"), min_width=NARROWEST - 4, overflow="fold")
    for line in zip(*(checks for _, checks in columns), strict=True):
        cells = [
            Text.assemble((signs[mark], STYLES[mark]), f" {' '.join(plain_text(text).split())}")
            for _, mark, text in line
        ]
        for cell in cells:
            cell.truncate(LONGEST, overflow="ellipsis")
        table.add_row(Text(line[0][0]), *cells)
    shown.show_made(screen, table)
    screen.print()


def _checks(tried: Tried, base: Tried | None, same_model: bool) -> Iterator[Check]:
    """Yield the checks of one variant, in the order in which they are shown."""
    row = tried.row
    first = tried.attempts[0] if tried.attempts else None
    if first is None:
        yield "reachable", BAD, "not asked: no key"
    elif first.cause is not None and first.status is None:
        yield "reachable", BAD, f"no: {said(first)}"
    else:
        yield "reachable", GOOD, f"yes, {max(first.seconds, 0.1):.1f} s"
    if row["listed"] is None:
        yield "model listed", NOT, "no list of models"
    elif row["listed"]:
        day = row["shutdown_date"]
        yield "model listed", LOOK if day else GOOD, f"yes, until {day[:10]}" if day else "yes"
    else:
        mark = LOOK if row["answers"] else BAD
        yield "model listed", mark, f"no: {tried.listed.offered(row['requested_model'])}"
    if first is not None and first.cause is not None and first.status is not None:
        yield "answers", BAD, f"no: {said(first)}"
    else:
        yield "answers", GOOD if row["answers"] else NOT, "yes" if row["answers"] else "not tried"
    if not row["answers"] or first is None:
        for name in ("ten at once (n)", "log-probabilities", "thinks first", "answered by"):
            yield name, NOT, "not tried"
        return
    yield _at_once(row, tried.most)
    yield _logprobs(tried)
    thinking = thinks(tried)
    wanted = bool(tried.canary.settings.thinking)
    yield "thinks first", GOOD if thinking == wanted else LOOK, "yes" if thinking else "no"
    yield _answered_by(tried, base, same_model)


def _in_batch(tried: Tried) -> Check:
    found = tried.row["batch"]
    mark = {None: NOT, USABLE: GOOD, RUNNING: LOOK, SINGLE: LOOK}.get(found, BAD)
    return "in a batch", mark, found or "not tried"


def _at_once(row: dict[str, Any], most: int | None) -> Check:
    name, choices = "ten at once (n)", row["choices_of_10"]
    if choices is None and most is not None:
        return name, LOOK, f"at most {most}"
    if choices is None:
        return name, NOT, "asked one by one"
    if row["independent"] == "no":
        return name, BAD, "yes, but as copies"
    if choices < N:
        return name, LOOK, f"{choices} of {N}"
    unclear = "; whether they differ is unclear" if row["independent"] == "unclear" else ""
    return name, GOOD, f"yes{unclear}"


def _logprobs(tried: Tried) -> Check:
    name, wanted = "log-probabilities", tried.canary.settings.logprobs
    able = str(tried.row["logprobs"])
    if able != "usable" or tried.measured is None:
        return name, BAD if wanted else NOT, able
    choice = next(iter(tried.measured.replies().values()))
    return name, GOOD, f"{len(choice.alternatives or ())} alternatives"


def _answered_by(tried: Tried, base: Tried | None, same_model: bool) -> Check:
    row = tried.row
    marks = [row[name] for name in ("system_fingerprint", "provider") if row[name]]
    text = row["served_model"] or "not said"
    text += f" ({', '.join(marks)})" if marks else ""
    if same_model:
        other = "base" if base is None else base.canary.variant
        return "answered by", BAD, f"{text}: the same model as {other}"
    return "answered by", GOOD if row["served_model"] else NOT, text
