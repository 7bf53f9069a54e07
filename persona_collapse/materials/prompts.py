"""What a model is sent: one user message, no system message, as in the published study."""

from __future__ import annotations

import re

from persona_collapse.materials.instruments import Instrument, Item


def prompt_text(instrument: Instrument, item: Item, persona: str | None) -> str:
    """Return the text of the user message; without a persona the question stands alone."""
    question = instrument.question(item)
    if persona is None:
        return question
    # One pass over the template, so that a persona that holds "{question}" stays as it is.
    texts = {"{persona}": persona, "{question}": question}
    return re.sub(r"\{persona\}|\{question\}", lambda m: texts[m[0]], instrument.persona_prompt)


def messages(instrument: Instrument, item: Item, persona: str | None) -> list[dict[str, str]]:
    """Return the chat messages of one cell."""
    return [{"role": "user", "content": prompt_text(instrument, item, persona)}]
