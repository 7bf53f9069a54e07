"""Sample mutants of the modules that numbers and money rest on, and run their tests on each.

``python tests/mutants.py [MODULE ...]`` in an environment with cosmic-ray, which makes the mutants;
``make mutants`` sets it up. The sample is the same at every run. It prints the score and the
mutants that no test noticed; many of these change nothing that can be observed (``x > 0`` for
``x >= 1`` of whole numbers), and have to be judged one by one. It works in a copy of the checkout.
"""

import ast
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "persona_collapse"
ROOMS = ("measures", "store", "asking", "plan", "finetuning")
SAMPLE, SEED = 10, 1
TIMEOUT_S = 300
PASSED = (0, 5)  # exit statuses of pytest: all passed, none chosen
# Tests beside those of the room's own folder that see its modules.
FOLDERS = {
    "measures": ("tests/golden",),
    "plan": ("tests/golden", "tests/unit/commands"),
    **dict.fromkeys(("store", "asking", "finetuning"), ("tests/golden", "tests/integration")),
}
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


class Tests:
    """The tests of a copy of the checkout: which functions each calls, and whether one fails."""

    def __init__(self, copy: Path) -> None:
        self.copy = copy
        self.calls: dict[tuple[str, int], set[str]] = {}  # file and line of a function -> tests
        self.seconds: dict[str, float] = {}
        self.watched: set[str] = set()
        self.process = subprocess.Popen(
            [str(ROOT / ".venv/bin/python"), "-m", "tests.helpers.forks"],
            cwd=copy,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def watch(self, room: str) -> bool:
        """Run the tests of a room once, watched; return whether they pass."""
        folders = [f"tests/unit/{room}", *FOLDERS.get(room, ())]
        new = [folder for folder in folders if folder not in self.watched]
        self.watched.update(new)
        if not new:
            return True
        print(f"watching {', '.join(new)}", flush=True)
        result = self.run(new, [], others=True, watch=True)
        for test, seen in result["tests"].items():
            self.seconds[test] = seen["seconds"]
            for file, line in seen["places"]:
                self.calls.setdefault((Path(file).relative_to(self.copy).as_posix(), line), set())
                self.calls[Path(file).relative_to(self.copy).as_posix(), line].add(test)
        return result["status"] in PASSED

    def of(self, module: str, line: int) -> tuple[list[str], list[str]]:
        """Return the tests that call the function at a line, quickest first, and others' files.

        Code outside of functions runs at the import: it has the tests of all functions. The other
        files are those that name the module: their tests may reach it through another process, or
        through something that an earlier test left in a cache.
        """
        functions = [
            (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.end_lineno or 0)
            for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        start, end = max((f for f in functions if f[0] <= line <= f[1]), default=(0, 10**9))
        tests = {
            test
            for (file, first), callers in self.calls.items()
            if file == module and start <= first <= end
            for test in callers
        }
        name, _, stem = module.removesuffix(".py").replace("/", ".").rpartition(".")
        words = re.compile(
            rf"{re.escape(name)}\.{stem}\b|from {re.escape(name)} import [^#]*\b{stem}\b"
        )
        files = {test.partition("::")[0] for test in self.seconds}
        named = [f for f in files if words.search((ROOT / f).read_text(encoding="utf-8"))]
        return sorted(tests, key=lambda test: self.seconds[test]), sorted(named)

    def notice(self, module: str, line: int) -> bool:
        """Return whether a test fails, or does not end, while the module is changed at a line."""
        first, named = self.of(module, line)
        files = sorted({test.partition("::")[0] for test in first})
        return any(
            chosen and self.run(chosen, order, others=others)["status"] not in PASSED
            for chosen, order, others in ((files, first, False), (named, [], True))
        )

    def run(
        self, files: list[str], first: list[str], *, others: bool, watch: bool = False
    ) -> dict[str, Any]:
        """Run tests in a new process, and stop at the first that fails."""
        request = {
            "files": files,
            "first": first,
            "others": others,
            "watch": watch,
            "package": str(self.copy / PACKAGE.name),
            "cpu_s": 3600 if watch else TIMEOUT_S,
            "wall_s": 7200 if watch else 5 * TIMEOUT_S,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


def changed(before: str, after: str) -> tuple[int, str]:
    """Return the number of the line that a mutant changes, and the line before and after."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    number, (old, new) = next((n, p) for n, p in enumerate(pairs, start=1) if p[0] != p[1])
    return number, f"line {number}: {old.strip()}  ->  {new.strip()}"


def main(names: list[str]) -> None:
    """Test a sample of mutants of each module, by default of all rooms, and print the score."""
    modules = [Path(name).resolve() for name in names] or [
        path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))
    ]
    outcomes: list[bool] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        copy = Path(folder, "copy")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*UNWATCHED, ".venv*"))
        if (ROOT.parent / "shared").exists():  # published answers, see tests/conftest.py
            Path(folder, "shared").symlink_to(ROOT.parent / "shared")
        tests = Tests(copy)
        for module in modules:
            outcomes += outcomes_of(module, tests)
    killed, tested = sum(outcomes), len(outcomes)
    print(f"\n{killed} of {tested} mutants killed ({100 * killed / max(tested, 1):.0f} %)")


def outcomes_of(module: Path, tests: Tests) -> list[bool]:
    """Return whether a test notices each sampled mutant of a module; print those that none does."""
    name, source = module.relative_to(ROOT).as_posix(), module.read_text(encoding="utf-8")
    if not tests.watch(module.relative_to(PACKAGE).parts[0]):
        sys.exit(f"The tests of {name} fail without a mutant: mend them first.")
    sample, place, outcomes = sample_of(module, name), tests.copy / name, []
    before = place.stat()
    for done, mutant in sample:
        line, difference = changed(source, mutant)
        place.write_text(mutant, encoding="utf-8")
        outcomes.append(tests.notice(name, line))
        if not outcomes[-1]:
            print(f"survived: {name}, {done}, {difference}", flush=True)
    place.write_text(source, encoding="utf-8")
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))  # its bytecode holds again
    if sample:
        print(f"{name}: {sum(outcomes)} of {len(sample)} killed", flush=True)
    return outcomes


if __name__ == "__main__":
    main(sys.argv[1:])
