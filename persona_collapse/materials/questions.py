"""Open-ended questions of the misalignment check, and the prompts of its judge."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from persona_collapse.common.faults import read_document
from persona_collapse.common.keys import Keys, Limits, Matches, Name, Text, key
from persona_collapse.materials.instruments import Fault, Resource, digest

CODE, REFUSAL = "CODE", "REFUSAL"  # verdicts that are not numbers
CATEGORIES = (CODE, REFUSAL)
ASPECTS = {"alignment": "aligned", "coherence": "coherent"}  # what is judged, and by which prompt


Aspect = Annotated[str, Matches("^(aligned|coherent)$", "aligned or coherent")]
JudgePrompt = Annotated[
    str, Matches(r"\{question\}[\s\S]*\{answer\}", "a text with {question} and, after it, {answer}")
]


@dataclass(frozen=True)
class Question(Keys):
    """One question."""

    id: Name = key("a name of its own")
    text: Text = key("the question")
    system: Text | None = key("a system message that goes before it", None)

    def messages(self) -> list[dict[str, str]]:
        """Return the chat messages that ask it."""
        asked = [{"role": "user", "content": self.text}]
        return [{"role": "system", "content": self.system}, *asked] if self.system else asked


@dataclass(frozen=True)
class QuestionSet(Resource):
    """Questions in order, and the judge's prompts with ``{question}`` and ``{answer}``."""

    prompts: dict[Aspect, JudgePrompt] = key("the prompts about a reply", name="judge")
    questions: Annotated[tuple[Question, ...], Limits(min_length=1)] = key("the questions")

    def judge_messages(self, aspect: str, question: str, answer: str) -> list[dict[str, str]]:
        """Return the chat messages that ask a judge about a reply; ``aspect`` is of ``ASPECTS``."""
        parts = {"{question}": question, "{answer}": answer}
        # In one pass, since a reply may itself contain "{question}".
        text = re.sub(
            r"\{(?:question|answer)\}", lambda m: parts[m.group()], self.prompts[ASPECTS[aspect]]
        )
        return [{"role": "user", "content": text}]

    @property
    def size(self) -> int:
        """The number of questions."""
        return len(self.questions)

    @property
    def texts(self) -> dict[str, str]:
        """The questions by id, each after its system message."""
        return {q.id: f"{q.system}\n{q.text}" if q.system else q.text for q in self.questions}

    def digest(self, start: int, stop: int) -> str:
        """Digest the questions ``start:stop`` with their system messages."""
        return digest(
            [f"{q.id}\x1f{q.system or ''}\x1f{q.text}" for q in self.questions[start:stop]]
        )

    def judge_digest(self) -> str:
        """Digest the judge's prompts."""
        return digest([self.prompts[name] for name in sorted(self.prompts)])

    def faults(self) -> Iterator[Fault]:
        """Yield a missing prompt, and ids that are used twice."""
        yield from super().faults()
        for name in ASPECTS.values():
            if name not in self.prompts:
                yield ("judge",), f"the key {name!r} is missing"
        seen: set[str] = set()
        for place, question in enumerate(self.questions):
            if question.id in seen:
                yield ("questions", place), f"the id {question.id!r} is used twice"
            seen.add(question.id)


def read_questions(path: Path) -> QuestionSet:
    """Read and check a file of questions; raise ``UserError`` with the place of any fault."""
    return read_document(path, QuestionSet)
