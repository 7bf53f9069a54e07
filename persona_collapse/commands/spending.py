"""What a preflight has spent: its requests, tokens and dollars."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from persona_collapse.asking.prices import find_price
from persona_collapse.asking.settings import Settings
from persona_collapse.store.attempts import Attempt


@dataclass
class Spending:
    """Sums over requests; ``usd`` is None where a model has no price."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0

    def add(self, attempts: Iterable[Attempt], settings: Settings, in_batch: bool = False) -> None:
        """Add requests that were sent with these settings."""
        price = find_price(Path(settings.prices), settings.base_url, settings.model)
        price = price.in_batch() if price and in_batch else price
        for attempt in attempts:
            tokens = (attempt.prompt_tokens or 0, attempt.completion_tokens or 0)
            self.requests += 1
            self.prompt_tokens += tokens[0]
            self.completion_tokens += tokens[1]
            if any(tokens) and self.usd is not None:
                self.usd = None if price is None else self.usd + price.cost(*tokens)

    def __str__(self) -> str:
        if not self.requests:
            return "Nothing was spent."
        words = "1 request" if self.requests == 1 else f"{self.requests} requests"
        usd = "" if not self.usd else f", {self.usd:.4f} USD"
        tokens = f"{self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out"
        return f"Nothing was spent beyond {words} ({tokens}{usd})."
