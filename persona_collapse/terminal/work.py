"""The work of a run: its jobs, each with its stage and the answers, tables or figures it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from persona_collapse.misalignment.judge import logprobs_label, text_label
from persona_collapse.misalignment.replies import replies_label
from persona_collapse.plan.study import Plan
from persona_collapse.study.resolved import Unit

# The stages in their order, and what each makes, one and many.
STAGES = {
    "fetch": ("file", "files"),
    "train": ("model", "models"),
    "batch": ("variant", "variants"),
    "ask": ("answer", "answers"),
    "judge": ("reply", "replies"),
    "measure": ("table", "tables"),
    "draw": ("figure", "figures"),
    "write": ("file", "files"),
}
# The stage of the rules in a file, and of rules that are apart from their file.
RULES = {
    "resources": "fetch",
    "finetune": "train",
    "answers": "ask",
    "misalignment": "measure",
    "tables": "measure",
    "figures": "draw",
    "report": "write",
}
OWN = {"fetch_dataset": "fetch", "fill_by_batch": "batch", "check_variant": "judge"}
COMMANDS = "commands"  # the file of rules that print and make nothing


@dataclass(frozen=True)
class Planned:
    """A job as the workflow knows it; ``rules`` is the name of the file that holds its rule."""

    number: int
    rule: str
    rules: str
    wildcards: Mapping[str, str]
    outputs: Sequence[str]
    needed: bool


@dataclass(frozen=True)
class Job:
    """A job of a stage (None: it is in none), by what messages call it.

    ``amount`` is what it makes, in the unit of its stage. ``labels`` are those of the counts that
    it writes while it asks (``asking.progress``), in their order; of several in a group, one is
    written.
    """

    number: int
    name: str
    stage: str | None
    amount: int
    labels: tuple[tuple[str, ...], ...]
    needed: bool
    command: bool = False


def work_of(plan: Plan, planned: Planned) -> Job:
    """Return a planned job with its stage and amount."""
    stage = OWN.get(planned.rule, RULES.get(planned.rules))
    names = " ".join(planned.wildcards.values())
    amount = 1
    labels: tuple[tuple[str, ...], ...] = ((names,),)
    if stage == "ask":
        amount = _answers(plan, planned.wildcards)
    elif stage == "judge":
        amount = _replies(plan)
        asked = replies_label(planned.wildcards["model"], planned.wildcards["variant"])
        labels = ((asked,), (text_label(names), logprobs_label(names)))
    elif stage == "draw":
        amount = sum(path.endswith(".svg") for path in planned.outputs)
    elif planned.rule == "upload_dataset":
        amount = 0
    elif not planned.outputs:
        stage = None
    return Job(
        *(planned.number, f"{planned.rule} {names}".rstrip(), stage, amount, labels),
        needed=planned.needed,
        command=planned.rules == COMMANDS,
    )


def _answers(plan: Plan, wildcards: Mapping[str, str]) -> int:
    unit = Unit(wildcards["model"], wildcards["variant"], wildcards["probe"])
    shard = plan.answers.shard(unit, wildcards["shard"])
    spans = [shard.items, shard.repetitions, *([shard.personas] if shard.personas else [])]
    amount = 1
    for start, stop in spans:
        amount *= stop - start
    return amount


def _replies(plan: Plan) -> int:
    check = plan.misalignment
    assert check.source is not None
    return check.source.size * check.check.samples
