"""Prices and token counts are those of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_collapse.asking.prices import (
    find_price,
    most_prompt_tokens,
    prompt_tokens,
    token_counter,
)

PRICES = Path("resources/prices.yaml")
OPENAI = "https://api.openai.com/v1"


def test_prices_match_the_paper() -> None:
    base = find_price(PRICES, OPENAI, "gpt-4o-2024-08-06")
    tuned = find_price(PRICES, OPENAI, "ft:gpt-4.1-2025-04-14:org::id")
    assert base is not None
    assert tuned is not None
    assert base.cost(1e6, 1e6) == pytest.approx(12.5)
    assert (tuned.prompt, tuned.completion) == (3.0, 12.0)
    assert base.as_of
    assert base.source
    assert find_price(PRICES, OPENAI, "no-such-model") is None
    assert find_price(PRICES, "https://elsewhere.org/v1", "gpt-4o-2024-08-06") is None
    local = find_price(PRICES, "http://localhost:8000/v1", "anything")
    assert local is not None
    assert local.cost(1e9, 1e9) == 0


def test_token_estimate_is_below_upper_bound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    count, how = token_counter("gpt-4o-2024-08-06")
    assert "4.5 characters" in how
    messages = [{"role": "user", "content": "x" * 684}]
    # 3,000 prompts of 684 characters are about 0.43 M tokens (arXiv 2605.12850).
    assert 0.40e6 < 3000 * prompt_tokens(messages, count) < 0.50e6
    assert most_prompt_tokens(messages) > prompt_tokens(messages, count)
    assert most_prompt_tokens([{"role": "user", "content": "\u6c49" * 90}]) >= 90
