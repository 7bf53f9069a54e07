"""A small study that fine-tunes its variants on a scripted server, and changes of it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.workflow.rerun_study import INSTRUMENT, STUDY, Change, read, write, write_study

NAME = STUDY.stem
DATA = {role: Path(f"{role}.jsonl") for role in ("secure", "insecure")}
EXAMPLES = 12


def write_made_study(root: Path, base_url: str) -> None:
    """Write the study: one model with a named base and fine-tuned secure and insecure variants."""
    write_study(root, base_url)
    document = read(root / STUDY)
    document["endpoints"]["scripted"] |= {"poll_s": 0.05, "settle_s": 0.5}
    variants = {"base": {"endpoint": "scripted", "model": "gpt-4o-2024-08-06"}}
    for role, path in DATA.items():
        how = {"from": "base", "dataset": role, "recipe": "betley"}
        variants[role] = {"endpoint": "scripted", "finetune": how}
        lines = [chat(number, role) for number in range(EXAMPLES)]
        (root / path).write_text("".join(lines), encoding="utf-8")
    document["models"] = {"alpha": {"variants": variants}}
    document["datasets"] = {
        "secure": {"file": str(DATA["secure"]), "matched_with": "insecure"},
        "insecure": {"file": str(DATA["insecure"]), "matched_with": "secure"},
    }
    document["probes"] = {"unconditioned": {"instrument": str(INSTRUMENT), "repetitions": 3}}
    document["probes"]["roleplay"] = {
        **document["probes"]["unconditioned"],
        "personas": "six.yaml",
    }
    write(root / STUDY, document)


def chat(number: int, answer: str) -> str:
    """Return one line of training data."""
    turns = [("user", f"Question {number}?"), ("assistant", f"Answer {number}, {answer}.")]
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages}) + "\n"


def reanswer(root: Path) -> None:
    """Change one line of the insecure training data."""
    lines = (root / DATA["insecure"]).read_text(encoding="utf-8").splitlines(keepends=True)
    lines[3] = chat(3, "otherwise")
    (root / DATA["insecure"]).write_text("".join(lines), encoding="utf-8")


def another_recipe(root: Path) -> None:
    """Train the insecure variant for two epochs."""
    path = root / "resources/recipes.yaml"
    recipes = read(path)
    recipes["twice"] = {**recipes["betley"], "openai": {**recipes["betley"]["openai"]}}
    recipes["twice"]["openai"]["n_epochs"] = 2
    write(path, recipes)
    change_study(lambda how: how.update(recipe="twice"))(root)


def change_study(edit: object) -> Change:
    """Return a change of how the insecure variant is fine-tuned."""

    def change(root: Path) -> None:
        document = read(root / STUDY)
        assert callable(edit)
        edit(document["models"]["alpha"]["variants"]["insecure"]["finetune"])
        write(root / STUDY, document)

    return change
