"""What the requests of a preflight showed, in words: what must be mended, what is to be judged."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from persona_collapse.asking.keys import find_key, redacted
from persona_collapse.asking.listing import missing
from persona_collapse.asking.logprobs import LEADING_SPACE
from persona_collapse.asking.response import said
from persona_collapse.asking.settings import Settings
from persona_collapse.asking.thoughts import part
from persona_collapse.commands.probes import N, Tried, ratings, texts
from persona_collapse.materials.instruments import Scale
from persona_collapse.store.attempts import Attempt

SOON_DAYS = 60
# Fingerprints that name the server's software, not the model: llama.cpp, Ollama, vLLM, mlx-lm.
SOFTWARE = re.compile(r"^(?:b\d+-|fp_ollama|vllm|sglang|mlx|\d+\.\d+)")
# The first token of thoughts, and OpenAI's refusal where they take the whole length limit.
THOUGHTS_BEGIN = re.compile(
    r"\s*(?:<\|?(?:channel|think|thought|reason)|\[THINK|◁think|analysis\b)"
)
THOUGHTS_CUT = re.compile(r"max_tokens or model output limit was reached|reasoning", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """A finding about one variant; ``fatal`` ones make the study's numbers meaningless.

    ``same_model``: another variant is answered by the same model.
    """

    model: str
    variant: str | None
    fatal: bool
    text: str
    same_model: bool = False


def findings_of(tried: Tried) -> list[Finding]:
    """Return what is wrong with one variant."""
    canary, found = tried.canary, list[tuple[bool, str]]()
    row, attempts, settings = tried.row, tried.attempts, canary.settings
    if tried.unasked:
        return [Finding(canary.model, canary.variant, True, tried.unasked)]
    key = find_key(settings.api_key_env, settings.base_url)
    first = attempts[0]
    if first.cause is not None:
        text = redacted(said(first), key).rstrip(".")
        if THOUGHTS_CUT.search(text) and not settings.thinking:
            return [Finding(canary.model, canary.variant, True, f"{_thinks(settings)}: {text}")]
        place = f"models.{canary.model}.variants.{canary.variant}.model"
        if first.cause == "connection_lost" and settings.base_url.startswith("http://"):
            text += "; does that port expect https://?"
        if advice := missing(settings.base_url, settings.model, key, place, text):
            text += f". {advice}"
        return [Finding(canary.model, canary.variant, True, f"does not answer: {text}")]
    found += _thinking(tried, settings, canary.scale)
    if first.left_out:
        text = f"the server takes no {first.left_out}: it is left out, and answers are given at the"
        advice = "(temperature: null asks for that on purpose)"
        found.append((False, f"{text} server's own, which is another study {advice}"))
    if row["listed"] is False:
        found.append((False, f"{settings.model} answers but is not in the server's list of models"))
    if row["shutdown_date"]:
        found.append(shutdown(row["shutdown_date"]))
    if row["choices_of_10"] is not None and row["choices_of_10"] < N:
        text = f"gave {row['choices_of_10']} of {N} choices: the others need more requests"
        found.append((False, f"{text}; set batching: single to send single requests"))
    if row["independent"] == "no":
        text = "the choices of one request are not distributed like single replies"
        found.append((True, f"{text}: use batching: single"))
    if settings.logprobs and row["logprobs"] != "usable":
        text = f"method: logprobs cannot be used: {row['logprobs']}"
        found.append((True, f"{text}; use method: repeats"))
    elif settings.logprobs and (absent := _absent(attempts[0], canary.scale)):
        text = f"the ratings {', '.join(map(str, absent))} are not among the alternatives"
        found.append((False, f"{text}: each counts with the smallest probability among them"))
    if tried.replayed == "always":
        text = "a cache answers instead of the model, also when asked not to: copies are no"
        found.append((True, f"{text} repetitions; switch it off at the server (docs/servers.md)"))
    elif tried.replayed:
        text = "a cache gave a reply again; it does not where requests ask it not to, and the run"
        found.append((False, f"{text} sends them so"))
    if tried.listed.owner and not settings.sampling_defaults:
        left = "takes what a request leaves out (top_p, top_k, repetition_penalty)"
        text = f"{tried.listed.owner} {left}"
        advice = "where variants' files may differ, set sampling_defaults: neutral"
        found.append((False, f"{text} from the model's generation_config.json: {advice}"))
    if any((a.completion_tokens or 0) > 2 * len(a.repetitions) * tried.tokens for a in attempts):
        text = f"{row['token_parameter']} is ignored: replies are longer than one token"
        found.append((False, text))
    served = sorted({a.served_model for a in attempts if a.served_model})
    if len(served) > 1:
        found.append((False, f"served by several models: {', '.join(served)}"))
    return [Finding(canary.model, canary.variant, fatal, text) for fatal, text in found]


def thinks(tried: Tried) -> bool:
    """Return whether replies show that the model thinks before it answers."""
    attempts = [*tried.attempts, *([tried.longer] if tried.longer else [])]
    return any(True for attempt in attempts for _ in _signs(attempt))


def _thinking(tried: Tried, settings: Settings, scale: Scale) -> list[tuple[bool, str]]:
    """Return findings on a model that thinks, or that should."""
    attempts = [*tried.attempts, *([tried.longer] if tried.longer else [])]
    signs = sorted({sign for attempt in attempts for sign in _signs(attempt)})
    readable = ratings(tried.attempts, scale)
    if settings.thinking:
        if not readable:
            most = settings.thinking["max_tokens"]
            said = next((text for text in texts(attempts) if text.strip()), "nothing")
            text = f"no reply of up to {most} tokens holds a rating; the first says {said[-80:]!r}"
            return [(True, f"{text}: raise thinking.max_tokens, or lower thinking.effort")]
        return [] if signs else [(False, "shows no thoughts, although the study has thinking")]
    if signs:
        text = f"{_thinks(settings)} ({', '.join(signs)})"
        return [(not readable, text)]
    if not readable and not settings.logprobs:
        said = next((text for text in texts(attempts) if text.strip()), "")
        return [(False, f"no reply holds a rating; the first says {said[:80]!r}")]
    return []


def _thinks(settings: Settings) -> str:
    method = " and method: repeats" if settings.logprobs else ""
    return (
        "thinks before it answers, so that a short reply holds no rating: set thinking: "
        f"{{max_tokens: 4096}}{method} on the endpoint or the variant, or switch its thinking off "
        "in extra_body (docs/reading.md)"
    )


def _signs(attempt: Attempt) -> Iterator[str]:
    """Yield the signs of thoughts in a reply."""
    if attempt.reasoning_tokens:
        yield "its usage counts tokens of thought"
    for choice in attempt.replies().values():
        text = choice.text or ""
        if choice.thoughts:
            yield "thoughts beside the reply"
        if part(text).has_thoughts or THOUGHTS_BEGIN.match(text):
            yield "thoughts in the reply"
        if not text and not choice.refusal and choice.finish == "length":
            yield "an empty reply that took all its tokens"


def _absent(attempt: Attempt, scale: Scale) -> list[int]:
    """Return the ratings that are not among the alternatives of a usable reply."""
    choice = next(iter(attempt.replies().values()))
    tokens = {token.lstrip(LEADING_SPACE) for token, _ in choice.alternatives or ()}
    return [rating for rating in scale.ratings if str(rating) not in tokens]


def shutdown(day: str) -> tuple[bool, str]:
    """Return a finding on a model's shutdown date, fatal if it is past."""
    try:
        left = (date.fromisoformat(day[:10]) - datetime.now(UTC).date()).days
    except ValueError:
        return False, f"the server gives an invalid shutdown date: {day}"
    when = f"is shut down on {day[:10]}, in {left} days" if left >= 0 else f"ended on {day[:10]}"
    return left < 0, when if left < SOON_DAYS else f"will be shut down on {day[:10]}"


