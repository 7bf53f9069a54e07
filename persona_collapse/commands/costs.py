"""What a study will cost before it is spent: requests, answers, tokens, dollars; what is paid for.

Output tokens are exact (one per answer) as long as every reply can be read: unreadable replies are
asked for again. Prompt tokens are counted or estimated, ``tokens_by`` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.asking.ask import is_placeholder
from persona_collapse.asking.prices import find_price, prompt_tokens, token_counter
from persona_collapse.asking.sampling import Shard
from persona_collapse.asking.settings import Settings
from persona_collapse.store.files import read_attempts, stream_folder
from persona_collapse.tasks import Task

TOTAL = "total"
COLUMNS: dict[str, Any] = {
    "model": pl.String,
    "variant": pl.String,
    "stage": pl.String,
    "base_url": pl.String,
    "requested_model": pl.String,
    "answers": pl.Int64,
    "stored": pl.Int64,
    "remaining": pl.Int64,
    "requests": pl.Int64,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "training_tokens": pl.Int64,
    "usd": pl.Float64,
    "hours": pl.Float64,
    "tokens_by": pl.String,
    "price_of": pl.String,
    "note": pl.String,
}
SUMMED = (
    *("answers", "stored", "remaining", "requests"),
    *("prompt_tokens", "completion_tokens", "training_tokens"),
)
ANSWERS = "answers"
# A guess at a hosted model's one-token reply; the plan says so.
SECONDS_PER_REQUEST = 1.0
PLACEHOLDER = "a placeholder for a model of your own: not priced"


def plan(tasks: Iterable[tuple[Task, Mapping[str, Any]]]) -> pl.DataFrame:
    """Return the plan of tasks on ``openai`` endpoints: ``answer_rows`` and their total."""
    return plan_frame(answer_rows(tasks))


def plan_frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows of any stage as a table of ``COLUMNS``, a total row last.

    ``usd`` is null where a model has no price, and so is the total's when any is; a placeholder is
    no model yet and is left out of it. Missing numbers count as 0.
    """
    total: dict[str, Any] = {name: sum(row.get(name) or 0 for row in rows) for name in SUMMED}
    priced = [row["usd"] for row in rows if row.get("note") != PLACEHOLDER]
    total |= {"model": TOTAL, "usd": None if None in priced else sum(priced)}
    total["hours"] = sum(row.get("hours") or 0.0 for row in rows)
    full = [
        {name: row.get(name, 0 if name in SUMMED else None) for name in COLUMNS}
        for row in [*rows, total]
    ]
    return pl.DataFrame(full, schema=COLUMNS)


