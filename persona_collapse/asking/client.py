"""Send one request: the official ``openai`` client on aiohttp, one per process.

The client's own retries are off, so that every request is one attempt in the store. Replies are
read by ``response`` instead of the client's models, which cost more time than the network and
refuse replies that ``response`` can read.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx2
import openai

from persona_collapse.asking.keys import redacted
from persona_collapse.asking.response import RETRY, THROTTLED, Reply, read_reply
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import REJECTIONS, Ask
from persona_collapse.common.files import now
from persona_collapse.common.seeds import derived_seed
from persona_collapse.store.attempts import Attempt

CONNECT_S = 15.0
TOKEN_PARAMETERS = ("max_tokens", "max_completion_tokens")
NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt, and what the engine does next: one of the verdicts of ``response``."""

    attempt: Attempt
    verdict: str
    headers: Mapping[str, str]
    sent_at: float


class Client:
    """Sends requests to one endpoint; ``key`` None sends no key."""

    def __init__(self, settings: Settings, key: str | None) -> None:
        self.settings, self.key = settings, key
        self.limit_parameter = settings.token_limit_parameter or TOKEN_PARAMETERS[0]
        self._fixed = {**settings.generation, "model": settings.model}
        self._fixed.pop("seed", None)
        most = settings.max_in_flight
        # aiohttp's time-outs are longer than ours, which also end a reply that trickles in.
        self._api = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=key or "none",
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(
                timeout=httpx2.Timeout(settings.timeout_s * 2, connect=CONNECT_S),
                limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            ),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def send(self, ask: Ask) -> Outcome:
        """Send one request; the outcome says what happened, and nothing is raised."""
        sent_at = time.monotonic()
        status: int | None = None
        headers = NO_HEADERS
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                response = await self._api.post(
                    "/chat/completions", cast_to=httpx2.Response, body=self.body(ask)
                )
            status, headers = response.status_code, response.headers
            reply = read_reply(status, response.content, len(ask.repetitions))
        except openai.APIStatusError as fault:
            status, headers = fault.response.status_code, fault.response.headers
            reply = self._learned(read_reply(status, fault.response.content, len(ask.repetitions)))
        except (TimeoutError, openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError) as fault:
            reply = _lost(fault)
        return Outcome(self._attempt(ask, reply, status, sent_at), reply.verdict, headers, sent_at)

    def body(self, ask: Ask) -> dict[str, Any]:
        """Return the JSON of a request; ``n`` is left out for a single reply."""
        body = {**self._fixed, "messages": ask.messages, self.limit_parameter: ask.max_tokens}
        if len(ask.repetitions) > 1:
            body["n"] = len(ask.repetitions)
        if self.settings.seed is not None:
            names = (ask.cell, ask.repetitions[0], ask.max_tokens, ask.number)
            # With equal seeds repetitions would be copies. Every server accepts 31 bits.
            body["seed"] = derived_seed(self.settings.seed, *names) % 2**31
        return {**body, **self.settings.extra_body}

    def _learned(self, reply: Reply) -> Reply:
        """Switch to the other name of the token limit when the server refuses the first."""
        first, other = TOKEN_PARAMETERS
        fixed = self.settings.token_limit_parameter is not None or self.limit_parameter == other
        if fixed or reply.cause not in REJECTIONS or first not in (reply.detail or ""):
            return reply
        self.limit_parameter = other
        return Reply(RETRY, "token_parameter", reply.detail)

    def _attempt(self, ask: Ask, reply: Reply, status: int | None, sent_at: float) -> Attempt:
        return Attempt(
            cell=ask.cell,
            repetitions=ask.repetitions,
            max_tokens=ask.max_tokens,
            created_at=now(),
            seconds=round(time.monotonic() - sent_at, 3),
            status=status,
            cause=reply.cause,
            detail=redacted(reply.detail, self.key) if reply.detail else None,
            choices=reply.choices,
            **reply.about,
        )


def _lost(fault: BaseException) -> Reply:
    """Classify the failure of a request without a readable answer."""
    chain: list[BaseException] = []
    link: BaseException | None = fault
    while link is not None:
        chain.append(link)
        link = link.__cause__ or link.__context__
    text = next((str(link) for link in reversed(chain) if str(link)), type(fault).__name__)
    if any(isinstance(link, aiohttp.ClientConnectorError) for link in chain):
        return Reply(RETRY, "no_connection", text)
    # The client reports a lost connection as a timeout; its cause says which it was.
    if any(isinstance(link, aiohttp.ServerDisconnectedError | ConnectionError) for link in chain):
        return Reply(RETRY, "connection_lost", text)
    if any(isinstance(link, TimeoutError | httpx2.TimeoutException) for link in chain):
        return Reply(THROTTLED, "timeout", "no complete answer in time")
    return Reply(RETRY, "connection_lost", text)
