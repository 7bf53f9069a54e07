"""What tokens cost: a dated table that cites its source, and an estimate of tokens."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from persona_collapse.common.yaml import read_document

MILLION = 1e6
# English questionnaire prompts have about 4.8 characters a token (0.43 M tokens for 3,000 prompts
# of 684 characters, arXiv 2605.12850); 4.5 errs on the dear side.
CHARACTERS_PER_TOKEN = 4.5
CODE_CHARACTERS_PER_TOKEN = 3.5  # programs have shorter tokens; for training data
BYTES_PER_TOKEN_AT_LEAST = 3.0  # for budgets, which must not be exceeded
TOKENS_AROUND_MESSAGE, TOKENS_AROUND_PROMPT = 4, 3
# Where tiktoken keeps a vocabulary that it has fetched once: the SHA-1 of its address.
VOCABULARIES = {
    "o200k_base": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
    "cl100k_base": "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
}


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens; ``as_of`` and ``source`` say whose word it is.

    ``training`` is None where the model's training has no price.
    """

    prompt: float
    completion: float
    as_of: str
    source: str
    training: float | None = None

    def training_cost(self, tokens: float) -> float:
        """Return the dollars of training on so many tokens, epochs counted."""
        return tokens * (self.training or 0.0) / MILLION

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the dollars of so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / MILLION


def find_price(path: Path, base_url: str, model: str) -> Price | None:
    """Return the price of a model on a server: the first entry of the file that matches both."""
    document = _table(path)
    host = urlsplit(base_url).hostname or ""
    for entry in document["models"]:
        if fnmatch.fnmatchcase(host, entry["host"]) and fnmatch.fnmatchcase(model, entry["model"]):
            return Price(
                entry["prompt"],
                entry["completion"],
                str(entry.get("as_of", document["as_of"])),
                entry.get("source", document["source"]),
                entry.get("training"),
            )
    return None


@cache
def _table(path: Path) -> dict[str, Any]:
    return read_document(path, "prices")


def token_counter(
    model: str, characters: float = CHARACTERS_PER_TOKEN
) -> tuple[Callable[[str], int], str]:
    """Return a function that counts a text's tokens, and a word on how it does so.

    tiktoken where the vocabulary lies on this machine already (nothing is fetched here); else an
    estimate at so many characters a token.
    """
    name = "cl100k_base" if model.startswith(("gpt-4-", "gpt-3.5")) else "o200k_base"
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    cached = Path(folder or Path(tempfile.gettempdir()) / "data-gym-cache")
    if (cached / hashlib.sha1(VOCABULARIES[name].encode()).hexdigest()).is_file():
        try:
            import tiktoken
        except ImportError:
            pass
        else:
            encoding = tiktoken.get_encoding(name)
            return lambda text: len(encoding.encode_ordinary(text)), f"tiktoken {name}"
    return partial(_estimate, characters), f"estimated at {characters} characters a token"


def _estimate(characters: float, text: str) -> int:
    return -int(-len(text) // characters)


def _of_prose(text: str) -> int:
    return _estimate(CHARACTERS_PER_TOKEN, text)


def prompt_tokens(
    messages: Sequence[dict[str, str]], count: Callable[[str], int] = _of_prose
) -> int:
    """Return the tokens of a chat prompt, with what the chat format puts around its messages."""
    texts = sum(count(message["content"]) + TOKENS_AROUND_MESSAGE for message in messages)
    return texts + TOKENS_AROUND_PROMPT


def most_prompt_tokens(messages: Sequence[dict[str, str]]) -> int:
    """Return a number of tokens that a prompt will hardly exceed, in any language."""
    return prompt_tokens(
        messages, lambda text: int(len(text.encode()) / BYTES_PER_TOKEN_AT_LEAST) + 1
    )
