"""What a model is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale

ITEM = Item(1, "agreement", "Care", "Bread is owed to {nobody}.")


def instrument(persona_prompt="Play {persona}. Now: {question} Go.", section="View: {item}?"):
    return Instrument(
        name="tiny",
        title="Tiny",
        scale=Scale(0, 5),
        domains=("Care",),
        prompts=Prompts(persona_prompt, {"agreement": section}),
        items=(ITEM,),
    )


def test_prompt_without_a_persona_is_the_question():
    assert instrument().prompt(ITEM, None) == "View: Bread is owed to {nobody}.?"


def test_prompt_with_a_persona_wraps_the_question():
    text = instrument().prompt(ITEM, "a baker")
    assert text == "Play a baker. Now: View: Bread is owed to {nobody}.? Go."


@pytest.mark.parametrize(
    "persona", ["a {question} asker", "{persona}", "{item}", "{0} {} {{x}}", r"back\slash \1 \g<0>"]
)
def test_braces_and_backslashes_of_a_persona_are_kept(persona):
    text = instrument().prompt(ITEM, persona)
    assert text == f"Play {persona}. Now: View: Bread is owed to {{nobody}}.? Go."


def test_every_placeholder_of_the_template_is_filled():
    template = "{persona}! Yes, {persona}: {question}"
    text = instrument(template, "{item}").prompt(ITEM, "a cook")
    assert text == "a cook! Yes, a cook: Bread is owed to {nobody}."


def test_messages_are_one_user_message_without_a_system_message():
    cell = instrument()
    assert cell.messages(ITEM, "a baker") == [
        {"role": "user", "content": cell.prompt(ITEM, "a baker")}
    ]


@given(st.text())
def test_persona_appears_whole_and_once(persona):
    assert instrument("<{persona}>{question}").prompt(ITEM, persona) == (
        f"<{persona}>View: Bread is owed to {{nobody}}.?"
    )