def answer_rows(tasks: Iterable[tuple[Task, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Count what tasks on ``openai`` endpoints need, a row per model x variant.

    ``answers`` are slots, ``stored`` those the store answers; the columns from ``requests`` on are
    about the remaining ones. ``price_of`` tells the price's date and source. Nothing is sent.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for shards in _by_stream(tasks).values():
        settings = shards[0].settings
        folder = stream_folder(Path(settings.store), settings.stream)
        found = read_attempts(folder, (cell.key for shard in shards for cell in shard.cells))
        count, how = token_counter(settings.model)
        for shard in shards:
            names = (shard.task.shard.model, shard.task.shard.variant)
            row = rows.setdefault(names, _row(names, settings, how))
            answers = len(shard.cells) * len(shard.repetitions)
            row["answers"] += answers
            row["stored"] += answers
            for cell, repetitions in shard.missing(found.attempts):
                requests = len(shard.requests(repetitions))
                tokens = prompt_tokens(shard.messages(cell.persona, cell.item), count)
                row["stored"] -= len(repetitions)
                row["remaining"] += len(repetitions)
                row["requests"] += requests
                row["prompt_tokens"] += requests * tokens
                row["completion_tokens"] += len(repetitions)
    for row in rows.values():
        price, per_hour = row.pop("price"), row.pop("per_hour")
        row["hours"] = row["requests"] / per_hour
        if price is not None:
            row["usd"] = price.cost(row["prompt_tokens"], row["completion_tokens"])
            row["price_of"] = f"{price.as_of}, {price.source}"
    return list(rows.values())


def _by_stream(tasks: Iterable[tuple[Task, Mapping[str, Any]]]) -> dict[str, list[Shard]]:
    """Group tasks by the folder of their answers, so that each is read once."""
    streams: dict[str, list[Shard]] = {}
    for task, given in tasks:
        settings = Settings.of(given)
        folder = str(stream_folder(Path(settings.store), settings.stream))
        streams.setdefault(folder, []).append(Shard(task, settings))
    return streams


def _row(names: tuple[str, str], settings: Settings, how: str) -> dict[str, Any]:
    price = find_price(Path(settings.prices), settings.base_url, settings.model)
    return {
        "model": names[0],
        "variant": names[1],
        "stage": ANSWERS,
        "base_url": settings.base_url,
        "requested_model": settings.model,
        "tokens_by": how,
        "usd": None,
        "price_of": None,
        "price": price,
        "per_hour": per_hour(settings),
        "note": PLACEHOLDER if is_placeholder(settings.model) else None,
        **dict.fromkeys(SUMMED, 0),
    }


def per_hour(settings: Settings, seconds: float = SECONDS_PER_REQUEST) -> float:
    """Return how many requests one process gets answered in an hour, its own pace kept."""
    fastest = 3600 / seconds * settings.max_in_flight
    limit = settings.requests_per_minute
    return fastest if limit is None else min(fastest, 60 * limit)


def plan_document(frame: pl.DataFrame, budget: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the plan as plain data: rows, their total, the budget and whether it suffices."""
    rows = frame.to_dicts()
    total = rows.pop()
    limits = dict(budget or {})
    requests, usd = limits.get("max_requests"), limits.get("max_usd")
    over = (requests is not None and total["requests"] > requests) or (
        usd is not None and total["usd"] is not None and total["usd"] > usd
    )
    return {"variants": rows, TOTAL: total, "budget": limits, "over_budget": bool(over)}


def plan_table(frame: pl.DataFrame, hours: str = "") -> str:
    """Return the plan as a text table, with what the numbers stand on below it.

    ``hours`` adds what the hours of other stages stand on.
    """
    heads = ["model", "variant", "stage", *SUMMED, "usd", "hours"]
    lines = [[head.replace("_", " ") for head in heads]]
    lines += [[_shown(value) for value in row] for row in frame.select(heads).iter_rows()]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    texts = [
        "  ".join(
            word.ljust(width) if place < 3 else word.rjust(width)
            for place, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    notes = [f"Prompt tokens: {how}." for how in frame["tokens_by"].drop_nulls().unique().sort()]
    notes += [f"Prices: {text}." for text in frame["price_of"].drop_nulls().unique().sort()]
    notes += [
        f"{model} {variant}: {note}."
        for model, variant, note in frame.select("model", "variant", "note")
        .drop_nulls()
        .unique(maintain_order=True)  # several stages of a variant may share a note
        .iter_rows()
    ]
    unpriced = frame.filter(
        pl.col("usd").is_null()
        & (pl.col("model") != TOTAL)
        & pl.col("note").ne_missing(PLACEHOLDER)
    )
    notes += [
        f"No price for {name}: add it to the file of prices."
        for name in unpriced["requested_model"].unique().sort()
    ]
    if unpriced.height:
        known = frame.filter(pl.col("model") != TOTAL)["usd"].sum()
        notes.append(f"What has a price comes to {known:,.2f} USD.")
    notes.append(
        f"Hours: requests of {SECONDS_PER_REQUEST:g} s, one variant and stage after another, "
        f"an assumption{hours}."
    )
    return "\n".join([*texts, "", *notes]) + "\n"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
