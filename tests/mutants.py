"""Sample mutants of the modules that numbers and money rest on, and run their tests on each.

``python tests/mutants.py [MODULE ...]`` in an environment with cosmic-ray, which makes the mutants;
``make mutants`` sets it up. The sample is the same at every run. It prints the score and the
mutants that no test noticed; many of these change nothing that can be observed (``x > 0`` for
``x >= 1`` of whole numbers), and have to be judged one by one. It works in a copy of the checkout.
"""

import ast
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "persona_collapse"
ROOMS = ("measures", "store", "asking", "plan", "finetuning")
SAMPLE, SEED = 10, 1
TIMEOUT_S = 300
# Mutants of annotations and decorators change nothing that runs, or nothing at all.
LEFT_OUT = re.compile(r"BitOr_|RemoveDecorator|VariableReplacer|VariableInserter|_Is")
UNWATCHED = (".git", ".snakemake", "results", "__pycache__", ".pytest_cache", ".hypothesis")


def sample_of(module: Path, name: str) -> list[tuple[str, str]]:
    """Return mutants of a module that can be compiled and differ: what was done, and the source."""
    source, tree = module.read_text(encoding="utf-8"), get_ast_from_path(module)
    same = _parsed(source)
    places = [
        (operator, place)
        for operator in sorted(operator_names())
        if not LEFT_OUT.search(operator)
        for place in range(
            sum(
                1
                for node in ast_nodes(tree)
                for _ in get_operator(operator)().mutation_positions(node)
            )
        )
    ]
    random.Random(f"{SEED} {name}").shuffle(places)
    found: list[tuple[str, str]] = []
    for operator, place in places:
        # Some replace the asterisk of an argument; an exception named by two words is not replaced.
        with contextlib.suppress(SyntaxError, AttributeError):
            mutant = mutate_code(source, get_operator(operator)(), place)
            if mutant is not None and _parsed(mutant) != same:
                found.append((f"{operator} {place}", mutant))
        if len(found) == SAMPLE:
            break
    return found


def _parsed(source: str) -> str:
    """Return what a source says, without its decorators."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.decorator_list = []
    return ast.dump(tree)


def tests_of(module: Path) -> list[str]:
    """Return the tests of a module: those that name it, of its room and of the integration."""
    name = ".".join(module.relative_to(ROOT).with_suffix("").parts)
    folder, _, stem = name.rpartition(".")
    words = re.compile(rf"{re.escape(name)}\b|from {re.escape(folder)} import .*\b{stem}\b")
    room = module.relative_to(PACKAGE).parts[0]
    folders = [ROOT / "tests" / "unit" / room, ROOT / "tests" / "golden"]
    if room in ("asking", "store", "finetuning"):
        folders.append(ROOT / "tests" / "integration")
    files = [path for folder in folders for path in sorted(folder.rglob("test_*.py"))]
    own = f"test_{stem}"
    found = [f for f in files if own in f.stem or words.search(f.read_text(encoding="utf-8"))]
    found.sort(key=lambda path: own not in path.stem)  # the likeliest first
    return [path.relative_to(ROOT).as_posix() for path in found]


def noticed(copy: Path, tests: list[str]) -> bool:
    """Return whether a test fails, or takes too long; the likeliest file alone is tried first."""
    return any(_fails(copy, part) for part in (tests[:1], tests[1:]) if part)


def _fails(copy: Path, tests: list[str]) -> bool:
    command = [str(ROOT / ".venv/bin/python"), "-m", "pytest", "-q", "-x", "-m", "not slow"]
    try:
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def shown(before: str, after: str) -> str:
    """Return the line that a mutant changes, before and after."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    number, (old, new) = next((n, p) for n, p in enumerate(pairs, start=1) if p[0] != p[1])
    return f"line {number}: {old.strip()}  ->  {new.strip()}"


def main(names: list[str]) -> None:
    """Test a sample of mutants of each module, by default of all rooms, and print the score."""
    modules = [Path(name).resolve() for name in names] or [
        path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))
    ]
    outcomes: list[bool] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*UNWATCHED, ".venv*"))
        for module in modules:
            outcomes += outcomes_of(module, copy)
    killed, tested = sum(outcomes), len(outcomes)
    print(f"\n{killed} of {tested} mutants killed ({100 * killed / max(tested, 1):.0f} %)")


def outcomes_of(module: Path, copy: Path) -> list[bool]:
    """Return whether a test notices each sampled mutant of a module; print those that none does."""
    name, source = module.relative_to(ROOT).as_posix(), module.read_text(encoding="utf-8")
    sample, tests = sample_of(module, name), tests_of(module)
    if sample and (not tests or noticed(copy, tests)):
        print(f"{name}: left out: {'its tests fail' if tests else 'no test names it'}", flush=True)
        return []
    outcomes = []
    for done, mutant in sample:
        (copy / name).write_text(mutant, encoding="utf-8")
        outcomes.append(noticed(copy, tests))
        if not outcomes[-1]:
            print(f"survived: {name}, {done}, {shown(source, mutant)}", flush=True)
    (copy / name).write_text(source, encoding="utf-8")
    if sample:
        print(f"{name}: {sum(outcomes)} of {len(sample)} killed", flush=True)
    return outcomes


if __name__ == "__main__":
    main(sys.argv[1:])
