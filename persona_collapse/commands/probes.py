"""Try a variant with a dozen requests of the form that the run sends, anew every time.

They go to the answer store under the probe ``preflight``, like everything that is paid.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.asking.client import Client
from persona_collapse.asking.controls import LESSONS, NEUTRAL
from persona_collapse.asking.keys import find_key
from persona_collapse.asking.learned import Allowed
from persona_collapse.asking.listing import Listed, look_up
from persona_collapse.asking.logprobs import UnusableError, rating_distribution
from persona_collapse.asking.ratings import read_rating
from persona_collapse.asking.replays import Replays, says_hit
from persona_collapse.asking.response import ADAPTED
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.common.errors import UserError
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Attempt
from persona_collapse.store.writer import Writer

N = 10
DRAWS, UNLIKELY = 2000, 0.01
SERVED = ("served_model", "system_fingerprint", "provider")  # as the first reply says
COLUMNS: dict[str, Any] = {
    "model": pl.String,
    "variant": pl.String,
    "base_url": pl.String,
    "requested_model": pl.String,
    "answers": pl.Boolean,
    "listed": pl.Boolean,  # null where the server has no list of models
    "shutdown_date": pl.String,
    "choices_of_10": pl.Int64,  # null where the run asks for fewer at once
    "independent": pl.String,  # yes, no, or unclear; null where the run asks one by one
    "logprobs": pl.String,  # usable, or why not
    "token_parameter": pl.String,
    **dict.fromkeys(SERVED, pl.String),
    "batch": pl.String,  # usable, or why not; null where the run asks by single requests
}


@dataclass(frozen=True)
class Canary:
    """One model x variant and a prompt of the study to try it with."""

    model: str
    variant: str
    settings: Settings
    messages: list[dict[str, str]]
    scale: Scale


@dataclass(frozen=True)
class Tried:
    """What the requests for one variant showed; ``row`` is its row of the table.

    ``attempts`` are requests of the run's form, none without a key (``unasked`` says so),
    and ``sent`` all requests; ``batched`` are those of a batch, at half the price. ``longer`` is a
    longer reply, asked for where the others hold no rating. ``measured`` is the reply with
    log-probabilities, ``tokens`` the length limit that was sent, ``listed`` what the server's list
    of models says, ``most`` the replies that it gives to one request, where it refused more.
    ``replayed``: a cache gave a reply again, although it was asked not to (``always``) or not any
    more (``before``).
    """

    canary: Canary
    row: dict[str, Any]
    attempts: list[Attempt]
    longer: Attempt | None = None
    measured: Attempt | None = None
    tokens: int = 0
    listed: Listed = field(default_factory=Listed)
    most: int | None = None
    replayed: str | None = None
    sent: Sequence[Attempt] = ()
    batched: list[Attempt] = field(default_factory=list)
    unasked: str | None = None


async def try_variant(canary: Canary) -> Tried:
    """Send the canary's requests, in the form that the run sends; return what they showed."""
    given = canary.settings
    row = dict.fromkeys(COLUMNS) | {
        "model": canary.model,
        "variant": canary.variant,
        "base_url": given.base_url,
        "requested_model": given.model,
        "answers": False,
    }
    try:
        key = find_key(given.api_key_env, given.base_url)
    except UserError as fault:
        return Tried(canary, row, [], unasked=str(fault))
    # At the study's own temperature most replies are equal, which shows nothing about independence.
    own = given.thinking or given.temperature is None
    temperature = given.temperature if own else 1.0
    client = Client(replace(given, method="repeats", temperature=temperature, max_in_flight=N), key)
    prober = Client(replace(given, method="logprobs"), key)
    messages, replays, hits = canary.messages, Replays(), []
    sent: list[Attempt] = []
    cells = [one.settings.cell_key(messages) for one in (client, prober)]
    about = {"generation": client.settings.generation, "scope": "preflight", "probe": "preflight"}
    writer = Writer(Path(given.store), given.stream, cells, about)

    async def send(
        by: Client,
        repetitions: Sequence[int],
        text: list[dict[str, str]] = messages,
        tokens: int = given.short,
    ) -> Attempt:
        cell = by.settings.cell_key(text)
        for number in range(LESSONS):
            ask = Ask(cell, text, tuple(repetitions), tokens, number)
            outcome = await by.send(by.fitted(ask))
            writer.append(outcome.attempt)
            sent.append(outcome.attempt)
            if outcome.verdict != ADAPTED:
                break
        hits.append(says_hit(outcome.headers))
        return outcome.attempt

    async def replayed(by: Client, attempts: Sequence[Attempt]) -> bool:
        if any(hits):
            return True
        found = []
        for attempt in attempts:
            found.append(replays.is_replay(attempt))
            replays.add(attempt)
        if None in found:  # another prompt shows whether ids identify replies
            replays.add(await send(by, [1], NEUTRAL))
        return any(replays.is_replay(attempt) for attempt in attempts)

    try:
        listed = await asyncio.to_thread(look_up, given.base_url, given.model, key)
        by = prober if given.logprobs else client
        # Replies with thoughts are long: two tell what the run needs to know.
        block = given.blocks(range(1, (2 if given.thinking else N) + 1))[0]
        first = await send(by, block)
        attempts, measured, cache, longer = [first], first, None, None
        if first.cause is None:
            later = range(N + 1, 2 * N + 1) if len(block) > 1 else range(2, 4)
            more = later[:1] if given.thinking else later
            attempts += await asyncio.gather(*(send(by, [place]) for place in more))
            if await replayed(by, attempts):
                by.learn(Allowed(uncached=True))
                hits.clear()
                again = [await send(by, [place]) for place in (2 * N + 1, 2 * N + 2)]
                cache = "always" if await replayed(by, again) else "before"
            if not given.thinking and not ratings(attempts, canary.scale):
                longer = await send(client, [3 * N], tokens=given.fallback_max_tokens)
            if not given.logprobs and not given.thinking:
                prober.allowed = prober.allowed.and_also(client.allowed)
                measured = await send(prober, [1])
    finally:
        await client.close()
        await prober.close()
        writer.close()
    single = texts(attempts[1:])
    row |= {
        "answers": first.cause is None,
        "listed": listed.found,
        "shutdown_date": listed.shutdown_date,
        "choices_of_10": len(first.replies()) if len(first.repetitions) == N else None,
        "independent": independent(texts([first]), single) if len(block) == N else None,
        "logprobs": "not asked: it thinks" if given.thinking else _logprobs(measured, canary.scale),
        "token_parameter": by.limit_parameter,
        **{name: getattr(first, name) for name in SERVED},
    }
    tokens = by.tokens(Ask("", messages, (1,), given.short, 0))
    return Tried(
        canary, row, attempts, longer, measured, tokens, listed, by.allowed.max_n, cache, sent
    )


