"""What a study will ask and cost, printed before anything is spent, and written as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from persona_collapse.asking.keys import known_key
from persona_collapse.asking.settings import Settings, normalised_url
from persona_collapse.commands import shown
from persona_collapse.commands.costs import (
    PLACEHOLDER,
    QUEUE_HOURS,
    REPLIES,
    REPLY_SECONDS,
    REPLY_TOKENS,
    SECONDS_PER_REQUEST,
    SUMMED,
    TOKENS_PER_HOUR,
    TRAINING,
    Row,
    answer_rows,
    asked_tasks,
    check_rows,
    known_models,
    training_row,
)
from persona_collapse.commands.recorded import outcomes, show_outcomes
from persona_collapse.commands.shown import Column
from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.data import check_dataset, read_examples
from persona_collapse.finetuning.runner import Runner

TOTAL = "total"
COLUMNS = (
    *("model", "variant", "stage", "base_url", "requested_model", *SUMMED),
    *("usd", "hours", "tokens_by", "price_of", "note"),
)
ASSUMPTIONS = {
    TRAINING: f"a training job {QUEUE_HOURS:g} h and 1 h per {TOKENS_PER_HOUR / 1e6:g} million "
    "tokens, an assumption",
    REPLIES: f"replies of {REPLY_TOKENS} tokens and {REPLY_SECONDS:g} s each until the store knows "
    "better, two judge calls a reply",
}
SHOWN = (
    *(Column(name, folds=True) for name in ("model", "variant")),
    *(Column(name) for name in ("stage", "answers")),
    Column("stored", spare=True),
    Column("remaining", "to ask"),
    Column("requests"),
    Column("prompt_tokens", "tokens in"),
    Column("completion_tokens", "tokens out"),
    Column("training_tokens", optional=True),
    *(Column(name) for name in ("usd", "hours")),
)
KEYS = (Column("address", "requests go to"), Column("key", "with the key in"))


def plan_study(
    asked: list[dict[str, Any]],
    finetunes: list[dict[str, Any]],
    budget: dict[str, Any],
    notes: list[str],
    output: str,
    recorded: Sequence[dict[str, Any]] = (),
    check: dict[str, Any] | None = None,
) -> None:
    """Print what recorded files hold, and the costs of a study, which are written as JSON, too.

    ``asked`` are all shards that send requests (``Layout.asked_shards``). ``recorded`` has one
    entry per unit that is read from files (``Layout.recorded``), ``finetunes`` one per variant that
    is fine-tuned on a server. ``notes`` say what the study cannot give. ``check`` describes the
    misalignment check, empty or None where none sends requests.
    """
    screen = shown.screen()
    if read := outcomes(recorded):
        show_outcomes(screen, read)
        screen.print()
    check_training_data(finetunes)
    tunes = [Runner.of(m["order"], Path(m["data"]), m["settings"]) for m in finetunes]
    rows = [training_row(tune, Path(m["made"])) for tune, m in zip(tunes, finetunes, strict=True)]
    models = known_models(tunes)
    rows += answer_rows(asked_tasks(asked, models))
    if check:
        rows += check_rows(check, models)
    checked = [*(one["settings"] for one in check["replies"]), check["judge"]] if check else []
    trained = [{**m["settings"], "base_url": m["order"]["base_url"]} for m in finetunes]
    answered = [one["settings"] for one in asked]
    pairs = keys_by_address(rows, [*answered, *checked, *trained])
    for note in [*notes, *unset_keys(pairs)]:
        shown.show_note(screen, note, "Note", "bold yellow")
    if not rows:
        text = "This study asks no model: its answers are recorded or simulated, and cost nothing."
        shown.show_note(screen, text)
        return
    rows = with_total(rows)
    document = plan_document(rows, budget)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    show_costs(screen, rows)
    if pairs:
        screen.print()
        shown.show_table(screen, KEYS, [{"address": u, "key": n or "none"} for u, n in pairs])
        screen.print()
    if budget:
        verdict = "does NOT suffice" if document["over_budget"] else "suffices"
        limits = ", ".join(f"{name} {limit}" for name, limit in budget.items())
        style = "bold red" if document["over_budget"] else ""
        screen.print(f"The budget ({limits}) {verdict}.", style=style, soft_wrap=True)
    screen.print(f"Written to {output}", soft_wrap=True)


def keys_by_address(
    rows: Sequence[Row], asked: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str | None]]:
    """Return the addresses that the rows' requests go to, each with its key's variable.

    ``asked`` are settings of endpoints, empty ones for none.
    """
    needed = {normalised_url(row["base_url"]) for row in rows if row["requests"]}
    default = Settings.api_key_env
    pairs = {
        (normalised_url(one["base_url"]), one.get("api_key_env", default)) for one in asked if one
    }
    return sorted(
        ((u, n) for u, n in pairs if u in needed), key=lambda pair: (pair[0], pair[1] or "")
    )


def unset_keys(pairs: Sequence[tuple[str, str | None]]) -> list[str]:
    """Return a note for each variable of an API key that is not set; a plan itself needs none."""
    notes = []
    for url, name in pairs:
        if not name:
            continue
        try:
            if known_key(name) is None:
                notes.append(
                    f"the environment variable {name} (api_key_env) is not set: nothing can be "
                    f"asked of {url} until you export {name}=..., or write {name}=... into a file "
                    ".env here; for a server without keys set api_key_env: null"
                )
        except UserError as fault:
            notes.append(str(fault))
    return notes


def check_training_data(finetunes: Sequence[Mapping[str, Any]]) -> None:
    """Refuse faulty training data; faults of one dataset come before those of a pair.

    ``finetunes`` has a mapping per variant: the file of its ``data``, of their ``partner``,
    and the ``expected`` properties.
    """
    datasets = {made["data"]: made for made in finetunes}
    for data in datasets:
        read_examples(Path(data)).refuse()
    for entry in datasets.values():
        partner = Path(entry["partner"]) if entry["partner"] else None
        check_dataset(Path(entry["data"]), partner, **entry["expected"]).refuse()


def with_total(rows: Sequence[Row]) -> list[Row]:
    """Return rows of any stage with all ``COLUMNS``, a total row last.

    ``usd`` is None where a model has no price, and in the total if it is None for any model but a
    placeholder.
    """
    total: Row = {name: sum(row[name] for row in rows) for name in SUMMED}
    priced = [row["usd"] for row in rows if row["note"] != PLACEHOLDER]
    total |= {"model": TOTAL, "usd": None if None in priced else sum(priced, 0.0)}
    at_once = [row["hours"] for row in rows if row.get("by_batch")]
    others = [row["hours"] for row in rows if not row.get("by_batch")]
    total["hours"] = sum(others) + max(at_once, default=0.0)
    return [{name: row.get(name) for name in COLUMNS} for row in [*rows, total]]


def plan_document(rows: Sequence[Row], budget: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return rows, their total, the budget and whether it is exceeded, as plain data."""
    *parts, total = rows
    limits = dict(budget or {})
    requests, usd = limits.get("max_requests"), limits.get("max_usd")
    over = (requests is not None and total["requests"] > requests) or (
        usd is not None and total["usd"] is not None and total["usd"] > usd
    )
    return {"variants": parts, TOTAL: total, "budget": limits, "over_budget": over}


