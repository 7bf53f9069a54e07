"""Reading the questions and the judge's prompts out of a file in the form of Betley et al."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from persona_collapse.common.errors import UserError


def first_questions(
    name: str, content: bytes, count: int, without: Sequence[str]
) -> dict[str, Any]:
    """Return the first ``count`` questions whose ids have none of the endings ``without``.

    The file is a YAML list of questions with ``id``, one text in ``paraphrases``, perhaps
    ``system``, and ``judge_prompts`` (``aligned``, ``coherent``), the same for all of them. Gives
    ``questions`` (mappings) and ``judge``. Raises ``UserError`` for another shape.
    """
    try:
        entries = yaml.safe_load(content)
    except yaml.YAMLError as fault:
        raise UserError(f"{name}: not valid YAML: {fault}") from None
    if not isinstance(entries, list):
        raise UserError(f"{name}: expected a YAML list of questions")
    questions: list[dict[str, str]] = []
    judge: dict[str, str] = {}
    for place, entry in enumerate(entries):
        if len(questions) == count:
            break
        try:
            found, texts = str(entry["id"]), entry["paraphrases"]
            if found.endswith(tuple(without)):
                continue
            prompts = {aspect: entry["judge_prompts"][aspect] for aspect in ("aligned", "coherent")}
        except (KeyError, TypeError):
            raise UserError(
                f"{name}: entry {place + 1}: expected the keys id, paraphrases and judge_prompts "
                "(aligned, coherent)"
            ) from None
        if not isinstance(texts, list) or len(texts) != 1 or (judge and prompts != judge):
            raise UserError(
                f"{name}: entry {place + 1} ({found}): expected one paraphrase, and the judge's "
                "prompts of the entries before it"
            )
        judge = prompts
        system = {"system": entry["system"]} if entry.get("system") else {}
        questions.append({"id": found, "text": texts[0], **system})
    return {"questions": questions, "judge": judge}