def independent(together: Sequence[str], single: Sequence[str]) -> str:
    """Test whether choices of one request are distributed like replies to single requests.

    A permutation test on the counts of each text at the 1 % level: ``yes``, ``no``, or ``unclear``
    with too few replies or with equal ones.
    """
    pool = [*together, *single]
    if len(together) < 2 or len(single) < 2 or len(set(pool)) < 2:
        return "unclear"

    def distance(first: Sequence[str], second: Sequence[str]) -> float:
        a, b = Counter(first), Counter(second)
        return sum(abs(a[t] / len(first) - b[t] / len(second)) for t in set(pool))

    seen, chance = distance(together, single), random.Random(0)
    as_far = 0
    for _ in range(DRAWS):
        chance.shuffle(pool)
        as_far += distance(pool[: len(together)], pool[len(together) :]) >= seen - 1e-12
    return "no" if (as_far + 1) / (DRAWS + 1) < UNLIKELY else "yes"


def texts(attempts: Sequence[Attempt]) -> list[str]:
    """Return the texts of all replies."""
    return [choice.text or "" for attempt in attempts for choice in attempt.replies().values()]


def _logprobs(attempt: Attempt, scale: Scale) -> str:
    if attempt.cause is not None:
        return f"refused: {attempt.detail}"
    choice = attempt.replies()[attempt.repetitions[0]]
    try:
        return rating_distribution(choice.alternatives, scale).reason or "usable"
    except UnusableError as fault:
        return str(fault)


def ratings(attempts: Sequence[Attempt], scale: Scale) -> int:
    """Return how many replies hold a rating."""
    return sum(read_rating(text, scale).rating is not None for text in texts(attempts))