def mixed_backends(
    backends: Mapping[tuple[str, str], str], baseline: str, allowed: bool
) -> list[Finding]:
    """Find fine-tunes served by another backend than their baseline; keys are (model, variant)."""
    findings = []
    for (model, variant), backend in backends.items():
        base = backends.get((model, baseline))
        if base is not None and base != backend:
            advice = "every table and figure will say so"
            if not allowed:
                advice = "serve both by one backend, or set allow_mixed_backends: true in the study"
            text = f"answered by {backend}, but {baseline} by {base}: the contrast is confounded"
            findings.append(Finding(model, variant, not allowed, f"{text}; {advice}"))
    return findings


def one_model_for_several(tried: Sequence[Tried]) -> list[Finding]:
    """Find variants that one model answers, although the study names several.

    A server with one model loaded answers to every name. It shows in the name of the served model,
    or in the fingerprint where that is no mark of the server's software and log-probabilities do
    not differ. On one address it is fatal.
    """
    findings = []
    for place, one in enumerate(tried):
        for other in tried[:place]:
            row, first = one.row, other.row
            same_place = row["base_url"] == first["base_url"]
            if row["requested_model"] == first["requested_model"]:
                continue
            served = row["served_model"]
            by_name = served is not None and served == first["served_model"]
            if not by_name and not (same_place and _same_fingerprint(one, other)):
                continue
            mark = served if by_name else f"fingerprint {row['system_fingerprint']}"
            text = (
                f"{row['requested_model']} and {first['requested_model']} (of {first['model']} "
                f"{first['variant']}) are answered by the same model ({mark}): a contrast would "
                "compare it with itself; load the other model, or correct the key 'model'"
            )
            finding = Finding(row["model"], row["variant"], same_place, text, same_model=True)
            findings.append(finding)
    return findings


def _same_fingerprint(one: Tried, other: Tried) -> bool:
    mark = one.row["system_fingerprint"]
    if mark is None or mark != other.row["system_fingerprint"] or SOFTWARE.search(mark):
        return False
    alternatives = [
        [choice.alternatives for choice in tried.measured.replies().values()]
        for tried in (one, other)
        if tried.measured
    ]
    return alternatives[0] == alternatives[1] or not all(
        found and found[0] for found in alternatives
    )
