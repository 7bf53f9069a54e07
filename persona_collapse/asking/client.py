"""Send one request, by the ``openai`` package's HTTP client on aiohttp, one per process.

Requests are built here and replies read by ``response``: the package's models cost more time than
the network, refuse replies that ``response`` can read, and retry behind the store's back.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import openai

from persona_collapse.asking.connection import CHAT, address, http_options, key_headers
from persona_collapse.asking.keys import redacted
from persona_collapse.asking.learned import (
    TOKEN_PARAMETERS,
    Allowed,
    learned_file,
    lesson,
    read_allowed,
    remember,
)
from persona_collapse.asking.response import ADAPTED, RETRY, STOP, THROTTLED, Reply, read_reply
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.thinking import requested
from persona_collapse.asking.usage import checked
from persona_collapse.common.files import now
from persona_collapse.common.log import LOG
from persona_collapse.common.network import unreachable
from persona_collapse.common.seeds import derived_seed
from persona_collapse.store.attempts import Attempt

CONNECT_S = 15.0
MOST_BYTES = 64 << 20  # of one reply: hundreds of choices with long thoughts take less
HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "persona-collapse",  # some gateways refuse requests without one
}
NO_HEADERS: Mapping[str, str] = {}
TEACHING = ("http_400", "http_404", "http_422", "http_500", "http_501")  # may name a limit
# What switches off the caches of proxies, where they document it; LiteLLM's is a field of the body.
UNCACHED_HEADERS = {
    "Cache-Control": "no-cache, no-store",
    "Pragma": "no-cache",
    "cf-aig-skip-cache": "true",
    "Helicone-Cache-Enabled": "false",
    "x-portkey-cache-force-refresh": "true",
}
UNCACHED_FIELD = {"cache": {"no-cache": True}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt, and what the engine does next: one of the verdicts of ``response``."""

    attempt: Attempt
    verdict: str
    headers: Mapping[str, str]
    sent_at: float
    uncached: bool = False  # whether the request asked caches not to answer


