"""Why a run stops asking an endpoint, in words, and what to do about it."""

import re

from persona_collapse.asking.learned import CHOICES, LONE_N
from persona_collapse.asking.reasons import FILTER_WORDS
from persona_collapse.asking.response import in_words, said
from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt

GO_ON = "every answer that arrived is in the store: run the same command again to continue"
THEN_GO_ON = "run the same command again to continue: every answer that arrived is in the store"
# What to do about a reason, by its words.
CHECK = "Check that the server is up and that it accepts the study's settings"
ADVICE = (
    (
        re.compile(r"log_?prob|log.probabilit", re.IGNORECASE),
        "Does it give log-probabilities at all? method: repeats (in sampling or a probe) does "
        "without them",
    ),
    (
        re.compile("|".join([LONE_N.pattern, *map(re.escape, CHOICES)]), re.IGNORECASE),
        "batching: single asks for one reply at a time; extra_body should hold no n",
    ),
    (
        re.compile(r"output limit was reached|higher max_tokens", re.IGNORECASE),
        "Does the model think before it answers? thinking: {max_tokens: 4096}, on the endpoint or "
        "the variant, gives it room",
    ),
    (
        re.compile(r"\b(?:temperature|top_p)\b", re.IGNORECASE),
        "Correct sampling.temperature or sampling.top_p; null leaves them out",
    ),
    (
        FILTER_WORDS,
        "A content filter may refuse all prompts of the study: choose another server or model, or "
        "change the provider's filter",
    ),
)


class StoppedError(UserError):
    """The endpoint refuses all requests until the user acts; ``cause`` is the answer's.

    The message is what happened and what to do about it.
    """

    def __init__(self, happened: str, advice: str, cause: str) -> None:
        super().__init__(f"{happened}. {advice}; then {THEN_GO_ON}")
        self.happened, self.cause = happened, cause


def cached(attempt: Attempt, settings: Settings) -> StoppedError:
    """Explain that a cache answers instead of the model."""
    return StoppedError(
        f"{settings.title}: a cache answers instead of the model: it gave the reply "
        f"{attempt.response_id} again for the same prompt, although the request asked caches not "
        "to answer. Copies are no repetitions, and R would be too high",
        "Switch the cache off at that server or ask the model directly (docs/servers.md)",
        "replay",
    )


def stopped(attempt: Attempt, settings: Settings) -> StoppedError:
    """Explain an answer after which no request will be answered."""
    cause, holder = attempt.cause or "", settings.api_key_env
    key = f"the key in {holder}" if holder else "no key (api_key_env: null)"
    reason = (attempt.detail or "no reason given").rstrip(".")
    happened = f"{settings.base_url} answered {in_words(cause)}: {reason}"
    refused = f"it does not accept {key}; check the key, or api_key_env in the study file"
    advice = {
        "http_401": refused,
        "invalid_api_key": refused,
        "http_402": f"the account of {key} has no credit left; add credit",
        "http_403": f"{key} may not use the model {settings.model!r}; check the account's access",
        "http_404": f"it has no model {settings.model!r}, or base_url is not the address of an "
        "OpenAI-compatible API (it often ends in /v1); check both in the study file",
        "redirect": "redirects are not followed, as the key would go with them; if you trust that "
        "address, set it as base_url",
        "insufficient_quota": f"the account of {key} has no credit left, or has reached its own "
        "spending limit; add credit or raise that limit",
    }[cause]
    return StoppedError(happened, f"{advice[0].upper()}{advice[1:]}", cause)


def no_answer(attempt: Attempt, settings: Settings, how_long: str) -> UserError:
    """Explain that there was no answer for too long, with the key that the reason speaks of."""
    detail = attempt.detail or "no reason given"
    advice = next((text for words, text in ADVICE if words.search(detail)), CHECK)
    last = said(attempt).rstrip(".")
    if attempt.cause == "no_connection":  # which names the address, and concerns all its models
        return UserError(f"{last}; no answer for {how_long}. {advice}; {GO_ON}")
    return UserError(
        f"{settings.title}: no answer for {how_long}; the last failure: {last}. {advice}; {GO_ON}"
    )
