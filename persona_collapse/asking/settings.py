"""Settings of requests: those that change an answer (``Identity``) and those that do not (``Run``).

Every setting is a field of one of the two classes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from persona_collapse.asking import thinking as thoughts
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.hashing import digest
from persona_collapse.common.secrets import is_credential, is_service_key, masked

TOP_LOGPROBS = 20
SHORT = 1  # tokens of a one-token try
MOST_AT_ONCE = 128  # choices that OpenAI's API gives to one request
TIMEOUT_S = 60.0
MAX_IN_FLIGHT = 64
FEW = 50  # requests that are asked one by one, where others are asked in batches
JOB_IN_FLIGHT = 32  # one more job asks an endpoint for so many of its requests in flight
# Sampling without top-p, top-k, min-p and penalties, by the names that servers have in common.
NEUTRAL = {
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
NO_LOGPROBS = (
    "thinking: the first token of a model that thinks is no rating, so it has no log-probabilities "
    "to read: ask it with method: repeats (sampling.method, or a probe's method), or leave "
    "thinking out"
)
DEFAULT_PORTS = {"http": 80, "https": 443}
# A scheme, also a misspelt one such as http:/ and https//, and the rest.
BEGIN = re.compile(r"(?:(https?):?/+|[a-z]*:?//)?(.*)", re.IGNORECASE | re.DOTALL)
# What clients append to the address of an API, and so no part of it.
_CALL = (
    "/(chat/completions|completions|chat|responses|messages|models|embeddings|files|batches"
    "|fine_tuning|fine_tuning/jobs|api/chat|api/generate|api/tags)/*"
)
CALLS = re.compile(f"{_CALL}$", re.IGNORECASE)
URL_PATTERN = rf"^https?://(?!.*{_CALL}([?].*)?$)\S*$"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Settings that change an answer, and so its key.

    ``top_logprobs`` is the number of alternatives (None: 20), ``reply_tokens`` the length of a
    one-token try (None: 1). ``sampling_defaults`` "neutral" sends ``NEUTRAL``, so that the model's
    files say nothing about sampling.
    ``fallback_max_tokens`` applies to fallback replies alone: a change asks for these again and for
    no others.
    ``max_tokens`` is the length limit of open-ended replies, part of their identity in the store.
    ``thinking`` lets the model think before it answers: ``max_tokens`` for thoughts and answer
    together, and ``effort``, None for the model's own. ``temperature`` None is the server's own.
    ``seed`` None leaves sampling to the server; else each request gets its own seed, derived from
    it.
    """

    base_url: str
    model: str
    extra_body: dict[str, Any] = field(default_factory=dict)
    method: str = "repeats"
    top_logprobs: int | None = None
    reply_tokens: int | None = None
    sampling_defaults: str | None = None
    thinking: dict[str, Any] | None = None
    temperature: float | None = 0.1
    top_p: float | None = None
    seed: int | None = None
    fallback_max_tokens: int = 64
    max_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """Settings that change no answer; a change sends no request.

    ``token_limit_parameter`` None starts with ``max_tokens`` and switches when the server refuses
    that name. ``batching`` "batch" sends requests in files, at half price; ``poll_s`` is how often
    a batch is looked at, ``settle_s`` how long a request to begin one may still be heard.
    ``transport_attempts`` limits the consecutive failures of one request. ``scope``
    names the budget (the study's name). ``prices`` is the file of prices, ``stops`` the folder of
    a run's notes: why its jobs must stop (``breaker``), and how far each is (``progress``).
    ``rescued`` is the folder of answers that the store could not take. ``accept_errors`` goes on
    without replies that failed, and notes them in the folder ``accepted`` (``unanswered``).
    """

    api_key_env: str | None = "OPENAI_API_KEY"
    max_in_flight: int = MAX_IN_FLIGHT
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float = TIMEOUT_S
    token_limit_parameter: str | None = None
    batching: str = "n"
    max_n: int | None = None
    poll_s: float = 15.0
    settle_s: float = 30.0
    max_attempts: int = 10
    transport_attempts: int = 8
    store: str = "answer_store"
    budget: dict[str, Any] | None = None
    prices: str = "resources/prices.yaml"
    scope: str = "study"
    stops: str | None = None
    rescued: str = "rescued_answers"
    accept_errors: bool = False
    accepted: str | None = None
    progress: bool = True