class Client:
    """Sends requests to one endpoint; ``key`` None sends no key."""

    def __init__(self, settings: Settings, key: str | None) -> None:
        self.settings, self.key = settings, key
        self._file = learned_file(Path(settings.store), settings.stream)
        self._renumbered = False
        self.allowed = read_allowed(self._file).without(settings.stated)
        self._estimated: set[str] = set()  # counts whose estimation was reported
        self._news: Allowed | None = None  # learned, and not yet shown to be true by an answer
        self._fixed = {**settings.generation, "model": settings.model}
        self._fixed.pop("seed", None)
        self._fixed |= requested(self._fixed.pop("thinking", None), settings.base_url)
        named = ("temperature", "top_p", "seed")
        self._sampling = [name for name in named if getattr(settings, name) is not None]
        most = settings.max_in_flight
        plain, query = address(settings.base_url)
        self._url = httpx2.URL(f"{plain}{CHAT}", params=query or None)
        self._headers = {**HEADERS, **key_headers(settings.base_url, key)}
        # aiohttp's time-outs are longer than ours, which also end a reply that trickles in.
        timeout = httpx2.Timeout(settings.timeout_s * 2, connect=CONNECT_S)
        self._limited = {"timeout": timeout.as_dict()}
        options = http_options(settings.base_url)
        self._proxy: str | None = options["proxy"]
        self._http = openai.DefaultAioHttpClient(
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most), **options
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, ask: Ask) -> Outcome:
        """Send one request; the outcome says what happened, and nothing is raised."""
        sent_at, body, uncached = time.monotonic(), self.body(ask), self.allowed.uncached
        status: int | None = None
        headers = NO_HEADERS
        request = httpx2.Request(
            "POST",
            self._url,
            headers={**self._headers, **UNCACHED_HEADERS} if uncached else self._headers,
            content=json.dumps(body, separators=(",", ":")).encode(),
            extensions=self._limited,
        )
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                response = await self._http.send(request, stream=True)
                content = await _content(response)
            status, headers = response.status_code, _plain(response.headers)
            if content is None:
                reply = Reply(RETRY, "too_large", f"the reply is larger than {MOST_BYTES:,} bytes")
            elif response.next_request is not None:
                target = str(response.next_request.url.copy_with(query=None))
                reply = Reply(STOP, "redirect", f"ask {target.removesuffix(CHAT)}")
            else:
                reply = read_reply(status, content, len(ask.repetitions), self.key)
        except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError) as fault:
            reply = self._lost(fault)
        reply = self._learned(ask, body, reply)
        if reply.renumbered and not self._renumbered:
            self._renumbered = True
            LOG.info(
                "%s, model %s: the server gives several choices of a reply the same index; they "
                "are taken in their order",
                self.settings.base_url,
                self.settings.model,
            )
        attempt = self._attempt(ask, reply, status, sent_at)
        return Outcome(attempt, reply.verdict, headers, sent_at, uncached)

    def body(self, ask: Ask) -> dict[str, Any]:
        """Return the JSON of a request; ``n`` is left out for a single reply."""
        body = {**self._fixed, "messages": ask.messages, self.limit_parameter: self.tokens(ask)}
        if "top_logprobs" in body and self.allowed.top_logprobs:
            body["top_logprobs"] = min(body["top_logprobs"], self.allowed.top_logprobs)
        if len(ask.repetitions) > 1:
            body["n"] = len(ask.repetitions)
        if self.settings.seed is not None:
            names = (ask.cell, ask.repetitions[0], ask.max_tokens, ask.number)
            # With equal seeds repetitions would be copies. Every server accepts 31 bits.
            body["seed"] = derived_seed(self.settings.seed, *names) % 2**31
        for name in self.allowed.left_out:
            body.pop(name, None)
        if self.allowed.uncached and self.allowed.cache_field:
            body |= UNCACHED_FIELD
        return {**body, **self.settings.extra_body}

    @property
    def limit_parameter(self) -> str:
        """The server's name of the length limit."""
        given = self.settings.token_limit_parameter or self.allowed.token_parameter
        return given or TOKEN_PARAMETERS[0]

    def tokens(self, ask: Ask) -> int:
        """Return the length limit that is sent: the server's smallest, where that is larger."""
        return max(ask.max_tokens, self.allowed.smallest_tokens or 0)

    def fitted(self, ask: Ask) -> Ask:
        """Return a request for as many of the repetitions as the server gives at once."""
        most = self.allowed.max_n
        return ask if most is None else replace(ask, repetitions=ask.repetitions[:most])

    def learn(self, news: Allowed) -> None:
        """Send later requests as the server allows; an answer shows that it is true."""
        self.allowed = self.allowed.and_also(news)
        self._news = self._news.and_also(news) if self._news else news

    def _learned(self, ask: Ask, sent: Mapping[str, Any], reply: Reply) -> Reply:
        """Learn from the refusal of a request, whose JSON was ``sent``; keep what proves true.

        Other requests may have learned the same meanwhile: what counts is whether the request
        would now be sent differently.
        """
        if reply.cause is None and reply.reason is None:
            if self._news is not None and self.body(ask) == sent:
                remember(self._file, self._news)
                self._news = None
            return reply
        if reply.reason is None or reply.cause not in TEACHING or reply.reason.speaks_of_filter:
            return reply
        news = lesson(sent, reply.reason)
        if news is None or (news.token_parameter and self.settings.token_limit_parameter):
            return reply
        if news.stricter_than(self.allowed):
            self.learn(news)
            LOG.info("%s", news.said(self.settings.base_url, self.settings.model, reply.detail))
        if self.body(self.fitted(ask)) == sent:
            return reply
        return Reply(ADAPTED, "adapted", reply.detail)

    def _attempt(self, ask: Ask, reply: Reply, status: int | None, sent_at: float) -> Attempt:
        about = reply.about
        if about:  # a reply, and no refusal
            limit, answered = self.tokens(ask) * len(ask.repetitions), reply.cause is None
            about = checked(about, ask.messages, limit, answered=answered)
            self._say_estimated(about.get("estimated"))
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
            left_out=", ".join(n for n in self._sampling if n in self.allowed.left_out) or None,
            **about,
        )

    def _lost(self, fault: BaseException) -> Reply:
        """Return the failure of a request without a readable answer."""
        why = unreachable(fault, self.settings.base_url, self._proxy, CONNECT_S)
        if why is None:
            return _broken(fault, self.settings.timeout_s)
        return Reply(RETRY, "no_connection", redacted(why, self.key))

    def _say_estimated(self, names: str | None) -> None:
        if names is not None and names not in self._estimated:
            self._estimated.add(names)
            LOG.warning(
                "%s, model %s: the server reports no possible %s of some replies; the budget and "
                "the store count upper estimates instead",
                self.settings.base_url,
                self.settings.model,
                names,
            )


async def _content(response: httpx2.Response) -> bytes | None:
    """Return a reply's body, or None where it is larger than ``MOST_BYTES``; unpacked counts."""
    parts, size = [], 0
    try:
        async for part in response.aiter_bytes():
            size += len(part)
            if size > MOST_BYTES:
                return None
            parts.append(part)
    finally:
        await response.aclose()
    return b"".join(parts)


def _plain(headers: httpx2.Headers) -> dict[str, str]:
    """Return headers by their names in lower case, in a form that is quick to look up."""
    return {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in headers.raw}


def _broken(fault: BaseException, seconds: float) -> Reply:
    """Classify the failure of a request whose connection came about."""
    chain: list[BaseException] = []
    link: BaseException | None = fault
    while link is not None:
        chain.append(link)
        link = link.__cause__ or link.__context__
    text = next((str(link) for link in reversed(chain) if str(link)), type(fault).__name__)
    # The client reports a lost connection as a timeout; its cause says which it was.
    if any(isinstance(link, aiohttp.ServerDisconnectedError | ConnectionError) for link in chain):
        return Reply(RETRY, "connection_lost", f"the connection broke off ({text})")
    if any(isinstance(link, TimeoutError | httpx2.TimeoutException) for link in chain):
        return Reply(THROTTLED, "timeout", f"no complete answer within {seconds:g} s")
    return Reply(RETRY, "connection_lost", f"the connection broke off ({text})")
