"""Read HTTP responses: replies, errors in their various forms, and what to do about them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from persona_collapse.store.attempts import Alternatives, Choice

# What the engine does next.
ANSWERED = "answered"
RETRY = "retry"  # send the same request again after a wait
THROTTLED = "throttled"  # retry, and lower the concurrency
REJECTED = "rejected"  # this request will never be answered; others may be
STOP = "stop"  # no request will be answered until the user acts

# Verdicts by HTTP status; others from 500 on are retried, the rest are rejected.
VERDICTS = {
    **dict.fromkeys((401, 402, 403, 404), STOP),
    **dict.fromkeys((408, 429, 503, 504, 529), THROTTLED),
    **dict.fromkeys((409, 425), RETRY),
}
OUT_OF_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_credits")
LONGEST_DETAIL = 300
# Fields of a message that hold thoughts: DeepSeek, vLLM and others; OpenRouter, Ollama; Anthropic.
THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thoughts", "reasoning_details")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer to one request, or the kind of its failure.

    ``about`` holds what else the server says of its answer, by the names of ``Attempt``.
    """

    verdict: str
    cause: str | None = None
    detail: str | None = None
    choices: tuple[Choice, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)


def read_reply(status: int, content: bytes, n: int) -> Reply:
    """Read a response to a request for ``n`` choices; no response raises an error."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if status >= 300:
        return _error(status, body, content, n)
    if not isinstance(body, dict):
        return Reply(RETRY, "not_json", _short(content))
    if body.get("error") and not body.get("choices"):
        # Routers report a provider's failure inside a 200; the error's code is the status.
        code = body["error"].get("code") if isinstance(body["error"], dict) else None
        return _error(code if isinstance(code, int) else 502, body, content, n)
    found = body.get("choices")
    choices = tuple(_choice(entry) for entry in found) if isinstance(found, list) else ()
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
        return Reply(ANSWERED, choices=choices, about=about)
    return Reply(RETRY, "no_choices", _short(content), about=about)


def _error(status: int, body: Any, content: bytes, n: int) -> Reply:
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {"message": error}
    code = str(error.get("code") or error.get("type") or "")
    detail = _short(str(error["message"]) if error.get("message") else content)
    if status == 400 and code == "content_filter":
        # The prompt itself was filtered: an answer, not a failed request.
        return Reply(ANSWERED, choices=tuple(Choice(i, None, code, None) for i in range(n)))
    if any(word in (code, str(error.get("type"))) for word in OUT_OF_MONEY):
        return Reply(STOP, "insufficient_quota", detail)
    verdict = VERDICTS.get(status, RETRY if status >= 500 else REJECTED)
    return Reply(verdict, f"http_{status}", detail)


def _choice(entry: Any) -> Choice:
    """Read one choice; anything else counts as a choice that ended in an error."""
    if not isinstance(entry, dict) or not isinstance(entry.get("message"), dict):
        return Choice(None, None, "error")
    message = entry["message"]
    content = message.get("content")
    thoughts = [_plain_text(message.get(name)) for name in THOUGHTS]
    if isinstance(content, list):  # some servers send parts
        parts = [part for part in content if isinstance(part, dict)]
        thoughts += [_plain_text(part) for part in parts if _is_thought(part)]
        content = "".join(_plain_text(part) for part in parts if not _is_thought(part))
    return Choice(
        _integer(entry.get("index")),
        _text(content),
        _text(entry.get("finish_reason")),
        _text(message.get("refusal")),
        _first_token(entry.get("logprobs")),
        _text(next((thought for thought in thoughts if thought.strip()), None)),
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
    prompt, completion = (
        _integer(usage.get(f"{part}_tokens")) for part in ("prompt", "completion")
    )
    total, details = _integer(usage.get("total_tokens")), usage.get("completion_tokens_details")
    thought = _integer(details.get("reasoning_tokens")) if isinstance(details, dict) else None
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
    return float(value) if isinstance(value, int | float) and value == value else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    # JSON can encode half a character ("\\ud83d"), which UTF-8 cannot.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _short(text: str | bytes) -> str:
    if isinstance(text, bytes):
        text = text[: 4 * LONGEST_DETAIL].decode("utf-8", "replace")
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= LONGEST_DETAIL else f"{text[: LONGEST_DETAIL - 3]}..."
