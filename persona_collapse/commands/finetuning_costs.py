"""What making a study's variants will cost, and why each is made: rows of ``snakemake plan``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from persona_collapse.finetuning.journal import FINISHED, ending, known_id, open_intent
from persona_collapse.finetuning.running import Running
from persona_collapse.finetuning.validation import check_dataset, read_examples

# Jobs wait in a queue and are evaluated; tokens per hour as fine-tunes of this size have taken.
QUEUE_HOURS, TOKENS_PER_HOUR = 0.25, 2e6
HOURS = (
    f"a training job {QUEUE_HOURS:g} h and 1 h per {TOKENS_PER_HOUR / 1e6:g} million tokens, "
    "an assumption"
)
SHORT = 12


def checked(making: Sequence[Mapping[str, Any]]) -> None:
    """Refuse faulty data before anything else is said of them.

    What is wrong with a dataset by itself comes first, as its partner's faults follow from it.
    ``making`` has a mapping per made variant: the file of its ``data``, of their ``partner``, and
    what is ``expected`` of them.
    """
    datasets = {made["data"]: made for made in making}
    for data in datasets:
        read_examples(Path(data)).refuse()
    for entry in datasets.values():
        partner = Path(entry["partner"]) if entry["partner"] else None
        check_dataset(Path(entry["data"]), partner, **entry["expected"]).refuse()


def training_row(running: Running, made: Path) -> dict[str, Any]:
    """Return the plan's row of one made variant; ``made`` is the file of an earlier run, if any.

    Costs are those still to come: none for a job that is finished or under way.
    """
    order = running.order
    usd, price_of = running.usd()
    tokens, how = running.tokens()
    row: dict[str, Any] = {
        "stage": "finetune",
        "model": order.model,
        "variant": order.variant,
        "base_url": order.base_url,
        "requested_model": order.base,
        "requests": 0,
        "training_tokens": 0,
        "usd": 0.0,
        "hours": 0.0,
        "tokens_by": how,
        "price_of": price_of,
    }
    entries = running.journal.entries()
    end, job = ending(entries), known_id(entries)
    if end is not None and end["event"] == FINISHED:
        return {**row, "note": f"trained: {end['model']}"}
    if end is not None:
        reason = f": {end.get('code') or end.get('reason')}" if end["event"] == "failed" else ""
        again = f"attempt: {{{order.variant}: {order.attempt + 1}}}"
        return {**row, "note": f"{end['event']}: {end['id']}{reason}; {again} orders it once more"}
    if job is not None:
        return {**row, "note": f"running: {job}"}
    trained = tokens * order.epochs
    row |= {"training_tokens": trained, "usd": usd}
    if not running.simulated:
        row |= {"requests": 1, "hours": QUEUE_HOURS + trained / TOKENS_PER_HOUR}
    note = f"to train: {_why(running, made)}"
    if open_intent(entries) is not None:
        note += "; an earlier request got no reply: a job that it began is taken up, not paid again"
    return {**row, "note": note}


def known_models(runnings: Sequence[Running]) -> dict[tuple[str, str], str]:
    """Return the ids of the models that are made already, by model and variant."""
    found = {}
    for running in runnings:
        end = ending(running.journal.entries())
        if end is not None and end["event"] == FINISHED:
            found[running.order.model, running.order.variant] = str(end["model"])
    return found


def _why(running: Running, made: Path) -> str:
    """Say what is new: everything, or what differs from the model of an earlier run."""
    order = running.order
    data = f"dataset sha {order.sha256[:SHORT]}…"
    try:
        before: Mapping[str, Any] = json.loads(made.read_text(encoding="utf-8"))
        was = {
            "base": before["base"],
            "dataset": before["dataset"]["sha256"],
            "recipe": before["recipe"],
            "seed": before["seed"],
        }
    except (OSError, ValueError, KeyError, TypeError):
        return f"no job with these data and this recipe yet ({data})"
    now = {
        "base": order.base,
        "dataset": order.sha256,
        "recipe": {"name": order.recipe, **order.hyperparameters},
        "seed": order.seed,
    }
    changed = [
        f"{name} was {str(was[name])[:SHORT]}…" if name == "dataset" else f"{name} was {was[name]}"
        for name in was
        if was[name] != now[name]
    ]
    return f"no job with these data and this recipe yet ({'; '.join([data, *changed])})"
