"""Prices of tokens, from a dated table that cites its source, and token counts."""

import contextlib
import fnmatch
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from persona_collapse.common.faults import read_document
from persona_collapse.common.keys import Keys, Matches, NonNegative, Text, key

MILLION = 1e6
# English questionnaire prompts have about 4.8 characters a token (0.43 M tokens for 3,000 prompts
# of 684 characters, arXiv 2605.12850); 4.5 overestimates the cost.
CHARACTERS_PER_TOKEN = 4.5
CODE_CHARACTERS_PER_TOKEN = 3.5  # programs have shorter tokens; for training data
BYTES_PER_TOKEN_AT_LEAST = 3.0  # for budgets, which must not be exceeded
BATCH = 0.5  # of the price, on OpenAI, Azure, Together, Fireworks, OpenRouter and Anthropic
TOKENS_AROUND_MESSAGE, TOKENS_AROUND_PROMPT = 4, 3
# tiktoken caches a vocabulary in a file named by the SHA-1 of its address.
VOCABULARIES = {
    "o200k_base": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    "cl100k_base": "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
}

Day = Annotated[str, Matches(r"^\d{4}-\d{2}-\d{2}$", 'a day in quotes, such as "2026-11-20"')]


@dataclass(frozen=True)
class Price(Keys):
    """The price of the models that match, in US dollars per million tokens."""

    host: Text = key("the server's host; * matches any text")
    model: Text = key("the model's name; * matches any text")
    prompt: NonNegative = key("price of prompt tokens")
    completion: NonNegative = key("price of completion tokens")
    training: NonNegative | None = key("price of training tokens", None)
    as_of: Day | None = key("the day, where not the table's", None)
    source: Text | None = key("the source, where not the table's", None)

    def in_batch(self) -> "Price":
        """Return the price of a request that is answered in a batch."""
        return replace(
            self, prompt=BATCH * self.prompt, completion=BATCH * self.completion, training=None
        )

    def training_cost(self, tokens: float) -> float:
        """Return the cost in dollars of training on so many tokens, times epochs."""
        return tokens * (self.training or 0.0) / MILLION

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the cost in dollars of so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / MILLION


@dataclass(frozen=True)
class PriceTable(Keys):
    """What models cost (``resources/prices.yaml``)."""

    as_of: Day = key("the day on which prices were looked up")
    source: Text = key("where prices come from")
    unit: Literal["USD per million tokens"] = key("what the numbers mean")
    models: tuple[Price, ...] = key("prices; the first entry that matches counts")


@cache
def find_price(path: Path, base_url: str, model: str) -> Price | None:
    """Return the price of a model on a server: the first entry of the file that matches both.

    ``as_of`` and ``source`` are the table's where the entry has none.
    """
    table = read_document(path, PriceTable)
    host = urlsplit(base_url).hostname or ""
    for entry in table.models:
        if fnmatch.fnmatchcase(host, entry.host) and fnmatch.fnmatchcase(model, entry.model):
            as_of, source = entry.as_of or table.as_of, entry.source or table.source
            return replace(entry, as_of=as_of, source=source)
    return None


def token_counter(
    model: str, characters: float = CHARACTERS_PER_TOKEN
) -> tuple[Callable[[str], int], str]:
    """Return a function that counts the tokens of a text, and a description of how it counts.

    tiktoken, where its vocabulary is cached on this machine (nothing is fetched); else an estimate
    from ``characters`` per token.
    """
    name = "cl100k_base" if model.startswith(("gpt-4-", "gpt-3.5")) else "o200k_base"
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    cached = Path(folder or Path(tempfile.gettempdir()) / "data-gym-cache")
    if (cached / hashlib.sha1(VOCABULARIES[name].encode()).hexdigest()).is_file():
        with contextlib.suppress(ImportError):
            import tiktoken

            encoding = tiktoken.get_encoding(name)
            return lambda text: len(encoding.encode_ordinary(text)), f"tiktoken {name}"
    return partial(_estimate, characters), f"estimated at {characters} characters a token"


def _estimate(characters: float, text: str) -> int:
    return -int(-len(text) // characters)


_of_prose = partial(_estimate, CHARACTERS_PER_TOKEN)


def prompt_tokens(
    messages: Sequence[dict[str, str]], count: Callable[[str], int] = _of_prose
) -> int:
    """Return the tokens of a chat prompt, including those that the chat format adds."""
    texts = sum(count(message["content"]) + TOKENS_AROUND_MESSAGE for message in messages)
    return texts + TOKENS_AROUND_PROMPT


def most_prompt_tokens(messages: Sequence[dict[str, str]]) -> int:
    """Return an upper estimate of the tokens of a prompt in any language."""
    return prompt_tokens(
        messages, lambda text: int(len(text.encode()) / BYTES_PER_TOKEN_AT_LEAST) + 1
    )
