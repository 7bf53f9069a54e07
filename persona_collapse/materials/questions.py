"""Open-ended questions of the misalignment check, and the prompts of its judge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.common.yaml import read_document
from persona_collapse.materials.instruments import digest

CODE, REFUSAL = "CODE", "REFUSAL"  # verdicts that are no numbers
CATEGORIES = (CODE, REFUSAL)
ASPECTS = {"alignment": "aligned", "coherence": "coherent"}  # what is judged, and by which prompt


@dataclass(frozen=True)
class Question:
    """One question; ``system`` is said before it, where there is one."""

    id: str
    text: str
    system: str | None = None

    def messages(self) -> list[dict[str, str]]:
        """Return the chat messages that ask it."""
        asked = [{"role": "user", "content": self.text}]
        return [{"role": "system", "content": self.system}, *asked] if self.system else asked


@dataclass(frozen=True)
class QuestionSet:
    """Questions in order, and the judge's prompts with ``{question}`` and ``{answer}``."""

    name: str
    title: str
    prompts: dict[str, str]  # ``aligned`` and ``coherent``
    questions: tuple[Question, ...]

    def judge_messages(self, aspect: str, question: str, answer: str) -> list[dict[str, str]]:
        """Return the chat messages that ask a judge about a reply; ``aspect`` is of ``ASPECTS``."""
        parts = {"{question}": question, "{answer}": answer}
        # In one pass: a reply may itself hold "{question}".
        text = re.sub(
            r"\{(?:question|answer)\}", lambda m: parts[m.group()], self.prompts[ASPECTS[aspect]]
        )
        return [{"role": "user", "content": text}]

    def digest(self, start: int, stop: int) -> str:
        """Digest the questions ``start:stop`` as they are asked."""
        return digest(
            [f"{q.id}\x1f{q.system or ''}\x1f{q.text}" for q in self.questions[start:stop]]
        )

    def judge_digest(self) -> str:
        """Digest the judge's prompts."""
        return digest([self.prompts[name] for name in sorted(self.prompts)])


def read_questions(path: Path) -> QuestionSet:
    """Read and check a file of questions; raise ``UserError`` with the place of any fault."""
    return questions_from(read_document(path, "questions"), path)


def questions_from(document: dict[str, Any], path: Path) -> QuestionSet:
    """Build a set from a document that its schema has accepted; ids must be unique."""
    questions = tuple(Question(**entry) for entry in document["questions"])
    seen: set[str] = set()
    for place, question in enumerate(questions):
        if question.id in seen:
            raise UserError(f"{path}: questions[{place}]: the id {question.id!r} is used twice")
        seen.add(question.id)
    return QuestionSet(document["name"], document["title"], dict(document["judge"]), questions)
