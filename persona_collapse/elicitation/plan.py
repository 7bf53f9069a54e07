"""What a study will cost before it is spent: requests, answers, tokens, dollars; what is paid for.

Output tokens are exact (one per answer) as long as every reply can be read: unreadable replies are
asked for again. Prompt tokens are counted or estimated, ``tokens_by`` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.elicitation.prices import find_price, prompt_tokens, token_counter
from persona_collapse.elicitation.sampling import Shard
from persona_collapse.elicitation.settings import Settings
from persona_collapse.elicitation.store import read_attempts, stream_folder
from persona_collapse.endpoints import Task

TOTAL = "total"
COLUMNS: dict[str, Any] = {
    "model": pl.String,
    "variant": pl.String,
    "base_url": pl.String,
    "requested_model": pl.String,
    "answers": pl.Int64,
    "stored": pl.Int64,
    "remaining": pl.Int64,
    "requests": pl.Int64,
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "usd": pl.Float64,
    "tokens_by": pl.String,
    "price_of": pl.String,
}
SUMMED = ("answers", "stored", "remaining", "requests", "prompt_tokens", "completion_tokens")


def plan(tasks: Iterable[tuple[Task, Mapping[str, Any]]]) -> pl.DataFrame:
    """Count what tasks on ``openai`` endpoints need: a row per model x variant, a total row last.

    ``answers`` are slots, ``stored`` those the store answers; the columns from ``requests`` on are
    about the remaining ones. ``usd`` is null where the model has no price, and so is the total's
    when any is; ``price_of`` tells the price's date and source. Nothing is sent.
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
        price = row.pop("price")
        if price is not None:
            row["usd"] = price.cost(row["prompt_tokens"], row["completion_tokens"])
            row["price_of"] = f"{price.as_of}, {price.source}"
    listed = list(rows.values())
    total: dict[str, Any] = {name: sum(row[name] for row in listed) for name in SUMMED}
    priced = [row["usd"] for row in listed]
    total |= {"model": TOTAL, "usd": None if None in priced else sum(priced)}
    full = [{name: row.get(name) for name in COLUMNS} for row in [*listed, total]]
    return pl.DataFrame(full, schema=COLUMNS)


def _by_stream(tasks: Iterable[tuple[Task, Mapping[str, Any]]]) -> dict[str, list[Shard]]:
    """Group tasks by the folder of their answers, so that each is read once."""
    streams: dict[str, list[Shard]] = {}
    for task, given in tasks:
        settings = Settings.of(given, task.sampling)
        folder = str(stream_folder(Path(settings.store), settings.stream))
        streams.setdefault(folder, []).append(Shard(task, settings))
    return streams


def _row(names: tuple[str, str], settings: Settings, how: str) -> dict[str, Any]:
    price = find_price(Path(settings.prices), settings.base_url, settings.model)
    return {
        "model": names[0],
        "variant": names[1],
        "base_url": settings.base_url,
        "requested_model": settings.model,
        "tokens_by": how,
        "usd": None,
        "price_of": None,
        "price": price,
        **dict.fromkeys(SUMMED, 0),
    }


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


def plan_table(frame: pl.DataFrame) -> str:
    """Return the plan as a text table, with what the numbers stand on below it."""
    heads = ["model", "variant", *SUMMED, "usd"]
    lines = [[head.replace("_", " ") for head in heads]]
    lines += [[_shown(value) for value in row] for row in frame.select(heads).iter_rows()]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    texts = [
        "  ".join(
            word.ljust(width) if place < 2 else word.rjust(width)
            for place, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    notes = [f"Prompt tokens: {how}." for how in frame["tokens_by"].drop_nulls().unique().sort()]
    notes += [f"Prices: {text}." for text in frame["price_of"].drop_nulls().unique().sort()]
    unpriced = frame.filter(pl.col("usd").is_null() & (pl.col("model") != TOTAL))
    notes += [
        f"No price for {name}: add it to the file of prices."
        for name in unpriced["requested_model"].unique().sort()
    ]
    return "\n".join([*texts, "", *notes]) + "\n"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
