"""What a run says when a fine-tune cannot be made: the server's own reason, and what to do."""

from __future__ import annotations

import re

from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.backends.base import RefusedError
from persona_collapse.finetuning.orders import Order

UNSAFE = ("unsafe_file", "moderation", "content_policy", "usage_polic", "unsafe")
RETIRED = re.compile(r"deprecat|retired|no longer|not available|shut ?down|does not exist", re.I)
AGAIN = "run the same command again"


def refused(fault: RefusedError, order: Order, key_name: str | None, doing: str) -> UserError:
    """Explain an answer with which a server declined to do something; nothing was begun."""
    holder = f"the key in {key_name}" if key_name else "no key (api_key_env: null)"
    code, text = fault.code, str(fault)
    said = f"{order.label}: {order.base_url} refused {doing} ({fault.status} {code}): {text}"
    if code == "insufficient_quota" or fault.status == 402:
        advice = (
            f"the account of {holder} has no credit left, or has reached its own spending limit"
        )
        advice += f"; add credit or raise that limit, then {AGAIN}"
    elif _unsafe(code, text):
        advice = _about_moderation(order)
    elif fault.status == 401:
        advice = f"it does not accept {holder}; check the key, or api_key_env in the study file"
    elif fault.status == 403:
        advice = f"{holder} may not do this: it needs the permission for files and fine-tuning "
        advice += "(a restricted key needs both), and the account access to fine-tuning"
    elif _retired(code, text):
        advice = _about_retirement(order)
    elif code == "invalid_file":
        advice = f"the server could not use the uploaded data {order.dataset!r}; mend the file"
    else:
        advice = f"check the study's base_url, base model and recipe, then {AGAIN}"
    return UserError(f"{said}. Nothing was begun and nothing was paid. {_sentence(advice)}")


def untold(fault: RefusedError, order: Order, job: str) -> UserError:
    """Explain an answer with which a server declined to tell of a job that was begun."""
    return UserError(
        f"{order.label}: {order.base_url} refused to tell of the job {job} ({fault.status} "
        f"{fault.code}): {fault}. The job may run on there; mend what the server names, then "
        f"{AGAIN}"
    )


def failed(order: Order, job: str, code: str | None, text: str | None) -> UserError:
    """Explain a job that the server gave up."""
    reason = f"{code or 'failed'}: {text or 'no reason given'}"
    said = f"{order.label}: the fine-tuning job {job} failed: {reason}"
    if _unsafe(code or "", text or ""):
        advice = _about_moderation(order)
    elif _retired(code or "", text or ""):
        advice = _about_retirement(order)
    else:
        advice = "mend what the server names"
    return UserError(f"{said}. {_sentence(advice)}. {_once_more(order)}")


def cancelled(order: Order, job: str) -> UserError:
    """Tell that somebody cancelled the job."""
    return UserError(f"{order.label}: the fine-tuning job {job} was cancelled. {_once_more(order)}")


def left_running(order: Order, job: str | None, name: str) -> UserError:
    """Tell what goes on after a signal."""
    if job is None:
        return UserError(
            f"{order.label}: stopped by {name} before a job was known; {AGAIN}, and what the "
            "server may have begun is looked up first"
        )
    return UserError(
        f"{order.label}: stopped by {name}; the job {job} runs on at the server, and costs what it "
        f"costs. {AGAIN.capitalize()} to take it up, or cancel it: snakemake cancel_finetunes"
    )


def no_word(order: Order, doing: str, last: str, job: str | None) -> UserError:
    """Tell that the server cannot be reached for too long."""
    rest = f"the job {job} runs on there" if job else "what it may have begun is looked up first"
    return UserError(
        f"{order.label}: {order.base_url} gave no answer at {doing}; the last failure was: "
        f"{last}. Check the connection and the server; {rest}: {AGAIN}"
    )


def _once_more(order: Order) -> str:
    return (
        "It is not ordered again by itself, since it may cost money: to order it once more, say "
        f"finetune: {{..., attempt: {{{order.variant}: {order.attempt + 1}}}}} in the study file"
    )


def _about_moderation(order: Order) -> str:
    return (
        f"the service holds the data {order.dataset!r} to break its usage policies; it does not "
        "train on them for this account. Ask it for research access, or train open weights "
        "(docs/finetuning.md)"
    )


def _about_retirement(order: Order) -> str:
    return (
        f"the base model {order.base!r} can no longer be fine-tuned there; choose another base, or "
        "train open weights (docs/finetuning.md)"
    )


def _unsafe(code: str, text: str) -> bool:
    return any(word in code.lower() or word in text.lower() for word in UNSAFE)


def _retired(code: str, text: str) -> bool:
    return code in ("model_not_found", "model_not_available") or bool(RETIRED.search(text))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
