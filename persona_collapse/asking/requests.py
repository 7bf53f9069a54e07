"""What requests to a server say, and what is kept of its replies.

Requests are built here, and replies judged, whether they are sent one by one (``client``) or many
in a file (``batching``).
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from persona_collapse.asking.keys import redacted
from persona_collapse.asking.learned import (
    TOKEN_PARAMETERS,
    Allowed,
    learned_file,
    lesson,
    read_allowed,
    remember,
)
from persona_collapse.asking.response import ADAPTED, Reply
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.slots import Ask
from persona_collapse.asking.thinking import requested
from persona_collapse.asking.usage import checked
from persona_collapse.common.files import now
from persona_collapse.common.log import LOG
from persona_collapse.common.seeds import derived_seed
from persona_collapse.store.attempts import Attempt

TEACHING = ("http_400", "http_404", "http_422", "http_500", "http_501")  # may name a limit
UNCACHED_FIELD = {"cache": {"no-cache": True}}  # LiteLLM's; ``client`` has the headers of others


class Requests:
    """The requests of one model on one endpoint; ``key`` is removed from what the server says."""

    def __init__(self, settings: Settings, key: str | None) -> None:
        self.settings, self.key = settings, key
        self._file = learned_file(Path(settings.store), settings.stream)
        self.allowed = read_allowed(self._file).without(settings.stated)
        self._said: set[str] = set()
        self._news: Allowed | None = None  # learned, and not yet shown to be true by an answer
        self._fixed = {**settings.generation, "model": settings.model}
        self._fixed.pop("seed", None)
        self._fixed |= requested(self._fixed.pop("thinking", None), settings.base_url)
        named = ("temperature", "top_p", "seed")
        self._sampling = [name for name in named if getattr(settings, name) is not None]

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

    def taken(
        self, ask: Ask, sent: Mapping[str, Any], reply: Reply, status: int | None, seconds: float
    ) -> tuple[Attempt, str]:
        """Return the attempt that a request was, and what to do next; learn from a refusal.

        ``sent`` is the request's JSON, ``seconds`` how long the reply took.
        """
        reply = self._learned(ask, sent, reply)
        if reply.renumbered:
            self._say_once(
                logging.INFO,
                "the server gives several choices of a reply the same index; they are taken in "
                "their order",
            )
        return self._attempt(ask, reply, status, seconds), reply.verdict

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

    def _attempt(self, ask: Ask, reply: Reply, status: int | None, seconds: float) -> Attempt:
        about = reply.about
        if about:  # a reply, and no refusal
            limit, answered = self.tokens(ask) * len(ask.repetitions), reply.cause is None
            about = checked(about, ask.messages, limit, answered=answered)
            if names := about.get("estimated"):
                self._say_once(
                    logging.WARNING,
                    f"the server reports no possible {names} of some replies; the budget and the "
                    "store count upper estimates instead",
                )
        return Attempt(
            cell=ask.cell,
            repetitions=ask.repetitions,
            max_tokens=ask.max_tokens,
            created_at=now(),
            seconds=round(seconds, 3),
            status=status,
            cause=reply.cause,
            detail=redacted(reply.detail, self.key) if reply.detail else None,
            choices=reply.choices,
            left_out=", ".join(n for n in self._sampling if n in self.allowed.left_out) or None,
            **about,
        )

    def _say_once(self, level: int, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            LOG.log(level, "%s: %s", self.settings.title, text)
