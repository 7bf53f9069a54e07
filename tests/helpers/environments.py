"""The conda environment of the rules that ask models and train them: what their code imports.

It is apart from environment.yml, so that a new version of a plotting library, say, asks no model
again where rules run in conda environments. ``make lock`` writes it.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires

from persona_collapse.plan.code import PACKAGE, modules_behind
from tests.conftest import ROOT

ASKING = ROOT / "workflow" / "envs" / "asking.yml"
SCRIPTS = ("answer_shard", "fill_by_batch", "check_variant", "upload_dataset", "make_variant")
ROOMS = ("endpoints", "misalignment", "finetuning")  # imported by name

HEAD = """\
# For the rules that ask models and train them: the versions of requirements.lock that their code
# needs. `make lock` writes it (tests/helpers/environments.py).
name: persona-collapse-asking
channels: [conda-forge]
dependencies:
  - python >=3.11,<3.14
  - pip
  - pip:
"""


def canonical(name: str) -> str:
    """Return a distribution's name as package indexes compare it, without version and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; (]", name)[0]).lower()


def imported() -> set[str]:
    """Return the distributions that the code behind the scripts imports, also inside functions."""
    scripts = [ROOT / "workflow" / "scripts" / f"{name}.py" for name in SCRIPTS]
    named = [path for room in ROOMS for path in (ROOT / PACKAGE / room).rglob("*.py")]
    names: set[str] = set()
    for path in {*scripts, *named, *modules_behind(*scripts, *named)}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    known = packages_distributions()
    foreign = names - set(sys.stdlib_module_names) - {PACKAGE, "__future__"}
    return {canonical(dist) for name in foreign for dist in known.get(name, [name])}


def needed() -> list[str]:
    """Return the pins of requirements.lock that the imported distributions need, and theirs."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = {canonical(line): line for line in lock}
    waiting, found = [*imported(), "aiohttp"], set()  # openai's transport is an extra of it
    while waiting:
        name = waiting.pop()
        if name in pins and name not in found:
            found.add(name)
            waiting += [canonical(line) for line in requires(name) or () if "extra ==" not in line]
    return [pin for name, pin in pins.items() if name in found]


if __name__ == "__main__":
    ASKING.parent.mkdir(exist_ok=True)
    ASKING.write_text(HEAD + "".join(f"      - {pin}\n" for pin in needed()), encoding="utf-8")
