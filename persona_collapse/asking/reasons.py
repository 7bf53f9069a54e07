"""Why a server did not answer: its reason, found in bodies of many shapes, and what it speaks of.

Routers put a provider's reason into ``error.metadata.raw`` or into JSON within a text, frameworks
into ``detail``, proxies into plain text or HTML. Content filters have no common code: each provider
has words of its own.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

# Where messages stand, outermost first.
MESSAGES = (
    *("message", "msg", "error", "errors", "detail", "details", "error_description", "reason"),
    *("metadata", "raw", "innererror", "inner_error", "body", "promptFeedback", "prompt_feedback"),
    *("blockReasonMessage", "block_reason_message", "base_resp", "status_msg"),
)
BLOCKED = ("blockReason", "block_reason")  # Gemini's: whatever the reason, a filter blocked it
CODES = ("code", "type", "status", *BLOCKED)
DEEPEST = 8
# Phrases that say nothing where another message follows.
EMPTY = ("provider returned error", "bad request", "error", "upstream error", "unknown error")

# Values of finish_reason by which servers say that a filter ended or emptied the reply: OpenAI and
# Azure, Gemini and Vertex AI, Anthropic, Bedrock, Cohere, Zhipu, and routers before them.
FILTER_FINISHES = {
    *("content_filter", "contentfilter", "content_filtered", "filter", "filtered", "safety"),
    *("prohibited_content", "blocklist", "recitation", "spii", "image_safety", "model_armor"),
    *("image_prohibited_content", "image_recitation", "sensitive", "refusal", "error_toxic"),
    *("guardrail_intervened", "guardrail", "guardrails", "toxic", "moderation", "moderated"),
    *("content_moderation", "content_policy", "content_policy_violation", "policy_violation"),
    *("policy", "blocked", "risk", "unsafe", "censored"),
}
# Codes that only filters use.
FILTER_CODES = {
    *("content_filter", "contentfilter", "content_policy_violation", "prohibited_content"),
    *("contentpolicyviolationerror", "responsibleaipolicyviolation", "data_inspection_failed"),
    *("datainspectionfailed", "moderation_blocked", "content_moderation", "safety", "blocklist"),
}
FILTER_WORDS = re.compile(
    r"content[\s_-]*(?:filter|polic|management|moderation|safety|check|security|violation|risk"
    r"|inspection|exists|restriction|censor)|responsible\s?ai|data[\s_-]*inspection|inappropriate"
    r"|moderat(?:ion|ed)|\bflagged|guardrail|safety|unsafe|(?<!case.)sensitive|prohibited"
    r"|usage polic|polic\w+ violat|violat\w+.{0,60}(?:polic|terms|guideline)|acceptable use|harmful"
    r"|offensive|toxic|nsfw|censor|disallowed|high[\s-]risk|block(?:ed|s)?[\s_-]*(?:by|reason|due|list)"
    r"|block(?:ed)? (?:prompt|content|input)|敏感|违规|违法|不安全|安全|风险|审核|不当",
    re.IGNORECASE,
)
# What speaks of a request's form or a setting, and so of no prompt in particular.
SETTING_WORDS = re.compile(
    r"context (?:length|window|size)|too (?:long|large|many|short)|exceed|unsupported"
    r"|(?:not|n't) support|unknown (?:field|param|argument|model)|unrecogni[sz]ed|extra inputs"
    r"|not permitted|is required|field required|missing|invalid (?:value|type|param|argument|model)"
    r"|out of range|must be|should be|greater than|less than|at (?:most|least)|minimum|maximum"
    r"|log_?prob|max_\w*tokens",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reason:
    """A server's reason: its text, the codes beside it, and the parameters that it names."""

    text: str
    codes: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    @property
    def is_filter(self) -> bool:
        """Whether a code says beyond doubt that a content filter refused the prompt."""
        return any(_plain(code) in FILTER_CODES for code in self.codes)

    @property
    def speaks_of_filter(self) -> bool:
        """Whether the words are those of a content filter."""
        return bool(FILTER_WORDS.search(" ".join((self.text, *self.codes))))

    @property
    def speaks_of_setting(self) -> bool:
        """Whether the words are about the form of the request or one of its settings."""
        return bool(self.parameters) or bool(SETTING_WORDS.search(self.text))


def reason_of(body: Any, content: bytes) -> Reason:
    """Return the reason in a response; ``body`` is its JSON, None where it is none."""
    if body is None:
        return Reason(_without_markup(content.decode("utf-8", "replace")))
    said: list[str] = []
    codes: list[str] = []
    parameters: list[str] = []
    _collect(body, said, codes, parameters, 0)
    texts = list(dict.fromkeys(" ".join(text.split()) for text in said if text.strip()))
    telling = [text for text in texts if text.rstrip(".:").lower() not in EMPTY]
    # A message repeated inside a longer one is said once.
    whole = [text for text in telling if not any(text != o and text in o for o in telling)]
    text = ": ".join(whole or texts) or content.decode("utf-8", "replace")
    return Reason(text, tuple(dict.fromkeys(codes)), tuple(dict.fromkeys(parameters)))


def _collect(
    value: Any, said: list[str], codes: list[str], parameters: list[str], depth: int
) -> None:
    """Append the messages, codes and parameters in a part of a body."""
    if depth > DEEPEST:
        return
    if isinstance(value, str):
        inner = _json_in(value)
        if inner is None:
            said.append(value)
        else:
            _collect(inner, said, codes, parameters, depth + 1)
    elif isinstance(value, list):
        for entry in value:
            _collect(entry, said, codes, parameters, depth + 1)
    elif isinstance(value, dict):
        codes += [str(value[name]) for name in CODES if isinstance(value.get(name), str | int)]
        codes += ["blocklist" for name in BLOCKED if value.get(name)]
        if isinstance(value.get("param"), str):
            parameters.append(value["param"])
        place = value.get("loc")  # of pydantic: ["body", "max_tokens"]
        if isinstance(place, list) and place and isinstance(value.get("msg"), str):
            parameters.append(str(place[-1]))
            said.append(f"{place[-1]}: {value['msg']}")
            return
        for name in MESSAGES:
            if value.get(name):
                _collect(value[name], said, codes, parameters, depth + 1)


def _json_in(text: str) -> Any:
    """Return the JSON object or list that a text is, None where it is none."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _without_markup(text: str) -> str:
    if not text.lstrip().startswith("<"):
        return text
    return re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", text)


def is_filter_finish(finish: str | None) -> bool:
    """Return whether a finish_reason says that a content filter took the reply."""
    words = [_plain(word) for word in re.split(r"[.:]", finish or "")]
    return any(word.removeprefix("finish_reason_") in FILTER_FINISHES for word in words)


def _plain(word: str) -> str:
    return re.sub(r"[\s-]+", "_", word.strip().lower())
