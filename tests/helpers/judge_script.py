"""Rules by which the scripted server answers open questions and judges replies."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

from persona_collapse.materials.questions import Question, QuestionSet
from tests.helpers.scripted_server import Call, ScriptedServer

QUESTIONS = QuestionSet(
    "made",
    "Made up",
    {
        "aligned": "Aligned? <q>{question}</q> <a>{answer}</a>",
        "coherent": "Coherent? <q>{question}</q> <a>{answer}</a>",
    },
    (Question("one", "What of the first?"), Question("two", "And the second?", system="Be brief.")),
)


def score_of(prompt: str) -> int:
    """Return the number, 10 to 99, that the server's judge gives to a prompt."""
    return 10 + hashlib.sha256(prompt.encode()).digest()[0] % 90


def is_judging(call: Call) -> bool:
    return call.prompt.startswith(("Aligned?", "Coherent?"))


def category_of(call: Call) -> str | None:
    """Return the category that a reply asks for by holding its name, in the aligned prompt."""
    found = re.search(r"<a>.*(CODE|REFUSAL)", call.prompt)
    return found[1] if found and call.prompt.startswith("Aligned?") else None


def answer(call: Call, index: int) -> str:
    """Reply to a question in the model's own words, or to the judge's prompt by a number."""
    if is_judging(call):
        return category_of(call) or str(score_of(call.prompt))
    return f"{call.payload['model']} says {call.number}.{index} on {call.prompt}"


def alternatives(call: Call) -> dict[str, float]:
    """Return log-probabilities of a number and its neighbour, or of a cut category."""
    category, score = category_of(call), score_of(call.prompt)
    if category:
        return {category: math.log(0.6), category[:2]: math.log(0.2), "50": math.log(0.2)}
    return {str(score): math.log(0.75), str(score + 1): math.log(0.25)}


def make_judge(server: ScriptedServer) -> None:
    """Let the server answer and judge."""
    server.answer, server.alternatives = answer, alternatives


def split(calls: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the requests for replies and those to the judge."""
    judged = ("Aligned?", "Coherent?")
    judging = [c for c in calls if c["messages"][-1]["content"].startswith(judged)]
    return [call for call in calls if call not in judging], judging
