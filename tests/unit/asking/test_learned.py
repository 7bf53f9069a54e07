"""What refusals teach about a server, and how it is remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from persona_collapse.asking.learned import (
    Allowed,
    learned_file,
    lesson,
    read_allowed,
    remember,
)
from persona_collapse.asking.reasons import Reason

SHORT = {"max_tokens": 1, "messages": [], "model": "m"}
TEN = {**SHORT, "n": 10}
LOGPROBS = {**SHORT, "logprobs": True, "top_logprobs": 20}
OTHER = "max_completion_tokens"

DIGITS = {**LOGPROBS, "model": "group-3"}


def litellm(names: list[str], model: str = "llama-4-scout", group: str = "m") -> str:
    """Return the refusal of LiteLLM's proxy 1.108."""
    return (
        f"litellm.UnsupportedParamsError: cerebras does not support parameters: {names}, for "
        f"model={model}. To drop these, set `litellm.drop_params=True` or for proxy: "
        "`litellm_settings: drop_params: true` . If you want to use these params dynamically send "
        f"allowed_openai_params={names} in your request. LiteLLM: model group '{group}' failed "
        "with the error above. No fallback was attempted."
    )


LESSONS: list[tuple[dict[str, Any], str, Allowed | None]] = [
    # The shortest length.
    (
        SHORT,
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but "
        "got 1 instead.",
        Allowed(smallest_tokens=16),
    ),
    (SHORT, "max_tokens must be at least 16", Allowed(smallest_tokens=16)),
    (SHORT, "max_tokens must be greater than 15", Allowed(smallest_tokens=16)),
    (SHORT, "max_tokens: Input should be greater than or equal to 8", Allowed(smallest_tokens=8)),
    (SHORT, "max_tokens must be between 16 and 4096", Allowed(smallest_tokens=16)),
    (SHORT, "max_tokens is too small", Allowed(smallest_tokens=2)),
    (SHORT, "max_tokens must be at least 4096", Allowed(smallest_tokens=4096)),
    (SHORT, "max_tokens must be greater than 4096", None),
    ({"max_tokens": 2048}, "max_tokens is too small", Allowed(smallest_tokens=4096)),
    ({"max_tokens": 2049}, "max_tokens is too small", None),
    (
        SHORT,
        "This model's maximum context length is 4096 tokens, you requested 5000 (1 in max_tokens)",
        None,
    ),
    # Its name.
    (
        SHORT,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        Allowed(token_parameter=OTHER),
    ),
    (SHORT, "Unsupported parameter: 'max_tokens'", Allowed(token_parameter=OTHER)),
    (
        {OTHER: 1},
        "max_completion_tokens: Extra inputs are not permitted",
        Allowed(token_parameter="max_tokens"),
    ),
    # Alternatives.
    (LOGPROBS, "20 is greater than the maximum of 5 - 'top_logprobs'", Allowed(top_logprobs=5)),
    (LOGPROBS, "top_logprobs must be between 0 and 11", Allowed(top_logprobs=11)),
    (LOGPROBS, "top_logprobs must be less than 6", Allowed(top_logprobs=5)),
    (LOGPROBS, "top_logprobs is too large", Allowed(top_logprobs=10)),
    (LOGPROBS, "logprobs is not supported for this model", None),
    ({**LOGPROBS, "top_logprobs": 1}, "top_logprobs is too large", None),
    # Choices.
    (TEN, "n must be at most 4", Allowed(max_n=4)),
    (TEN, "Invalid value for 'n': 10 exceeds the limit of 8", Allowed(max_n=8)),
    (TEN, "n must be less than 5", Allowed(max_n=4)),
    (TEN, "n must be 1", Allowed(max_n=1)),
    (TEN, "Only one completion choice is allowed", Allowed(max_n=1)),
    (TEN, "litellm: groq does not support parameters: ['n']", Allowed(max_n=1)),
    (
        TEN,
        "candidateCount must be in the range from 1 (inclusive) to 9 (exclusive)",
        Allowed(max_n=8),
    ),
    (
        TEN,
        "candidateCount value of 10 but the supported range is from 1 (inclusive) to 9 (exclusive)",
        Allowed(max_n=8),
    ),
    (TEN, "n must be less than 10, got 10", Allowed(max_n=9)),
    (TEN, "This model does not support multiple candidates", Allowed(max_n=1)),
    (TEN, "Unknown field: n", Allowed(max_n=1)),
    (TEN, litellm(["n"]), Allowed(max_n=1)),
    (TEN, litellm(["n", "seed"], group="claude-3"), Allowed(max_n=1)),
    ({**SHORT, "seed": 1}, litellm(["seed"]), Allowed(left_out=("seed",))),
    (LOGPROBS, litellm(["logprobs", "top_logprobs"]), None),
    (LOGPROBS, litellm(["logprobs", "top_logprobs"], group="single"), None),
    (DIGITS, "group-3: top_logprobs is too large", Allowed(top_logprobs=10)),
    # Nothing.
    (TEN, "The prompt is not acceptable", None),
    (SHORT, "n must be 1", None),
    # What has no default on the server, either.
    ({**SHORT, "top_k": -1}, "Unrecognized request argument: top_k", Allowed(left_out=("top_k",))),
    ({**SHORT, "cache": {}}, "Unknown parameter: 'cache'", Allowed(cache_field=False)),
]


@pytest.mark.parametrize(
    ("sent", "text", "expected"), LESSONS, ids=[text for _, text, _ in LESSONS]
)
def test_refusal_teaches_what_the_server_allows(
    sent: dict[str, Any], text: str, expected: Allowed | None
) -> None:
    assert lesson(sent, Reason(text)) == expected


def test_parameter_named_beside_the_text_counts() -> None:
    assert lesson(TEN, Reason("must be at most 4", parameters=("n",))) == Allowed(max_n=4)


def test_what_was_learned_is_remembered_and_the_stricter_value_stays(tmp_path: Path) -> None:
    path = learned_file(tmp_path, {"base_url": "http://h/v1", "extra_body": {}, "model": "m"})
    assert path.parent == tmp_path / "learned"
    assert read_allowed(path) == Allowed()
    remember(path, Allowed(max_n=4, left_out=("top_k",)))
    remember(path, Allowed(max_n=8, smallest_tokens=16, left_out=("min_p",)))
    found = Allowed(max_n=4, smallest_tokens=16, left_out=("min_p", "top_k"))
    assert read_allowed(path) == found
    assert found.without(["max_n"]).max_n is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"max_n": 4, "of a later version": 1}'])
def test_damaged_or_foreign_file_of_limits_is_no_obstacle(text: str, tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(text)
    assert read_allowed(path).max_n == (4 if "max_n" in text else None)


@pytest.mark.parametrize(
    ("learned", "key"),
    [
        (Allowed(smallest_tokens=16), "reply_tokens: 16"),
        (Allowed(top_logprobs=5), "top_logprobs: 5"),
        (Allowed(max_n=4), "max_n: 4"),
        (Allowed(max_n=1), "batching: single"),
        (Allowed(token_parameter=OTHER), f"token_limit_parameter: {OTHER}"),
    ],
)
def test_message_names_the_key_that_sets_a_limit(learned: Allowed, key: str) -> None:
    text = learned.said("http://h/v1", "m", "the server's reason")
    assert key in text
    assert "the server's reason" in text
