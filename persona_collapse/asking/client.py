"""Send one request, by the ``openai`` package's HTTP client on aiohttp, one per process.

Requests are built by ``requests`` and replies read by ``response``: the package's models cost more
time than the network, refuse replies that ``response`` can read, and retry behind the store's back.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import httpx2
import openai

from persona_collapse.asking.connection import CHAT, CONNECT_S, address, http_options, key_headers
from persona_collapse.asking.keys import redacted
from persona_collapse.asking.requests import Requests
from persona_collapse.asking.response import RETRY, STOP, THROTTLED, Reply, read_reply
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.common.network import unreachable
from persona_collapse.store.attempts import Attempt

MOST_BYTES = 64 << 20  # of one reply: hundreds of choices with long thoughts take less
HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "persona-collapse",  # some gateways refuse requests without one
}
NO_HEADERS: Mapping[str, str] = {}
# What switches off the caches of proxies, where they document it.
UNCACHED_HEADERS = {
    "Cache-Control": "no-cache, no-store",
    "Pragma": "no-cache",
    "cf-aig-skip-cache": "true",
    "Helicone-Cache-Enabled": "false",
    "x-portkey-cache-force-refresh": "true",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt, and what the engine does next: one of the verdicts of ``response``."""

    attempt: Attempt
    verdict: str
    headers: Mapping[str, str]
    sent_at: float
    uncached: bool = False  # whether the request asked caches not to answer


class Client(Requests):
    """Sends requests to one endpoint; ``key`` None sends no key."""

    def __init__(self, settings: Settings, key: str | None) -> None:
        super().__init__(settings, key)
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
        attempt, verdict = self.taken(ask, body, reply, status, time.monotonic() - sent_at)
        return Outcome(attempt, verdict, headers, sent_at, uncached)

    def _lost(self, fault: BaseException) -> Reply:
        """Return the failure of a request without a readable answer."""
        why = unreachable(fault, self.settings.base_url, self._proxy, CONNECT_S)
        if why is None:
            return _broken(fault, self.settings.timeout_s)
        return Reply(RETRY, "no_connection", redacted(why, self.key))


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
