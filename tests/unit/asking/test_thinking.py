"""How a request asks for thoughts, by the server that gets it."""

from __future__ import annotations

from typing import Any

import pytest

from persona_collapse.asking.thinking import requested

ANTHROPIC, ROUTER = "https://api.anthropic.com/v1", "https://openrouter.ai/api/v1"
OTHER = "https://a.test/v1"


@pytest.mark.parametrize(
    ("thinking", "tokens"),
    [
        ({"max_tokens": 10_000}, 5_000),
        ({"max_tokens": 20_000, "effort": "minimal"}, 2_000),
        ({"max_tokens": 10_000, "effort": "low"}, 2_000),
        ({"max_tokens": 10_000, "effort": "medium"}, 5_000),
        ({"max_tokens": 10_000, "effort": "high"}, 8_000),
        ({"max_tokens": 10_000, "effort": "xhigh"}, 9_500),
        ({"max_tokens": 10_000, "effort": "another"}, 5_000),
        ({"max_tokens": 2_049}, 1_024),
        ({"max_tokens": 2_050}, 1_025),
        ({"max_tokens": 100}, 1_024),
    ],
)
def test_anthropic_gets_a_share_of_the_limit_and_no_less_than_it_takes(
    thinking: dict[str, Any], tokens: int
) -> None:
    assert requested(thinking, ANTHROPIC) == {
        "thinking": {"type": "enabled", "budget_tokens": tokens}
    }


def test_other_servers_get_the_effort_where_there_is_one() -> None:
    assert requested({"max_tokens": 9, "effort": "low"}, OTHER) == {"reasoning_effort": "low"}
    assert requested({"max_tokens": 9, "effort": "low"}, ROUTER) == {"reasoning": {"effort": "low"}}
    for url in (OTHER, ROUTER):
        assert requested({"max_tokens": 9, "effort": None}, url) == {}
    for url in (OTHER, ROUTER, ANTHROPIC):
        assert requested(None, url) == {}
