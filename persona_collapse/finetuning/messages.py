"""Error messages for fine-tunes that do not finish: the server's own reason, and what to do."""

import re

from persona_collapse.asking.journal import RefusedError
from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.orders import Order

UNSAFE = ("unsafe_file", "moderation", "content_policy", "usage_polic", "unsafe")
RETIRED = re.compile(r"deprecat|retired|no longer|not available|shut ?down|does not exist", re.I)
AGAIN = "run the same command again"
ABOUT_MODERATION = (
    "the service considers the dataset {order.dataset!r} a violation of its usage policies and "
    "does not train on it for this account. Ask it for research access, or train open weights "
    "(docs/finetuning.md)"
)
ABOUT_RETIREMENT = (
    "the base model {order.base!r} can no longer be fine-tuned there; choose another base, or "
    "train open weights (docs/finetuning.md)"
)


def refused(fault: RefusedError, order: Order, key_name: str | None, action: str) -> UserError:
    """Explain why a server refused an action, such as "the upload"; no job was started."""
    holder = f"the key in {key_name}" if key_name else "no key (api_key_env: null)"
    code, text = fault.code, str(fault)
    reason = f"{order.label}: {order.base_url} refused {action} ({fault.status} {code}): {text}"
    if code == "insufficient_quota" or fault.status == 402:
        advice = (
            f"the account of {holder} has no credit left, or has reached its own spending limit"
            f"; add credit or raise that limit, then {AGAIN}"
        )
    elif _unsafe(code, text):
        advice = ABOUT_MODERATION.format(order=order)
    elif fault.status == 401:
        advice = f"it does not accept {holder}; check the key, or api_key_env in the study file"
    elif fault.status == 403:
        advice = (
            f"{holder} lacks a permission: it needs access to files and to fine-tuning "
            "(a restricted key needs both), and so does its account"
        )
    elif _retired(code, text):
        advice = ABOUT_RETIREMENT.format(order=order)
    elif code == "invalid_file":
        advice = f"the server cannot use the uploaded dataset {order.dataset!r}; fix the file"
    else:
        advice = f"check the study's base_url, base model and recipe, then {AGAIN}"
    return UserError(f"{reason}. No job was started and nothing was paid. {_sentence(advice)}")


def state_refused(fault: RefusedError, order: Order, job: str) -> UserError:
    """Explain that a server refuses to show the state of a job that was started."""
    return UserError(
        f"{order.label}: {order.base_url} refused to show the job {job} ({fault.status} "
        f"{fault.code}): {fault}. The job may still be running there. Fix what the server reports, "
        f"then {AGAIN}"
    )


def failed(order: Order, job: str, code: str | None, text: str | None) -> UserError:
    """Explain that a job failed at the server."""
    reason = f"{code or 'failed'}: {text or 'no reason given'}"
    if _unsafe(code or "", text or ""):
        advice = ABOUT_MODERATION.format(order=order)
    elif _retired(code or "", text or ""):
        advice = ABOUT_RETIREMENT.format(order=order)
    else:
        advice = "fix what the server reports"
    return UserError(
        f"{order.label}: the fine-tuning job {job} failed: {reason}. {_sentence(advice)}. "
        f"{_order_again(order)}"
    )


def cancelled(order: Order, job: str) -> UserError:
    """Report that the job was cancelled."""
    return UserError(
        f"{order.label}: the fine-tuning job {job} was cancelled. {_order_again(order)}"
    )


def left_running(order: Order, job: str | None, signal: str) -> UserError:
    """Report what continues at the server after a signal."""
    if job is None:
        return UserError(
            f"{order.label}: stopped by {signal} before a job was known. The next run first looks "
            f"up what the server may have started: {AGAIN}"
        )
    return UserError(
        f"{order.label}: stopped by {signal}; the job {job} continues at the server and is "
        f"charged. {AGAIN.capitalize()} to follow it, or cancel it: snakemake cancel_finetunes"
    )


def no_response(order: Order, action: str, last: str, job: str | None) -> UserError:
    """Report that the server has not responded for too long."""
    rest = f"The job {job} continues there" if job else "The next run looks up what it has started"
    return UserError(
        f"{order.label}: {order.base_url} did not respond to {action}; the last failure was: "
        f"{last}. Check the connection and the server. {rest}: {AGAIN}"
    )


def _order_again(order: Order) -> str:
    return (
        "It is not ordered again automatically, because that costs money. To order it once more, "
        f"set finetune: {{..., attempt: {{{order.variant}: {order.attempt + 1}}}}} in the study"
    )


def _unsafe(code: str, text: str) -> bool:
    return any(word in code.lower() or word in text.lower() for word in UNSAFE)


def _retired(code: str, text: str) -> bool:
    return code in ("model_not_found", "model_not_available") or bool(RETIRED.search(text))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
