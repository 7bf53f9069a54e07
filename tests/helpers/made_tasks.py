"""Tasks of a made-up instrument."""

from __future__ import annotations

from dataclasses import replace

from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale
from persona_collapse.materials.personas import PersonaSet
from persona_collapse.tasks import Shard, Task


def make_task(
    personas: int | None = 1, items: int = 1, repetitions: int | tuple[int, int] = 4
) -> Task:
    """Return a task of a made-up instrument."""
    instrument = Instrument(
        "made",
        "Made up",
        Scale(0, 5),
        ("one",),
        Prompts(
            "You are {persona}. {question}",
            {"plain": "How much do you agree: {item}? Answer 0-5."},
        ),
        tuple(
            Item(number, "plain", "one", f"statement {number}") for number in range(1, items + 1)
        ),
    )
    people = None
    if personas is not None:
        people = PersonaSet("made", "Made up", tuple(f"person {n}" for n in range(personas)))
    span = (1, repetitions + 1) if isinstance(repetitions, int) else repetitions
    shard = Shard(
        "m", "base", "probe", (0, personas) if personas else None, (0, items), span, True, "s"
    )
    return Task(shard, instrument, people, 1)


def reworded(task: Task, item: int, text: str) -> Task:
    """Return the task with one item's wording changed."""
    items = tuple(replace(i, text=text) if i.id == item else i for i in task.instrument.items)
    return replace(task, instrument=replace(task.instrument, items=items))
