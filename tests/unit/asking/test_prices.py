"""Prices and token counts are those of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_collapse.asking.prices import (
    Price,
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


def test_batch_costs_half_and_training_its_own_price() -> None:
    price = Price("*", "*", prompt=2, completion=6, training=3)
    assert price.cost(1e6, 5e5) == pytest.approx(5.0)
    assert price.in_batch().cost(1e6, 5e5) == pytest.approx(2.5)
    assert (price.training_cost(2e6), price.in_batch().training) == (6.0, None)
    assert Price("*", "*", prompt=2, completion=6).training_cost(2e6) == 0.0


def test_first_entry_that_matches_host_and_model_is_the_price(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    head = 'as_of: "2026-01-01"\nsource: table\nunit: USD per million tokens\nmodels:\n'
    rows = [
        '{host: "a.test", model: "m", prompt: 1, completion: 1, as_of: "2026-02-02"}',
        '{host: "*.test", model: "m*", prompt: 2, completion: 2, source: its own}',
        '{host: "*", model: "M", prompt: 3, completion: 3}',
    ]
    path.write_text(head + "".join(f"- {row}\n" for row in rows))

    def found(url: str, model: str) -> tuple[float, str | None, str | None] | None:
        price = find_price(path, url, model)
        return price and (price.prompt, price.as_of, price.source)

    assert found("https://a.test/v1", "m") == (1, "2026-02-02", "table")
    assert found("https://A.test:8000/v1", "mm") == (2, "2026-01-01", "its own")
    assert found("https://b.test/v1", "M") == (3, "2026-01-01", "table")
    assert found("https://b.test/v1", "n") is None


@pytest.mark.parametrize(("length", "tokens"), [(0, 0), (1, 1), (9, 2), (10, 3), (45, 10)])
def test_started_tokens_are_counted(
    length: int, tokens: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert token_counter("m")[0]("x" * length) == tokens
    message = {"role": "user", "content": "x" * length}
    assert prompt_tokens([message]) == tokens + 7
    assert prompt_tokens([message] * 2) == 2 * (tokens + 4) + 3
    assert most_prompt_tokens([message]) == length // 3 + 8
