"""Read HTTP responses: replies, errors in their various forms, and what to do about them."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from persona_collapse.asking.keys import PREFIX, redacted, without_key
from persona_collapse.asking.reasons import Reason, is_filter_finish, reason_of
from persona_collapse.common.network import answered, web_page
from persona_collapse.store.attempts import (
    LARGEST,
    Alternatives,
    Attempt,
    Choice,
    possible_count,
)

# What the engine does next.
ANSWERED = "answered"
ADAPTED = "adapted"  # a limit was learned: send the request again in the way it allows
REPLAYED = "replayed"  # a cache gave an earlier reply again
RETRY = "retry"  # send the same request again after a wait
THROTTLED = "throttled"  # retry, and lower the concurrency
REJECTED = "rejected"  # this request will never be answered; others may be
FILTERED = "filtered"  # a filter's words: an answer of this prompt, if other prompts are answered
DOUBTFUL = "doubtful"  # the prompt or the account is refused
STOP = "stop"  # no request will be answered until the user acts

# Verdicts by HTTP status; others from 500 on are retried, the rest are doubtful.
VERDICTS = {
    **dict.fromkeys((401, 402, 404), STOP),
    **dict.fromkeys((408, 429, 503, 504, 529), THROTTLED),
    **dict.fromkeys((409, 425), RETRY),
}
OUT_OF_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_credits")
INVALID_KEY = "invalid_api_key"  # OpenAI's code; the cause where the status says less
KEY_STATUSES = (400, 403, 422)
# Gemini, xAI and others answer a wrong key with 400, and LiteLLM's proxy without a database, which
# looks every key but its own up there.
KEY_WORDS = re.compile(
    r"api[ _-]?key (?:is )?(?:not valid|invalid|incorrect|expired|not found)"
    r"|(?:incorrect|invalid|expired) (?:\w+ )?api[ _-]?key|\bapi_key_invalid\b|no connected db",
    re.IGNORECASE,
)
LONGEST_DETAIL = 300
IN_WORDS = ("no_connection", "connection_lost", "timeout", "not_json")  # their details say all
CONTENT_FILTER = "content_filter"  # OpenAI's word, under which the store keeps filtered prompts
# Fields of a message that hold thoughts: DeepSeek, vLLM and others; OpenRouter, Ollama; Anthropic.
THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thoughts", "reasoning_details")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer to one request, or the kind of its failure.

    ``about`` holds what else the server says of its answer, by the names of ``Attempt``, and
    ``reason`` a refusal's in full. ``renumbered``: the server gave several choices one index.
    """

    verdict: str
    cause: str | None = None
    detail: str | None = None
    choices: tuple[Choice, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    reason: Reason | None = None
    renumbered: bool = False


def read_reply(status: int, content: bytes, n: int, key: str | None = None) -> Reply:
    """Read a response to a request for ``n`` choices; no response raises an error.

    The key is removed from all texts before anything is cut.
    """
    try:
        body = json.loads(content)
        if key and len(key) >= PREFIX and (key[:PREFIX].encode() in content or b"\\" in content):
            body = without_key(body, key)  # an escaped character may be one of the key
    except (ValueError, RecursionError):
        body = None
    if key and key[:PREFIX].encode() in content:
        content = redacted(content.decode("utf-8", "replace"), key).encode()
    if status >= 300:
        return _error(status, body, content, n)
    if not isinstance(body, dict):
        found = web_page(content)
        detail = f"{found} instead of JSON" if found else f"no JSON object: {_short(content)}"
        return Reply(RETRY, "not_json", _short(detail))
    if body.get("error") and not body.get("choices"):
        # Routers report a provider's failure inside a 200. The error's code is the status, unless
        # it is a word or a number of the provider's own.
        code = str(body["error"].get("code")) if isinstance(body["error"], dict) else ""
        status = int(code) if code.isdecimal() and len(code) == 3 else 502
        return _error(status, body, content, n)
    found = body.get("choices")
    choices = tuple(_choice(entry, key) for entry in found) if isinstance(found, list) else ()
    places = {at if one.index is None else one.index for at, one in enumerate(choices)}
    # As many choices as were asked for are as many replies, whatever their indices say; and so are
    # fewer ones that all have the same index.
    renumbered = len(choices) == n > len(places) or n > len(choices) > len(places) == 1
    if renumbered:
        choices = tuple(replace(choice, index=place) for place, choice in enumerate(choices))
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    about = {
        **_tokens(usage),
        "served_model": _text(body.get("model")),
        "system_fingerprint": _text(body.get("system_fingerprint")),
        "provider": _text(body.get("provider")),
        "response_id": _text(body.get("id")),
    }
    if any(choice.finish != "error" for choice in choices):
        return Reply(ANSWERED, choices=choices, about=about, renumbered=renumbered)
    reason = reason_of(body, content)
    if reason.is_filter:  # Gemini's own form: no choices, and a block reason
        blocked = filtered_choices(n)
        return Reply(ANSWERED, detail=_short(reason.text), choices=blocked, about=about)
    explained = reason.text != content.decode("utf-8", "replace")
    verdict = FILTERED if explained and reason.speaks_of_filter else RETRY
    return Reply(verdict, "no_choices", _short(reason.text), about=about, reason=reason)


def said(attempt: Attempt) -> str:
    """Return a failure in words: its detail, after the cause where the detail does not say it."""
    if attempt.cause in IN_WORDS and attempt.detail:
        return attempt.detail
    return f"{in_words(attempt.cause)}: {attempt.detail or 'no reason given'}"


def in_words(cause: str | None) -> str:
    """Return a cause as messages name it: the meaning of a status, others as they are stored."""
    status = re.fullmatch(r"http_(\d+)", cause or "")
    return answered(int(status[1])) if status else f"{cause}"


def filtered_choices(n: int) -> tuple[Choice, ...]:
    """Return the n choices that stand for a prompt that a filter refused."""
    return tuple(Choice(index, None, CONTENT_FILTER) for index in range(n))


def _error(status: int, body: Any, content: bytes, n: int) -> Reply:
    reason = reason_of(body, content)
    cause, detail = f"http_{status}", _short(reason.text)
    if any(code in OUT_OF_MONEY for code in reason.codes):
        return Reply(STOP, "insufficient_quota", detail, reason=reason)
    if status in KEY_STATUSES and (INVALID_KEY in reason.codes or KEY_WORDS.search(reason.text)):
        return Reply(STOP, INVALID_KEY, detail, reason=reason)
    verdict = VERDICTS.get(status, RETRY if status >= 500 else DOUBTFUL)
    if verdict in (DOUBTFUL, RETRY):
        if reason.is_filter:  # the prompt itself was filtered: an answer, not a failed request
            return Reply(ANSWERED, detail=detail, choices=filtered_choices(n), reason=reason)
        if reason.speaks_of_filter:
            verdict = FILTERED
        elif verdict == DOUBTFUL and status != 403 and reason.speaks_of_setting:
            verdict = REJECTED
    return Reply(verdict, cause, detail, reason=reason)


def _choice(entry: Any, key: str | None) -> Choice:
    """Read one choice; anything else counts as a choice that ended in an error."""
    message = entry.get("message") if isinstance(entry, dict) else None
    if isinstance(entry, dict) and is_filter_finish(_text(entry.get("finish_reason"))):
        message = message or {}  # a filter may leave none
    if not isinstance(message, dict):
        return Choice(None, None, "error")
    content = message.get("content")
    thoughts = [_plain_text(message.get(name)) for name in THOUGHTS]
    if isinstance(content, list):  # some servers send parts
        parts = [part for part in content if isinstance(part, dict)]
        thoughts += [_plain_text(part) for part in parts if _is_thought(part)]
        content = "".join(_plain_text(part) for part in parts if not _is_thought(part))
    finish, native = _text(entry.get("finish_reason")), _text(entry.get("native_finish_reason"))
    if is_filter_finish(native):  # a router's word for it says less than the provider's
        finish = native
    text, thought = _text(content), next((part for part in thoughts if part.strip()), None)
    return Choice(
        _integer(entry.get("index")),
        text and redacted(text, key),  # once more: only joined parts may show the key
        finish,
        _text(message.get("refusal")),
        _first_token(entry.get("logprobs")),
        _text(thought and redacted(thought, key)),
    )


def _is_thought(part: dict[str, Any]) -> bool:
    return any(word in str(part.get("type")) for word in ("think", "thought", "reason"))


def _plain_text(value: Any) -> str:
    """Return the text of a message's field: a string, or parts of it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_plain_text, value))
    if isinstance(value, dict):
        return "".join(_plain_text(value.get(name)) for name in ("text", "summary", *THOUGHTS))
    return ""


def _tokens(usage: dict[str, Any]) -> dict[str, int | None]:
    """Return the tokens that were billed; those of thoughts count as completion everywhere.

    Some servers leave them out of the completion and count them in the total alone.
    """
    prompt, completion, total = (
        possible_count(usage.get(f"{part}_tokens")) for part in ("prompt", "completion", "total")
    )
    details = usage.get("completion_tokens_details")
    said = details.get("reasoning_tokens") if isinstance(details, dict) else None
    thought = possible_count(said)
    if prompt is not None and completion is not None and total is not None:
        hidden = total - prompt - completion
        if hidden > 0:
            completion, thought = completion + hidden, thought or hidden
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "reasoning_tokens": thought or None,
    }


def _first_token(logprobs: Any) -> Alternatives | None:
    """Return (token, log-probability) of the first token and its alternatives, sampled first."""
    if not isinstance(logprobs, dict):
        return None
    content = logprobs.get("content")
    if isinstance(content, list) and content and isinstance(content[0], dict):
        top = content[0].get("top_logprobs")
        entries = [content[0], *(top if isinstance(top, list) else [])]
        return _pairs((e.get("token"), e.get("logprob")) for e in entries if isinstance(e, dict))
    # The legacy completions format, which llama-cpp-python also sends in chat replies.
    parts: list[Any] = [logprobs.get(name) for name in ("tokens", "token_logprobs", "top_logprobs")]
    if all(isinstance(part, list) and part for part in parts):
        token, value, top = (part[0] for part in parts)
        return _pairs([(token, value), *(top.items() if isinstance(top, dict) else ())])
    return None


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> Alternatives:
    return tuple((str(_text(t)), _number(value)) for t, value in pairs if isinstance(t, str))


def _number(value: Any) -> float | None:
    # NaN becomes None: NaN does not equal itself, and compaction compares values.
    if not isinstance(value, int | float) or value != value:
        return None
    return float(max(-LARGEST, min(value, LARGEST))) if isinstance(value, int) else value


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    # JSON can encode half a character ("\\ud83d"), which UTF-8 cannot.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _integer(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and abs(value) <= LARGEST else None


def _short(text: str | bytes) -> str:
    if isinstance(text, bytes):
        text = text[: 4 * LONGEST_DETAIL].decode("utf-8", "replace")
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= LONGEST_DETAIL else f"{text[: LONGEST_DETAIL - 3]}..."
