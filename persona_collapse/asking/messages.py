"""What a run says when it stops: which endpoint, which variable, what to do."""

from __future__ import annotations

from pathlib import Path

from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError
from persona_collapse.store.attempts import Attempt

GO_ON = "every answer that arrived is in the store: run the same command again to go on"
THEN_GO_ON = "run the same command again to go on: every answer that arrived is in the store"


class StoppedError(UserError):
    """The endpoint has said that asking is pointless; ``cause`` is its answer's."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


def stopped(attempt: Attempt, settings: Settings) -> StoppedError:
    """Explain an answer after which asking on is pointless."""
    cause, holder = attempt.cause or "", settings.api_key_env
    key = f"the key in {holder}" if holder else "no key (api_key_env: null)"
    said = f"{settings.base_url} answered {cause}: {attempt.detail or 'no reason given'}"
    advice = {
        "http_401": f"it does not accept {key}; check the key, or api_key_env in the study file",
        "http_402": f"the account of {key} has no credit left; add credit",
        "http_403": f"{key} may not use the model {settings.model!r}; check the account's access",
        "http_404": f"it has no model {settings.model!r}, or base_url is not the address of an "
        "OpenAI-compatible API (it often ends in /v1); check both in the study file",
        "insufficient_quota": f"the account of {key} has no credit left, or has reached its own "
        "spending limit; add credit or raise that limit",
    }[cause]
    return StoppedError(f"{said}. {advice[0].upper()}{advice[1:]}; then {THEN_GO_ON}", cause)


def came_to_nothing(attempt: Attempt, settings: Settings, how_long: str) -> UserError:
    """Explain that nothing but failures came for too long."""
    return UserError(
        f"{settings.base_url}, model {settings.model}: no answer for {how_long}; the last failure "
        f"was {attempt.cause}: {attempt.detail or 'no reason given'}. Check that the server is up "
        f"and that it accepts the study's settings; {GO_ON}"
    )


def interrupted(name: str, folder: Path) -> UserError:
    """Tell how to go on after a signal."""
    return UserError(f"stopped by {name}; {GO_ON} ({folder})")


def not_written(fault: OSError, folder: Path) -> UserError:
    """Tell that the store could not take an answer when it came, but could in the end."""
    return UserError(
        f"{folder}: {fault.strerror}: the run stopped asking. Make room on that disk; {GO_ON}"
    )
