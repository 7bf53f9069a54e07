"""A server whose model thinks before it answers, in the dialects of several programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.helpers.scripted_server import Call, ScriptedServer, rating_of

THOUGHT = "The user wants one number from 0 to 5. This person would say 2, or rather 3."
LENGTH = 60  # tokens of the thoughts; the answer takes one more


@dataclass(frozen=True)
class Dialect:
    """How a program shows thoughts: the message of an answer, and of thoughts that are cut off.

    ``refuses`` are the parameters that it answers with an error. ``uncounted``: its usage counts
    tokens of thought in the total alone.
    """

    answer: Callable[[str], dict[str, Any]]
    cut: Callable[[], dict[str, Any]]
    refuses: tuple[str, ...] = ()
    uncounted: bool = False
    counts: bool = False


def in_text(begin: str, end: str) -> Dialect:
    """Return a dialect without a parser: thoughts stand in the content."""
    return Dialect(
        lambda rating: {"content": f"{begin}{THOUGHT}{end}{rating}"},
        lambda: {"content": f"{begin}{THOUGHT}"},
    )


def in_field(name: str) -> Dialect:
    """Return a dialect with a parser: thoughts stand in a field of their own."""
    return Dialect(
        lambda rating: {"content": rating, name: THOUGHT}, lambda: {"content": None, name: THOUGHT}
    )


HIDDEN: dict[str, Any] = {
    "answer": lambda rating: {"content": f"My answer is {rating}."},
    "cut": lambda: {"content": ""},
}
DIALECTS = {
    "think tags": in_text("<think>\n", "\n</think>\n\n"),
    "mistral": in_text("[THINK]", "[/THINK]"),
    "harmony": in_text(
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "reasoning_content": in_field("reasoning_content"),
    "reasoning": in_field("reasoning"),
    "hidden": Dialect(
        **HIDDEN, counts=True, refuses=("max_tokens", "temperature", "top_p", "n", "logprobs")
    ),
    "counted in the total": Dialect(**HIDDEN, uncounted=True),
}
REFUSALS = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.1 with this model. Only "
    "the default (1) value is supported.",
    "top_p": "Unsupported parameter: 'top_p' is not supported with this model.",
    "n": "Unsupported parameter: 'n' is not supported with this model.",
    "logprobs": "You are not allowed to request logprobs from this model.",
}


@dataclass
class ThinkingServer(ScriptedServer):
    """``billed`` counts the tokens of prompts and completions that the server would charge."""

    dialect: Dialect = field(default_factory=lambda: DIALECTS["think tags"])
    billed: list[int] = field(default_factory=lambda: [0, 0])

    async def plain(self, call: Call) -> web.StreamResponse:
        """Think within the length limit, then answer; refuse what the dialect refuses."""
        for name in self.dialect.refuses:
            if call.payload.get(name) is not None:
                error = {"message": REFUSALS[name], "type": "invalid_request_error", "param": name}
                return web.json_response({"error": error}, status=400)
        limit = call.limit or LENGTH + 1
        whole = limit > LENGTH
        message = self.dialect.answer(rating_of(call.prompt)) if whole else self.dialect.cut()
        prompt, spent = 40, (LENGTH + 1 if whole else limit) * call.n
        self.billed[0] += prompt
        self.billed[1] += spent
        said = call.n if whole else 0
        shown = said if self.dialect.uncounted else spent
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": shown,
            "total_tokens": prompt + spent,
        }
        if self.dialect.counts:
            usage["completion_tokens_details"] = {"reasoning_tokens": spent - said}
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", **message},
                "finish_reason": "stop" if whole else "length",
            }
            for index in range(call.n)
        ]
        return web.json_response(
            {
                "id": f"chatcmpl-{call.number}",
                "model": self.served_model,
                "choices": choices,
                "usage": usage,
            }
        )