def show_costs(screen: Console, rows: Sequence[Row]) -> None:
    """Show rows and their total as a table, with the assumptions behind it below."""
    shown.show_table(screen, SHOWN, rows, total=True)
    *parts, _ = rows
    notes = [f"Prompt tokens: {how}." for how in _unique(parts, "tokens_by")]
    notes += [f"Prices: {text}." for text in _unique(parts, "price_of")]
    noted = [f"{row['model']} {row['variant']}: {row['note']}." for row in parts if row["note"]]
    notes += dict.fromkeys(noted)  # several stages of a variant may share a note
    unpriced = [row for row in parts if row["usd"] is None and row["note"] != PLACEHOLDER]
    notes += [
        f"No price for {name}: add it to the file of prices."
        for name in _unique(unpriced, "requested_model")
    ]
    if unpriced:
        known = sum(row["usd"] or 0.0 for row in parts)
        notes.append(f"Models with a price cost {known:,.2f} USD in total.")
    stages = {row["stage"] for row in parts}
    assumed = "".join(f"; {text}" for stage, text in ASSUMPTIONS.items() if stage in stages)
    notes.append(
        f"Hours: requests of {SECONDS_PER_REQUEST:g} s, one variant and stage after another, "
        f"an assumption{assumed}."
    )
    screen.print()
    for note in notes:
        shown.show_note(screen, note)


def _unique(rows: Sequence[Row], column: str) -> list[str]:
    return sorted({row[column] for row in rows if row[column] is not None})
