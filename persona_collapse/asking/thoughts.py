"""Separate the thoughts of a reply from its answer: think tags and channel markers.

A server with a parser for the model returns thoughts in a field of their own; ``response`` reads
it. Without one they stand in the text, in the model's own spelling.
"""

import re
from dataclasses import dataclass

_WORDS = (
    "think|thinking|thought|thoughts|reasoning|reasoning_content|reason|rationale|reflection|scratchpad|analysis|"
    "inner_monologue|deliberation"
)
# <think>, </thinking>, <think duration="2">, <seed:think>, [THINK], <|begin_of_thought|>,
# <|START_THINKING|>, ◁/think▷, &lt;think&gt;
_TAG = re.compile(
    r"(?:<|&lt;|\[|◁)\s*\|?\s*(?P<end>/|end_(?:of_)?)?(?:(?:begin|start)_(?:of_)?)?(?:[a-z]+:)?"
    rf"(?:{_WORDS})(?:_(?P<closes>end)|_(?:start|begin))?\b[^<>\[\]▷&\n]{{0,60}}?"
    r"\|?\s*(?:>|&gt;|\]|▷)",
    re.IGNORECASE,
)
# gpt-oss: <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>4
_CHANNEL = re.compile(
    r"<\|?channel\|?>\s*(?P<name>[a-z]+)[^<\n]*?(?:<\|(?:message|constrain)\|>|\n)"
)
_FINAL = ("final", "response", "answer")
_CONTROL = re.compile(r"<\|(?:start|end|return|message|channel|constrain|call)\|>(?:assistant)?")
# The same with its control tokens dropped by the server: "analysisThe user ...assistantfinal4".
_BARE = re.compile(
    r"^\s*(?:assistant\s*)?analysis(?:(?=[A-Z\"'])|(?=\s.*assistant\s*final))(?P<rest>.*)$",
    re.DOTALL,
)
_BARE_FINAL = re.compile(r"assistant\s*final")
# Gemma: <|channel>thought ...<channel|>answer, <unused94>thought ...<unused95>answer
_HALF = re.compile(
    r"(?:<\|channel>|<unused94>)\s*(?:thought|analysis)\b.*?"
    r"(?P<end><channel\|>|<unused95>|\Z)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Parted:
    """A reply's ``answer``, None where its thoughts never end, and whether it has thoughts."""

    answer: str | None
    has_thoughts: bool


def part(reply: str) -> Parted:
    """Separate thoughts from the answer.

    An end without a beginning closes thoughts that began in the prompt: all before it are thoughts.
    Empty thoughts are none.
    """
    if _CHANNEL.search(reply) and "<channel|>" not in reply:
        return _channels(reply)
    if "<|channel>" in reply or "<unused94>" in reply:
        found = list(_HALF.finditer(reply))
        closed = all(match["end"] for match in found)
        return Parted(_HALF.sub(" ", reply) if closed else None, bool(found))
    if (bare := _BARE.match(reply)) is not None:
        *thoughts, last = _BARE_FINAL.split(bare["rest"])
        return Parted(last if thoughts else None, True)
    return _tags(reply)


def _channels(reply: str) -> Parted:
    """Return the last final channel of gpt-oss."""
    marks = list(_CHANNEL.finditer(reply))
    thought = any(mark["name"].lower() not in _FINAL for mark in marks)
    last = marks[-1]
    if last["name"].lower() not in _FINAL:
        return Parted(None, True)
    return Parted(_CONTROL.sub(" ", reply[last.end() :]), thought)


def _tags(reply: str) -> Parted:
    answer, thoughts = "", ""
    at, inside = 0, False
    for tag in _TAG.finditer(reply):
        piece, at = reply[at : tag.start()], tag.end()
        closing = bool(tag["end"] or tag["closes"])
        if inside or closing:  # a tag within thoughts is part of them
            thoughts += piece
        else:
            answer += piece
        if closing and not inside:
            thoughts, answer = thoughts + answer, ""
        inside = not closing
    if inside:
        return Parted(None, True)
    return Parted(answer + " " + reply[at:] if at else reply, bool(thoughts.strip()))
