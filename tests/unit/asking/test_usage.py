"""Which counts of tokens are believed, and what counts where they are not."""

from __future__ import annotations

from typing import Any

import pytest

from persona_collapse.asking.usage import UNSEEN, checked

MESSAGES = [{"role": "user", "content": "a" * 600}]
SENT = 600 // 3 + 1 + 4 + 3  # three bytes a token at least, and the chat's own


def counts(prompt: Any, completion: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "served_model": "m"}


@pytest.mark.parametrize(("prompt", "completion"), [(1, 0), (150, 4), (2400 + UNSEEN, 4 + UNSEEN)])
def test_possible_counts_are_kept(prompt: int, completion: int) -> None:
    given = counts(prompt, completion)
    assert checked(given, MESSAGES, 4, answered=True) == given


@pytest.mark.parametrize("wrong", [None, -1, -(10**9), 10**9, 10**25])
def test_impossible_counts_become_upper_estimates(wrong: int | None) -> None:
    both = checked(counts(wrong, wrong), MESSAGES, 4, answered=True)
    assert both == {**counts(SENT, 4), "estimated": "prompt_tokens, completion_tokens"}
    one = checked(counts(150, wrong), MESSAGES, 4, answered=True)
    assert one == {**counts(150, 4), "estimated": "completion_tokens"}
    assert checked(counts(150, wrong), MESSAGES, 4, answered=False) == counts(150, None)
    assert checked(counts(wrong, 4), MESSAGES, 4, answered=False) == counts(None, None)


def test_usage_of_zeros_is_impossible() -> None:
    found = checked(counts(0, 0), MESSAGES, 4, answered=True)
    assert (found["prompt_tokens"], found["completion_tokens"]) == (SENT, 4)


@pytest.mark.parametrize("completion", [4, 64, 2400])
@pytest.mark.parametrize("over", [0, 1])
def test_counts_are_believed_up_to_what_was_sent_or_asked_for_and_what_servers_add(
    completion: int, over: int
) -> None:
    found = checked(counts(150, completion + UNSEEN + over), MESSAGES, completion, answered=True)
    assert found.get("estimated") == ("completion_tokens" if over else None)
    found = checked(counts(2400 + UNSEEN + over, 1), MESSAGES, completion, answered=True)
    assert found.get("estimated") == ("prompt_tokens, completion_tokens" if over else None)
