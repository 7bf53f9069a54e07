"""The tokens that a request is counted with: the server's counts, or estimates of unusable ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from persona_collapse.asking.prices import most_prompt_tokens

# Servers add instructions of their own to a prompt, and models think beyond the length limit.
UNSEEN = 200_000
BYTES_PER_CHARACTER = 4  # at most, and a token has a byte at least


def checked(
    counts: Mapping[str, Any],
    messages: Sequence[dict[str, str]],
    completion: int,
    *,
    answered: bool,
) -> dict[str, Any]:
    """Return the token counts of a request, with impossible ones replaced.

    ``counts`` are the server's, None where it gave none, and ``completion`` is the length limit of
    all replies together. A prompt has a token at least, or neither count is believed; no count is
    far above what was sent or asked for. Where the request was ``answered``, counts that are
    missing or impossible become upper estimates, which ``estimated`` names with commas; else they
    become None.
    """
    sent = sum(len(message["content"]) for message in messages)
    limits = {
        "prompt_tokens": (1, BYTES_PER_CHARACTER * sent + UNSEEN),
        "completion_tokens": (0, completion + UNSEEN),
    }
    wrong = [
        name
        for name, (least, most) in limits.items()
        if (count := counts.get(name)) is None or not least <= count <= most
    ]
    if not wrong:
        return dict(counts)
    if "prompt_tokens" in wrong:  # the other count is no better
        wrong = list(limits)
    if not answered:
        return {**counts, **dict.fromkeys(wrong)}
    estimates = {"prompt_tokens": most_prompt_tokens(messages), "completion_tokens": completion}
    found = {**counts, **{name: estimates[name] for name in wrong}}
    return {**found, "estimated": ", ".join(wrong)}
