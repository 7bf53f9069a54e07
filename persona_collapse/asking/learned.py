"""What a server allows, learned from its refusals and remembered per endpoint and model.

``<store>/learned/<stream>.json`` holds it beside the answers. A learned value changes how requests
are sent, and no answer's key. Another process may learn at the same time: a file is read again
before it is replaced, and of two values the stricter one stays.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from persona_collapse.asking.reasons import Reason
from persona_collapse.common.files import write_atomically
from persona_collapse.store.files import stream_folder

FOLDER = "learned"
TOKEN_PARAMETERS = ("max_tokens", "max_completion_tokens")
LENGTHS = (*TOKEN_PARAMETERS, "max_output_tokens", "maxOutputTokens", "output tokens")
ALTERNATIVES = ("top_logprobs", "toplogprobs", "alternatives", "logprobs", "log probabilities")
CHOICES = (
    *("completion choice", "number of completions", "number of choices", "candidatecount"),
    *("candidate_count", "multiple completions", "multiple choices", "multiple candidates"),
    *("more than one completion", "num_return_sequences", "'n'", '"n"', "`n`"),
)
NO_LOGPROBS = re.compile(r"\b(?:logprobs|log probabilities)\b")
# Names of models, whose digits and words are no limits: of the request's and a proxy's own.
MODEL_NAMES = re.compile(r"\bmodel(?: group)?(?:\s*=\s*[^\s,;]+|\s+(['\"`])[^'\"`]*\1)")
LONE_N = re.compile(r"(?<![\w\\'])n(?![\w'])")
UNSUPPORTED = re.compile(
    r"unsupported|not\s+(?:\w+\s+)?support|n't\s+support|no support|unknown|unrecogni[sz]ed"
    r"|unexpected|not permitted|not allowed|extra inputs|deprecated|instead",
    re.IGNORECASE,
)
BELOW = re.compile(
    r"(?:less|smaller|lower|fewer) than(?! or equal)|\bbelow\b|\bunder\b|\(exclusive\)"
    r"|(?<![<>=])<(?!=)"
)
ABOVE = re.compile(
    r"(?:greater|larger|more|higher) than(?! or equal)|\babove\b|\bover\b|(?<![<>=])>(?!=)"
)
MINIMUM = re.compile(
    r"minimum|at least|no less|(?:less|smaller|lower|fewer) than|below|between|range"
    r"|too (?:small|low|short)|(?:greater|larger|more|higher) than|above|>|≥|\bmin\b|\[\d+, ?\d+\]"
)
TOO_LONG = re.compile(r"context|exceed|too (?:large|long)")
LONGEST = 4096  # no server wants a longer limit than this for a short reply
SAMPLING = ("temperature", "top_p", "seed")  # of the study; models that think often refuse them
# How servers say that a parameter is not taken at all, or at the default alone.
NOT_TAKEN = re.compile(
    rf"{UNSUPPORTED.pattern}|only (?:the )?default|only be (?:set to )?(?:1\b|the default|unset)"
    r"|must (?:be|equal) (?:set to )?1(?:\.0)?\b(?! and)|(?:cannot|can't|can not) be (?:set|used|"
    r"specified|changed|modified)|not (?:available|applicable|compatible)|incompatible|is fixed"
    r"|be unset|or unset|only [\d.]+ is (?:allowed|supported)|no longer",
    re.IGNORECASE,
)
# Another value is wanted, or one of two parameters.
ANOTHER_VALUE = re.compile(
    r"between|range|positive|non-?negative|\bboth\b|one of|greater than|less than|at (?:least|most)"
    r"|[<>≤≥]"
)
# Neutral values of parameters that a server without them refuses: it has no such default either.
OMITTABLE = ("top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")


@dataclass(frozen=True)
class Allowed:
    """What one endpoint allows one model; None where nothing was learned.

    ``token_parameter`` is its name of the length limit, ``smallest_tokens`` the smallest limit,
    ``top_logprobs`` the most alternatives, ``max_n`` the most choices of a request, ``left_out``
    the parameters that it refuses. ``uncached``: requests ask its cache not to answer.
    """

    token_parameter: str | None = None
    smallest_tokens: int | None = None
    top_logprobs: int | None = None
    max_n: int | None = None
    left_out: tuple[str, ...] = ()
    uncached: bool = False
    cache_field: bool = True

    def stricter_than(self, other: "Allowed") -> bool:
        """Return whether this says something that ``other`` does not."""
        return other.and_also(self) != other

    def without(self, names: Collection[str]) -> "Allowed":
        """Return this less some of its fields, which the study sets itself."""
        return replace(self, **{name: getattr(Allowed(), name) for name in names})

    def said(self, base_url: str, model: str, reason: str | None) -> str:
        """Return what was learned as a message that names the endpoint's key."""
        lessons = []
        if self.token_parameter:
            lessons.append(
                f"takes the length limit as {self.token_parameter} (token_limit_parameter: "
                f"{self.token_parameter} sets it)"
            )
        if self.smallest_tokens:
            lessons.append(
                f"takes no length limit below {self.smallest_tokens} tokens (reply_tokens: "
                f"{self.smallest_tokens} sets it)"
            )
        if self.top_logprobs:
            lessons.append(
                f"gives at most {self.top_logprobs} alternatives (top_logprobs: "
                f"{self.top_logprobs} sets it)"
            )
        if self.max_n:
            key = "batching: single" if self.max_n == 1 else f"max_n: {self.max_n}"
            most = "one reply" if self.max_n == 1 else f"{self.max_n} replies"
            lessons.append(f"gives at most {most} to a request ({key} sets it)")
        lessons += [f"takes no {name}: it is left out" for name in self.left_out]
        if not self.cache_field:
            lessons.append("takes no field 'cache': caches are switched off by headers alone")
        return (
            f"{base_url}, model {model}: {'; '.join(lessons)}. Requests are sent so from now on. "
            f"The server said: {reason or 'nothing'}"
        )

    def and_also(self, other: "Allowed") -> "Allowed":
        """Return what both allow."""
        return Allowed(
            token_parameter=other.token_parameter or self.token_parameter,
            smallest_tokens=_strictest(max, self.smallest_tokens, other.smallest_tokens),
            top_logprobs=_strictest(min, self.top_logprobs, other.top_logprobs),
            max_n=_strictest(min, self.max_n, other.max_n),
            left_out=tuple(sorted({*self.left_out, *other.left_out})),
            uncached=self.uncached or other.uncached,
            cache_field=self.cache_field and other.cache_field,
        )


