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
from itertools import groupby
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "persona_collapse"
PYTHON = str(ROOT / ".venv/bin/python")
ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
ROOMS = ("measures", "store", "asking", "plan", "finetuning")
SAMPLE, SEED = 10, 1
TIMEOUT_S = 1500
PASSED = (0, 5)  # exit statuses of pytest: all passed, none chosen
# Tests beside those of the room's own folder that see its modules.
FOLDERS = {
    "measures": ("tests/golden",),
    "plan": ("tests/golden", "tests/unit/commands", "tests/unit/finetuning/test_planned.py"),
    **dict.fromkeys(("store", "asking", "finetuning"), ("tests/golden", "tests/integration")),
}
# Mutants of annotations and decorators change nothing that runs, or nothing at all.
LEFT_OUT = re.compile(r"BitOr_|RemoveDecorator|VariableReplacer|VariableInserter|_Is")
UNCOPIED = {".git", ".snakemake", "results", ".pytest_cache", ".hypothesis", ".mypy_cache"}


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


def uncopied(folder: str, names: list[str]) -> list[str]:
    """Return what a copy of the checkout does without."""
    at_root = Path(folder) == ROOT
    return [
        name
        for name in names
        if name == "__pycache__" or (at_root and (name in UNCOPIED or name.startswith(".venv")))
    ]


class Tests:
    """The tests of a room in a copy of the checkout: which functions each calls, and what fails."""

    def __init__(self, copy: Path, room: str) -> None:
        self.copy = copy
        self.process = subprocess.Popen(
            [PYTHON, "-m", "tests.helpers.forks", f"tests/unit/{room}", *FOLDERS.get(room, ())],
            cwd=copy,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names: list[str] = self._read()["tests"]
        self.seconds: dict[str, float] = {}
        self.calls: dict[tuple[str, int], set[str]] = {}  # file and line of a function -> tests

    def watch(self) -> None:
        """Run all tests once and note what they call; end here if one fails."""
        found = self._fork(self.names, watch=True)
        if found["failed"]:
            sys.exit(f"Without a mutant fails {found['failed']}: mend it first.")
        for test, seen in found["tests"].items():
            self.seconds[test] = seen["seconds"]
            for file, line in seen["places"]:
                place = Path(file).relative_to(self.copy).as_posix(), line
                self.calls.setdefault(place, set()).add(test)

    def notice(self, module: str, source: str, line: int) -> bool:
        """Return whether a test fails, or does not end, with another source of a module.

        The tests that call the function at the line come first, in a fork. If they pass, their
        files and those that name the module run in a new process, for what ran at the import, in
        shared fixtures or in other processes.
        """
        first, files = self.of(module, line)
        if self._fork(first, module=str(self.copy / module), source=source, line=line)["failed"]:
            return True
        place = self.copy / module
        before, state = place.read_text(encoding="utf-8"), place.stat()
        place.write_text(source, encoding="utf-8")
        failed = self._fails(files)
        place.write_text(before, encoding="utf-8")
        os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))  # its bytecode holds again
        return failed

    def close(self) -> None:
        """End the process of the tests."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def of(self, module: str, line: int) -> tuple[list[str], list[str]]:
        """Return the tests that call the function at a line, quickest first, and files for it.

        Code outside of functions has the tests of all functions.
        """
        functions = [
            (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.end_lineno or 0)
            for node in ast.walk(ast.parse((self.copy / module).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        start, end = max((f for f in functions if f[0] <= line <= f[1]), default=(0, 10**9))
        tests = {
            test
            for (file, first), callers in self.calls.items()
            if file == module and start <= first <= end
            for test in callers
        }
        folder, _, stem = module.removesuffix(".py").replace("/", ".").rpartition(".")
        words = re.compile(
            rf"{re.escape(folder)}\.{stem}\b|from {re.escape(folder)} import [^#]*\b{stem}\b"
        )
        files = sorted({name.partition("::")[0] for name in self.names})
        named = [f for f in files if words.search((self.copy / f).read_text(encoding="utf-8"))]
        # A fixture or a cache that several tests of a file share was made by one of them.
        shared = {test.partition("::")[0] for test in tests}
        return sorted(tests, key=lambda test: self.seconds[test]), sorted({*named, *shared})

    def _fork(
        self,
        tests: list[str],
        *,
        watch: bool = False,
        module: str | None = None,
        source: str | None = None,
        line: int | None = None,
    ) -> dict[str, Any]:
        """Run tests in a fork, and stop at the first that fails."""
        cpu_s = 3600 if watch else 20 + 5 * round(sum(self.seconds[test] for test in tests))
        request = {"tests": tests, "watch": watch, "cpu_s": cpu_s, "wall_s": 1000 + 10 * cpu_s}
        assert self.process.stdin is not None
        text = json.dumps({**request, "module": module, "source": source, "line": line})
        print(text, file=self.process.stdin, flush=True)
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("The tests cannot be collected.")
        found: dict[str, Any] = json.loads(answer)
        return found

    def _fails(self, files: list[str]) -> bool:
        command = [PYTHON, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*command, *files],
                cwd=self.copy,
                env=ENVIRONMENT,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
        return bool(files) and done.returncode not in PASSED


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
        shutil.copytree(ROOT, copy, ignore=uncopied)
        if (ROOT.parent / "shared").exists():  # published answers, see tests/conftest.py
            Path(folder, "shared").symlink_to(ROOT.parent / "shared")
        for room, members in groupby(modules, lambda path: path.relative_to(PACKAGE).parts[0]):
            tests = Tests(copy, room)
            tests.watch()
            for module in members:
                outcomes += outcomes_of(module, tests)
            tests.close()
    killed, tested = sum(outcomes), len(outcomes)
    print(f"\n{killed} of {tested} mutants killed ({100 * killed / max(tested, 1):.0f} %)")


def outcomes_of(module: Path, tests: Tests) -> list[bool]:
    """Return whether a test notices each sampled mutant of a module; print those that none does."""
    name = module.relative_to(ROOT).as_posix()
    source, outcomes = (tests.copy / name).read_text(encoding="utf-8"), []
    for done, mutant in sample_of(tests.copy / name, name):
        line, difference = changed(source, mutant)
        outcomes.append(tests.notice(name, mutant, line))
        if not outcomes[-1]:
            print(f"survived: {name}, {done}, {difference}", flush=True)
    if outcomes:
        print(f"{name}: {sum(outcomes)} of {len(outcomes)} killed", flush=True)
    return outcomes


if __name__ == "__main__":
    main(sys.argv[1:])