@dataclass(frozen=True, kw_only=True)
class Settings(Identity, Run):
    """All settings of one variant on one endpoint; config/README.md describes each key."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Build from the settings of an endpoint and a variant, with the study's sampling."""
        given = dict(settings)
        known = [entry.name for entry in fields(cls)]
        for key in given:
            if key not in known:
                raise UserError(f"openai endpoint: unknown setting {key!r}{nearest(key, known)}")
        for key in ("base_url", "model"):
            if not given.get(key):
                raise UserError(f"openai endpoint: the setting {key!r} is missing")
        given["base_url"] = normalised_url(given["base_url"])
        given["extra_body"] = given.get("extra_body") or {}
        if given.get("timeout_s") is None:
            given["timeout_s"] = thoughts.TIMEOUT_S if given.get("thinking") else TIMEOUT_S
        found = cls(**given)
        if found.thinking and found.logprobs:
            raise UserError(NO_LOGPROBS)
        if not found.thinking and found.short >= found.fallback_max_tokens:
            raise UserError(
                f"reply_tokens: {found.short} must be below sampling.fallback_max_tokens "
                f"({found.fallback_max_tokens}), the length of the reply that is read last; "
                "raise fallback_max_tokens"
            )
        return found

    @property
    def logprobs(self) -> bool:
        """Whether cells are answered by log-probabilities instead of repetitions."""
        return self.method == "logprobs"

    @property
    def title(self) -> str:
        """What messages call the endpoint and the model."""
        return f"{self.base_url}, model {self.model}"

    @cached_property
    def stream(self) -> dict[str, Any]:
        """The endpoint and the requested model: one folder of the store."""
        return {"base_url": self.base_url, "extra_body": self.extra_body, "model": self.model}

    @cached_property
    def generation(self) -> dict[str, Any]:
        """The generation parameters of a request, which are part of a cell's key.

        Unset values are left out, so that a setting added later changes no key.
        """
        neutral = NEUTRAL if self.sampling_defaults == "neutral" else {}
        if self.logprobs:  # asked at T = 1; other temperatures are computed from it
            most = self.top_logprobs or TOP_LOGPROBS
            return {**neutral, "temperature": 1.0, "logprobs": True, "top_logprobs": most}
        given = {
            "temperature": None if self.temperature is None else float(self.temperature),
            "top_p": self.top_p,
            "seed": self.seed,
            "thinking": _given(self.thinking or {}) or None,
        }
        return {**neutral, **_given(given)}

    @property
    def short(self) -> int:
        """The length limit of a first try in tokens: one, or enough for thoughts."""
        return self.thinking["max_tokens"] if self.thinking else self.reply_tokens or SHORT

    @property
    def tries(self) -> int:
        """How many first tries a slot has."""
        return min(self.max_attempts, thoughts.TRIES) if self.thinking else self.max_attempts

    @property
    def stated(self) -> list[str]:
        """What the study says about the server's limits, by the names of ``learned.Allowed``."""
        said = {
            "token_parameter": self.token_limit_parameter,
            "top_logprobs": self.top_logprobs,
            "max_n": self.max_n,
        }
        return [name for name, value in said.items() if value is not None]

    def blocks(self, repetitions: Sequence[int]) -> list[Sequence[int]]:
        """Group the repetitions of a cell by request."""
        # Choices of one request share its log-probabilities, so each repetition is a request.
        single = self.batching == "single" or self.logprobs
        most = 1 if single else self.max_n or MOST_AT_ONCE
        return [repetitions[at : at + most] for at in range(0, len(repetitions), most)]

    def cell_key(self, messages: list[dict[str, str]]) -> str:
        """Return the sha256 of the canonical request: messages, generation, endpoint, model.

        The store keeps repetition and token limit beside the key, so that a request for n
        repetitions is one line.
        """
        return digest({"messages": messages, "generation": self.generation, **self.stream})


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def known(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the given values that are settings of ``Settings``."""
    names = {entry.name for entry in fields(Settings)}
    return {name: value for name, value in given.items() if name in names}


def slots(endpoint: Mapping[str, Any]) -> tuple[int, int]:
    """Return the slots that one job claims of an endpoint, and all that it grants.

    They limit how many jobs ask it at once. A job may have more requests in flight than it claims:
    those that no other job has.
    """
    total = int(endpoint.get("max_in_flight", MAX_IN_FLIGHT))
    return min(total, JOB_IN_FLIGHT), total


def job_settings(
    given: Mapping[str, Any], budget: Mapping[str, Any] | None, scope: str
) -> dict[str, Any]:
    """Return the settings of one job.

    ``max_in_flight`` and the limits per minute are the whole endpoint's; the jobs that ask it at
    once share them (``sharing``).
    """
    return {**known(given), "budget": budget or None, "scope": scope}


def base_of(url: str) -> str:
    """Return the form that ``base_url`` has of an address that names more, or less."""
    text = url.strip()
    head, mark, query = text.partition("?")
    scheme, path = BEGIN.fullmatch(head.rstrip("/")).groups()  # type: ignore[union-attr]
    scheme = (scheme or "").lower()
    if scheme not in DEFAULT_PORTS:
        host = re.split("[/:]", path)[0]
        scheme = "https" if "." in host and not host.startswith("127.") else "http"
    if (call := CALLS.search(path)) is not None:
        path = path[: call.start()].rstrip("/")
        if call[1].lower().startswith("api/"):  # of Ollama's own API, which is another
            path = f"{path}/v1"
    return f"{scheme}://{path}{mark}{query}"


def normalised_url(url: str) -> str:
    """Return the normalised address of a server.

    Raises ``UserError`` for an invalid address, or one with a password or key; the message does not
    repeat it.
    """
    shown = masked(url)
    try:
        parts = urlsplit(url.strip())
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise UserError(f"base_url: {shown!r} is not a web address") from None
    if parts.username or parts.password:
        raise UserError(
            f"base_url: the address of {host} has a user name or password; "
            "put the key into an environment variable and name it in api_key_env"
        )
    if parts.scheme.lower() not in DEFAULT_PORTS or not host:
        raise UserError(f"base_url: {shown!r} must start with http:// or https:// and name a host")
    for name, value in parse_qsl(parts.query):
        if is_credential(name, value):
            raise UserError(
                f"base_url: the address of {host} has what looks like a key in its query "
                f"({masked(name)}=...), which would be written into results and the store; put the "
                "key into an environment variable and name it in api_key_env"
            )
    if is_service_key(parts.path):
        raise UserError(
            f"base_url: the address of {host} has what looks like a key in its path; put the key "
            "into an environment variable and name it in api_key_env"
        )
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != DEFAULT_PORTS[parts.scheme.lower()]:
        host = f"{host}:{port}"
    return urlunsplit((parts.scheme.lower(), host, parts.path.rstrip("/"), parts.query, ""))