def learned_file(store: Path, stream: dict[str, Any]) -> Path:
    """Return the file that remembers what an endpoint allows a model."""
    return store / FOLDER / f"{stream_folder(store, stream).name}.json"


def read_allowed(path: Path) -> Allowed:
    """Return what a file remembers; nothing where it does not exist or cannot be read."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        document = json.loads(path.read_text(encoding="utf-8"))
        known = {part.name for part in fields(Allowed)}
        found = {name: value for name, value in document.items() if name in known}
        return Allowed(**{**found, "left_out": tuple(found.get("left_out", ()))})
    return Allowed()


def remember(path: Path, learned: Allowed) -> None:
    """Add to what a file remembers; a disk that cannot be written only costs learning it again."""
    with suppress(OSError):
        merged = read_allowed(path).and_also(learned)
        given = {
            name: value
            for name, value in asdict(merged).items()
            if value != getattr(Allowed(), name)
        }
        write_atomically(path, f"{json.dumps(given, indent=1)}\n".encode())


def lesson(sent: Mapping[str, Any], reason: Reason) -> Allowed | None:
    """Return what a refusal of the request ``sent`` (its JSON) says that the server allows.

    None where it speaks of no limit, or of one that no other value can satisfy.
    """
    text = _without_models(reason.text.lower(), str(sent.get("model", "")).lower())
    named = {name.lower() for name in reason.parameters}
    words = set(re.findall(r"\w+", text))
    length = next((name for name in TOKEN_PARAMETERS if name in sent), None)
    if length is not None and _speaks_of(LENGTHS, text, named):
        found = _length(sent[length], length, text)
        if found is not None:
            return found
    if "top_logprobs" in sent and _speaks_of(ALTERNATIVES, text, named):
        if UNSUPPORTED.search(text) and NO_LOGPROBS.search(text):
            return None  # no log-probabilities at all
        most = _fewer(int(sent["top_logprobs"]), text)
        return None if most is None else Allowed(top_logprobs=most)
    if "n" in sent and ("n" in named or _speaks_of(CHOICES, text, named) or LONE_N.search(text)):
        return Allowed(max_n=_fewer(int(sent["n"]), text) or 1)
    for name in SAMPLING:
        if name in sent and name in (*named, *words) and _is_not_taken(name, sent, text):
            return Allowed(left_out=(name,))
    for name in OMITTABLE:
        if name in sent and (name in named or name in text):
            return Allowed(left_out=(name,))
    if "cache" in sent and ("cache" in named or "cache" in text):
        return Allowed(cache_field=False)
    return None


def _without_models(text: str, model: str) -> str:
    """Return a refusal without the names of models in it."""
    if model:
        text = re.sub(rf"(?<![\w./-]){re.escape(model)}(?![\w/-])", "", text)
    return MODEL_NAMES.sub("model", text)


def _is_not_taken(name: str, sent: Mapping[str, Any], text: str) -> bool:
    """Return whether a refusal says that the server takes no value of a sampling parameter.

    Log-probabilities are those at T = 1, so they are not asked for without it.
    """
    if "logprobs" in sent or not NOT_TAKEN.search(text):
        return False
    return not ANOTHER_VALUE.search(text) or "unset" in text or "default" in text


def _length(sent: int, name: str, text: str) -> Allowed | None:
    """Read a refused length limit: another name for it, or a larger value."""
    larger = [value for value in _numbers(text) if sent < value <= LONGEST]
    other = TOKEN_PARAMETERS[1 - TOKEN_PARAMETERS.index(name)]
    too_small = MINIMUM.search(text) and not TOO_LONG.search(text)
    if (other in text and name in text) or (
        UNSUPPORTED.search(text) and not (too_small and larger)
    ):
        return Allowed(token_parameter=other)
    if not too_small:
        return None
    # Without a number in the refusal, the next power of two.
    smallest = min(larger) + bool(ABOVE.search(text)) if larger else 2 * sent
    return Allowed(smallest_tokens=smallest) if smallest <= LONGEST else None


def _fewer(sent: int, text: str) -> int | None:
    """Return the largest number below ``sent`` that a refusal allows, None where it allows none.

    Where it names no number, half of it.
    """
    below = bool(BELOW.search(text))
    values = _numbers(text)
    values = [value for value in values if value != sent] or values  # the value sent is quoted, too
    allowed = [value - below for value in values if 1 <= value - below < sent]
    if allowed:
        return max(allowed)
    return None if UNSUPPORTED.search(text) else sent // 2 or None


def _numbers(text: str) -> list[int]:
    words = {"one": 1, "single": 1}
    digits = [int(found) for found in re.findall(r"(?<![\w.])\d{1,6}(?![\w.]*\d)", text)]
    return digits + [value for word, value in words.items() if re.search(rf"\b{word}\b", text)]


def _speaks_of(names: tuple[str, ...], text: str, named: set[str]) -> bool:
    return any(name.lower() in text or name.lower() in named for name in names)


def _strictest(choose: Callable[..., int | None], *values: int | None) -> int | None:
    return choose((value for value in values if value is not None), default=None)
