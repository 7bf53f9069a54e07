"""What a request says to a server so that a model thinks before it answers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

TRIES = 3  # replies of a slot whose thoughts lead to no rating; each may cost thousands of tokens
TIMEOUT_S = 600.0
# The share of the length limit that thoughts may take, for Anthropic, which wants a number. The
# shares are OpenRouter's.
BUDGETS = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95}
SMALLEST_BUDGET = 1024  # that Anthropic takes


def requested(thinking: Mapping[str, Any] | None, base_url: str) -> dict[str, Any]:
    """Return the fields of a request that ask for thoughts, as the server of the address wants.

    Without an ``effort`` it is the model's own, and only Anthropic must be asked at all.
    """
    if thinking is None:
        return {}
    effort, host = thinking.get("effort"), urlsplit(base_url).hostname or ""
    if host.endswith("anthropic.com"):
        budget = int(BUDGETS.get(effort or "medium", BUDGETS["medium"]) * thinking["max_tokens"])
        return {"thinking": {"type": "enabled", "budget_tokens": max(budget, SMALLEST_BUDGET)}}
    if effort is None:
        return {}
    if host.endswith("openrouter.ai"):
        return {"reasoning": {"effort": effort}}
    return {"reasoning_effort": effort}
